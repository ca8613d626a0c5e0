#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A drive that fails, is unplugged or changes its tape under a mount: nothing hangs, who has lost data is told, unmount
# says so, and what was committed before is there.
# timeout: 600
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

BOUND=60 # seconds in which anything has to return; every fault comes at once
now=$work/now
head -c 9000001 /dev/urandom >"$work/before"
head -c 30000001 /dev/urandom >"$work/data"
head -c 5000 /dev/urandom >"$work/small"

# bounded COMMAND…: its exit status, unless it hangs.
bounded() {
    local status=0
    timeout --signal=KILL "$BOUND" "$@" || status=$?
    [[ $status -ne 137 ]] || fail "hangs: $*"
    return "$status"
}

# mount_failing RULES [OPTION…]: with a file that is committed; the rules hold once $now is there.
mount_failing() {
    local rules=$1
    shift
    rm -f "$now"
    # shellcheck disable=SC2119 # without arguments
    format_tape >"$work/stdout"
    REELFS_FAULT=$(sed "s|^|if=$now |; s|; *|; if=$now |g" <<<"$rules") mount_tape "$@" >"$work/stdout"
    cp "$work/before" "$mnt/before"
    mkdir "$mnt/directory"
    cp "$work/small" "$mnt/directory/small"
    bounded "$REELFS" sync "$mnt"
    : >"$now"
}

# Unmounting ends, with a status that says that something was lost, and a line that matches REGEX.
unmount_lossy() {
    local pid
    pid=$(daemon_of "$tape")
    expect_failure 1 "$1" bounded "$REELFS" unmount "$mnt"
    if findmnt "$mnt" >/dev/null; then fail "still mounted"; fi
    [[ -z $pid ]] || await_exit "$pid" "$BOUND" || fail "the daemon does not end"
}

# The drive is well again: what was committed is right. Leaves it mounted.
committed_is_there() {
    rm -f "$now"
    bounded "$REELFS" mount "$tape" "$mnt" >"$work/stdout" 2>"$work/stderr" || fail "$(<"$work/stderr")"
    cmp "$mnt/before" "$work/before"
    cmp "$mnt/directory/small" "$work/small"
}

# Nobody who asks hears that all is well. The file may be: if only what its writer was refused is not there.
all_is_not_well() {
    local i
    for i in first second; do
        if bounded sync "$mnt/data" 2>/dev/null; then
            cmp -n "$(stat -c %s "$mnt/data")" "$mnt/data" "$work/data" || fail "the $i fsync of the file works, though bytes of it are lost"
        fi
    done
    if bounded "$REELFS" sync "$mnt" 2>/dev/null; then fail "reelfs sync works"; fi
    bounded ls -lR "$mnt" >/dev/null
    if bounded dd if=/dev/zero of="$mnt/later" bs=1M count=64 conv=fsync 2>/dev/null; then
        fail "more can be written"
    fi
}

# Data that reads back at all is right: cmp says either that the file ends, or that it cannot be read.
no_wrong_data() {
    local status=0
    bounded cmp "$1" "$work/data" >"$work/stdout" 2>"$work/stderr" || status=$?
    [[ $status -eq 0 ]] || grep -qE 'EOF|Input/output error|Cannot allocate|No such file|No medium|Wrong medium' \
        "$work/stderr" || fail "wrong data: $(<"$work/stdout") $(<"$work/stderr")"
}

# fails WHAT RULES [REGEX]: a large file meets the fault.
fails() {
    local what=$1 rules=$2 regex=${3:-is lost|lost data|all that was accepted is on the tape}
    note "$what"
    mount_failing "$rules" -o buffer=16M
    if bounded dd if="$work/data" of="$mnt/data" bs=1M conv=fsync 2>"$work/stderr"; then
        fail "$what: the program was not told"
    fi
    grep -qE 'Input/output error|No space left|Read-only' "$work/stderr" || fail "$what: $(<"$work/stderr")"
    all_is_not_well
    no_wrong_data "$mnt/data"
    unmount_lossy "$regex"
    committed_is_there
    [[ ! -e $mnt/data ]] || no_wrong_data "$mnt/data"
    bounded "$REELFS" unmount "$mnt"
}

fails "unplugged, for good" "opcode=0a after=5 error=nodev done=yes; after=8 error=nodev count=all"
fails "no answer any more" "opcode=0a after=5 error=timeout; after=8 error=timeout count=all"
fails "no answer to one write" "opcode=0a after=5 error=timeout done=yes"
fails "the host adapter fails" "opcode=0a after=5 error=io"
fails "a write error" "opcode=0a after=5 sense=3/0c/00"
fails "a write error in the midst of a command" "opcode=0a after=3 sense=3/0c/00 partial=1 information=rest"
fails "a write error found out later" "opcode=0a after=5 sense=3/0c/00 deferred"
fails "the drive breaks" "opcode=0a after=5 sense=4/44/00; after=8 sense=4/44/00 count=all"
fails "the tape is taken out" "opcode=0a after=5 sense=2/3a/00; after=8 sense=2/3a/00 count=all"
fails "the tape is changed" "opcode=0a after=5 attention=28/00"
fails "the end of the tape without warning" "opcode=0a after=5 sense=d/00/02 eom information=rest"
fails "another host reserves the drive" "opcode=0a after=5 status=conflict count=all; after=8 status=conflict count=all"
fails "what is said to be written is not" "opcode=0a after=5 status=good"
fails "the index fails" "opcode=10 after=1 sense=3/0c/00"

