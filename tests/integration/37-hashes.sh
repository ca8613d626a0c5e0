#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hashes: what the index says of files written in all ways is what other programs compute; one flipped byte on the tape is
# found by verify, restore and a read, and is told of that file alone.
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

crc_file() {
    python3 -c 'import sys, zlib; print("%08x" % zlib.crc32(open(sys.argv[1], "rb").read()))' "$1"
}

# check_hash NAME…: the file in the mount has the hash that its original has.
check_hash() {
    local name crc
    for name in "$@"; do
        crc=$(getfattr --absolute-names --only-values -n user.ltfs.hash.crc32sum "$mnt/$name") || fail "$name has no hash"
        [[ $crc == "$(crc_file "$work/source/$name")" ]] || fail "$name: the hash is $crc"
    done
}

# As the index has it: NAME HASH, one line each.
index_hashes() {
    python3 "$tapcheck" --extract "$1" "$tape" | python3 -c '
import sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.read())
for f in root.iter("file"):
    for x in f.iter("xattr"):
        if x.findtext("key") == sys.argv[1]:
            print(f.findtext("name"), x.findtext("value"))' "$2" | sort
}

mkdir "$work/source"
cd "$work/source"
head -c 5000000 /dev/urandom >copied
head -c 3000 /dev/urandom >small
head -c 3500000 /dev/urandom >pieces
head -c 3500000 /dev/urandom >preallocated
head -c 3500000 /dev/urandom >shared-memory
head -c 2500000 /dev/urandom >appended
head -c 300000 /dev/urandom >rewritten
truncate -s 6M sparse
head -c 100000 /dev/urandom | dd of=sparse bs=100000 seek=20 conv=notrunc status=none
printf '' >empty
truncate -s 10000 grown
mkdir many
for i in {1..50}; do head -c $((i * 997)) /dev/urandom >"many/$i"; done
cd "$work"

format_tape
mount_tape
note "written by cp, rsync, dd in pieces and backwards, into what was preallocated, by mmap, appended, rewritten"
rsync -a "$work/source/many" "$mnt/"
cp "$work/source/copied" "$work/source/small" "$mnt/"
cp --sparse=always "$work/source/sparse" "$mnt/"
rsync -a --preallocate "$work/source/preallocated" "$mnt/"
for ((i = 34; i >= 0; i--)); do
    dd if="$work/source/pieces" of="$mnt/pieces" bs=100000 skip="$i" seek="$i" count=1 conv=notrunc status=none
done
python3 - "$work/source/shared-memory" "$mnt/shared-memory" <<'EOF'
import mmap, os, sys
data = open(sys.argv[1], "rb").read()
fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, len(data))
with mmap.mmap(fd, len(data)) as m:
    m[:] = data
    m.flush()
os.close(fd)
EOF
head -c 1000000 "$work/source/appended" >"$mnt/appended"
head -c 300000 /dev/urandom >"$mnt/rewritten"
dd if="$work/source/rewritten" of="$mnt/rewritten" bs=7000 conv=notrunc status=none
cp "$work/source/empty" "$mnt/"
head -c 5000 "$work/source/grown" >"$mnt/grown"
truncate -s 10000 "$mnt/grown"
remount_tape
tail -c +1000001 "$work/source/appended" >>"$mnt/appended"
"$REELFS" sync "$mnt"
for f in copied small pieces preallocated shared-memory appended rewritten sparse grown; do check_hash "$f"; done
for i in {1..50}; do check_hash "many/$i"; done
cmp "$work/source/appended" "$mnt/appended"
diff -r "$work/source" "$mnt"

note "the hash is nobody's to set, and not listed"
expect_failure 1 'not permitted' setfattr -n user.ltfs.hash.crc32sum -v 00000000 "$mnt/small"
expect_failure 1 'not permitted' setfattr -x user.ltfs.hash.crc32sum "$mnt/small"
[[ -z $(getfattr --absolute-names -d "$mnt/small") ]] || fail "it is listed"
setfattr -n user.ltfs.hash.md5sum -v 0123456789abcdef0123456789abcdef "$mnt/small"
getfattr --absolute-names -n user.ltfs.hash.md5sum "$mnt/small" >"$work/out"

note "in the index, under LTFS's name; what has changed has not the old one"
unmount_tape
last=$("$REELFS" segments --json "$tape" | python3 -c 'import json, sys; print(json.load(sys.stdin)[-1]["filemark"])')
index_hashes "$last" ltfs.hash.crc32sum >"$work/in-index"
for f in copied small pieces preallocated shared-memory appended rewritten sparse grown; do
    grep -qx "$f $(crc_file "$work/source/$f")" "$work/in-index" || fail "$f is not in the index as it should be"
done
[[ $(wc -l <"$work/in-index") -eq 59 ]] || fail "there are other hashes in the index"
mount_tape -o hash=none
cp "$work/source/copied" "$mnt/unhashed"
printf x | dd of="$mnt/small" conv=notrunc status=none
"$REELFS" sync "$mnt"
! getfattr -n user.ltfs.hash.crc32sum "$mnt/unhashed" 2>/dev/null || fail "hash=none has made a hash"
! getfattr -n user.ltfs.hash.crc32sum "$mnt/small" 2>/dev/null || fail "a hash has outlived what it was of"
! getfattr -n user.ltfs.hash.md5sum "$mnt/small" 2>/dev/null || fail "a user's hash has outlived what it was of"
rm "$mnt/small"

