#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Logical block protection: a mount with it, one without, and a drive that lacks it.
# timeout: 120
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

mkdir "$work/tree"
for i in {1..30}; do
    head -c $((i * 1999)) /dev/urandom >"$work/tree/file-$i"
done
head -c 5000001 /dev/urandom >"$work/tree/large"

note "what is written with it reads with it, and without"
"$REELFS" format --name PROTECTED "$tape"
mount_tape -o lbp
cp -r "$work/tree/." "$mnt/"
"$REELFS" sync "$mnt"
"$REELFS" info --json "$mnt" >"$work/info" || true
unmount_tape
for options in lbp commit=5m; do
    mount_tape -o "$options"
    diff -r "$work/tree" "$mnt"
    unmount_tape
done
"$REELFS" check "$tape"
"$tapcheck" "$tape"

note "a drive that lacks it says so, and is not mounted"
printf '[drive]\nlacks=protection\n' >>"$tape.cartridge"
expect_failure 1 'no logical block protection.*without the option lbp' "$REELFS" mount -o lbp "$tape" "$mnt"
mount_tape
diff -r "$work/tree" "$mnt"
unmount_tape
