#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line: help, usage errors, output of each command for people and as JSON, exit statuses.
# timeout: 120
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

note "help"
"$REELFS" --help | grep -q segments
"$REELFS" --version | grep -qE '^reelfs [0-9]'
for command in format mount unmount sync resume status info list devices segments check eject drive; do
    "$REELFS" "$command" --help >"$work/help"
    grep -q "^Usage: reelfs $command" "$work/help" || fail "$command --help"
done
for helper in mkfs.reelfs fsck.reelfs mount.reelfs umount.fuse.reelfs; do
    ln -s "$REELFS" "$work/$helper"
    "$work/$helper" --help | grep -q "^Usage: $helper"
done

note "usage errors"
expect_failure 2 'command is missing' "$REELFS"
expect_failure 2 'no such command' "$REELFS" frobnicate
expect_failure 2 'argument is missing' "$REELFS" format
expect_failure 2 'too many' "$REELFS" segments a b
expect_failure 2 'unrecognized option' "$REELFS" list --frobnicate a
expect_failure 2 'volume-id' "$REELFS" format --volume-id toolong1 "$tape"
expect_failure 2 'block-length' "$REELFS" format --block-length=many "$tape"
expect_failure 2 'buffer=1' "$REELFS" mount -o buffer=1 "$tape" "$mnt"
expect_failure 2 'commit=soon' "$REELFS" mount -o rw,commit=soon "$tape" "$mnt"
expect_failure 2 'io=sideways: auto, direct, mmap and indirect' "$REELFS" mount -o io=sideways "$tape" "$mnt"
expect_failure 2 'io: sideways' "$REELFS" info --io sideways "$tape"
expect_failure 2 'devices: takes no arguments' "$REELFS" devices /dev/sg0
expect_failure 2 'frob: no such mount option' "$REELFS" mount -o ro,frob=1 "$tape" "$mnt"
expect_failure 2 'ro takes no value' "$REELFS" mount -o ro=1 "$tape" "$mnt"
expect_failure 2 'io takes a value' "$REELFS" mount -o io "$tape" "$mnt"
expect_failure 1 'nosuch\.tap: no such cartridge; reelfs format makes one' "$REELFS" drive "$work/nosuch.tap"
expect_failure 16 'argument is missing' "$REELFS" check
expect_failure 16 'argument is missing' "$work/fsck.reelfs" -a
[[ ! -e $tape ]] || fail "a usage error made a cartridge"

note "format"
"$REELFS" format --name 'Nitrate & "Safety"' --volume-id ABC123 --block-length 64K --capacity 1G "$tape" >"$work/said"
grep -q 'Nitrate' "$work/said"
expect_failure 1 'capacity' "$REELFS" format --force --capacity 2G "$tape"
expect_failure 1 'no/where' "$REELFS" format "$work/no/where/tape.tap"
"$work/mkfs.reelfs" "$work/second.tap" >/dev/null

mount_tape
mkdir "$mnt/directory"
echo hello >"$mnt/directory/hello"
head -c 3000000 /dev/urandom >"$mnt/three megabytes"
printf x >"$mnt/"$'bad\377name\n'
ln -s directory/hello "$mnt/link"
mknod "$mnt/device" c 5 1
setfattr -n user.note -v text "$mnt/directory/hello"
note "info of a mount"
"$REELFS" info "$mnt" >"$work/info"
grep -q "$tape" "$work/info"
if grep -q 'read only reason' "$work/info"; then fail "a reason for nothing: $(<"$work/info")"; fi
"$REELFS" info --json "$mnt" >"$work/info-mount"
"$REELFS" sync "$mnt"
unmount_tape

note "info"
"$REELFS" info "$tape" >"$work/info"
grep -q ABC123 "$work/info"
grep -q '64 KiB' "$work/info"
"$REELFS" info --io direct "$tape" >/dev/null 2>"$work/said"
grep -q 'io= has no effect' "$work/said"
REELFS_FAULT=frob expect_failure 1 'reelfs-fault\(7\)' "$REELFS" info "$tape"
expect_failure 1 'no tape drive has this serial number' "$REELFS" info serial:NOBODY
expect_failure 1 'no such file, and no tape drive' "$REELFS" info NOBODY

