#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Large files that are written at once do not shred each other: the tape changes hands after 256 MiB.
# timeout: 300
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

format_tape
# What is written is zeros, and the drive keeps none of it.
printf '[test]\ndiscard=true\n' >>"$tape.cartridge"
mount_tape
pids=()
for i in {1..8}; do
    dd if=/dev/zero of="$mnt/$i" bs=1M count=300 status=none &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "dd fails"; done
unmount_tape
note "each in no more extents than it has turns, and one"
"$REELFS" list --json "$tape" >"$work/list"
python3 - "$work/list" <<'PYTHON'
import json, sys
def files(thing):
    if isinstance(thing, list):
        for each in thing:
            yield from files(each)
    elif isinstance(thing, dict):
        if "extents" in thing:
            yield thing
        for each in thing.values():
            yield from files(each)
found = [len(f["extents"]) for f in files(json.load(open(sys.argv[1]))) if f["extents"]]
assert len(found) == 8 and max(found) <= 3, found
PYTHON
