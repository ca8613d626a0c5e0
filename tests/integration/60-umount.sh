#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Unmounting: waits for the closed volume; busy mounts; dead daemons; signals.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

ln -s "$REELFS" "$work/umount.fuse.reelfs"
head -c 20000000 /dev/urandom >"$work/data"

# The cartridge is free and good, and holds a file equal to data.
closed_with() {
    [[ -z $(daemon_of "$tape") ]] || fail "the cartridge is still in use"
    "$REELFS" check "$tape"
    mount_tape -o ro
    cmp "$mnt/$1" "$work/data"
    unmount_tape
}

format_tape
note "reelfs unmount returns when the volume is closed"
mount_tape
cp "$work/data" "$mnt/unmount"
unmount_tape
closed_with unmount

note "so does the helper of umount(8)"
mount_tape
cp "$work/data" "$mnt/helper"
"$work/umount.fuse.reelfs" "$mnt" -t fuse.reelfs
closed_with helper

note "and mount(8) and umount(8) themselves, with the helpers in place"
# In a mount namespace of its own, where they seem to be installed. By its absolute path, as most people do it, umount
# sees a mount of type fuse, without subtype.
mkdir "$work/sbin"
ln -s "$REELFS" "$work/sbin/mount.reelfs"
cat >"$work/sbin/umount.fuse.reelfs" <<EOT
#!/bin/sh
echo "\$@" >>"$work/helper-called"
exec "$work/umount.fuse.reelfs" "\$@"
EOT
chmod +x "$work/sbin/umount.fuse.reelfs"
export work tape mnt
# shellcheck disable=SC2016 # that shell expands it
unshare --mount bash -euc '
    mount -t overlay -o "lowerdir=$work/sbin:/usr/sbin" overlay /usr/sbin
    mount -t reelfs -o noexec,commit=10m "$tape" "$mnt"
    cp "$work/data" "$mnt/umount"
    umount "$mnt"' || fail "mount -t reelfs, umount"
grep -q "^$mnt" "$work/helper-called" || fail "umount has not called its helper"
if grep -q "$mnt" /run/mount/utab; then fail "umount still knows the mount"; fi
closed_with umount

note "umount without the helper closes the volume as well, a little later"
mount_tape
cp "$work/data" "$mnt/internal"
pid=$(daemon_of "$tape")
umount -i "$mnt"
await_exit "$pid" 60 || fail "the daemon does not end"
closed_with internal

note "signals"
for signal in TERM INT HUP; do
    mount_tape
    cp "$work/data" "$mnt/signal-$signal"
    pid=$(daemon_of "$tape")
    kill -s "$signal" "$pid"
    await_exit "$pid" 60 || fail "the daemon does not end on $signal"
    if findmnt "$mnt" >/dev/null; then fail "still mounted after $signal"; fi
    closed_with "signal-$signal"
done

note "signals while the volume is being closed, as on the way to a shutdown"
for end in kill umount; do
    REELFS_FAULT='opcode=0a count=all delay=20; opcode=10 count=all delay=1000' mount_tape
    cp "$work/data" "$mnt/closing"
    pid=$(daemon_of "$tape")
    case $end in
    kill) kill -s TERM "$pid" ;;
    umount) umount -i "$mnt" ;;
    esac
    for _ in {1..100}; do
        if ! findmnt "$mnt" >/dev/null; then break; fi
        sleep 0.02
    done
    for signal in TERM INT HUP; do kill -s "$signal" "$pid" || fail "it was closed too soon for this test"; done
    await_exit "$pid" 60 || fail "the daemon does not end"
    closed_with closing
done

note "in use"
mount_tape
cp "$work/data" "$mnt/busy"
exec 5<"$mnt/busy"
expect_failure 1 'in use' unmount_tape
cmp "$mnt/busy" "$work/data"
exec 5<&-
unmount_tape
closed_with busy

note "the daemon is killed"
mount_tape
cp "$work/data" "$mnt/synced"
"$REELFS" sync "$mnt"
cp "$work/data" "$mnt/lost"
pid=$(daemon_of "$tape")
kill -KILL "$pid"
await_exit "$pid" 10
expect_failure 1 'daemon.*died' unmount_tape
if findmnt "$mnt" >/dev/null; then fail "a dead mount is still there"; fi
cp "$tape" "$work/before"
mount_tape
cmp "$mnt/synced" "$work/data"
cmp "$mnt/unmount" "$work/data"
unmount_tape

note "a dead mount is taken away by the next mount"
format_tape
mount_tape
cp "$work/data" "$mnt/synced"
"$REELFS" sync "$mnt"
pid=$(daemon_of "$tape")
kill -KILL "$pid"
await_exit "$pid" 10
mount_tape 2>"$work/stderr"
grep -q 'had died' "$work/stderr" || fail "not said"
cmp "$mnt/synced" "$work/data"
unmount_tape

note "and when the daemon dies just then"
mount_tape
pid=$(daemon_of "$tape")
kill -STOP "$pid"
"$REELFS" mount "$tape" "$mnt" 2>"$work/stderr" >"$work/stdout" &
client=$!
sleep 0.5
kill -KILL "$pid"
wait "$client" || fail "$(<"$work/stderr")"
grep -q 'had died' "$work/stderr" || fail "not said"
cmp "$mnt/synced" "$work/data"
unmount_tape

note "the daemon dies while it is waited for"
format_tape
mount_tape
cp "$work/data" "$mnt/data"
pid=$(daemon_of "$tape")
kill -STOP "$pid"
"$REELFS" sync "$mnt" 2>"$work/stderr" &
client=$!
sleep 0.5
kill -KILL "$pid"
status=0
wait "$client" || status=$?
[[ $status -eq 1 ]] || fail "exit status $status"
grep -q 'died' "$work/stderr" || fail "$(<"$work/stderr")"
expect_failure 1 'died' unmount_tape

note "in the foreground"
format_tape
"$REELFS" mount -f "$tape" "$mnt" >"$work/stdout" &
client=$!
for _ in {1..100}; do
    if findmnt "$mnt" >/dev/null; then break; fi
    sleep 0.1
done
cp "$work/data" "$mnt/foreground"
unmount_tape
wait "$client"
closed_with foreground
