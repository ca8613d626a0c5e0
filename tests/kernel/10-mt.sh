# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The virtual drive behind the kernel's st and sg drivers, judged by lsscsi, mt and dd.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

add_drive /tmp/tape.tap || exit 1
head -c 3000000 /dev/urandom >/tmp/data

# at FILE BLOCK: the position, as st counts it.
at() {
    expect "File number=$1, block number=$2," mt -f "$nst" status
}

other_handler() {
    local device=/sys/kernel/config/target/core/user_0/OTHER
    mkdir "$device"
    echo dev_config=other/x,dev_size=1048576,hw_block_size=512,nl_reply_supported=-1 >"$device/control"
    echo 1 >"$device/enable"
    : >/tmp/other.tap
    refuse 'OTHER: .* of another program' "$REELFS" drive --name OTHER /tmp/other.tap
    [[ -d $device ]]
    rmdir "$device"
}

identity() {
    expect 'REELFS .*VIRTUAL TAPE' lsscsi -g
    expect "^\[$scsi\] +tape .* /dev/st[0-9]+ +$sg " lsscsi -g
    expect 'PDT=1 ' sg_inq "$sg"
    expect 'Product identification: VIRTUAL TAPE' sg_inq "$sg"
    expect 'Unit serial number: RV[0-9A-F]{8}$' sg_inq -p sn "$sg"
    expect 'vendor id: REELFS' sg_inq -p di "$sg"
    expect '0000000000000000' sg_luns "$sg"
    sg_turs "$sg" || true # there is a new medium
    expect . sg_turs -v "$sg"
    refuse . sg_inq -p 0xb7 "$sg"
}

# What sg3_utils reads in it, and not just that it was answered.
describe() {
    expect 'Maximum block size: 8388608' sg_read_block_limits "$sg"
    expect 'Minimum block size: 1 ' sg_read_block_limits "$sg"
    expect 'Data Compression' sg_modes -a "$sg"
    expect 'Tape capacity' sg_logs -p 0x31 "$sg"
    expect 'No Sense' sg_requests "$sg"
}

empty_tape() {
    mt -f "$nst" rewind
    expect 'BOT ONLINE' mt -f "$nst" status
    at 0 0
    dd if="$nst" of=/tmp/none bs=64k status=none || true
    [[ ! -s /tmp/none ]] || fail 'data on an empty tape'
}

variable_blocks() {
    local size
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    for size in 512 1000 10240 65536 262144 524288 1048576; do
        dd if=/tmp/data of="$nst" bs="$size" count=20 status=none
    done
    mt -f "$nst" rewind
    for size in 512 1000 10240 65536 262144 524288 1048576; do
        # Larger than any block: each read is one block.
        dd if="$nst" bs=1M status=none | cmp - <(part /tmp/data 0 $((size * 20)))
    done
    mt -f "$nst" eod
    at 7 -1
    mt -f "$nst" asf 1
    at 1 0
    [[ $(dd if="$nst" bs=64k count=1 2>/dev/null | wc -c) -eq 1000 ]]
}

block_too_large() {
    mt -f "$nst" asf 3
    refuse 'Cannot allocate memory' dd if="$nst" of=/dev/null bs=10k count=1
}

fixed_blocks() {
    mt -f "$nst" rewind
    mt -f "$nst" setblk 4096
    expect 'Tape block size 4096 bytes' mt -f "$nst" status
    head -c 2949120 /tmp/data >/tmp/even
    dd if=/tmp/even of="$nst" bs=96k status=none
    expect 'block 721' mt -f "$nst" tell
    mt -f "$nst" rewind
    dd if="$nst" bs=64k status=none | cmp - /tmp/even
    mt -f "$nst" asf 0
    mt -f "$nst" fsr 300
    dd if="$nst" bs=4k count=20 status=none | cmp - <(part /tmp/even 1228800 81920)
    # Fixed blocks, read as variable ones.
    mt -f "$nst" setblk 0
    mt -f "$nst" rewind
    dd if="$nst" bs=64k count=1 status=none | cmp - <(head -c 4096 /tmp/even)
    # And variable ones that are shorter than the fixed length.
    mt -f "$nst" rewind
    dd if=/tmp/data of="$nst" bs=1000 count=5 status=none
    mt -f "$nst" rewind
    mt -f "$nst" setblk 4096
    refuse 'Input/output error' dd if="$nst" of=/dev/null bs=4096 count=1
    mt -f "$nst" setblk 0
}

# Five files of one to five blocks of 1000 bytes.
five_files() {
    local i
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    for i in 1 2 3 4 5; do
        dd if=/tmp/data of="$nst" bs=1000 count="$i" skip="$i" status=none
    done
}

