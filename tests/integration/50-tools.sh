#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Programs that lean on a filesystem: fio with verification, stress-ng, rsync again, git, a build of reelfs itself.
# timeout: 900
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

for program in fio stress-ng git meson; do
    command -v "$program" >/dev/null || skip "needs $program"
done

format_tape
mount_tape -o buffer=64M

note "fio: sequential writes, verified"
fio --name=sequential --directory="$mnt" --rw=write --bs=256k --size=64M --verify=crc32c --do_verify=1 \
    --verify_fatal=1 --output="$work/fio.log" || fail "$(tail -n 20 "$work/fio.log")"
note "fio: several writers at once"
fio --name=several --directory="$mnt" --rw=write --bs=64k --size=8M --numjobs=6 --verify=crc32c --do_verify=1 \
    --verify_fatal=1 --output="$work/fio.log" || fail "$(tail -n 20 "$work/fio.log")"
note "fio: random writes, verified"
fio --name=random --directory="$mnt" --rw=randwrite --bs=4k --size=8M --io_size=8M --verify=crc32c \
    --do_verify=1 --verify_fatal=1 --randseed=7 --output="$work/fio.log" || fail "$(tail -n 20 "$work/fio.log")"
note "fio: shared mappings"
fio --name=mapped --directory="$mnt" --ioengine=mmap --rw=randrw --bs=4k --size=4M --verify=crc32c --do_verify=1 \
    --verify_fatal=1 --output="$work/fio.log" || fail "$(tail -n 20 "$work/fio.log")"
note "a mapping of a file that goes around the kernel's pages, where the kernel has such"
python3 - "$mnt/shared" <<'END'
import mmap, os, sys
name = sys.argv[1]
fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
reader = os.open(name, os.O_RDONLY)
os.pwrite(fd, b"a" * 10000, 0)
mapped = mmap.mmap(fd, 10000)
assert mapped[:3] == b"aaa"
os.pwrite(fd, b"bcd", 5000)
assert mapped[5000:5003] == b"bcd" and os.pread(reader, 3, 5000) == b"bcd"
mapped[6000:6003] = b"xyz"
assert os.pread(fd, 3, 6000) == b"xyz" and os.pread(reader, 3, 6000) == b"xyz"
os.pwrite(fd, b"efg", 6000)
assert mapped[6000:6003] == b"efg" and os.pread(reader, 3, 6000) == b"efg"
mapped[100:103] = b"uvw"
del mapped
os.close(fd)
assert os.pread(reader, 3, 100) == b"uvw"
END
note "what rsync writes goes around them on every kernel, what is written to an existing file opened for both does not"
through_pages() {
    getfattr --only-values -n user.reelfs.status.received_through_pages "$mnt" 2>/dev/null
}
before=$(through_pages)
head -c 4M /dev/urandom >"$work/big"
rsync -a "$work/big" "$mnt/"
[[ $(through_pages) -eq $before ]] || fail "rsync wrote through the kernel's pages"
printf x 1<>"$mnt/big"
[[ $(through_pages) -eq $((before + 1)) ]] || fail "a byte is $(($(through_pages) - before))"
find "$mnt" -maxdepth 1 -type f -exec md5sum {} + | sort >"$work/md5"
remount_tape -o buffer=64M
note "the same after closing"
md5sum --quiet -c "$work/md5"
rm "$mnt"/*.0

note "stress-ng"
mkdir "$mnt/stress"
for stressor in dentry dir dirdeep fallocate fstat hdd link rename seek symlink touch utime xattr; do
    stress-ng --temp-path "$mnt/stress" "--$stressor" 1 --timeout 3s --hdd-bytes 16M --fallocate-bytes 16M \
        --seek-size 4M --verify >"$work/stress.log" 2>&1 ||
        fail "$stressor: $(grep -E 'fail|error' "$work/stress.log" | head -n 10)"
done
rm -rf "$mnt/stress"

note "a second rsync transfers nothing"
rsync -aHAX /usr/share/perl5/ "$mnt/perl5/"
[[ -z $(rsync -aHAX --itemize-changes /usr/share/perl5/ "$mnt/perl5/") ]] || fail "rsync transfers again"

note "git"
git init -q "$work/origin"
cp -r "$tests/../src" "$tests/../include" "$tests/../tests" "$tests/../man" "$tests"/../meson* "$work/origin"
git -C "$work/origin" add .
git -C "$work/origin" -c user.name=test -c user.email=test@example.org commit -q -m import
git clone -q "$work/origin" "$mnt/clone"
git -C "$mnt/clone" fsck --full --strict
git -C "$mnt/clone" checkout -q -b branch
git -C "$mnt/clone" gc -q
[[ -z $(git -C "$mnt/clone" status --porcelain) ]] || fail "git sees changes"

note "building reelfs on the tape"
meson setup "$mnt/build" "$mnt/clone" >"$work/meson.log" 2>&1 || fail "$(tail -n 20 "$work/meson.log")"
ninja -C "$mnt/build" src/cli/reelfs >"$work/ninja.log" 2>&1 || fail "$(tail -n 20 "$work/ninja.log")"
"$mnt/build/src/cli/reelfs" --version
remount_tape
"$mnt/build/src/cli/reelfs" --version
git -C "$mnt/clone" fsck --full --strict
[[ -z $(rsync -aHAX --checksum --itemize-changes /usr/share/perl5/ "$mnt/perl5/") ]] || fail "rsync finds changes"
unmount_tape
"$REELFS" check "$tape"
"$tapcheck" "$tape"
