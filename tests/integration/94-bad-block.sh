#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A cartridge with blocks that cannot be read: the files are named, once each, everything else is read, and nobody tries
# such a block again and again.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

block=524288
mkdir "$work/src" "$work/src/pack"
for i in 1 2 3; do head -c 15000001 /dev/urandom >"$work/src/big$i"; done
for i in {1..60}; do head -c 30000 /dev/urandom >"$work/src/pack/$i"; done

format_tape >/dev/null
mount_tape -o buffer=16M >/dev/null
for i in 1 2 3; do
    cp "$work/src/big$i" "$mnt/"
    "$REELFS" sync "$mnt"
done
cp -r "$work/src/pack" "$mnt/"
unmount_tape
# The first block of a file, or of the pack.
first_block() {
    "$REELFS" segments "$tape" | awk -v name="$1" '$NF ~ name || $0 ~ name { print $4; exit }'
}
big=$(first_block '/big2$')
pack=$(first_block '/pack/')
printf '[test]\nunreadable=%d;%d\n' $((big + 10)) $((pack + 2)) >>"$tape.cartridge"

mount_logged() {
    "$REELFS" mount -f -o buffer=16M "$tape" "$mnt" >"$work/stdout" 2>"$work/log" &
    daemon=$!
    for _ in {1..200}; do
        if findmnt "$mnt" >/dev/null; then return; fi
        sleep 0.05
    done
    fail "not mounted: $(<"$work/log")"
}

reads_of_tape() {
    getfattr --absolute-names --only-values -n user.reelfs.status.read "$mnt"
}

note "the file is named, every other file is read"
mount_logged
cmp "$mnt/big1" "$work/src/big1"
for _ in 1 2; do
    if cmp "$mnt/big2" "$work/src/big2" 2>"$work/stderr"; then fail "what cannot be read is equal"; fi
    grep -q 'Input/output error' "$work/stderr" || fail "$(<"$work/stderr")"
done
cmp "$mnt/big3" "$work/src/big3"
unreadable=0
for i in {1..60}; do
    cmp "$mnt/pack/$i" "$work/src/pack/$i" 2>/dev/null || unreadable=$((unreadable + 1))
done
# A block has that many of them.
((unreadable >= 16 && unreadable <= 19)) || fail "$unreadable files of the pack cannot be read"
[[ $(grep -c 'cannot be read' "$work/log") -eq $((unreadable + 1)) ]] || fail "not one line for each file: $(<"$work/log")"
grep -q "big2: bytes $((10 * block)) to $((11 * block - 1)), at object $((big + 10)) of the tape, cannot be read" "$work/log" ||
    fail "$(<"$work/log")"

note "before it and behind it"
cmp -n $((10 * block)) "$mnt/big2" "$work/src/big2"
cmp -i $((11 * block)) "$mnt/big2" "$work/src/big2"
cmp -i $((11 * block + 4096)) -n 1 "$mnt/big2" "$work/src/big2"

note "not again and again"
before=$(reads_of_tape)
for _ in {1..20}; do
    if dd if="$mnt/big2" bs=4096 count=1 skip=$((10 * block / 4096 + RANDOM % 100)) iflag=direct of=/dev/null 2>/dev/null; then
        fail "what cannot be read is read"
    fi
done
[[ $(reads_of_tape) -eq $before ]] || fail "the tape is read for it each time"

note "readers at the same time"
"$REELFS" unmount "$mnt"
wait "$daemon"
mount_logged
readers=()
for i in 1 3; do
    cmp "$mnt/big$i" "$work/src/big$i" &
    readers+=($!)
done
cmp "$mnt/big2" "$work/src/big2" >/dev/null 2>&1 &
lost=$!
cmp -n $((10 * block)) "$mnt/big2" "$work/src/big2" &
readers+=($!)
cmp -i $((11 * block)) "$mnt/big2" "$work/src/big2" &
readers+=($!)
for pid in "${readers[@]}"; do
    wait "$pid" || fail "a reader was disturbed: $(<"$work/log")"
done
if wait "$lost"; then fail "what cannot be read is equal"; fi
# Writing goes on as if nothing were.
cp "$work/src/big1" "$mnt/new"
sync "$mnt/new"
"$REELFS" unmount "$mnt"
wait "$daemon"

note "reelfs restore names them, and goes on"
status=0
"$REELFS" restore "$tape" "$work/out" >"$work/stdout" 2>"$work/stderr" || status=$?
[[ $status -eq 1 ]] || fail "exit status $status: $(<"$work/stderr")"
[[ $(grep -c 'cannot be read' "$work/stderr") -eq $((unreadable + 1)) ]] || fail "$(<"$work/stderr")"
grep -q "big2: bytes $((10 * block)) to" "$work/stderr" || fail "$(<"$work/stderr")"
for file in big1 big3; do cmp "$work/out/$file" "$work/src/$file"; done
equal=0
for i in {1..60}; do
    if cmp -s "$work/out/pack/$i" "$work/src/pack/$i"; then equal=$((equal + 1)); fi
done
((equal == 60 - unreadable)) || fail "$equal files of the pack are restored"