moves() {
    five_files
    mt -f "$nst" rewind
    at 0 0
    mt -f "$nst" fsf 2
    at 2 0
    mt -f "$nst" fsr 2
    at 2 2
    mt -f "$nst" bsr 1
    at 2 1
    dd if="$nst" bs=64k count=1 status=none | cmp - <(part /tmp/data 4000 1000)
    mt -f "$nst" bsf 1
    at 1 -1
    mt -f "$nst" bsf 1
    mt -f "$nst" fsf 1
    at 1 0
    mt -f "$nst" fsfm 1
    at 1 -1
    mt -f "$nst" asf 4
    at 4 0
    mt -f "$nst" bsfm 2
    at 3 0
    mt -f "$nst" eod
    refuse 'Input/output error' mt -f "$nst" fsf 1
    mt -f "$nst" asf 1
    refuse 'Input/output error' mt -f "$nst" fsr 9
    mt -f "$nst" rewind
    refuse 'Input/output error' mt -f "$nst" bsr 1
}

seek_and_tell() {
    five_files
    mt -f "$nst" rewind
    expect 'block 0\.' mt -f "$nst" tell
    mt -f "$nst" seek 9
    expect 'block 9\.' mt -f "$nst" tell
    # Objects: 1 block, FM, 2 blocks, FM, 3 blocks, FM: number 9 is the first block of file 3.
    dd if="$nst" bs=64k count=1 status=none | cmp - <(part /tmp/data 4000 1000)
    refuse . mt -f "$nst" seek 1000
}

filemarks() {
    mt -f "$nst" rewind
    mt -f "$nst" weof 3
    expect 'block 3\.' mt -f "$nst" tell
    at 3 0
    mt -f "$nst" rewind
    mt -f "$nst" eod
    at 3 -1
}

erase() {
    five_files
    mt -f "$nst" asf 2
    mt -f "$nst" erase 0
    mt -f "$nst" eod
    at 2 -1
    mt -f "$nst" rewind
    mt -f "$nst" erase
    mt -f "$nst" eod
    expect 'block 0\.' mt -f "$nst" tell
}

load() {
    five_files
    mt -f "$nst" offline
    expect 'DR_OPEN' mt -f "$nst" status
    # Without nonblock, st waits two minutes for somebody to put a tape in.
    refuse 'No medium' dd if="$nst" of=/dev/null bs=64k count=1 iflag=nonblock
    mt -f "$nst" load
    expect 'BOT ONLINE' mt -f "$nst" status
    [[ $(dd if="$nst" bs=64k 2>/dev/null | wc -c) -eq 1000 ]]
}

lock() {
    mt -f "$nst" lock
    # st unlocks the door by itself before it unloads.
    refuse 'Medium removal prevented' sg_raw "$sg" 1b 00 00 00 00 00
    mt -f "$nst" unlock
    expect Good sg_raw "$sg" 1b 00 00 00 00 00
    mt -f "$nst" load
}

compression() {
    mt -f "$nst" compression 0
    expect '0f 0e 40' sg_modes -p 0x0f "$sg"
    mt -f "$nst" compression 1
    expect '0f 0e c0' sg_modes -p 0x0f "$sg"
}

remove() {
    mt -f "$nst" rewind
    dd if=/tmp/data of="$nst" bs=1000 count=1 status=none
    remove_drive /tmp/tape.tap
    [[ ! -e $sg && ! -e $nst ]]
    # The tape is the file, in a container that others read.
    [[ -s /tmp/tape.tap ]]
    add_drive /tmp/tape.tap
    dd if="$nst" bs=64k count=1 status=none | cmp - <(head -c 1000 /tmp/data)
}

# shellcheck disable=SC2034
complaints='Failed to read 65536 byte block with 10240 byte transfer'
check 'lsscsi and sg_inq know the drive' identity
check 'sg3_utils reads what the drive says of itself' describe
check 'an empty tape' empty_tape
check 'variable blocks, 512 bytes to 1 MiB' variable_blocks
check 'a block larger than the buffer' block_too_large
check 'fixed blocks' fixed_blocks
check 'mt fsf, bsf, fsr, bsr, fsfm, bsfm, asf, eod' moves
check 'mt seek and tell' seek_and_tell
check 'mt weof' filemarks
check 'mt erase' erase
check 'mt offline and load' load
check 'mt lock and unlock' lock
check 'mt compression' compression
check "another program's device of the same name" other_handler
check 'the drive goes, and comes back with its tape' remove
plan
