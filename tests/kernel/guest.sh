# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by scripts that run in user-mode Linux (see tests/kernel/uml), as $GUEST.
# shellcheck disable=SC2034 # what is set here is for them
set -uo pipefail

# add_drive CARTRIDGE [OPTION]…: makes a cartridge a drive of this kernel, served in the background. Sets sg and nst to its nodes, and
# scsi to its address (H:C:T:L).
add_drive() {
    local cartridge=$1 nodes
    shift
    [[ -e $cartridge ]] || : >"$cartridge"
    nodes=$("$REELFS" drive --daemon "$@" "$cartridge") || return
    read -r sg nst <<<"$nodes"
    [[ -c $sg && -c $nst ]] || {
        echo "no nodes: $nodes" >&2
        return 1
    }
    scsi=$(basename "$(readlink -f "/sys/class/scsi_generic/$(basename "$sg")/device")")
}

# Sets sg, nst and scsi to the only tape drive that there is; waits a little for it. A drive that went while its nodes were open
# comes back with others.
find_drive() {
    local i
    for ((i = 0; i < 50; i++)); do
        read -r scsi nst sg < <(lsscsi -g | awk '$2 == "tape" { gsub(/[][]/, "", $1); sub("/st", "/nst", $(NF - 1)); print $1, $(NF - 1), $NF }')
        [[ -c ${sg:-} && -c ${nst:-} ]] && return
        sleep 0.1
    done
    echo 'there is no tape drive' >&2
    return 1
}

# Process id of the drive that has a cartridge: it holds the lock on the file.
drive_of() {
    local inode
    inode=$(stat -c %i "$1")
    awk -v inode="$inode" '$2 == "FLOCK" { split($6, a, ":"); if (a[3] == inode) print $5 }' /proc/locks | head -n 1
}

# remove_drive CARTRIDGE: ends what serves it, and waits until it has.
remove_drive() {
    local pid i
    pid=$(drive_of "$1")
    kill -TERM "$pid" || return
    for ((i = 0; i < 200; i++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

# ---- Results, in TAP. A script prints plan at its end.
tests=0

# check NAME COMMAND [ARGUMENT]…: a test. The command, often a function, runs in a subshell with set -e, and no longer than $limit seconds.
check() {
    local name=$1 status watchdog pid start=$EPOCHREALTIME
    shift
    : $((++tests))
    set -m # a process group for each, to be ended as a whole
    (
        set -eE
        trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
        "$@"
    ) >/run/check.output 2>&1 </dev/null &
    pid=$!
    (
        exec sleep "${limit:-60}"
    ) &
    watchdog=$!
    set +m
    wait -n "$pid" "$watchdog" 2>/dev/null
    status=$?
    if kill -0 "$pid" 2>/dev/null && ! kill -0 "$watchdog" 2>/dev/null; then
        kill -KILL -- "-$pid"
        status="hangs: ended after ${limit:-60} s"
    fi
    kill "$watchdog" 2>/dev/null
    wait "$watchdog" 2>/dev/null
    if [[ $status == 0 ]]; then
        printf 'ok %d - %s # %d ms\n' "$tests" "$name" $(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
    else
        echo "not ok $tests - $name"
        tail -n 40 /run/check.output | sed 's/^/# /'
        echo "# exit status $status"
    fi
}

# part FILE SKIP COUNT: bytes of a file.
part() {
    dd if="$1" bs=64k iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none
}

plan() {
    check 'the kernel has nothing to complain of' kernel_is_content
    echo "1..$tests"
}

fail() {
    echo "failed: $*"
    return 1
}

# expect TEXT COMMAND [ARGUMENT]…: it succeeds, and says TEXT (an extended regular expression).
expect() {
    local regex=$1
    shift
    "$@" >/run/expect.output 2>&1 || {
        cat /run/expect.output
        fail "exit status not 0: $*"
    }
    grep -qE -- "$regex" /run/expect.output || {
        cat /run/expect.output
        fail "does not say '$regex': $*"
    }
}

# refuse TEXT COMMAND [ARGUMENT]…: it fails, and says TEXT.
refuse() {
    local regex=$1
    shift
    ! "$@" >/run/expect.output 2>&1 || fail "does not fail: $*"
    grep -qE -- "$regex" /run/expect.output || {
        cat /run/expect.output
        fail "does not say '$regex': $*"
    }
}

# Regular expression of what the script knows that the kernel will complain of.
complaints=
kernel_is_content() {
    local bad
    bad=$(dmesg | grep -E 'BUG:|Oops|WARNING:|Call Trace|blocked for more|ring is broken|protection fault|(st|sg)[0-9]*[] :].*([Ee]rror|Failed)' |
        { [[ -z $complaints ]] && cat || grep -vE "$complaints"; } || true)
    [[ -z $bad ]] || fail "$bad"
}
