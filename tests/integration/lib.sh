# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by each test. REELFS is the program under test; $work a directory of its own, gone afterwards; $tape a
# cartridge and $mnt a mount point in it.
set -euo pipefail
: "${REELFS:?set REELFS to the program under test}"
REELFS=$(realpath "$REELFS")
export LC_ALL=C.UTF-8
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by the tests
tapcheck=$tests/lib/tapcheck.py

skip() {
    echo "skipped: $*" >&2
    exit 77
}
[[ $(id -u) -eq 0 ]] || skip "needs root: owners, devices, mounts"
[[ -c /dev/fuse ]] || skip "needs /dev/fuse"

work=$(mktemp -d "${TMPDIR:-/tmp}/reelfs-test.XXXXXX")
tape=$work/tape.tap
mnt=$work/mnt
mkdir "$mnt"
# What programs drop where they stand goes with it.
cd "$work"
# Other directories that go with it.
also_removed=()

# Process id of the daemon that has a cartridge: it holds the lock. Empty if there is none.
daemon_of() {
    local inode
    inode=$(stat -c %i "$1")
    awk -v inode="$inode" '$2 == "FLOCK" { split($6, a, ":"); if (a[3] == inode) print $5 }' /proc/locks | head -n 1
}

# Waits until a process is gone; $2: seconds.
await_exit() {
    local i
    for ((i = 0; i < $2 * 20; i++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

# Ends the script; $1: the exit status, if a trap of its own has run commands since.
cleanup() {
    local status=${1:-$?} cartridge pid point
    trap - EXIT ERR
    set +e
    cd /
    findmnt --noheadings --raw --output TARGET 2>/dev/null | grep -F "$work/" | while read -r point; do
        umount -i -l "$(printf %b "$point")" 2>/dev/null
    done
    for cartridge in "$work"/*.tap; do
        [[ -e $cartridge ]] || continue
        pid=$(daemon_of "$cartridge")
        [[ -z $pid ]] || await_exit "$pid" 20 || kill -KILL "$pid" 2>/dev/null
    done
    rm -rf --one-file-system "$work" "${also_removed[@]}"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM INT
trap 'echo "failed: line $LINENO: $BASH_COMMAND" >&2' ERR
set -E

fail() {
    echo "failed: $*" >&2
    exit 1
}

note() {
    echo "* $*"
}

format_tape() {
    "$REELFS" format --name TEST --force "$@" "$tape"
}

mount_tape() {
    "$REELFS" mount "$@" "$tape" "$mnt"
}

unmount_tape() {
    "$REELFS" unmount "$mnt"
}

remount_tape() {
    unmount_tape
    mount_tape "$@"
}

# expect_failure STATUS REGEX COMMAND…: it exits with STATUS, and says so in one line that matches REGEX.
expect_failure() {
    local expected=$1 regex=$2 status=0 text lines
    shift 2
    "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
    text=$(<"$work/stderr")
    lines=$(wc -l <"$work/stderr")
    [[ $status -eq $expected ]] || fail "exit status $status, not $expected: $*: $text"
    [[ $lines -eq 1 ]] || fail "$lines lines on stderr, not one: $*: $text"
    [[ $text =~ $regex ]] || fail "does not match '$regex': $*: $text"
}

# Everything about each name in a tree that cp -a and rsync -aHAX keep, one line each, and all attributes and ACLs.
# Hard links: names of one inode have the number of its first name.
describe_tree() {
    (
        cd "$1"
        find . -printf '%i %P\0' | sort -z -k 2 |
            awk -v RS='\0' '{ inode = $1; sub(/^[0-9]+ /, ""); if (!(inode in group)) group[inode] = NR;
                print group[inode], $0 }'
        find . ! -type d -printf '%P|%y|%m|%U|%G|%n|%T@|%l\n' | sort
        find . -type d -printf '%P|%y|%m|%U|%G|%T@\n' | sort
        find . -type f -printf '%P|%s\n' | sort
        find . \( -type b -o -type c \) -exec stat -c '%n|%t:%T' {} + | sort
        find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex -- 2>/dev/null
        find . ! -type l -print0 | sort -z | xargs -0 getfacl -n -p --
    )
}

# compare_trees A B: contents, and all that describe_tree tells.
compare_trees() {
    local difference
    diff -r --no-dereference "$1" "$2" >"$work/diff" 2>&1 || true
    # diff cannot compare devices and fifos; describe_tree does.
    difference=$(grep -vE '^File .* is a (fifo|socket|character special file|block special file) while file .* is a \1$' \
        "$work/diff" || true)
    [[ -z $difference ]] || fail "contents differ: $difference"
    describe_tree "$1" >"$work/describe.a"
    describe_tree "$2" >"$work/describe.b"
    diff -u "$work/describe.a" "$work/describe.b" >"$work/diff" || fail "attributes differ: $(head -n 40 "$work/diff")"
    difference=$(rsync -aHAXn --modify-window=-1 --checksum --itemize-changes --delete "$1/" "$2/")
    [[ -z $difference ]] || fail "rsync finds: $difference"
}

# A directory with one of each thing that a filesystem can hold.
make_special_tree() {
    mkdir -p "$1"
    (
        cd "$1"
        umask 022
        echo short >short
        : >empty
        head -c 524287 /dev/urandom >below-block
        head -c 524288 /dev/urandom >one-block
        head -c 524289 /dev/urandom >above-block
        head -c 1048576 /dev/urandom >one-mebibyte
        head -c 9000001 /dev/urandom >large
        truncate -s 3M sparse
        echo data | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none
        truncate -s 1M hole-only
        ln short hard-link
        mkdir -p directory/below/it
        ln large directory/below/hard-link
        ln -s short symlink
        ln -s /no/such/place dangling
        ln -s "$(printf 'x%.0s' {1..4000})" long-target
        mkfifo fifo
        mknod null c 1 3
        mknod block b 7 200
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
        for mode in 0000 0444 0755 1777 2755 4711 6555; do
            echo "$mode" >"mode-$mode"
            chmod "$mode" "mode-$mode"
        done
        mkdir -m 1777 sticky
        mkdir -m 2770 setgid
        echo owned >owned
        chown 12345:54321 owned
        mkdir theirs
        chown 4000000000:4000000001 theirs
        ln -s owned owned-link
        chown -h 12:34 owned-link
        touch $'name with\nnewline' ' leading and trailing ' 'colon:percent%20&<>"'\''' $'tab\there' $'control\001' \
            $'not-utf8-\377\376' 'größe-文書-🎞' -- -dash "$(printf 'n%.0s' {1..255})" $'return\r'
        echo attributes >attributes
        setfattr -n user.text -v 'some text' attributes
        setfattr -n user.binary -v 0x00ff80410a0d attributes
        setfattr -n user.empty attributes
        setfattr -n user.linux.user -v nested attributes
        setfattr -n trusted.reelfs -v trusted attributes
        setfattr -n user.large -v "$(printf 'v%.0s' {1..3000})" attributes
        setfattr -n user.on-directory -v yes directory
        echo acl >acl
        setfacl -m u:12345:rw,g:54321:r acl
        setfacl -m d:u:12345:rwx,d:g::r-x directory
        mkdir directory/inherits
        touch -d '1969-12-31 23:59:59.5 UTC' before-epoch
        touch -d '2001-02-03 04:05:06.789012345 UTC' nanoseconds
        touch -d '2100-01-01 UTC' future
        touch -h -d '2002-02-02 02:02:02.222222222' dangling
        touch -d '2003-03-03 03:03:03.333333333' directory/below/it directory/below directory
    )
}
