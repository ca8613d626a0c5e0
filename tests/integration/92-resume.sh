#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After a write that failed: who has lost something is told again and again, nobody else is; the mount is read-only until
# the cause is gone, and then goes on.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

now=$work/now
head -c 3000001 /dev/urandom >"$work/before"
head -c 30000001 /dev/urandom >"$work/data"
head -c 5000 /dev/urandom >"$work/small"

# mount_failing RULE: with files that are committed; the rule holds once $now is there.
mount_failing() {
    rm -f "$now" "$work/log"
    # shellcheck disable=SC2119 # without arguments
    format_tape >"$work/stdout"
    REELFS_FAULT="if=$now $1" "$REELFS" mount -f -o buffer=16M "$tape" "$mnt" >"$work/stdout" 2>"$work/log" &
    daemon=$!
    for _ in {1..100}; do
        if findmnt "$mnt" >/dev/null; then break; fi
        sleep 0.05
    done
    cp "$work/before" "$mnt/before"
    mkdir "$mnt/directory"
    cp "$work/small" "$mnt/directory/small"
    "$REELFS" sync "$mnt"
    : >"$now"
}

await_end() {
    local status=0
    wait "$daemon" || status=$?
    [[ $status -eq $1 ]] || fail "the daemon ends with $status, not $1: $(<"$work/log")"
}

loses_data() {
    if dd if="$work/data" of="$mnt/data" bs=1M conv=fsync 2>"$work/stderr"; then fail "the program was not told"; fi
}

# fails_with WORDS COMMAND…
fails_with() {
    local words=$1
    shift
    if "$@" >"$work/stdout" 2>"$work/stderr"; then fail "works: $*"; fi
    grep -q "$words" "$work/stderr" || fail "not '$words': $*: $(<"$work/stderr")"
}

is_read_only() {
    fails_with 'Read-only' mkdir "$mnt/new"
    fails_with 'Read-only' rm "$mnt/before"
    fails_with 'Read-only' rmdir "$mnt/directory/none" "$mnt/directory"
    fails_with 'Read-only' mv "$mnt/before" "$mnt/after"
    fails_with 'Read-only' chmod 600 "$mnt/before"
    fails_with 'Read-only' truncate -s 5 "$mnt/before"
    fails_with 'Read-only' cp "$work/small" "$mnt/before"
    fails_with 'Read-only' ln "$mnt/before" "$mnt/link"
    fails_with 'Read-only' setfattr -n user.x -v y "$mnt/before"
}

# What was safe is safe, and says so; what was lost says so each time.
tells_who_has_lost() {
    for _ in 1 2; do
        sync "$mnt/before" "$mnt/directory/small" "$mnt/directory"
        fails_with 'Input/output error' sync "$mnt/data"
        fails_with 'Input/output error' cat "$mnt/data"
    done
}

one_line() {
    [[ $(grep -c "$1" "$work/log") -eq 1 ]] || fail "not one line '$1' in the log: $(<"$work/log")"
}

for fault in "opcode=0a after=5 sense=3/0c/00" "opcode=0a after=5 sense=3/0c/00 deferred" "opcode=0a after=6 sense=3/0c/00 descriptor deferred" \
    "opcode=0a after=3 sense=4/44/00"; do
    note "$fault: told, read-only, resumed"
    mount_failing "$fault"
    loses_data
    is_read_only
    tells_who_has_lost
    fails_with 'Input/output error' "$REELFS" sync "$mnt"
    one_line 'read-only'
    rm "$now"
    "$REELFS" resume "$mnt"
    tells_who_has_lost
    "$REELFS" sync "$mnt"
    cp "$work/data" "$mnt/after"
    sync "$mnt/after"
    # Rewritten, it is as good as new.
    cp "$work/data" "$mnt/data"
    sync "$mnt/data"
    "$REELFS" unmount "$mnt"
    await_end 0
    "$REELFS" check "$tape" >/dev/null
    mount_tape >/dev/null
    cmp "$mnt/before" "$work/before"
    cmp "$mnt/after" "$work/data"
    cmp "$mnt/data" "$work/data"
    unmount_tape
done

note "truncated to what is there, it is whole as well; left as it is, unmount tells"
mount_failing "opcode=0a after=5 sense=3/0c/00"
loses_data
rm "$now"
"$REELFS" resume "$mnt"
truncate -s 0 "$mnt/data"
sync "$mnt/data"
loses_nothing=$("$REELFS" unmount "$mnt" 2>&1) || fail "$loses_nothing"
await_end 0
mount_failing "opcode=0a after=5 sense=3/0c/00"
loses_data
rm "$now"
"$REELFS" resume "$mnt"
cp "$work/small" "$mnt/after"
fails_with '1 file has lost data' "$REELFS" unmount "$mnt"
await_end 1
mount_tape >/dev/null
getfattr --absolute-names -n user.reelfs-lost "$mnt/data" >/dev/null
cmp "$mnt/after" "$work/small"
note "mounted again it is writable at once"
cp "$work/data" "$mnt/again"
note "written anew, it is marked no more"
cp "$work/small" "$mnt/data"
if getfattr --absolute-names -n user.reelfs-lost "$mnt/data" 2>/dev/null; then fail "it still says that it has lost data"; fi
unmount_tape