note "devices"
"$REELFS" devices --quick >/dev/null
"$REELFS" devices --quick --json | python3 -m json.tool >/dev/null
"$REELFS" info --json "$tape" | python3 -c '
import json, sys
info = json.load(sys.stdin)
volume = info["volume"]
assert volume["name"] == "Nitrate & \"Safety\"", volume
assert volume["block_length"] == 65536 and volume["files"] == 5 and volume["directories"] == 2, volume
assert info["medium"]["capacity"] > 0, info
assert info["drive"]["product"], info
mount = json.load(open(sys.argv[1]))["mount"]
for key in "name", "uuid", "format", "formatted", "block_length", "files", "directories", "bytes_in_files":
    assert mount[key] == volume[key], (key, mount, volume)
assert "last_index" in mount and "last_index" in volume' "$work/info-mount"

note "list"
"$REELFS" list "$tape" >"$work/list"
grep -qE '^-rw-r--r-- +1 0/0 +6 .* /directory/hello$' "$work/list"
grep -qE '^l.* /link -> directory/hello$' "$work/list"
grep -qE '^c.* 5,1 .* /device$' "$work/list"
grep -qF 'bad\377name\012' "$work/list"
[[ $("$REELFS" list "$tape" directory/ | wc -l) -eq 2 ]] || fail "list of a directory"
expect_failure 1 'No such file' "$REELFS" list "$tape" /nothing
"$REELFS" list --json "$tape" | python3 -c '
import json, os, sys, zlib
entries = {os.fsencode(e["path"]): e for e in json.load(sys.stdin)}
assert b"/bad\xffname\n" in entries, entries.keys()
hello = entries[b"/directory/hello"]
assert hello["size"] == 6 and hello["xattrs"] == ["user.note"] and hello["crc32"] == "%08x" % zlib.crc32(b"hello\n") and hello["mode"] == "0644", hello
large = entries[b"/three megabytes"]
assert sum(e["length"] for e in large["extents"]) == 3000000, large
assert entries[b"/device"]["major"] == 5, entries[b"/device"]
assert entries[b"/"]["type"] == "directory"'

note "segments"
"$REELFS" segments "$tape" >"$work/segments"
grep -q '/three megabytes' "$work/segments"
"$REELFS" segments --json "$tape" | python3 -c '
import json, sys
segments = json.load(sys.stdin)
assert [s["filemark"] for s in segments] == sorted(s["filemark"] for s in segments), segments
assert segments[0]["kind"] == "index" and segments[-1]["kind"] == "index", segments
assert segments[-1]["bytes"] > 0, segments'

note "check and eject"
"$REELFS" check "$tape" | grep -q 'no problems'
"$work/fsck.reelfs" -a -C0 "$tape" >/dev/null
"$REELFS" eject "$tape"
expect_failure 8 'No such file' "$REELFS" check "$work/nothing"
echo "not a tape at all" >"$work/text"
expect_failure 8 'cartridge' "$work/fsck.reelfs" "$work/text"
expect_failure 1 'cartridge' "$REELFS" info "$work/text"

note "output that cannot be written"
status=0
"$REELFS" list "$tape" >/dev/full 2>"$work/stderr" || status=$?
[[ $status -eq 1 ]] || fail "a full disk went unnoticed"

note "without standard streams"
"$REELFS" mount "$tape" "$mnt" <&- >&- 2>&-
head -c 1000000 /dev/urandom >"$work/random"
cp "$work/random" "$mnt/random"
"$REELFS" sync "$mnt" <&- >&- 2>&-
"$REELFS" unmount "$mnt"
"$REELFS" mount -v "$tape" "$mnt" 2>&-
cmp "$work/random" "$mnt/random"
rm "$mnt/random"
"$REELFS" unmount "$mnt"

note "a limit of the size of files"
(
    ulimit -f 2
    expect_failure 1 'the tape is full' "$REELFS" format "$work/third.tap"
)

note "the helper of mount(8)"
"$work/mount.reelfs" "$tape" "$mnt" -f
if findmnt "$mnt" >/dev/null; then fail "mount -f mounted"; fi
"$work/mount.reelfs" "$tape" "$mnt" -n -o rw,noexec,nodev,_netdev,x-systemd.automount,noauto
findmnt -n -o OPTIONS "$mnt" | grep -q noexec
[[ $(findmnt -n -o FSTYPE "$mnt") == fuse.reelfs ]] || fail "type of the mount"
[[ $(findmnt -n -o SOURCE "$mnt") == "$tape" ]] || fail "source of the mount"
"$work/umount.fuse.reelfs" "$mnt" -v -t fuse.reelfs
if findmnt "$mnt" >/dev/null; then fail "still mounted"; fi
