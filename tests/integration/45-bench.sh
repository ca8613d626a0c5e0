#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# reelfs bench on cartridges: asks before it overwrites, leaves alone what it may only read, measures what it says.
# timeout: 120
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"
quick=(--time 1s --rounds 2 --space 4M)

note "usage errors"
expect_failure 2 'argument is missing' "$REELFS" bench
expect_failure 2 'no table frobnicate' "$REELFS" bench --tables sizes,frobnicate "$tape"
expect_failure 2 'not such a size' "$REELFS" bench --sizes frob "$tape"
expect_failure 2 '1 to 1000' "$REELFS" bench --rounds 0 "$tape"
expect_failure 2 'not a time' "$REELFS" bench --time soon "$tape"
expect_failure 2 '8M-64K ends before it begins' "$REELFS" bench --sizes 8M-64K "$tape"
expect_failure 1 'No such file' "$REELFS" bench "$work/none.tap"

note "it says what is on the tape, and asks"
"$REELFS" format --name PRECIOUS "$tape" >/dev/null
"$REELFS" mount "$tape" "$mnt"
dd if=/dev/urandom of="$mnt/file" bs=64k count=40 status=none
expect_failure 1 'is mounted' "$REELFS" bench "$tape"
"$REELFS" unmount "$mnt"
cp "$tape" "$work/before"
expect_failure 1 'holds the reelfs volume PRECIOUS .*, 1 file; nothing was overwritten' "$REELFS" bench --write "$tape"
cmp "$tape" "$work/before"

expect_failure 2 'no such way to .*: frobnicate; there are: virtual' "$REELFS" bench --write --yes --ways virtual,frobnicate "$tape"
expect_failure 1 'cannot write the plot' "$REELFS" bench --write --yes --plot "$work/none/plot.svg" "$tape"
expect_failure 1 'nothing to measure' "$REELFS" bench --write --yes --sizes 64M "$tape"
expect_failure 1 'nothing to measure' "$REELFS" bench --write --yes --tables sizes --sizes 1G "$tape"
"$REELFS" info "$tape" | grep -q PRECIOUS

cmp "$tape" "$work/before"

note "reading changes nothing"
"$REELFS" bench "${quick[@]}" --json "$tape" >"$work/read.json"
cmp "$tape" "$work/before"
python3 - "$work/read.json" <<'END'
import json, sys
result = json.load(open(sys.argv[1]))
assert result["rounds"] >= 1, result["rounds"]
assert [w["name"] for w in result["ways"]] == ["virtual"]
sizes = [c for c in result["cells"] if c["table"] == "sizes"]
assert {c["size"] for c in sizes} >= {512 << 10, 1 << 20}, sizes
for cell in sizes:
    assert cell["move"] == "read" and cell["wall_us"]["median"] > 0, cell
    assert len(cell["wall_us"]["samples"]) == result["rounds"], cell
assert "recommended_write" not in result
END

note "Ctrl-C while it looks for something to read"
cp "$tape" "$work/slow.tap"
printf '[model]\nbytes-per-second=500000\n' >"$work/slow.tap.cartridge"
"$REELFS" bench "$work/slow.tap" 2>"$work/said" &
pid=$!
sleep 0.5
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[[ $status -eq 1 ]] || fail "exit status $status"
grep -q 'interrupted; nothing was measured' "$work/said"
"$REELFS" format --name EMPTY "$work/empty.tap" >/dev/null
expect_failure 1 'too little on the tape' "$REELFS" bench "$work/empty.tap"

note "writing"
"$REELFS" bench --write --yes "${quick[@]}" --sizes 512-256K --plot "$work/plot.svg" "$tape" >"$work/text" 2>"$work/said"
grep -q 'PRECIOUS' "$work/said"
for line in 'WRITE, by size' 'READ, by size' 'several fixed blocks' 'behind a page' 'that are filled' 'computing thread' '256 K' 'Recommended'; do
    grep -q -- "$line" "$work/text" || fail "no $line"
done
if grep -q 'nan' "$work/text"; then
    fail "a figure that is none"
fi
python3 -c 'import sys, xml.dom.minidom as m; assert len(m.parse(sys.argv[1]).getElementsByTagName("polyline")) == 2' "$work/plot.svg"
"$REELFS" info "$tape" | grep -q 'blank tape'
expect_failure 1 'nothing on the tape that could be read' "$REELFS" bench "${quick[@]}" "$tape"

note "blocks of one length, and no other"
printf '[drive]\nlacks=variable\nfixed-block=32768\n' >"$work/fixed.tap.cartridge"
: >"$work/fixed.tap"
"$REELFS" bench --write --yes "${quick[@]}" --json "$work/fixed.tap" >"$work/fixed.json" 2>/dev/null
python3 - "$work/fixed.json" <<'END'
import json, sys
cells = [c for c in json.load(open(sys.argv[1]))["cells"] if c["table"] == "sizes"]
assert cells and all(c["block"] == 32768 and c["wall_us"]["median"] > 0 for c in cells), cells
END

note "a tape that is too small, one that is write protected, and Ctrl-C"
printf '[cartridge]\ncapacity=2M\n' >"$work/small.tap.cartridge"
: >"$work/small.tap"
expect_failure 1 'the tape holds .* commands of these sizes need' "$REELFS" bench --write --yes "${quick[@]}" --space 1G "$work/small.tap"
[[ ! -s $work/small.tap ]] || fail "it was written nevertheless"
"$REELFS" bench --write --yes "${quick[@]}" --space 1G --sizes 4K-16K --tables sizes "$work/small.tap" >"$work/text" 2>"$work/said"
grep -q 'less of it than --space says' "$work/said"
grep -q Recommended "$work/text"
printf '[cartridge]\nwrite-protected=true\n' >"$work/protected.tap.cartridge"
: >"$work/protected.tap"
expect_failure 1 'write protected' "$REELFS" bench --write --yes "${quick[@]}" "$work/protected.tap"
"$REELFS" bench --write --yes --time 100s --space 8M "$tape" >"$work/text" 2>"$work/said" &
pid=$!
sleep 1
kill -TERM "$pid"
if wait "$pid"; then
    fail "it is said to be complete"
fi
grep -q 'interrupted' "$work/said"
"$REELFS" info "$tape" | grep -q 'blank tape'