note "SHA-256"
remount_tape -o hash=sha256
mkdir "$mnt/sha"
rsync -a "$work/source/many" "$mnt/sha/"
cp "$work/source/copied" "$mnt/sha/"
"$REELFS" sync "$mnt"
for f in copied many/1 many/50; do
    [[ $(getfattr --absolute-names --only-values -n user.ltfs.hash.sha256sum "$mnt/sha/$f") == \
        "$(sha256sum <"$work/source/$f" | cut -d ' ' -f 1)" ]] || fail "$f: wrong SHA-256"
done
[[ -z $(getfattr --absolute-names -d "$mnt/sha/copied") ]] || fail "it is listed"
unmount_tape
expect_failure 2 'crc32, sha256 and none are known' "$REELFS" mount -o hash=md5 "$tape" "$mnt"

note "verify"
text=$("$REELFS" verify "$tape")
[[ $text =~ '109 files are what was written' && $text =~ '1 file was read, but is without a hash' ]] || fail "$text"
text=$("$REELFS" verify "$tape" many unhashed)
[[ $text =~ '50 files are what was written' && $text =~ '1 file was read' ]] || fail "$text"
expect_failure 1 'no-such: is not on the tape' "$REELFS" verify "$tape" no-such

note "one byte of the tape is another one"
# flip FILE OFFSET: of where these 64 bytes of the file are first on the tape.
flip() {
    python3 - "$tape" "$work/source/$1" "$2" <<'EOF'
import mmap, sys
data = open(sys.argv[2], "rb").read()[int(sys.argv[3]):][:64]
with open(sys.argv[1], "r+b") as tape, mmap.mmap(tape.fileno(), 0) as m:
    at = m.find(data)
    assert at >= 0
    m[at] ^= 0x10
EOF
}
flip pieces 1234567
flip many/17 500
expect_two() {
    local status=0
    "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
    [[ $status -eq 1 ]] || fail "exit status $status: $*: $(<"$work/stderr")"
    [[ $(grep -c 'is not what was written' "$work/stderr") -eq 2 ]] || fail "not two files: $(<"$work/stderr")"
    grep -Eq '^reelfs: pieces: is not what was written: its CRC-32 is [0-9a-f]{8} instead of [0-9a-f]{8}; it begins in segment [0-9]+, at object [0-9]+' \
        "$work/stderr" || fail "$(<"$work/stderr")"
    grep -q '^reelfs: many/17: is not what was written' "$work/stderr" || fail "$(<"$work/stderr")"
    grep -q ' 2 files are not what was written' "$work/stderr" || fail "$(<"$work/stderr")"
}
expect_two "$REELFS" verify "$tape"
grep -q '^107 files are what was written' "$work/stdout" || fail "$(<"$work/stdout")"
expect_two "$REELFS" restore "$tape" "$work/restored"
grep -q '^107 of them compared with their hashes' "$work/stdout" || fail "$(<"$work/stdout")"
diff -rq "$work/source" "$work/restored" >"$work/diff" || true
grep -q pieces "$work/diff" && grep -q many/17 "$work/diff" && [[ $(grep -c differ "$work/diff") -eq 2 ]] ||
    fail "$(<"$work/diff")"
"$REELFS" verify --json "$tape" >"$work/json" 2>"$work/stderr" && fail "verify --json says that all is well"
python3 - "$work/json" <<'EOF'
import json, sys
j = json.load(open(sys.argv[1]))
assert sorted(b["path"] for b in j["bad"]) == ["many/17", "pieces"], j
assert all(b["problem"] == "differs" and b["object"] > 0 and b["filemark"] > 0 for b in j["bad"]), j
assert (j["verified"], j["differing"], j["unreadable"], j["without_hash"]) == (107, 2, 0, 1) and j["complete"], j
EOF
mount_tape
for i in 1 2; do
    for f in pieces many/17; do
        ! cat "$mnt/$f" >"$work/out" 2>"$work/stderr" || fail "$f is read as if nothing were wrong ($i)"
        grep -q 'Input/output error' "$work/stderr" || fail "$(<"$work/stderr")"
    done
done
for f in copied preallocated shared-memory appended rewritten sparse grown many/16 many/18; do cmp "$work/source/$f" "$mnt/$f"; done
remount_tape -o noverify
cat "$mnt/pieces" >"$work/out"
[[ $(cmp -l "$work/source/pieces" "$work/out" | wc -l) -eq 1 ]] || fail "more than one byte differs"
unmount_tape

note "a block that cannot be read"
status=0
REELFS_FAULT="opcode=08 after=10 sense=3/11/00" "$REELFS" verify -q "$tape" >"$work/stdout" 2>"$work/stderr" || status=$?
[[ $status -eq 1 && ! -s $work/stdout ]] || fail "exit status $status: $(<"$work/stderr")"
[[ $(grep -c 'cannot be read' "$work/stderr") -ge 1 ]] || fail "$(<"$work/stderr")"
[[ $(grep -c 'is not what was written: its' "$work/stderr") -ge 1 ]] || fail "$(<"$work/stderr")"
