# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What serves the drive dies or is ended in the middle of a write: nothing hangs, who wrote is told, and what was committed is there when the
# drive is.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
echo 1 >/sys/module/sg/parameters/allow_dio
add_drive /tmp/tape.tap || exit 1
# shellcheck source=tests/kernel/unplugged.sh
source "$(dirname "$GUEST")/unplugged.sh"

# The process dies with commands in the ring; the next one ends them.
drive_killed() {
    begin
    kill -KILL "$(drive_of /tmp/tape.tap)"
    sleep 0.5
    add_drive /tmp/tape.tap
    is_told
    committed_is_there
}

drive_stopped() {
    begin
    remove_drive /tmp/tape.tap
    is_told
    add_drive /tmp/tape.tap
    committed_is_there
}

# shellcheck disable=SC2034
complaints='st.*Error|rejecting I/O'
check 'the drive is killed' drive_killed
find_drive
check 'the drive is taken away' drive_stopped
plan
