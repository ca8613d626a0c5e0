# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# reelfs on the kernel's own nodes, with each way of moving data: a real tree goes in, is compared, and comes off the tape again with mt,
# dd and tar.
# shellcheck source=tests/kernel/guest.sh
source "$GUEST"

modprobe sg
echo 1 >/sys/module/sg/parameters/allow_dio
add_drive /tmp/tape.tap || exit 1
tree=/tmp/tree
mkdir -p $tree/large
cp -r /run/top/src/cli /run/top/man $tree
for size in 1 524288 524289 3000000 6291456; do
    head -c "$size" /dev/urandom >"$tree/large/$size"
done
ln "$tree/large/1" $tree/hard-link
ln -s large $tree/link
chown 1234:4321 $tree/large/3000000
chmod 4711 $tree/large/524289
touch -d '2001-02-03 04:05:06.789012345' $tree/large/6291456

# mounted ADDRESS OPTION…: a new volume is mounted there.
mounted() {
    local address=$1
    shift
    "$REELFS" format --force --name KERNEL "$address" >/dev/null
    "$REELFS" mount "$@" "$address" /mnt
}

compare() {
    diff -r --no-dereference $tree /mnt/tree
    local difference
    difference=$(rsync -aHn --modify-window=-1 --itemize-changes --delete $tree/ /mnt/tree/)
    [[ -z $difference ]] || fail "$difference"
}

# round_trip ADDRESS WAY: WAY has to be what info says.
round_trip() {
    mounted "$1" -o "io=$2"
    "$REELFS" info /mnt >/tmp/info
    rsync -aH --modify-window=-1 $tree /mnt/
    compare
    "$REELFS" unmount /mnt
    "$REELFS" mount -o "io=$2" "$1" /mnt
    compare
    "$REELFS" unmount /mnt
    cat /tmp/info
    grep -qiE "$3" /tmp/info
}

# Numbers of the tape files that hold a file, in order.
segments_of() {
    "$REELFS" list --json "$sg" "$1" | python3 -c '
import json, sys
for extent in json.load(sys.stdin)[0]["extents"]:
    print(extent["filemark"])'
}

by_hand() {
    local file number
    expect 'Tape block size 0 bytes' mt -f "$nst" status
    for file in large/3000000 large/6291456; do
        segments_of "/tree/$file" >/tmp/numbers
        [[ -s /tmp/numbers ]]
        mt -f "$nst" setblk 0
        : >/tmp/restored
        while read -r number; do
            mt -f "$nst" rewind
            mt -f "$nst" fsf "$number"
            dd if="$nst" bs=512k status=none >>/tmp/restored
        done </tmp/numbers
        cmp /tmp/restored "$tree/$file" || fail "$file"
    done
    # Small ones share a pack.
    for file in large/524288 large/524289 cli/main.c; do
        mt -f "$nst" rewind
        mt -f "$nst" fsf "$(segments_of "/tree/$file")"
        tar -b 1024 -xOf "$nst" "tree/$file" | cmp - "$tree/$file" || fail "$file"
    done
}

# The label, for a person without reelfs, and the index, by tools that were not written for it.
index_by_hand() {
    mt -f "$nst" rewind
    dd if="$nst" bs=64k status=none | head -c 4 | grep -q VOL1
    dd if="$nst" bs=512k status=none >/tmp/label.xml
    grep -q 'fsf FILEMARKS' /tmp/label.xml
    mt -f "$nst" eod
    mt -f "$nst" bsfm 2
    dd if="$nst" bs=512k status=none >/tmp/index.xml
    xmllint --noout /tmp/index.xml
    grep -q 6291456 /tmp/index.xml
}

# A tape that was reelfs' is anybody's.
tar_over_it() {
    mt -f "$nst" rewind
    tar -C /tmp -cf "$nst" tree/man
    mt -f "$nst" rewind
    tar -C /tmp -df "$nst"
    refuse 'not a reelfs|no reelfs|tar' "$REELFS" mount "$sg" /mnt
}

check "sg, direct" round_trip "$sg" direct 'direct'
check "sg, mmap" round_trip "$sg" mmap 'mmap|mapped|reserved'
check "sg, indirect" round_trip "$sg" indirect 'indirect|kernel copies'
check "nst, direct" round_trip "$nst" direct 'direct'
check 'mt, dd and tar find the files' by_hand
check 'mt, dd and xmllint find the label and the index' index_by_hand
check 'tar takes the tape back' tar_over_it
plan
