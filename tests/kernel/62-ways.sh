# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# How data moves by each node, and what is said about it and to whom; the st driver, which keeps others away.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
dio=/sys/module/sg/parameters/allow_dio
echo 1 >$dio
add_drive /tmp/tape.tap || exit 1
"$REELFS" format --force --name WAYS "$sg" >/dev/null
mkdir /tmp/mnt
head -c 3000000 /dev/urandom >/tmp/data

# As user 1000 with nothing but these groups.
as() {
    local groups=$1
    shift
    if [[ $groups ]]; then
        setpriv --reuid 1000 --regid 1000 --groups "$groups" "$@"
    else
        setpriv --reuid 1000 --regid 1000 --clear-groups "$@"
    fi
}

reached() {
    expect "reached +$1" "$REELFS" info --io "$2" "$3"
}

ways() {
    local bsg=/dev/bsg/$scsi
    echo 1 >$dio
    reached "$sg, direct I/O, no copy.*; $nst is held" auto "$sg"
    reached "$nst, direct I/O, no copy of the data$" auto "$nst"
    reached "$bsg, direct I/O, no copy.*; $nst is held" auto "$bsg"
    reached "$sg, mmap I/O" mmap "$bsg"
    reached "$sg, indirect I/O" indirect "$nst"
    echo 0 >$dio
    reached "$nst, direct I/O, no copy of the data$" auto "$sg"
    reached "$nst, direct I/O, no copy of the data$" direct "$sg"
    reached "$bsg, direct I/O, no copy of the data; $nst is held" direct "$bsg"
    refuse 'io=sideways: auto, direct, mmap and indirect are known' "$REELFS" mount -o io=sideways "$sg" /tmp/mnt
    echo 1 >$dio
}

# Nothing is copied silently.
dio_is_turned_off() {
    "$REELFS" mount -f -o io=direct "$sg" /tmp/mnt >/tmp/log 2>&1 &
    until mountpoint -q /tmp/mnt; do sleep 0.1; done
    echo 0 >$dio
    cp /tmp/data /tmp/mnt/copied
    "$REELFS" sync /tmp/mnt
    expect 'reached .* transfers copied .the last one: the kernel did not map' "$REELFS" info /tmp/mnt
    echo 1 >$dio
    "$REELFS" unmount /tmp/mnt
    wait
    [[ $(grep -c 'direct I/O is not in effect any more' /tmp/log) -eq 1 ]]
}

not_permitted() {
    chgrp tape "$sg" "$nst"
    chmod 660 "$sg" "$nst"
    refuse "$sg: no permission.*group tape" as '' "$REELFS" info "$sg"
    refuse "$nst: no permission.*group tape" as '' "$REELFS" info "$nst"
    expect "^$sg .* no permission" as '' "$REELFS" devices
    echo 0 >$dio
    # No raw I/O by the st node, and the bsg node is root's.
    expect "reached +$sg, mmap I/O.*allow_dio.*only for root" as tape "$REELFS" info "$sg"
    expect "io=direct does not take effect; mmap I/O by $sg is used: .*allow_dio is 0" as tape "$REELFS" info --io direct "$sg"
    # By one that may be opened the kernel sends some commands only.
    chmod 666 "/dev/bsg/$scsi"
    expect "reached +$sg, mmap I/O.*/dev/bsg/$scsi: only for root" as tape "$REELFS" info "$sg"
    [[ $(as tape "$REELFS" info "$sg" 2>&1 >/dev/null) == "" ]]
    chmod 600 "/dev/bsg/$scsi"
    echo 1 >$dio
    expect "reached +$sg, direct I/O, no copy" as tape "$REELFS" info "$nst"
}

# It is the same initiator as reelfs.
reserved_by_another_program() {
    sg_persist --out --register --param-sark=abc123 "$sg"
    sg_persist --out --reserve --param-rk=abc123 --prout-type=3 "$sg"
    refuse 'reserved by another program or host .key 0x0000000000abc123' "$REELFS" mount -o reserve "$sg" /tmp/mnt
    expect 'Key=0xabc123' sg_persist --in --read-reservation "$sg"
    sg_persist --out --clear --param-rk=abc123 "$sg"
    "$REELFS" mount -o reserve "$sg" /tmp/mnt
    "$REELFS" unmount /tmp/mnt
}

# st counts files and blocks by itself, and has to be told.
st_knows_the_place() {
    mt -f "$nst" eod
    expect 'EOD' mt -f "$nst" status
    "$REELFS" mount "$sg" /tmp/mnt
    "$REELFS" unmount /tmp/mnt
    expect 'File number=0, block number=0' mt -f "$nst" status
    [[ $(dd if="$nst" bs=64k count=1 status=none | head -c 4) == VOL1 ]]
    "$REELFS" list "$sg"
    expect 'BOT' mt -f "$nst" status
}

without_st() {
    rmmod st
    expect "reached +$sg, direct I/O.*other programs can get at the drive" "$REELFS" info "$sg"
    expect 'has no node for it' "$REELFS" -v info "$sg"
    exec 5<"$sg"
    flock 5
    refuse "$sg: another program uses the drive" "$REELFS" info "$sg"
    refuse "another program uses the drive" "$REELFS" info "/dev/bsg/$scsi"
    expect "^$sg .* in use" "$REELFS" devices
    exec 5<&-
    "$REELFS" mount "$sg" /tmp/mnt
    cmp /tmp/data /tmp/mnt/copied
    "$REELFS" unmount /tmp/mnt
    modprobe st
}

# The drive is gone while it is mounted: nothing hangs.
unplugged() {
    "$REELFS" mount "$sg" /tmp/mnt
    cp /tmp/data /tmp/mnt/kept
    "$REELFS" sync /tmp/mnt
    echo 1 >"/sys/class/scsi_generic/$(basename "$sg")/device/delete"
    cp /tmp/data /tmp/mnt/lost || true
    refuse 'No such device|error' "$REELFS" unmount /tmp/mnt
    ! mountpoint -q /tmp/mnt || fail 'still mounted'
    ! "$REELFS" devices --quick | grep -q "^$sg "
}

check 'each node, each way of moving data, and what is said' ways
check 'direct I/O is turned off in use' dio_is_turned_off
check 'users without permission' not_permitted
check "another program's reservation" reserved_by_another_program
check 'the st driver knows where the tape is' st_knows_the_place
check 'without the st driver' without_st
check 'a drive that is unplugged' unplugged
plan
