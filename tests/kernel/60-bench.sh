# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# reelfs bench by all nodes of a drive, and the engine of reelfs-zero-copy(7) on a device that costs nothing. No times are judged.
# timeout: 180
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

add_drive /tmp/tape.tap || exit 1
# shellcheck disable=SC2034
limit=90
quick=(--time 1s --rounds 2 --space 30M)

# measured FILE WAY...: the JSON has these ways and no others, and each was measured in every round.
measured() {
    python3 - "$@" <<'END'
import json, sys
result = json.load(open(sys.argv[1]))
ways = [w["name"] for w in result["ways"]]
assert sorted(ways) == sorted(sys.argv[2:]), ways
for way in ways:
    cells = [c for c in result["cells"] if c["way"] == way and c["table"] == "sizes" and "wall_us" in c]
    assert len(cells) >= 2, (way, cells)
    for cell in cells:
        assert len(cell["wall_us"]["samples"]) == result["rounds"], cell
        assert cell["wall_us"]["median"] > 0, cell
END
}

all_ways() {
    local before
    echo 1 >/sys/module/sg/parameters/allow_dio
    mt -f "$nst" setblk 10240
    before=$(cat "/sys/class/scsi_tape/$(basename "$nst")/options")
    reelfs bench --write --yes --json --sizes 64K-1M --plot /tmp/plot.svg "${quick[@]}" "$sg" >/tmp/all.json 2>/tmp/said
    cat /tmp/said
    measured /tmp/all.json sg-copied sg-direct sg-mmap bsg-direct nst-direct st-direct st-copied st-buffered st-async
    # What is called direct is direct.
    ! grep 'does not take effect' /tmp/said || fail "a way that is none"
    grep -q polyline /tmp/plot.svg
    [[ $(cat "/sys/class/scsi_tape/$(basename "$nst")/options") == "$before" ]] || fail "the driver's options are not what they were"
    expect 'Tape block size 10240 bytes' mt -f "$nst" status
    mt -f "$nst" setblk 0
}

without_dio() {
    echo 0 >/sys/module/sg/parameters/allow_dio
    reelfs bench --write --yes --json --sizes 64K-256K --tables sizes "${quick[@]}" "$sg" >/tmp/some.json 2>/tmp/said
    cat /tmp/said
    grep -q 'direct I/O is off and is not measured' /tmp/said
    measured /tmp/some.json sg-copied sg-mmap bsg-direct nst-direct st-direct st-copied st-buffered st-async
    echo 1 >/sys/module/sg/parameters/allow_dio
}

# What may only be read stays as it is, and the tape where it was.
reading() {
    local place status
    mt -f "$nst" rewind
    tar -C /usr/include/glib-2.0 -b 64 -cf "$nst" .
    mt -f "$nst" rewind
    mt -f "$nst" fsr 5
    place=$(mt -f "$nst" tell)
    status=$(mt -f "$nst" status | grep 'File number')
    cksum </tmp/tape.tap >/tmp/before
    reelfs bench --json "${quick[@]}" "$sg" >/tmp/read.json
    cksum </tmp/tape.tap | cmp - /tmp/before
    python3 -c 'import json, sys; assert not [c for c in json.load(open(sys.argv[1]))["cells"] if c["move"] == "write"]' /tmp/read.json
    [[ $(mt -f "$nst" tell) == "$place" ]] || fail "the tape is elsewhere: $(mt -f "$nst" tell), not $place"
    [[ $(mt -f "$nst" status | grep 'File number') == "$status" ]] || fail "the driver knows something else: $(mt -f "$nst" status), not $status"
    mt -f "$nst" rewind
    tar -b 64 -tf "$nst" >/dev/null
}

costs_nothing() {
    local i null tape scsi
    mkdir /tmp/null
    remove_drive /tmp/tape.tap
    modprobe scsi_debug ptype=1 fake_rw=1 delay=0 dev_size_mb=16
    for ((i = 0; i < 100; i++)); do
        null=$(lsscsi -g | awk '/scsi_debug/ { print $NF }')
        [[ -c $null ]] && break
        sleep 0.05
    done
    scsi=$(basename "$(readlink -f "/sys/class/scsi_generic/$(basename "$null")/device")")
    tape=$(basename "/sys/class/scsi_generic/$(basename "$null")/device/scsi_tape/"nst?)
    /run/build/tests/bench/bench-null "$null" "/dev/bsg/$scsi" "/dev/$tape" /tmp/null 2 2
    measured /tmp/null/null.json sg-copied sg-direct sg-mmap bsg-direct st-copied st-direct st-copied-cold st-direct-cold
}

# shellcheck disable=SC2034 # it knows no filemarks
complaints='scsi_debug|Error on write filemark|Sense Key : 0x5|ASC=0x20|Error [0-9a-f]* \(driver'
check 'reelfs bench by all ways' all_ways
check 'reelfs bench where sg may not do direct I/O' without_dio
check 'reelfs bench that only reads' reading
check 'bench on a device that costs nothing' costs_nothing
plan
