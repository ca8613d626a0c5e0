# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# memory: 768M
# Sessions of the kernel's iSCSI initiator that are dropped, and that end.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"
# shellcheck source=tests/kernel/target.sh
source "$(dirname "$GUEST")/target.sh"

tree=/tmp/tree
make_tree $tree
head -c 2000000 /dev/urandom >/tmp/data
connect_tape || exit 1

sessions() {
    tgtadm --lld iscsi --mode conn --op show --tid 1 | sed -n 's/^Session: //p'
}

# The initiator logs in again by itself; what was under way is of unknown outcome.
dropped() {
    local session i copy
    head -c 60M /dev/urandom >/tmp/dropped
    "$REELFS" format --name TGT "$sg"
    "$REELFS" mount "$sg" /mnt
    rsync -aH --modify-window=-1 $tree /mnt/
    cp /tmp/dropped /mnt/dropped &
    copy=$!
    for ((i = 0; i < 3; i++)); do
        sleep 0.1
        for session in $(sessions); do
            target --mode conn --op delete --tid 1 --sid "$session" --cid 0 2>/dev/null || true
        done
    done
    wait "$copy"
    dmesg | grep -q 'detected conn error' || fail 'no session was dropped'
    "$REELFS" unmount /mnt
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/dropped /mnt/dropped
    diff -r --no-dereference $tree /mnt/tree
    "$REELFS" unmount /mnt
}

# Unplugged: nothing hangs, and what was committed is there when it is plugged in again.
logged_out() {
    local status=0
    "$REELFS" mount "$sg" /mnt
    cp /tmp/data /mnt/committed
    "$REELFS" sync /mnt
    cp /tmp/data /mnt/lost
    iscsiadm -m node -T "$iqn" --logout
    refuse 'Input/output error|No such device' sync /mnt/lost
    "$REELFS" unmount /mnt || status=$?
    [[ $status -eq 1 ]]
    iscsiadm -m node -T "$iqn" --login
    find_drive
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/data /mnt/committed
    diff -r --no-dereference $tree /mnt/tree
    "$REELFS" unmount /mnt
}

# shellcheck disable=SC2034
complaints='st.*Error .*(driver bt|host bt)'
check 'the session is dropped while a file is written' dropped
check 'the session ends: nothing hangs, and what was committed stays' logged_out
plan
