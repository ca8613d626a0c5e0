# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The drive is mt's, dd's and tar's again after an unmount, and after a daemon that was killed and a mount that cleaned up behind it. While
# it is mounted nobody else moves the tape.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
echo 1 >/sys/module/sg/parameters/allow_dio
add_drive /tmp/tape.tap || exit 1
head -c 5000000 /dev/urandom >/tmp/data

daemon() {
    pgrep -f "$REELFS mount"
}

# The block length that a user has set, no lock, no reservation; and the tape works.
is_as_before() {
    expect 'BOT' mt -f "$nst" status
    expect "Tape block size $1 bytes" mt -f "$nst" status
    mt -f "$nst" setblk 0
    mt -f "$nst" asf 2
    [[ $(dd if="$nst" bs=512k status=none | wc -c) -gt 0 ]]
    mt -f "$nst" eod
    mt -f "$nst" rewind
    # st would unlock the door by itself.
    expect Good sg_raw "$sg" 1b 00 00 00 00 00
    mt -f "$nst" load
    mt -f "$nst" rewind
}

guarded() {
    "$REELFS" format --force --name AFTER "$sg"
    "$REELFS" mount "$sg" /mnt
    refuse 'busy' mt -f "$nst" rewind
    refuse 'busy' mt -f "$nst" offline
    refuse 'busy' tar -tf "$nst"
    refuse 'Medium removal prevented' sg_raw "$sg" 1b 00 00 00 00 00
    refuse 'is mounted|in use|uses' "$REELFS" format --force "$sg"
    refuse 'is mounted|in use|uses' "$REELFS" check "$nst"
    cp /tmp/data /mnt/data
    "$REELFS" unmount /mnt
    is_as_before 0
}

block_length_of_user() {
    mt -f "$nst" setblk 10240
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/data /mnt/data
    "$REELFS" unmount /mnt
    is_as_before 10240
}

killed() {
    local pid
    mt -f "$nst" setblk 2048
    "$REELFS" mount "$sg" /mnt
    cp /tmp/data /mnt/before
    "$REELFS" sync /mnt
    head -c 3000000 /tmp/data >/mnt/after
    pid=$(daemon)
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/data /mnt/data
    cmp /tmp/data /mnt/before
    "$REELFS" unmount /mnt
    is_as_before 2048
}

# A reservation is gone after an unmount, and after a daemon that was killed and a mount that cleaned up.
reserved() {
    local pid
    "$REELFS" format --force --name AFTER "$sg"
    "$REELFS" mount -o reserve "$sg" /mnt
    expect 'Reservation follows' sg_persist -r "$sg"
    cp /tmp/data /mnt/data
    "$REELFS" unmount /mnt
    expect 'there is NO reservation' sg_persist -r "$sg"
    expect 'there are NO registered' sg_persist -k "$sg"
    "$REELFS" mount -o reserve "$sg" /mnt
    pid=$(daemon)
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    expect 'Reservation follows' sg_persist -r "$sg"
    "$REELFS" mount -o reserve "$sg" /mnt
    cmp /tmp/data /mnt/data
    "$REELFS" unmount /mnt
    expect 'there is NO reservation' sg_persist -r "$sg"
    expect 'there are NO registered' sg_persist -k "$sg"
    is_as_before 0
}

tar_after() {
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    mkdir -p /tmp/tree
    cp /tmp/data /tmp/tree
    tar -C /tmp -b 128 -cf "$nst" tree
    mt -f "$nst" rewind
    tar -C /tmp -b 128 -df "$nst"
}

# mt and tar alone give back a pack.
pack_by_tar() {
    local number
    mkdir -p /tmp/small /tmp/unpacked
    for i in 1 2 3 4 5; do head -c $((i * 1000)) /tmp/data >"/tmp/small/$i"; done
    chmod 640 /tmp/small/3
    "$REELFS" format --force --name PACKS "$sg"
    "$REELFS" mount "$sg" /mnt
    cp -a /tmp/small /mnt/
    "$REELFS" unmount /mnt
    number=$("$REELFS" segments "$sg" | awk '$2 == "pack" { print $1; exit }')
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    mt -f "$nst" fsf "$number"
    tar -C /tmp/unpacked -b 1024 -xpf "$nst"
    touch -r /tmp/small /tmp/unpacked/small
    [[ -z $(rsync -an --modify-window=-1 --checksum --itemize-changes --delete /tmp/small /tmp/unpacked/) ]]
}

other_initiator_is_free() {
    "$REELFS" format --force --name AFTER "$nst"
    for node in "$sg" "$nst"; do
        "$REELFS" mount "$node" /mnt
        cp /tmp/data "/mnt/$(basename "$node")"
        "$REELFS" unmount /mnt
    done
    "$REELFS" check "$sg"
}

check 'while mounted: busy, and locked' guarded
check "after an unmount the user's block length is back" block_length_of_user
check 'after a killed daemon and a mount that cleaned up' killed
check 'mounted by sg and nst in turn' other_initiator_is_free
check 'a reservation is gone afterwards' reserved
check 'a pack comes off the tape by mt and tar' pack_by_tar
check 'tar on the same tape' tar_after
plan
