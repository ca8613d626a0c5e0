# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The virtual drive behind the kernel's st and sg drivers, judged by tar and sg3_utils.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

add_drive /tmp/tape.tap || exit 1
head -c 3000000 /dev/urandom >/tmp/data

# at FILE BLOCK: the position, as st counts it.
at() {
    expect "File number=$1, block number=$2," mt -f "$nst" status
}

options() {
    mt -f "$nst" stsetoptions buffer-writes async-writes read-ahead
    expect 'buffer-writes' mt -f "$nst" stshowoptions
    mt -f "$nst" drvbuffer 1
    mt -f "$nst" defblksize 0
    mt -f "$nst" rewind
    mt -f "$nst" setblk 512
    head -c 2949120 /tmp/data >/tmp/even
    # Small writes, which st gathers and sends on by itself.
    dd if=/tmp/even of="$nst" bs=4096 status=none
    mt -f "$nst" rewind
    dd if="$nst" bs=4096 status=none | cmp - /tmp/even
    mt -f "$nst" setblk 0
}

archive() {
    mkdir -p /tmp/tree/directory
    seq 20000 >/tmp/tree/numbers
    cp /tmp/data /tmp/tree/directory/data
    ln -s numbers /tmp/tree/link
    mt -f "$nst" rewind
    tar -C /tmp -cf "$nst" tree
    tar -C /tmp -b 1024 -cf "$nst" tree
    mt -f "$nst" rewind
    tar -C /tmp -df "$nst"
    mt -f "$nst" asf 1
    tar -C /tmp -b 1024 -df "$nst"
    mt -f "$nst" rewind
    expect 'tree/directory/data' tar -tf "$nst"
    mt -f "$nst" asf 1
    mkdir /tmp/out
    tar -C /tmp/out -b 1024 -xf "$nst"
    diff -r --no-dereference /tmp/tree /tmp/out/tree
}

append_to_archive() {
    echo more >/tmp/tree/more
    mt -f "$nst" rewind
    tar -C /tmp -cf "$nst" tree/numbers
    mt -f "$nst" rewind
    tar -C /tmp -rf "$nst" tree/more tree/directory
    mt -f "$nst" rewind
    tar -tf "$nst" >/tmp/list
    diff <(printf '%s\n' tree/numbers tree/more tree/directory/ tree/directory/data) /tmp/list
    mt -f "$nst" rewind
    tar -C /tmp -df "$nst"
}

# st passes sense data on to who asks by sg: the two agree.
filemark_by_sg() {
    mt -f "$nst" rewind
    mt -f "$nst" weof 1
    mt -f "$nst" rewind
    refuse 'Filemark detected' sg_raw -r 512 "$sg" 08 00 00 02 00 00
    expect 'Good' sg_raw "$sg" 01 00 00 00 00 00
}

short_block_by_sg() {
    mt -f "$nst" rewind
    dd if=/tmp/data of="$nst" bs=1000 count=1 status=none
    mt -f "$nst" rewind
    # SILI: no sense data, and the residual tells.
    expect 'Writing 1000 bytes' sg_raw -r 4096 -o /tmp/block "$sg" 08 02 00 10 00 00
    cmp /tmp/block <(head -c 1000 /tmp/data)
    mt -f "$nst" rewind
    # Without: ILI, with the data.
    sg_raw -r 4096 -o /tmp/block "$sg" 08 00 00 10 00 00 >/tmp/said 2>&1 || true
    grep -q 'ILI' /tmp/said
    head -c 1000 /tmp/block | cmp - <(head -c 1000 /tmp/data)
}

reset() {
    mt -f "$nst" rewind
    mt -f "$nst" setblk 1024
    sg_reset -d "$sg"
    refuse 'reset' sg_raw "$sg" 00 00 00 00 00 00
    sg_turs -n 5 "$sg" || true
    sg_turs "$sg"
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    at 0 0
}

check 'buffered and asynchronous writes of st' options
check 'tar: create, list, compare, extract, at two blocking factors' archive
check 'tar: append' append_to_archive
check 'a filemark by sg' filemark_by_sg
check 'a short block by sg' short_block_by_sg
check 'a reset' reset
plan
