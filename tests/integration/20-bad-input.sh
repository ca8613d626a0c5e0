#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is no good volume is refused, or mounted read-only, with one clear line, and stays as it is.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

# unchanged COMMAND…: the cartridge is the same afterwards.
unchanged() {
    cp "$tape" "$work/before"
    "$@"
    cmp "$tape" "$work/before" || fail "the cartridge was changed by: $*"
}

# Mounting fails and says REGEX.
refused() {
    unchanged expect_failure 1 "$1" mount_tape
    if findmnt "$mnt" >/dev/null; then fail "something is mounted"; fi
}

# It mounts read-only, says REGEX why in one line, and the files of the last good index are there.
read_only() {
    cp "$tape" "$work/before"
    mount_tape >"$work/stdout" 2>"$work/stderr"
    [[ $(wc -l <"$work/stderr") -le 1 ]] || fail "more than one line: $(<"$work/stderr")"
    cat "$work/stdout" "$work/stderr" >"$work/said"
    grep -qE "$1" "$work/said" || fail "does not match '$1': $(<"$work/said")"
    if touch "$mnt/new" 2>/dev/null; then fail "written to"; fi
    cmp "$mnt/first" "$work/first"
    unmount_tape
    cmp "$tape" "$work/before" || fail "the cartridge was changed"
}

# It was not closed: what follows the last good index is recovered, said in one line, and not overwritten.
recovered() {
    cp "$tape" "$work/before"
    cp "$tape.cartridge" "$work/memory"
    mount_tape >"$work/stdout" 2>"$work/stderr"
    [[ $(wc -l <"$work/stderr") -eq 1 ]] || fail "not one line: $(<"$work/stderr")"
    grep -qE "$1" "$work/stderr" || fail "does not match '$1': $(<"$work/stderr")"
    cmp "$mnt/first" "$work/first"
    [[ -n $(ls "$mnt/lost+found") ]] || fail "nothing is in lost+found"
    unmount_tape
    cmp -n "$(stat -c %s "$work/before")" "$tape" "$work/before" || fail "something was overwritten"
    # The cartridge's memory knows of the new index, which the copies of the good cartridge do not have.
    cp "$work/memory" "$tape.cartridge"
}

# edit_tape PYTHON: changes bytes "data" of a fresh copy of the good cartridge.
edit_tape() {
    cp "$work/good.tap" "$tape"
    python3 - "$tape" <<PYTHON
import sys
data = bytearray(open(sys.argv[1], "rb").read())
before = bytes(data)
$1
assert data != before, "nothing was changed"
open(sys.argv[1], "wb").write(data)
PYTHON
}

note "no cartridge"
expect_failure 1 'tape\.tap.*No such file' mount_tape
[[ ! -e $tape ]] || fail "a cartridge was made"

note "blank"
: >"$tape"
refused 'blank'
note "no tape at all"
head -c 100000 /dev/urandom >"$tape"
refused 'not a (tape )?cartridge'
note "a tar archive"
tar -C "$tests" -cf "$work/archive.tar" integration
python3 - "$work/archive.tar" "$tape" <<'PYTHON'
import struct, sys
data = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "wb") as tape:
    for i in range(0, len(data), 10240):
        record = data[i:i + 10240]
        length = struct.pack("<I", len(record))
        tape.write(length + record + b"\0" * (len(record) % 2) + length)
    tape.write(b"\0" * 8)
PYTHON
refused 'tar'
note "a tar archive is not overwritten"
unchanged expect_failure 1 'tar' "$REELFS" format "$tape"

rm -f "$tape" "$tape.cartridge"
head -c 3000000 /dev/urandom >"$work/first"
head -c 2000000 /dev/urandom >"$work/second"
format_tape
note "a volume is not overwritten"
unchanged expect_failure 1 'TEST' "$REELFS" format "$tape"
mount_tape
cp "$work/first" "$mnt/first"
remount_tape
cp "$work/second" "$mnt/second"
unmount_tape
cp "$tape" "$work/good.tap"

