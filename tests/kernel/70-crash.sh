# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# timeout: 600
# The drive loses its power under a mount, with the kernel's sg driver between: see tests/crash/mount.py.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
mkdir -p /tmp/crash
# What the kernel says of a drive without power is no complaint.
complaints='(st|sg)[0-9]*[] :].*([Ee]rror|Failed)'
for number in 0 1 2 3 4; do
    limit=120 check "power cut $number" python3 /run/top/tests/crash/mount.py "$REELFS" /tmp/crash --kernel --only $number
done
plan
