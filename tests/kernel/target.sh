# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced after guest.sh: the tape of tgt, which we did not write and which cannot locate, count or tell its position, by the kernel's
# iSCSI initiator.
# shellcheck source=tests/lib/tgt.sh
source /run/top/tests/lib/tgt.sh

iqn=iqn.2026-11.net.reelfs.test:tape

target() {
    tgtadm --lld iscsi "$@"
}

start_target() {
    local i
    run_tgtd 3260 >/tmp/tgtd.log 2>&1 &
    for ((i = 0; i < 100; i++)); do
        target --mode target --op show >/dev/null 2>&1 && break
        sleep 0.1
    done
    offer_tape "$iqn" /tmp/image
}

# What the initiator writes goes to a directory of its own, for this boot.
start_initiator() {
    cp /etc/iscsi/iscsid.conf /tmp/
    mount -t tmpfs tmpfs /etc/iscsi
    cp /tmp/iscsid.conf /etc/iscsi/
    echo InitiatorName=iqn.2026-11.net.reelfs.test:guest >/etc/iscsi/initiatorname.iscsi
    mkdir -p /run/lock/iscsi
    modprobe -a iscsi_tcp sg st
    iscsid
    iscsiadm -m discovery -t sendtargets -p 127.0.0.1
    iscsiadm -m node -T "$iqn" -o update -n node.session.timeo.replacement_timeout -v 5
    iscsiadm -m node -T "$iqn" -o update -n node.session.iscsi.InitialR2T -v No
    iscsiadm -m node -T "$iqn" -o update -n node.session.iscsi.FirstBurstLength -v 1048576
    iscsiadm -m node -T "$iqn" -o update -n node.conn[0].iscsi.MaxRecvDataSegmentLength -v 1048576
    iscsiadm -m node -T "$iqn" --login
}

connect() {
    tgtimg --op new --device-type tape --barcode TAPE01 --size 300 --type data --file /tmp/image
    start_target
    start_initiator
}

# Sets sg and nst.
connect_tape() {
    connect >/tmp/connect.log 2>&1
    find_drive && return
    cat /tmp/connect.log /tmp/tgtd.log
    return 1
}

# A tree with something of everything that costs this drive time.
make_tree() {
    mkdir -p "$1/large"
    cp -r /run/top/src "$1"
    local size
    for size in 1 524288 524289 2097152 3000000; do
        head -c "$size" /dev/urandom >"$1/large/$size"
    done
    ln -s large "$1/link"
}
