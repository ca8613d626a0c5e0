# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the virtual drive says of itself, of the medium and of reservations, read by sg3_utils; a full and a write-protected tape by st.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

"$REELFS" format --name PAGES --volume-id PGS001 --capacity 64M /tmp/tape.tap >/dev/null
add_drive /tmp/tape.tap || exit 1
sg_turs "$sg" >/dev/null 2>&1
head -c 1000000 /dev/urandom >/tmp/data

vital_product_data() {
    expect 'Unit serial number: RV[0-9A-F]{8}$' sg_vpd -p sn "$sg"
    expect 'vendor id: REELFS' sg_vpd -p di "$sg"
    expect 'designator type: NAA' sg_vpd -p di "$sg"
    expect 'WORM=1' sg_vpd -p 0xb0 "$sg"
    sg_vpd -a "$sg"
}

# The capacity is that of the cartridge, the counters are those of what was written.
logs() {
    mt -f "$nst" rewind
    dd if=/dev/zero of="$nst" bs=512k count=20 status=none
    mt -f "$nst" rewind
    dd if="$nst" of=/dev/null bs=512k count=10 status=none
    sg_logs -a "$sg"
    expect 'Main partition maximum capacity \(in MiB\): 64$' sg_logs -p 0x31 "$sg"
    expect 'Main partition remaining capacity \(in MiB\): 54$' sg_logs -p 0x31 "$sg"
    expect 'Volume barcode: PGS001' sg_logs -p 0x17 "$sg"
    expect 'Last mount megabytes written: 10$' sg_logs -p 0x17 "$sg"
    expect 'Write failure: 0$' sg_logs -p 0x2e "$sg"
    expect 'Cleaning action not required' sg_logs -p 0x0c "$sg"
}

attribute() {
    sg_read_attr -f "$1" "$sg" | sed -n 's/.*: *//p'
}

# The memory of the cartridge; its change reference tells that somebody has written.
attributes() {
    expect 'Barcode: PGS001' sg_read_attr "$sg"
    expect 'Medium manufacturer: REELFS' sg_read_attr "$sg"
    expect 'Maximum capacity in partition \[MiB\]: 64$' sg_read_attr "$sg"
    local before after
    before=$(attribute 0x9)
    mt -f "$nst" rewind
    dd if=/tmp/data of="$nst" bs=64k count=1 status=none
    after=$(attribute 0x9)
    [[ -n $before && $before != "$after" ]] || fail "volume change reference: $before, then $after"
}

operations() {
    local name
    sg_opcodes "$sg" >/tmp/operations
    for name in 'Read\(6\)' 'Write\(6\)' 'Locate\(16\)' 'Read position, long form' 'Read attribute, attribute values' \
        'Persistent reserve out, reserve' 'Report supported operation codes'; do
        grep -qE "$name" /tmp/operations || fail "not supported: $name"
    done
    expect 'Usage data: 0a 01 ff ff ff' sg_opcodes -o 0x0a "$sg"
    expect 'recommended timeout: [1-9]' sg_opcodes -R -o 0x0a "$sg"
    expect 'NOT supported' sg_opcodes -o 0x28 "$sg"
    expect 'REELFS  TAP' sg_raw -r 100 "$sg" 44 00 00 00 00 00 00 00 64 00
}

persistent_reservation() {
    expect 'there are NO registered' sg_persist -k "$sg"
    sg_persist -o -G -S 0xabc "$sg"
    expect '0xabc' sg_persist -k "$sg"
    sg_persist -o -R -T 3 -K 0xabc "$sg"
    expect 'Exclusive Access' sg_persist -r "$sg"
    refuse 'conflict' sg_persist -o -L -T 3 -K 0xdef "$sg"
    # A reset leaves it.
    sg_reset -d "$sg"
    sg_turs -n 4 "$sg" || true
    expect '0xabc' sg_persist -r "$sg"
    sg_persist -o -L -T 3 -K 0xabc "$sg"
    expect 'there is NO reservation' sg_persist -r "$sg"
    sg_persist -o -G -K 0xabc -S 0 "$sg"
    expect 'there are NO registered' sg_persist -k "$sg"
    refuse 'conflict' sg_persist -o -R -T 3 -K 0xabc "$sg"
}

# With APTPL it is there when the drive is switched on again.
lasting_reservation() {
    sg_persist -o -G -Z -S 0x123 "$sg"
    sg_persist -o -R -T 3 -K 0x123 "$sg"
    remove_drive /tmp/tape.tap
    add_drive /tmp/tape.tap
    sg_turs -n 4 "$sg" || true
    expect '0x123' sg_persist -r "$sg"
    sg_persist -o -C -K 0x123 "$sg"
    expect 'there is NO reservation' sg_persist -r "$sg"
}

full() {
    local written
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    refuse 'No space left' dd if=/dev/zero of="$nst" bs=512k
    # Past early warning there is room for what has to be written yet.
    mt -f "$nst" weof 1
    mt -f "$nst" rewind
    written=$(dd if="$nst" bs=512k status=none | wc -c)
    [[ $written -gt 50000000 && $written -le 67108864 ]] || fail "$written bytes"
    sg_logs -p 0x31 "$sg"
    expect 'remaining capacity \(in MiB\): [0-4]$' sg_logs -p 0x31 "$sg"
}

write_protected() {
    remove_drive /tmp/tape.tap
    add_drive /tmp/tape.tap --read-only
    expect 'WR_PROT' mt -f "$nst" status
    refuse 'Read-only|Permission denied' dd if=/tmp/data of="$nst" bs=64k count=1
    refuse . mt -f "$nst" weof 1
    mt -f "$nst" rewind
    [[ $(dd if="$nst" bs=512k count=1 status=none | wc -c) -eq 524288 ]]
}

# shellcheck disable=SC2034
complaints='st.*Error'
check 'vital product data' vital_product_data
check 'log pages' logs
check 'attributes of the medium' attributes
check 'supported operations and their timeouts' operations
check 'a persistent reservation' persistent_reservation
check 'a reservation that lasts through a power loss' lasting_reservation
check 'a full tape' full
check 'a write-protected tape' write_protected
plan
