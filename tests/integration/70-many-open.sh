#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hundreds of files open for writing at once do not exhaust a small pool, nor does a stat hang meanwhile.
# timeout: 300
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

format_tape
mount_tape -o buffer=8M

note "600 files written turn by turn, from one process"
python3 - "$mnt" <<'PYTHON'
import hashlib, os, sys
directory = sys.argv[1]
files = [open(f"{directory}/{i}", "wb", buffering=0) for i in range(600)]
chunk = {i: hashlib.sha512(str(i).encode()).digest() * 64 for i in range(600)}
for turn in range(40):
    for i, file in enumerate(files):
        assert file.write(chunk[i]) == len(chunk[i])
    os.stat(f"{directory}/{turn}")
for file in files:
    file.close()
PYTHON

note "20 processes, large and small files"
pids=()
for i in {1..20}; do
    (
        mkdir "$mnt/process-$i"
        head -c $((i * 300000)) /dev/zero | tr '\0' "\\$(printf %03o $((64 + i)))" >"$mnt/process-$i/large"
        for j in {1..20}; do echo "$i $j" >"$mnt/process-$i/$j"; done
    ) &
    pids+=($!)
done
timeout 60 stat "$mnt/process-1" >/dev/null 2>&1 || true
timeout 60 ls -lR "$mnt" >/dev/null 2>&1 || fail "ls hangs"
for pid in "${pids[@]}"; do wait "$pid"; done

check_files() {
    python3 - "$mnt" <<'PYTHON'
import hashlib, sys
directory = sys.argv[1]
for i in range(600):
    expected = hashlib.sha512(str(i).encode()).digest() * 64 * 40
    assert open(f"{directory}/{i}", "rb").read() == expected, i
for i in range(1, 21):
    assert open(f"{directory}/process-{i}/large", "rb").read() == bytes([64 + i]) * (i * 300000), i
    for j in range(1, 21):
        assert open(f"{directory}/process-{i}/{j}").read() == f"{i} {j}\n", (i, j)
PYTHON
}
check_files
remount_tape -o buffer=8M
note "the same after closing"
check_files
unmount_tape
"$REELFS" check "$tape"
