#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A drive that we did not write, behind iSCSI: the tape of tgt, which cannot locate, tell its position or count.
# timeout: 400
# quick
# shellcheck source=tests/lib/tgt.sh
source "$(dirname "$0")/../lib/tgt.sh"
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

for program in tgtd tgtadm tgtimg; do
    command -v "$program" >/dev/null || skip "needs $program"
done
"$REELFS" info iscsi://127.0.0.1:1/none/1 2>&1 | grep -q 'without libiscsi' && skip "reelfs was built without libiscsi"

iqn=iqn.2026-11.net.reelfs.test:tape
control=$((2000 + $$ % 30000))
port=
daemon=

target() {
    timeout 20 tgtadm -C "$control" --lld iscsi "$@"
}

start_target() {
    local i
    run_tgtd "$port" -C "$control" >"$work/tgtd.log" 2>&1 &
    daemon=$!
    for ((i = 0; i < 100; i++)); do
        kill -0 "$daemon" 2>/dev/null || return 1
        target --mode target --op show >/dev/null 2>&1 && break
        sleep 0.1
    done
    offer_tape "$iqn" "$work/image"
}

stop_target() {
    kill -KILL "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    daemon=
}

# Any port that nobody else has, and a control socket likewise.
start_target_somewhere() {
    local i
    for ((i = 0; i < 20; i++)); do
        port=$((20000 + RANDOM % 12000))
        start_target && return
        control=$((control + 1))
    done
    fail "tgtd does not start: $(tail -n 5 "$work/tgtd.log")"
}

end_target() {
    local status=$?
    [[ -z $daemon ]] || kill -KILL "$daemon" 2>/dev/null
    cleanup "$status"
}
trap end_target EXIT

# The lines that go to syslog have no terminal: what a mount says is in the file given by --foreground.
mount_drive() {
    "$REELFS" mount -f "$@" "$address" "$mnt" >"$work/mount.log" 2>&1 &
    mounter=$!
    local i
    for ((i = 0; i < 400; i++)); do
        mountpoint -q "$mnt" && return
        kill -0 "$mounter" 2>/dev/null || fail "not mounted: $(cat "$work/mount.log")"
        sleep 0.05
    done
    fail "not mounted in time: $(cat "$work/mount.log")"
}

unmount_drive() {
    timeout 120 "$REELFS" unmount "$mnt"
    await_exit "$mounter" 30
}

tgtimg --op new --device-type tape --barcode REEL01L8 --size 4096 --type data --file "$work/image" >/dev/null
start_target_somewhere
address=iscsi://127.0.0.1:$port/$iqn/1
make_special_tree "$work/special"
mkdir "$work/real"
cp -a /usr/include/linux "$work/real/"

note "wrong addresses"
expect_failure 1 'no iSCSI session: nothing listens there' timeout 60 "$REELFS" info iscsi://127.0.0.1:1/"$iqn"/1
expect_failure 1 'no iSCSI session: .*[Nn]ot found' timeout 60 "$REELFS" info iscsi://127.0.0.1:"$port"/iqn.wrong/1
expect_failure 1 'not a tape drive' timeout 60 "$REELFS" info iscsi://127.0.0.1:"$port/$iqn"/0
expect_failure 1 'an address of iSCSI is' timeout 60 "$REELFS" info iscsi://127.0.0.1:"$port"
for word in 'me%hush' 'me:hush'; do
    expect_failure 1 'password' timeout 60 "$REELFS" info "iscsi://$word@127.0.0.1:$port/$iqn/1"
    if grep -q hush "$work/stderr"; then fail "a password in a message"; fi
done

note "format, copy, compare"
"$REELFS" format --name TEST "$address"
mount_drive
cp -a "$work/special" "$work/real" "$mnt/"
compare_trees "$work/special" "$mnt/special"
unmount_drive
mount_drive
compare_trees "$work/special" "$mnt/special"
compare_trees "$work/real" "$mnt/real"
unmount_drive
"$REELFS" check "$address"
[[ $("$REELFS" list "$address" /real/linux | wc -l) -ge $(find "$work/real/linux" | wc -l) ]] || fail "list"
"$REELFS" segments "$address" | grep " pack " >/dev/null || fail "segments"

