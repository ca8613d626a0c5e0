#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who waits at a terminal while the tape winds is told so; who does not, or has none, is not.
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"
command -v script >/dev/null || skip "needs script(1)"

format_tape
mount_tape
echo something >"$mnt/file"
unmount_tape
# SPACE and LOCATE.
slow='opcode=11,91,92 delay=1600 count=all'

# at_terminal [NAME=VALUE] COMMAND…: what a terminal shows.
at_terminal() {
    script -qec "$(printf '%q ' env "$@")" /dev/null </dev/null
}

at_terminal REELFS_FAULT="$slow" "$REELFS" mount "$tape" "$mnt" >"$work/terminal"
grep -q 'tape.tap: winding to the end of the data' "$work/terminal" || fail "nothing is told: $(<"$work/terminal")"
unmount_tape
at_terminal REELFS_FAULT="$slow" "$REELFS" list "$tape" >"$work/terminal"
grep -q 'winding' "$work/terminal" || fail "list tells nothing: $(<"$work/terminal")"
at_terminal "$REELFS" list "$tape" >"$work/terminal"
! grep -q 'winding' "$work/terminal" || fail "told though nobody waits: $(<"$work/terminal")"
REELFS_FAULT=$slow "$REELFS" list "$tape" >"$work/out" 2>&1
! grep -q 'winding' "$work/out" || fail "told though there is no terminal: $(<"$work/out")"