note "torn in the middle of the last index"
size=$(stat -c %s "$tape")
truncate -s $((size - 100)) "$tape"
read_only 'read-only'
note "torn in the middle of data"
cp "$work/good.tap" "$tape"
python3 - "$work/good.tap" "$work/second" >"$work/offset" <<'PYTHON'
import sys
print(open(sys.argv[1], "rb").read().index(open(sys.argv[2], "rb").read(4096)))
PYTHON
truncate -s $(($(<"$work/offset") + 100000)) "$tape"
read_only 'read-only'
note "data behind the last index"
cp "$work/good.tap" "$tape"
python3 - "$tape" <<'PYTHON'
import struct, sys
with open(sys.argv[1], "ab") as tape:
    length = struct.pack("<I", 1000)
    tape.write(length + b"x" * 1000 + length + b"\0" * 4)
PYTHON
recovered 'recovered: 1 segment without a name'
note "the token of the last index is another"
edit_tape 'i = data.rindex(b"token=") + 8; data[i] = ord("0") if data[i] != ord("0") else ord("1")'
recovered 'recovered: .*without names'
note "the UUID in the last index is another"
edit_tape 'i = data.rindex(b"<volumeuuid>") + 12; data[i] = ord("0") if data[i] != ord("0") else ord("1")'
read_only 'read-only'
note "the last index has no end"
edit_tape 'i = data.rindex(b"</ltfsindex>"); data[i] = ord("x")'
recovered '1 index that was not finished'

note "torn in the only index"
format_tape
truncate -s $(($(stat -c %s "$tape") - 100)) "$tape"
refused 'tape\.tap'
note "torn in the label"
cp "$work/good.tap" "$tape"
truncate -s 60 "$tape"
refused 'tape\.tap'
note "a newer format"
edit_tape 'i = data.index(b"reelfslabel version=\"") + 21; data[i:i + 1] = b"9"'
refused '9\.'
note "a feature that it does not know"
edit_tape 'i = data.index(b"VOL1"); data[i + 24:i + 30] = b"SOMEFS"'
refused 'tape\.tap'

cp "$work/good.tap" "$tape"
note "write-protected"
cat >>"$tape.cartridge" <<'EOT'
[cartridge]
write-protected=true
EOT
read_only 'write.protected'
unchanged expect_failure 1 'write.protected' "$REELFS" format --force "$tape"
rm "$tape.cartridge"

note "mount points"
expect_failure 1 'No such file' "$REELFS" mount "$tape" "$work/nowhere"
expect_failure 1 'not a directory' "$REELFS" mount "$tape" "$work/first"
mount_tape
expect_failure 1 'already mounted' mount_tape
mkdir "$work/other"
expect_failure 1 "mounted at $mnt" "$REELFS" mount "$tape" "$work/other"
expect_failure 1 "mounted at $mnt" "$REELFS" list "$tape"
expect_failure 1 "mounted at $mnt" "$REELFS" format --force "$tape"
expect_failure 1 "mounted" "$REELFS" eject "$mnt"
expect_failure 8 "mounted at $mnt" "$REELFS" check "$tape"
unmount_tape
cmp "$tape" "$work/good.tap" || fail "a mount without changes has written"
expect_failure 1 'nothing is mounted' unmount_tape
expect_failure 1 'not one of reelfs' "$REELFS" unmount /proc

note "drives of the kernel"
expect_failure 2 'argument is missing' "$REELFS" drive
expect_failure 2 'not a name' "$REELFS" drive --name a/b "$tape"
expect_failure 2 'not a size' "$REELFS" drive --max-transfer 1 "$tape"
expect_failure 1 'only root' setpriv --reuid 65534 "$REELFS" drive "$tape"

note "full"
rm -f "$tape"
"$REELFS" format --capacity 64M "$tape"
mount_tape -o buffer=8M
files=0
while head -c 5000000 /dev/urandom >"$work/file" && cp "$work/file" "$mnt/file-$files" 2>"$work/stderr"; do
    cp "$work/file" "$work/file-$files"
    files=$((files + 1))
    [[ $files -lt 20 ]] || fail "more goes in than there is room for"
done
grep -q 'No space left' "$work/stderr" || fail "full, but: $(<"$work/stderr")"
[[ $files -ge 8 ]] || fail "only $files files went in"
unmount_tape
mount_tape
for ((i = 0; i < files; i++)); do
    cmp "$mnt/file-$i" "$work/file-$i"
done
rm "$mnt/file-0"
unmount_tape
"$REELFS" check "$tape"
