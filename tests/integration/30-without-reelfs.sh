#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Files come off the tape with no help from reelfs: only the rules of the .tap container, as mt and dd would do it.
# timeout: 120
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

format_tape
mount_tape
for size in 1048577 2000000 3145728 12345678; do
    head -c "$size" /dev/urandom >"$work/file-$size"
    cp "$work/file-$size" "$mnt/file-$size"
done
mkdir "$mnt/small"
for i in {1..300}; do echo "file $i" >"$mnt/small/$i"; done
unmount_tape
"$tapcheck" "$tape"
"$tapcheck" --list "$tape"
"$REELFS" segments --json "$tape" >"$work/segments"

# segments_of PATH: numbers of the tape files that hold it, in order.
segments_of() {
    "$REELFS" list --json "$tape" "$1" | python3 -c '
import json, sys
for e in json.load(sys.stdin)[0]["extents"]:
    print(e["filemark"])'
}

for size in 1048577 2000000 3145728 12345678; do
    : >"$work/restored"
    for number in $(segments_of "/file-$size"); do
        "$tapcheck" --extract "$number" "$tape" >>"$work/restored"
    done
    cmp "$work/restored" "$work/file-$size" || fail "file-$size"
done

note "each block of a file segment but the last is full"
"$tapcheck" --list "$tape" >"$work/list"

note "the labels and the indexes are what they are said to be"
"$tapcheck" --extract 0 "$tape" | head -c 4 | grep -q VOL1
"$tapcheck" --extract 1 "$tape" >"$work/label.xml"
xmllint --noout "$work/label.xml"
grep -q 'fsf FILEMARKS' "$work/label.xml" || fail "the label does not say how to read the tape"
last=$(python3 -c '
import json, sys
indexes = [s for s in json.load(open(sys.argv[1])) if s["kind"] == "index"]
print(indexes[-1]["filemark"])' "$work/segments")
"$tapcheck" --extract "$last" "$tape" >"$work/index.xml"
xmllint --noout "$work/index.xml"
grep -q 'file-12345678' "$work/index.xml" || fail "the last index does not name the files"
