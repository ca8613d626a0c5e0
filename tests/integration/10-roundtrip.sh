#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real trees go in by cp, rsync and tar, and come out the same after the tape was closed and mounted again.
# timeout: 600
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

make_special_tree "$work/special"
mkdir "$work/real"
cp -a /usr/share/doc/[a-d]* "$work/real/"
cp -a /usr/include/linux "$work/real/include"
find "$work/real" -type f -size -20k | head -n 3000 >"$work/names"

format_tape
mount_tape
[[ $(<"/sys/class/bdi/$(mountpoint -d "$mnt")/read_ahead_kb") -eq 1024 ]] || fail "the kernel reads ahead as little as ever"

note "cp -a"
cp -a "$work/special" "$mnt/cp"
compare_trees "$work/special" "$mnt/cp"
note "rsync -aHAX"
rsync -aHAX --modify-window=-1 "$work/special/" "$mnt/rsync/"
rsync -aHAX --modify-window=-1 "$work/real/" "$mnt/real/"
compare_trees "$work/special" "$mnt/rsync"
compare_trees "$work/real" "$mnt/real"
note "tar"
mkdir "$mnt/tar"
tar -C "$work/special" --xattrs --xattrs-include='*' --acls --sparse -cf - . 2>"$work/tar.log" |
    tar -C "$mnt/tar" --xattrs --xattrs-include='*' --acls -xpf -

note "closed and mounted again"
remount_tape
compare_trees "$work/special" "$mnt/cp"
compare_trees "$work/special" "$mnt/rsync"
compare_trees "$work/real" "$mnt/real"
[[ -S $work/special/socket && ! -e $mnt/tar/socket ]] || fail "tar kept a socket"
rm "$work/special/socket"
touch -r "$mnt/tar" "$work/special"
compare_trees "$work/special" "$mnt/tar"

note "virtual attributes are there, and are not copied"
uuid=$(getfattr --only-values -n user.ltfs.volumeUUID "$mnt" 2>/dev/null)
[[ $uuid =~ ^[0-9a-f-]{36}$ ]] || fail "volumeUUID is '$uuid'"
for name in ltfs.startblock ltfs.partition reelfs.segment; do
    value=$(getfattr --only-values -n "user.$name" "$mnt/cp/large" 2>/dev/null)
    [[ -n $value ]] || fail "no user.$name"
    if getfattr -m - "$mnt/cp/large" 2>/dev/null | grep -q "$name"; then fail "user.$name is listed"; fi
done
if setfattr -n user.ltfs.volumeName -v x "$mnt" 2>/dev/null; then fail "a reserved attribute was set"; fi

note "sparse files stay sparse"
[[ $(stat -c %b "$mnt/cp/hole-only") -eq 0 ]] || fail "a hole takes space"

note "a directory that changes while it is listed has an end"
mkdir "$mnt/listed"
for i in {1..1000}; do : >"$mnt/listed/$i"; done
python3 - "$mnt/listed" <<'PYTHON'
import os, sys
os.chdir(sys.argv[1])
before = len(os.listdir())
for act in (lambda name: os.rename(name, name + ".renamed"), lambda name: os.link(name, name + ".copy")):
    with os.scandir() as entries:
        for n, entry in enumerate(entries):
            if n == before:
                sys.exit("told again what was made meanwhile: " + entry.name)
            act(entry.name)
assert sorted(os.listdir()) == sorted(f"{i}.renamed{end}" for i in range(1, 1001) for end in ("", ".copy"))
# rewinddir(3): what came meanwhile is there.
fd = os.open(".", os.O_RDONLY)
n = len(os.listdir(fd))
os.mkdir("later")
os.lseek(fd, 0, os.SEEK_SET)
assert len(os.listdir(fd)) == n + 1 and "later" in os.listdir(fd)
PYTHON
rm -r "$mnt/listed"

note "changes"
mv "$mnt/cp/directory" "$mnt/renamed"
rm "$mnt/cp/large"
echo appended >>"$mnt/cp/short"
dd if=/dev/urandom of="$mnt/cp/one-mebibyte" bs=4096 seek=100 count=3 conv=notrunc status=none
truncate -s 100000 "$mnt/cp/above-block"
chmod 600 "$mnt/cp/owned"
rm -r "$mnt/tar"
cp -a "$mnt/." "$work/changed"
remount_tape
compare_trees "$work/changed" "$mnt"
cmp "$mnt/renamed/below/hard-link" "$work/special/large"
[[ $(cat "$mnt/cp/hard-link") == $'short\nappended' ]] || fail "the hard link has other contents"

note "read-only"
remount_tape -o ro
compare_trees "$work/changed" "$mnt"
if touch "$mnt/new" 2>/dev/null; then fail "written to a read-only mount"; fi
cp "$tape" "$work/before"
unmount_tape
cmp "$tape" "$work/before"
"$tapcheck" "$tape"
"$REELFS" check "$tape"
