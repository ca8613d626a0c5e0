# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Resets in the middle of writes, and commands that are never answered.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
echo 1 >/sys/module/sg/parameters/allow_dio
# Each switch is a file.
REELFS_FAULT='if=/tmp/unanswered opcode=0a after=10 error=timeout done=yes
if=/tmp/swallowed opcode=0a after=10 error=timeout
if=/tmp/silent opcode=0a error=timeout done=yes' add_drive /tmp/tape.tap || exit 1
head -c 30M /dev/urandom >/tmp/data

is_whole() {
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/data "/mnt/$1"
    "$REELFS" unmount /mnt
    "$REELFS" check "$sg"
}

# By sg_reset, and so by the kernel's error handling: what is under way is aborted.
reset() {
    local i copy
    "$REELFS" format --force --name FAULTS "$sg"
    "$REELFS" mount "$sg" /mnt
    cp /tmp/data /mnt/reset &
    copy=$!
    for ((i = 0; i < 5; i++)); do
        sleep 0.1
        sg_reset "$1" "$sg"
    done
    wait "$copy"
    "$REELFS" unmount /mnt
    is_whole reset
}

# The drive executes a command, and does not answer until somebody resets it.
unanswered() {
    local copy
    "$REELFS" format --force --name FAULTS "$sg"
    "$REELFS" mount "$sg" /mnt
    touch /tmp/unanswered
    cp /tmp/data /mnt/unanswered &
    copy=$!
    sleep 1
    sg_reset -d "$sg"
    wait "$copy"
    "$REELFS" unmount /mnt
    rm /tmp/unanswered
    is_whole unanswered
}

# It does not execute it either. tcm_loop then says that it was: what is lost is found out at the next command, by the position.
swallowed() {
    local copy status=0
    "$REELFS" format --force --name FAULTS "$sg"
    "$REELFS" mount "$sg" /mnt
    cp /tmp/data /mnt/committed
    "$REELFS" sync /mnt
    touch /tmp/swallowed
    cp /tmp/data /mnt/swallowed &
    copy=$!
    sleep 1
    sg_reset -d "$sg"
    wait "$copy" || true
    refuse 'Input/output error' sync /mnt/swallowed
    "$REELFS" unmount /mnt || status=$?
    [[ $status -eq 1 ]]
    rm /tmp/swallowed
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/data /mnt/committed
    "$REELFS" unmount /mnt
}

# st gives up by itself.
timed_out() {
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    mt -f "$nst" sttimeout 2
    touch /tmp/silent
    refuse 'Input/output error' dd if=/tmp/data of="$nst" bs=64k count=1
    rm /tmp/silent
    mt -f "$nst" rewind
    dd if=/tmp/data of="$nst" bs=64k count=10 status=none
    mt -f "$nst" rewind
    dd if="$nst" bs=64k status=none | cmp - <(part /tmp/data 0 655360)
}

# shellcheck disable=SC2034
complaints='st.*Error'
check 'resets of the unit in the middle of writes' reset -d
check 'resets of the target in the middle of writes' reset -t
check 'a command without an answer, and a reset' unanswered
check 'a command that gets lost, and a reset' swallowed
check 'a command without an answer, which st gives up' timed_out
plan
