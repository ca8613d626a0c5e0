#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A WORM cartridge, and a drive in append-only mode: everything but overwriting works.
# timeout: 180
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

mkdir "$work/one" "$work/two"
for i in {1..40}; do
    head -c $((i * 997)) /dev/urandom >"$work/one/file-$i"
    head -c $((i * 1009)) /dev/urandom >"$work/two/file-$i"
done
head -c 3000000 /dev/urandom >"$work/one/large"

# Two sessions with commits in between; nothing that was on the tape has changed.
two_sessions() {
    mount_tape
    mkdir "$mnt/one"
    cp -r "$work/one/." "$mnt/one/"
    "$REELFS" sync "$mnt"
    cp "$work/two/file-1" "$mnt/first"
    unmount_tape
    size=$(stat -c %s "$tape")
    head -c "$size" "$tape" >"$work/before"
    mount_tape
    mkdir "$mnt/two"
    cp -r "$work/two/." "$mnt/two/"
    rm "$mnt/first"
    remount_tape
    diff -r "$work/one" "$mnt/one"
    diff -r "$work/two" "$mnt/two"
    [[ ! -e $mnt/first ]] || fail "a removed file is there again"
    unmount_tape
    cmp -n "$size" "$work/before" "$tape"
    "$REELFS" check "$tape"
}

note "a WORM cartridge"
: >"$tape"
printf '[cartridge]\nworm=true\ncapacity=200M\n' >"$tape.cartridge"
"$REELFS" format --name ONCE "$tape"
"$REELFS" info --json "$tape" | python3 -c '
import json, sys
medium = json.load(sys.stdin)["medium"]
assert medium["worm"] and not medium["append_only"], medium'
two_sessions

note "is not formatted again, whatever is asked for, and the message is one line"
cp "$tape" "$work/before"
for force in '' --force; do
    # shellcheck disable=SC2086 # no word at all if empty
    expect_failure 1 'can be written only once, and it has the reelfs volume.*use another tape' "$REELFS" format --name TWICE $force "$tape"
    if "$REELFS" format --name TWICE $force "$tape" 2>"$work/said"; then fail "it was formatted"; fi
    [[ $(wc -l <"$work/said") -eq 1 ]] || fail "more than one line: $(<"$work/said")"
done
expect_failure 1 'can be written only once' "$REELFS" bench --write --yes --time 1s "$tape"
cmp "$work/before" "$tape"

note "a crash on it: what was synced is there"
mount_tape
echo synced >"$mnt/synced"
"$REELFS" sync "$mnt"
head -c 700000 /dev/urandom >"$mnt/late"
pid=$(daemon_of "$tape")
kill -KILL "$pid"
await_exit "$pid" 10
umount -l "$mnt" 2>/dev/null || true
mount_tape
[[ $(<"$mnt/synced") == synced ]] || fail "a synced file is lost"
diff -r "$work/one" "$mnt/one"
unmount_tape

note "a drive in append-only mode"
rm "$tape" "$tape.cartridge"
: >"$tape"
printf '[cartridge]\ncapacity=200M\n[drive]\nappend-only=true\n' >"$tape.cartridge"
"$REELFS" format --name FIRST "$tape"
"$REELFS" info "$tape" | grep -q 'append.only.*yes'
two_sessions
expect_failure 1 'not blank.*--force' "$REELFS" format --name SECOND "$tape"
expect_failure 1 'append-only mode' "$REELFS" bench --write --yes --time 1s "$tape"
note "which --force overwrites all the same"
"$REELFS" format --name SECOND --force "$tape"
"$REELFS" info "$tape" | grep -q SECOND
mount_tape
[[ -z $(ls -A "$mnt") ]] || fail "files of the former volume are there"
unmount_tape
