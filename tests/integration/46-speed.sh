#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/bench/run: it runs, prints its tables, keeps figures that a later run can be compared with, and leaves nothing behind.
# timeout: 240
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"
build=$(realpath "$(dirname "$REELFS")/../..")
[[ -x $build/tests/bench/limit-fs ]] || skip "needs a build directory: it has limit-fs"
run=(timeout 200 "$tests/bench/run" "$build" --quick)
small=(--size 16M --writer-size 8M --files 400 --metadata-files 2000 --model-size 4M --model-speed 100)
left_before=$(find /dev/shm -maxdepth 1 -name 'reelfs-speed.*' | sort)

note "usage errors"
status=0
"${run[@]}" frobnicate 2>"$work/said" || status=$?
[[ $status -eq 2 ]] || fail "exit status $status"
grep -q 'no table frobnicate; there are: large' "$work/said"

note "all tables"
"${run[@]}" "${small[@]}" --save "$work/figures.json" >"$work/text"
for line in 'large: one file of 16 MiB' 'goal 1: .* dd to tmpfs .* ≥ 0.8 ' 'small: 400 files' 'tar -c to tmpfs' \
    'metadata: 2,000 files' 'goal 4: .* full index a file .* bytes' 'writers: files of 8 MiB' 'goal 5: .* 8 writers' \
    'goal 6: .* 400 MB/s' 'goal 5: .* 4 readers'; do
    grep -q -- "$line" "$work/text" || fail "no line '$line': $(<"$work/text")"
done
python3 - "$work/figures.json" <<'END'
import json, sys
tables = json.load(open(sys.argv[1]))["tables"]
assert set(tables) >= {"large", "small", "metadata", "writers", "streaming"}, set(tables)
for name, table in tables.items():
    for key, row in table["rows"].items():
        assert not row["problem"], (name, key, row["problem"])
        assert row["figures"]["rate"]["median"] > 0, (name, key, row)
    for text, goal in table["goals"].items():
        assert goal["value"] is not None and goal["met"] in (True, False), (name, text, goal)
assert tables["small"]["rows"]["cp"]["figures"]["size"]["median"] >= 400 * 4096
assert tables["writers"]["rows"]["reelfs-2"]["figures"]["extents"]["median"] >= 1
END

note "compared with what was kept"
"${run[@]}" --files 400 --rounds 2 --compare "$work/figures.json" small >"$work/text"
grep -q 'CPU before' "$work/text"
grep -Eq 'goal 3: .* [+-][0-9]+ %$' "$work/text"

note "Ctrl-C, and a daemon that dies, leave nothing behind"
"$tests/bench/run" "$build" --quick --size 64M large >"$work/text" 2>"$work/said" &
pid=$!
sleep 2
kill -TERM "$pid"
if wait "$pid"; then
    fail "it is said to be complete"
fi
grep -q interrupted "$work/said"
[[ $(find /dev/shm -maxdepth 1 -name 'reelfs-speed.*' | sort) == "$left_before" ]] || fail "files are left in /dev/shm"
if findmnt --noheadings --output TARGET | grep reelfs-speed; then
    fail "something is still mounted"
fi
