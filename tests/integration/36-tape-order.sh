#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whoever copies the whole mount in the order of its directories reads the tape forwards: it is sent nowhere but to where
# the data begins, and over the index in its midst. The fault injector counts. Where threads wait long for a processor, a
# request may come too late, and the tape has gone on: a few more are let pass here (test-sched-order is stricter).
# timeout: 180
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

mkdir "$work/source"
for i in {1..300}; do
    mkdir -p "$work/source/d$((i / 50))/e$((i % 3))"
    head -c $((i * 61)) /dev/urandom >"$work/source/d$((i / 50))/e$((i % 3))/file-$i"
done
for i in {10..24}; do
    mkdir "$work/source/l$i"
    head -c 3000000 /dev/urandom >"$work/source/l$i/large-$i"
done

format_tape
mount_tape
# One after the other, or small files, which linger, get to the tape behind what was written later.
cp -r "$work/source"/l* "$mnt"
"$REELFS" sync "$mnt"
cp -r "$work/source"/d* "$mnt"
unmount_tape

# $1: what reads. Prints how often the tape was sent elsewhere meanwhile.
locates_of() {
    local before pid log=$work/log
    REELFS_FAULT='opcode=92 count=all delay=300' "$REELFS" mount -f -v -o buffer=8M "$tape" "$mnt" >"$log" 2>&1 &
    pid=$!
    until mountpoint -q "$mnt"; do sleep 0.05; done
    before=$(grep -c 'strikes command 92' "$log" || true)
    rm -rf "$work/target"
    mkdir "$work/target"
    "$@"
    echo $(($(grep -c 'strikes command 92' "$log" || true) - before))
    diff -r "$work/source" "$work/target"
    unmount_tape >"$work/unmount"
    wait "$pid"
}

with_tar() { tar -C "$mnt" -cf - . | tar -C "$work/target" -xf -; }
with_cp() { cp -r "$mnt/." "$work/target"; }
against() {
    cp -r "$work/source/." "$work/target"
    for i in {24..10}; do cp "$mnt/l$i/large-$i" "$work/target/l$i/"; done
}

note "tar"
count=$(locates_of with_tar)
[[ $count -le 5 ]] || fail "the tape was sent elsewhere $count times"
echo "  $count"

note "cp -r"
count=$(locates_of with_cp)
[[ $count -le 5 ]] || fail "the tape was sent elsewhere $count times"
echo "  $count"

note "it would have been counted"
count=$(locates_of against)
[[ $count -ge 12 ]] || fail "the tape was sent elsewhere $count times only"
echo "  $count"
