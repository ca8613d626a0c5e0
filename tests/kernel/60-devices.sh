# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Drives by their nodes and serial numbers: what reelfs says of them, and that it disturbs nobody.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
add_drive /tmp/second.tap || exit 1
second=$sg
add_drive /tmp/tape.tap || exit 1
serial=$(sg_inq -p sn "$sg" | sed -n 's/.*serial number: //p')
"$REELFS" format --force --name NODES "$sg" >/dev/null
mkdir /tmp/mnt
head -c 3000000 /dev/urandom >/tmp/data

# device NODE KEY: what reelfs devices says of a drive.
device() {
    "$REELFS" devices --json >/tmp/devices.json
    python3 - "$@" <<'END'
import json, sys
drives = {d["address"]: d for d in json.load(open("/tmp/devices.json"))}
print(drives[sys.argv[1]].get(sys.argv[2]))
END
}

# is NODE KEY VALUE
is() {
    local value
    value=$(device "$1" "$2")
    [[ $value == "$3" ]] || fail "$2 is $value"
}

listed() {
    is "$sg" state free
    is "$sg" tape_node "$nst"
    is "$sg" serial "$serial"
    is "$sg" volume NODES
    is "$sg" loaded True
    is "$second" content 'a blank tape'
    expect "^$sg +$nst +REELFS VIRTUAL TAPE +$serial +loaded +NODES" "$REELFS" devices
    expect "^$second .* -$" "$REELFS" devices --quick
}

# A tape that somebody has put somewhere stays there.
listed_in_the_middle() {
    mt -f "$nst" asf 1
    is "$sg" volume None
    expect 'File number=1' mt -f "$nst" status
    expect 'not at its beginning' "$REELFS" devices
    expect 'NODES' "$REELFS" devices --rewind
    expect 'File number=0' mt -f "$nst" status
}

# A unit attention is for whoever uses the drive.
listed_in_use() {
    exec 5<"$nst"
    is "$sg" state 'in use'
    exec 5<&-
    "$REELFS" mount "$sg" /tmp/mnt
    is "$sg" state mounted
    is "$sg" mounted_at /tmp/mnt
    is "$sg" volume NODES
    is "$sg" loaded None
    "$REELFS" unmount /tmp/mnt
    mt -f "$nst" offline
    is "$sg" loaded False
    mt -f "$nst" load
}

by_serial() {
    "$REELFS" mount "$serial" /tmp/mnt
    cp /tmp/data /tmp/mnt/data
    grep -q " /tmp/mnt .* fuse.reelfs $serial " /proc/self/mountinfo
    for address in "$sg" "$nst" "/dev/bsg/$scsi" "serial:$serial" "${nst/nst/st}"; do
        refuse 'is mounted' "$REELFS" info "$address"
    done
    "$REELFS" unmount /tmp/mnt
    "$REELFS" mount "serial:$serial" /tmp/mnt
    cmp /tmp/data /tmp/mnt/data
    "$REELFS" unmount /tmp/mnt
    refuse 'no tape drive has this serial number' "$REELFS" mount serial:NOBODY /tmp/mnt
    refuse 'no such file, and no tape drive' "$REELFS" mount NOBODY /tmp/mnt
    refuse 'not blank|holds|NODES' "$REELFS" format "$serial"
    [[ ! -e $serial ]]
}

by_link() {
    mkdir -p /dev/tape/by-id
    ln -sf "$nst" /dev/tape/by-id/scsi-1-nst
    expect "address +$nst$" "$REELFS" info /dev/tape/by-id/scsi-1-nst
}

# The rewinding node is no other drive.
by_st() {
    expect "reached +$nst, direct I/O" "$REELFS" info "${nst/nst/st}"
}

not_a_tape_drive() {
    local disk
    modprobe scsi_debug
    disk=$(lsscsi -g | awk '/scsi_debug/ { print $NF }')
    refuse 'not a tape drive \(Linux scsi_debug\)' "$REELFS" info "$disk"
    refuse 'neither a tape drive nor a cartridge' "$REELFS" info /dev/null
    refuse 'no such drive.*modprobe' "$REELFS" info /dev/sg99
    expect "$sg" "$REELFS" devices
    ! "$REELFS" devices | grep "^$disk "
}

check 'reelfs devices' listed
check 'reelfs devices leaves a tape where it is' listed_in_the_middle
check 'reelfs devices and a drive that is in use' listed_in_use
check 'a serial number stands in for a node' by_serial
check 'a link' by_link
check 'the node that rewinds' by_st
check 'what is no tape drive' not_a_tape_drive
plan