note "a closed file that a later error takes with it"
mount_failing "opcode=10 sense=3/0c/00 deferred"
cp "$work/small" "$mnt/closed"
fails_with 'Input/output error' "$REELFS" sync "$mnt"
sync "$mnt/before"
cmp "$mnt/closed" "$work/small" 2>/dev/null || fails_with 'Input/output error' sync "$mnt/closed"
rm "$now"
"$REELFS" resume "$mnt"
rm -f "$mnt/closed"
"$REELFS" unmount "$mnt"
await_end 0

note "a reader who closes the file first does not hear what its writer has to"
mount_failing "opcode=0a sense=3/0c/00"
python3 - "$mnt" <<'END' || fail "the writer was not told when it closed the file"
import errno, os, sys, time
path = sys.argv[1] + "/held"
writer = os.open(path, os.O_WRONLY | os.O_CREAT)
reader = os.open(path, os.O_RDONLY)
os.write(writer, bytes(4 << 20))
while os.getxattr(sys.argv[1], "user.reelfs.status.read_only") != b"1":
    time.sleep(0.05)
told = []
for fd in reader, writer:
    try:
        os.close(fd)
        told.append(0)
    except OSError as e:
        told.append(e.errno)
sys.exit(told != [0, errno.EIO])
END
rm "$now"
"$REELFS" resume "$mnt"
rm "$mnt/held"
"$REELFS" unmount "$mnt"
await_end 0

note "an index of what is good is written at once"
mount_failing "opcode=0a after=5 sense=3/0c/00"
loses_data
for _ in {1..50}; do
    if [[ $(getfattr --absolute-names --only-values -n user.reelfs.status.generation "$mnt") -gt 2 ]]; then break; fi
    sleep 0.1
done
kill -KILL "$daemon"
wait "$daemon" || true
rm "$now"
mount_tape >/dev/null 2>&1
getfattr --absolute-names -n user.reelfs-lost "$mnt/data" >/dev/null || fail "the index does not know of the loss"
cp "$work/small" "$mnt/small"
unmount_tape

note "no index could be written: a remains of it is passed over"
mount_failing "opcode=0a after=5 count=3 sense=3/0c/00"
loses_data
fails_with 'rror' "$REELFS" sync "$mnt"
rm "$now"
"$REELFS" resume "$mnt"
cp "$work/data" "$mnt/data"
cp "$work/small" "$mnt/after"
"$REELFS" unmount "$mnt"
await_end 0
"$REELFS" check "$tape" >/dev/null
mount_tape >/dev/null
cmp "$mnt/data" "$work/data"
cmp "$mnt/after" "$work/small"
unmount_tape

note "what is not mended is refused, and stays so"
mount_failing "opcode=0a after=5 count=all sense=3/0c/00"
loses_data
expect_failure 1 'writing cannot go on|not be written' "$REELFS" resume "$mnt"
fails_with 'Read-only' mkdir "$mnt/new"
expect_failure 1 'writing cannot go on|not be written' "$REELFS" resume "$mnt"
cmp "$mnt/before" "$work/before"
rm "$now"
"$REELFS" resume "$mnt"
rm "$mnt/data"
"$REELFS" unmount "$mnt"
await_end 0
"$REELFS" check "$tape" >/dev/null

note "the drive has gone and comes back"
mount_failing "opcode=0a,01,08,10,11,92,34 after=9 count=all error=nodev"
loses_data
fails_with 'cannot go on' "$REELFS" resume "$mnt"
rm "$now"
"$REELFS" resume "$mnt"
cp "$work/data" "$mnt/data"
"$REELFS" unmount "$mnt"
await_end 0
"$REELFS" check "$tape" >/dev/null
mount_tape >/dev/null
cmp "$mnt/data" "$work/data"
unmount_tape

note "nothing to be mended"
mount_tape >/dev/null
cp "$work/small" "$mnt/small"
"$REELFS" resume "$mnt"
unmount_tape
mount_tape -o ro >/dev/null
expect_failure 1 'read-only' "$REELFS" resume "$mnt"
unmount_tape
expect_failure 1 'nothing is mounted' "$REELFS" resume "$mnt"
