#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# reelfs status: figures for people, as JSON and as attributes; watching in a terminal and without one; hostile names.
# timeout: 60
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

# figure KEY: as the mount's root has it.
figure() {
    getfattr --absolute-names --only-values -n "user.reelfs.status.$1" "$mnt"
}

note "what is not mounted"
expect_failure 2 'argument is missing' "$REELFS" status
expect_failure 2 'at least 1' "$REELFS" status --watch=0 "$mnt"
expect_failure 2 'at least 1' "$REELFS" status --watch=soon "$mnt"
expect_failure 1 'nothing is mounted' "$REELFS" status "$mnt"

mnt=$work/$'a mount\e[2J\n'$(printf 'n%.0s' {1..120})
mkdir "$mnt"
format_tape --capacity 1G >/dev/null
mount_tape -o commit=0 >/dev/null

note "figures"
head -c 5000000 /dev/urandom >"$mnt/file"
echo second >"$mnt/second"
[[ $(figure files_since_commit) -eq 2 && $(figure bytes_since_commit) -eq 5000007 ]] ||
    fail "since the commit: $(figure files_since_commit) files, $(figure bytes_since_commit) bytes"
"$REELFS" status "$mnt" >"$work/status"
grep -q 'last commit .*; 2 files with 4.8 MiB since' "$work/status"
"$REELFS" sync "$mnt"
[[ $(figure files_since_commit) -eq 0 && $(figure dirty) -eq 0 && $(figure commits) -eq 1 ]] || fail "figures after the commit"
[[ $(figure state) == idle && $(figure written) -ge 5000007 ]] || fail "state $(figure state), written $(figure written)"
echo more >>"$mnt/second"
[[ $(figure files_since_commit) -eq 1 && $(figure bytes_since_commit) -eq 5 ]] || fail "an appended file counts"
"$REELFS" status --json "$mnt" >"$work/json"
python3 - "$work/json" <<'END'
import json, sys
status = json.load(open(sys.argv[1]))
assert status["files"] == 2 and status["commits"] == 1 and status["files_since_commit"] == 1, status
assert status["pool"] > 0 and 0 < status["remaining"] < status["capacity"] and status["error"] == "none", status
assert "write_rate" in status and "stops" in status and status["queued_reads"] == 0, status
END

note "what is in effect"
grep -Eq '^  in effect +(reserved huge|transparent huge|small) pages, writes up to 1.0 MiB, [0-9]+ workers' "$work/status" ||
    fail "not in $(<"$work/status")"
[[ $(figure max_write) -eq 1048576 && $(figure workers) -ge 2 && $(figure pool_pages) =~ ^(reserved|transparent|small)$ ]]
unmount_tape >/dev/null
# As for who may not lock memory. The sanitizers' own mlock does nothing, and never fails.
if grep -Eqa '__(asan|tsan)_init' "$REELFS"; then
    mount_tape -o commit=0 >/dev/null
else
    (
        ulimit -l 64
        setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock "$REELFS" mount -o commit=0 "$tape" "$mnt" >/dev/null 2>"$work/warning"
    )
    grep -Eq 'buffer of 256 MiB cannot be locked in memory, .*raise the limit.* 64 KiB' "$work/warning" || fail "warning: $(<"$work/warning")"
    [[ $(figure pool_pinned) -eq 0 ]] || fail "the pool is said to be pinned"
    "$REELFS" status "$mnt" | grep -q 'pool .*, not pinned' || fail "status does not say that the pool is not pinned"
fi

note "attributes: of the root, not listed, not to be set"
getfattr --absolute-names --only-values -n user.reelfs.status "$mnt" | grep -qx 'commits=0'
[[ -z $(getfattr --absolute-names -d -m - "$mnt") ]] || fail "the attributes are listed"
for name in status.nosuch status. statusx; do
    if getfattr -n "user.reelfs.$name" "$mnt" >/dev/null 2>&1; then fail "there is $name"; fi
done
if getfattr -n user.reelfs.status "$mnt/file" >/dev/null 2>&1; then fail "a file has the mount's figures"; fi
if setfattr -n user.reelfs.status.dirty -v 0 "$mnt" 2>/dev/null; then fail "a figure can be set"; fi

note "a terminal: nothing but what was meant moves the cursor; q leaves it as it was; signals; the end of the mount"
cat >"$work/terminal.py" <<'END'
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time

def watch(end, width=50):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, width, 0, 0))
    before = termios.tcgetattr(slave)
    def become_foreground():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    process = subprocess.Popen([os.environ["REELFS"], "status", "--watch=1", sys.argv[1]], stdin=slave, stdout=slave,
                               stderr=slave, start_new_session=True, preexec_fn=become_foreground)
    said, ended, deadline = b"", False, time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            said += os.read(master, 65536)
        if b"tape stops" in said and not ended:
            ended = True
            end(master, process)
    while select.select([master], [], [], 0.1)[0]:
        said += os.read(master, 65536)
    assert process.poll() == 0, (process.poll(), said)
    assert termios.tcgetattr(slave)[3] == before[3], "the terminal is not as it was"
    assert said.count(b"\x1b[?1049h") == said.count(b"\x1b[?1049l") == 1, said
    assert said.rindex(b"\x1b[?25h") > said.rindex(b"\x1b[?25l"), said
    rest = re.sub(rb"\x1b\[(\?1049[hl]|\?25[hl]|H|K|J|\d+;1H)", b"\n", said)
    assert b"\x1b" not in rest, rest
    for line in rest.replace(b"\r", b"").split(b"\n"):
        assert len(line.decode()) <= width or b"unmounted" in line, line
    return said

watch(lambda terminal, process: os.write(terminal, b"q"))
watch(lambda terminal, process: os.write(terminal, b"\x03"))
watch(lambda terminal, process: process.send_signal(signal.SIGTERM))
said = watch(lambda terminal, process: subprocess.run([os.environ["REELFS"], "unmount", sys.argv[1]], check=True))
assert b"has been unmounted" in said, said
END
"$REELFS" status --watch "$mnt" >"$work/watched" &
watcher=$!
for _ in {1..100}; do
    [[ $(grep -c 'tape stops' "$work/watched") -lt 2 ]] || break
    sleep 0.1
done
kill -TERM "$watcher"
wait "$watcher" || fail "without a terminal it ends with $?"
[[ $(grep -c 'tape stops' "$work/watched") -ge 2 ]] || fail "watching without a terminal: $(<"$work/watched")"
if grep -q $'\e' "$work/watched"; then fail "control characters where there is no terminal"; fi
export REELFS
python3 "$work/terminal.py" "$mnt"
