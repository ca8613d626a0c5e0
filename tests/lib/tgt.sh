# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced: tgt's tape, as a target on loopback. target is a function of who sources this: tgtadm for its tgtd.

# run_tgtd PORT [OPTION]…: does not return. It would meet a page fault for each page of each command otherwise.
run_tgtd() {
    local port=$1
    shift
    MALLOC_MMAP_THRESHOLD_=268435456 MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=67108864 \
        exec tgtd -f --iscsi portal=127.0.0.1:"$port" "$@"
}

# offer_tape IQN IMAGE: as logical unit 1, with bursts as long as they can be.
offer_tape() {
    local value
    target --mode target --op new --tid 1 --targetname "$1"
    for value in MaxRecvDataSegmentLength=1048576 MaxXmitDataSegmentLength=1048576 FirstBurstLength=1048576 \
        MaxBurstLength=16776192 InitialR2T=No; do
        target --mode target --op update --tid 1 --name "${value%=*}" --value "${value#*=}"
    done
    target --mode logicalunit --op new --tid 1 --lun 1 --device-type tape --backing-store "$2"
    target --mode target --op bind --tid 1 --initiator-address ALL
}
