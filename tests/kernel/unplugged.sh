# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by scripts that take a drive or its tape away in the middle of a write. sg is the drive's node.
# shellcheck disable=SC2154
head -c 16M /dev/urandom >/tmp/data

# The switches of a fault injector, if there is one, are off.
begin() {
    rm -f /tmp/removed /tmp/changed
    [[ -z $(findmnt -nt fuse.reelfs) ]] || umount -l /mnt
    "$REELFS" format --force --name UNPLUGGED "$sg"
    "$REELFS" mount "$sg" /mnt
    cp /tmp/data /mnt/committed
    "$REELFS" sync /mnt
    cp /tmp/data /mnt/late &
    copy=$!
    sleep 0.2
}

# The file that was written is not whole, and says so each time; the one that was committed is, as far as it can be read; the unmount comes
# back and does not say that all is well.
is_told() {
    local status=0
    wait "$copy" || true
    refuse 'Input/output error|No such device|No medium found|Wrong medium type' sync /mnt/late
    refuse 'Input/output error|No such device|No medium found|Wrong medium type' sync /mnt/late
    "$REELFS" unmount /mnt || status=$?
    [[ $status -eq 1 ]]
    [[ -z $(findmnt -nt fuse.reelfs) ]]
}

committed_is_there() {
    "$REELFS" mount "$sg" /mnt
    cmp /tmp/data /mnt/committed
    "$REELFS" unmount /mnt
}
