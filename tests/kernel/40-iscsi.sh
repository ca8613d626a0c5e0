# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# memory: 768M
# reelfs on tgt's tape, by the kernel's iSCSI initiator.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"
# shellcheck source=tests/kernel/target.sh
source "$(dirname "$GUEST")/target.sh"

tree=/tmp/tree
make_tree $tree
connect_tape || exit 1

round_trip() {
    "$REELFS" format --name TGT "$sg"
    "$REELFS" mount "$sg" /mnt
    rsync -aH --modify-window=-1 $tree /mnt/
    diff -r --no-dereference $tree /mnt/tree
    "$REELFS" unmount /mnt
    "$REELFS" mount "$sg" /mnt
    diff -r --no-dereference $tree /mnt/tree
    local difference
    difference=$(rsync -aHn --modify-window=-1 --itemize-changes --delete $tree/ /mnt/tree/)
    [[ -z $difference ]] || fail "$difference"
    "$REELFS" unmount /mnt
    "$REELFS" check "$sg"
}

by_hand() {
    mt -f "$nst" rewind
    mt -f "$nst" setblk 0
    local number
    number=$("$REELFS" list --json "$sg" /tree/large/2097152 |
        python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["extents"][0]["filemark"])')
    mt -f "$nst" rewind
    mt -f "$nst" fsf "$number"
    # Of a short block this drive sends a part only, as much as it thinks is missing.
    dd if="$nst" bs=512k status=none | cmp - $tree/large/2097152
}

check 'copied, compared, unmounted, mounted, compared' round_trip
check 'mt and dd' by_hand
plan
