# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The medium is taken out, or the device goes, in the middle of a write: nothing hangs, who wrote is told, and what was committed is there
# when the drive is.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
echo 1 >/sys/module/sg/parameters/allow_dio
# Each switch is a file.
start_drive() {
    REELFS_FAULT='if=/tmp/removed count=all sense=2/3a/00
if=/tmp/changed attention=28/00' add_drive /tmp/tape.tap
}
start_drive || exit 1
# shellcheck source=tests/kernel/unplugged.sh
source "$(dirname "$GUEST")/unplugged.sh"

medium_removed() {
    begin
    touch /tmp/removed
    is_told
    rm /tmp/removed
    committed_is_there
}

# Another tape, perhaps: nothing may be written on it.
medium_changed() {
    begin
    touch /tmp/changed
    is_told
    rm /tmp/changed
    committed_is_there
}

device_deleted() {
    begin
    echo 1 >"/sys/class/scsi_device/$scsi/device/delete"
    is_told
    local host=${scsi%%:*}
    echo "- - -" >"/sys/class/scsi_host/host$host/scan"
    find_drive
    committed_is_there
}

# shellcheck disable=SC2034
complaints='st.*Error|rejecting I/O'
check 'the medium is removed' medium_removed
check 'the medium may have changed' medium_changed
check 'the device is deleted' device_deleted
plan