note "the session is dropped while a file is written"
drop_sessions() {
    local session
    while read -r session; do
        target --mode conn --op delete --tid 1 --sid "$session" --cid 0 2>/dev/null || true
    done < <(target --mode conn --op show --tid 1 | sed -n 's/^Session: //p')
}
head -c 300M /dev/urandom >"$work/large"
mount_drive
cp "$work/large" "$mnt/dropped" &
copy=$!
for ((i = 0; i < 8; i++)); do
    sleep 0.1
    drop_sessions
done
wait "$copy" || fail "the copy failed: $(cat "$work/mount.log")"
unmount_drive || fail "not closed: $(cat "$work/mount.log")"
grep -q 'the connection to the drive was lost' "$work/mount.log" || fail "no session was lost"
mount_drive
cmp "$work/large" "$mnt/dropped"
compare_trees "$work/real" "$mnt/real"

unmount_drive

note "sessions are dropped all the time: small files, sync, unmount, reading, a look at the tape"
# $@ while they are dropped
with_drops() {
    local status=0 dropper
    rm -f "$work/enough"
    until [[ -e $work/enough ]]; do
        sleep 0.3
        drop_sessions
    done &
    dropper=$!
    "$@" || status=$?
    touch "$work/enough"
    wait "$dropper"
    return "$status"
}
write_small() {
    cp -a "$work/real" "$mnt/small"
    "$REELFS" sync "$mnt"
    cp -a "$work/special" "$mnt/small/special"
    unmount_drive
}
read_small() {
    compare_trees "$work/special" "$mnt/small/special"
    unmount_drive
}
look() {
    "$REELFS" info "$address" >/dev/null && "$REELFS" check "$address" >/dev/null
}
mount_drive
with_drops write_small || fail "not written: $(cat "$work/mount.log")"
mount_drive
with_drops read_small || fail "not read: $(cat "$work/mount.log")"
with_drops look || fail "not looked at"

note "the target is killed while a file is written, and comes back"
mount_drive
cp "$work/large" "$mnt/killed" &
copy=$!
sleep 0.2
stop_target
sleep 1
start_target
wait "$copy" || fail "the copy failed: $(cat "$work/mount.log")"
unmount_drive || fail "not closed: $(cat "$work/mount.log")"
mount_drive -o buffer=64M
cmp "$work/large" "$mnt/killed"
compare_trees "$work/real" "$mnt/real"

note "the target is gone for good: no hang, and what was committed is there when it is back"
# More than fits into memory and what is written until then.
cat "$work/large" "$work/large" "$work/large" "$work/large" >"$mnt/gone" &
copy=$!
sleep 0.2
stop_target
status=0
timeout 200 "$REELFS" unmount "$mnt" 2>"$work/stderr" || status=$?
if [[ $status -eq 1 ]] && grep -q 'in use' "$work/stderr"; then
    wait "$copy" && fail "a file was written without a drive"
    status=0
    timeout 200 "$REELFS" unmount "$mnt" 2>"$work/stderr" || status=$?
fi
[[ $status -eq 1 ]] || fail "unmount of a drive that is gone: $status: $(cat "$work/stderr")"
await_exit "$mounter" 60 || fail "the daemon hangs"
grep -q 'the drive, or the way to it, is gone' "$work/mount.log" || fail "nobody said so: $(cat "$work/mount.log")"
start_target
mount_drive
cmp "$work/large" "$mnt/dropped"
cmp "$work/large" "$mnt/killed"
compare_trees "$work/special" "$mnt/special"
unmount_drive

note "CHAP"
target --mode account --op new --user reader --password right-secret1
target --mode account --op bind --tid 1 --user reader
expect_failure 1 'no iSCSI session: ' timeout 60 "$REELFS" info "$address"
address=iscsi://reader@127.0.0.1:$port/$iqn/1
expect_failure 1 'no CHAP secret for user reader' timeout 60 "$REELFS" info "$address"
REELFS_CHAP_SECRET=wrong-secret1 expect_failure 1 'no iSCSI session: .*[Aa]uthentication' \
    timeout 60 "$REELFS" info "$address"
REELFS_CHAP_SECRET=right-secret1 "$REELFS" info "$address" >/dev/null
(umask 077 && echo right-secret1 >"$work/secret")
REELFS_CHAP_FILE=$work/secret "$REELFS" info "$address" >/dev/null
mount_drive -o chap-file="$work/secret"
cmp "$work/large" "$mnt/dropped"
unmount_drive
