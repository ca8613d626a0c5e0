# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Unit attentions, and commands that are refused or aborted, while a volume is mounted on the kernel's nodes: the copy is whole.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
echo 1 >/sys/module/sg/parameters/allow_dio
# Each switch is a file.
REELFS_FAULT='if=/tmp/attentions every=7 count=all attention=29/00
if=/tmp/resets opcode=0a every=5 count=all attention=29/03 rewind
if=/tmp/busy every=5 count=all status=busy
if=/tmp/aborted opcode=0a,08 every=4 count=all partial=1 sense=b/00/00' add_drive /tmp/tape.tap || exit 1
head -c 16M /dev/urandom >/tmp/data

is_whole() {
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/data "/mnt/$1"
    "$REELFS" unmount /mnt
    "$REELFS" check "$sg"
}

# survives SWITCH: copies while the switch is on.
survives() {
    "$REELFS" format --force --name FAULTS "$sg"
    "$REELFS" mount "$sg" /mnt
    touch "/tmp/$1"
    cp /tmp/data "/mnt/$1"
    "$REELFS" sync /mnt
    echo 3 >/proc/sys/vm/drop_caches
    cmp /tmp/data "/mnt/$1"
    "$REELFS" unmount /mnt
    rm "/tmp/$1"
    is_whole "$1"
}

check 'a unit attention at every seventh command' survives attentions
check 'a reset that rewinds, at every fifth write' survives resets
check 'a busy drive' survives busy
check 'writes and reads that are aborted in part' survives aborted
plan
