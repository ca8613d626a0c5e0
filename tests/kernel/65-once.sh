# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# No block is written twice, and none is lost: resets of the drive, and a process that is stopped, in the midst of WRITE commands.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
echo 1 >/sys/module/sg/parameters/allow_dio
# Each WRITE takes its time, so that what happens to it does.
printf '[fault]\nrules=opcode=0a delay=100 count=all\n' >/tmp/tape.tap.cartridge
add_drive /tmp/tape.tap || exit 1
complaints='Power-on or device reset occurred'
head -c 5000001 /dev/urandom >/tmp/data
mkdir /tmp/mnt

mounted() {
    "$REELFS" mount -f -v -o commit=0 "$@" /tmp/mnt >/tmp/log 2>&1 &
    daemon=$!
    until mountpoint -q /tmp/mnt; do sleep 0.1; done
}

# closed FILE…: is unmounted; the files are on the tape, whole, and nothing but what the index knows.
closed() {
    local file
    "$REELFS" unmount /tmp/mnt
    wait "$daemon"
    "$REELFS" mount -o ro "$sg" /tmp/mnt
    for file; do
        cmp /tmp/data "/tmp/mnt/$file" || fail "$file is another one"
    done
    "$REELFS" unmount /tmp/mnt
    "$REELFS" check "$sg"
}

# Blocks between filemarks, as st reads them, against what the index says of each segment.
blocks_are_single() {
    mt -f "$nst" setblk 0
    "$REELFS" segments --json "$sg" | python3 -c '
import json, sys
for s in json.load(sys.stdin):
    if s["kind"] == "file":
        print(s["filemark"], s["blocks"], s["bytes"])' >/tmp/segments
    [[ -s /tmp/segments ]]
    local mark blocks bytes found
    while read -r mark blocks bytes; do
        mt -f "$nst" rewind
        mt -f "$nst" fsf "$mark"
        found=$(dd if="$nst" bs=1M status=none | wc -c)
        [[ $found -eq $bytes ]] || fail "segment at filemark $mark: $found bytes, not $bytes"
    done </tmp/segments
}

resets() {
    local i copy
    mounted "$1"
    cp /tmp/data "/tmp/mnt/reset-$(basename "$1")" &
    copy=$!
    # Until some have struck; the copy takes longer than three of them, wherever it begins.
    for i in 1 2 3 4 5 6 7 8; do
        sleep 0.3
        sg_reset --device "$sg"
        [[ $(grep -c 'going back to object' /tmp/log) -lt 2 ]] || break
    done
    wait "$copy"
    closed "reset-$(basename "$1")"
    grep -q 'going back to object' /tmp/log || fail 'no reset struck'
    blocks_are_single
}

stops() {
    local i copy
    mounted "$1"
    cp /tmp/data "/tmp/mnt/stop-$(basename "$1")" &
    copy=$!
    for i in 1 2 3 4 5; do
        sleep 0.07
        kill -STOP "$daemon"
        sleep 0.08
        kill -CONT "$daemon"
    done
    wait "$copy"
    closed "stop-$(basename "$1")"
    blocks_are_single
}

"$REELFS" format --force "$sg" >/dev/null || exit 1
check 'resets during writes' resets "$sg"
check 'stopped and continued during writes: sg' stops "$sg"
check 'stopped and continued during writes: nst' stops "$nst"
plan
