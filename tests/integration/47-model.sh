#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The bench of modelled drives: reelfs's scheduler on a clock of its own. Nobody is faster than the drive.
# timeout: 400
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"
bench=$(dirname "$REELFS")/../../tests/bench/bench-model
[[ -x $bench ]] || skip "needs a build directory: it has bench-model"

# Half a TiB goes to holes, and is read from there: the memory's filesystem does that best.
directory=$work
if [[ -w /dev/shm ]] && (($(df --output=avail -m /dev/shm | tail -1) > 512)); then
    directory=$(mktemp -d /dev/shm/reelfs-test.XXXXXX)
    also_removed+=("$directory")
fi

note "usage errors"
expect_failure 2 'usage' "$bench" lto1 300 1 both
expect_failure 2 'usage' "$bench" lto9 0 1 both

note "archive and restore"
TMPDIR=$directory "$bench" lto9 1000 500 both >"$work/model.txt"
python3 - "$work/model.txt" <<'END'
import sys

figures = {tuple(line.split()[:4]): [float(n) for n in line.split()[4:]] for line in open(sys.argv[1])}
for name in ("small", "large", "mix"):
    limit = figures["archive", name, "tape", "limit"][0]
    for order in ("tape", "written", "random", "random/8"):
        assert figures["restore", name, order, "reelfs"][0] >= limit, (name, order)
    seconds, stops, locates, metres = figures["archive", name, "tape", "reelfs"]
    assert limit <= seconds < limit + 120 and stops >= 1 and metres > 0, (name, seconds, stops, metres)
    assert figures["restore", name, "tape", "reelfs"][2] <= figures["restore", name, "random", "reelfs"][2], name
wanted = {order: figures["restore", "wanted", order, "reelfs"][0] for order in ("tape", "recommended")}
assert wanted["recommended"] < 0.95 * wanted["tape"], wanted
beside = {order: figures["restore", "beside", order, "reelfs"][0] for order in ("one", "four")}
assert beside["one"] >= 0.8 * beside["four"], beside
END
[[ $(wc -l <"$work/model.txt") -eq 46 ]]