# endures WHAT RULES: nothing is lost, and nobody notices.
endures() {
    note "$1"
    mount_failing "$2" -o buffer=16M
    bounded dd if="$work/data" of="$mnt/data" bs=1M conv=fsync 2>"$work/stderr" || fail "$1: $(<"$work/stderr")"
    cp "$work/small" "$mnt/after"
    bounded cmp "$mnt/data" "$work/data"
    bounded "$REELFS" unmount "$mnt"
    committed_is_there
    cmp "$mnt/data" "$work/data"
    cmp "$mnt/after" "$work/small"
    bounded "$REELFS" unmount "$mnt"
    "$REELFS" check "$tape" >/dev/null
}

endures "reset again and again" "opcode=0a,08,10 after=3 every=7 count=all attention=29/00 rewind"
endures "the connection is lost again and again" "opcode=0a,10 after=3 every=7 count=all error=reset done=yes rewind"
endures "and in the midst of commands" "opcode=0a after=3 every=9 count=all error=reset partial=1"
endures "busy, aborted, asking for attention" \
    "opcode=0a,08,10 every=5 count=all status=busy; opcode=0a,08,10 after=1 every=5 count=all sense=b/47/00 done=yes; after=2 every=11 count=all attention=3f/01"

note "many writers, and no room, when the drive goes"
mount_failing "opcode=0a after=6 delay=300 error=nodev; after=8 error=nodev count=all" -o buffer=8M
writers=()
for i in {1..24}; do
    timeout --signal=KILL "$BOUND" dd if="$work/data" of="$mnt/many-$i" bs=256K conv=fsync 2>/dev/null &
    writers+=($!)
done
for pid in "${writers[@]}"; do
    status=0
    wait "$pid" || status=$?
    [[ $status -ne 0 && $status -ne 137 ]] || fail "a writer ended with $status"
done
unmount_lossy 'is lost'
committed_is_there
bounded "$REELFS" unmount "$mnt"

note "what is lost cannot be read, what is on the tape can"
mount_failing "opcode=0a after=5 error=nodev; after=6 count=2 error=nodev" -o buffer=16M
bounded dd if="$work/data" of="$mnt/data" bs=1M conv=fsync 2>/dev/null && fail "the program was not told"
size=$(stat -c %s "$mnt/data")
[[ $size -gt 0 ]] || fail "nothing was accepted"
for _ in 1 2; do
    status=0
    bounded tail -c 1 "$mnt/data" >/dev/null 2>"$work/stderr" || status=$?
    [[ $status -eq 1 ]] || fail "reading what is lost: exit status $status"
    grep -q 'Input/output error' "$work/stderr" || fail "reading what is lost: $(<"$work/stderr")"
done
rm "$now"
cmp "$mnt/before" "$work/before"
unmount_lossy 'lost'
committed_is_there
bounded "$REELFS" unmount "$mnt"

note "small files"
mkdir "$work/tree"
for i in {1..300}; do
    cp "$work/small" "$work/tree/$i"
done
mount_failing "opcode=0a after=2 sense=3/0c/00" -o buffer=8M
bounded cp -r "$work/tree" "$mnt/" 2>/dev/null || true
if bounded "$REELFS" sync "$mnt" 2>/dev/null; then fail "the loss is not told"; fi
unmount_lossy 'lost data'
committed_is_there
for file in "$mnt"/tree/*; do
    [[ ! -s $file ]] || cmp "$file" "$work/small"
done
getfattr -R -n user.reelfs-lost "$mnt/tree" >"$work/losses" 2>/dev/null || true
grep -q 'of 5000 bytes the first 0 are on the tape' "$work/losses" || fail "no file says what it has lost"
bounded "$REELFS" unmount "$mnt"

note "rules that make no sense"
format_tape >"$work/stdout"
REELFS_FAULT="opcode=0a; error=io" expect_failure 1 "REELFS_FAULT: rule 1" mount_tape

note "a drive that fails to read only"
mount_failing "opcode=08 sense=3/11/00 count=all"
echo 3 >/proc/sys/vm/drop_caches 2>/dev/null || true
cp "$work/small" "$mnt/after"
bounded "$REELFS" sync "$mnt"
bounded cat "$mnt/after" >/dev/null 2>"$work/stderr" || grep -q 'Input/output error' "$work/stderr"
rm "$now"
cmp "$mnt/before" "$work/before"
bounded "$REELFS" unmount "$mnt"

for way in "umount" "umount -i" "umount.fuse.reelfs" "kill -KILL" "kill -TERM"; do
    note "$way, when the drive is gone"
    mount_failing "opcode=0a after=5 error=nodev; after=7 error=nodev count=all" -o buffer=16M
    pid=$(daemon_of "$tape")
    bounded dd if="$work/data" of="$mnt/data" bs=1M conv=fsync 2>/dev/null && fail "the program was not told"
    read -ra words <<<"$way"
    case $way in
    kill*) "${words[@]}" "$pid" ;;
    umount.fuse*)
        ln -sf "$REELFS" "$work/umount.fuse.reelfs"
        expect_failure 1 'is lost' bounded "$work/umount.fuse.reelfs" "$mnt"
        ;;
    *) bounded "${words[@]}" "$mnt" || true ;;
    esac
    await_exit "$pid" "$BOUND" || fail "the daemon does not end"
    committed_is_there 2>/dev/null
    bounded "$REELFS" unmount "$mnt"
done
