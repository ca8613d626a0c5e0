#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Set-user-ID and set-group-ID bits and file capabilities go when somebody writes, truncates, changes the owner or sets
# an ACL, as on any other filesystem: each step is done in the mount and beside it, and what is left is compared.
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"
command -v setpriv >/dev/null || skip "needs setpriv"

reference=$(mktemp -d /dev/shm/reelfs-test.XXXXXX)
also_removed+=("$reference")
# Effective, permitted: cap_net_bind_service; version 2.
capability=0x0100000200040000000000000000000000000000
touch "$reference/probe"
setfattr -n security.capability -v "$capability" "$reference/probe" 2>/dev/null ||
    skip "needs a filesystem in /dev/shm that keeps file capabilities"
rm "$reference/probe"

format_tape
mount_tape -o allow_other
chmod 755 "$work" "$reference"
mkdir -m 777 "$work/signals"

# Not what root has in its own directories.
nobody() {
    PATH=/usr/bin:/bin setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# steps DIRECTORY: one file for each, and what became of them.
steps() {
    local directory=$1 name mode
    chmod 755 "$directory"
    for mode in 6777 2777 4711; do
        for name in wronly rdwr append trunc truncate allocate punch held root-write root-rdwr root-truncate chown chgrp \
            direct copy untouched; do
            echo "contents of some length" >"$directory/$mode-$name"
            chmod "$mode" "$directory/$mode-$name"
            setfattr -n security.capability -v "$capability" "$directory/$mode-$name"
        done
        [[ $mode != 4711 ]] || chown 65534:65534 "$directory/$mode-"*
        [[ $mode != 4711 ]] || chmod "$mode" "$directory/$mode-"*
        nobody python3 - "$directory/$mode-" <<'PYTHON'
import ctypes, os, sys
prefix = sys.argv[1]
def to(name, flags, act):
    fd = os.open(prefix + name, flags)
    act(fd)
    os.close(fd)
libc = ctypes.CDLL(None, use_errno=True)
def fallocate(mode, offset, length):
    return lambda fd: libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) and sys.exit("fallocate fails")
to("wronly", os.O_WRONLY, lambda fd: os.write(fd, b"x"))
to("rdwr", os.O_RDWR, lambda fd: os.write(fd, b"x"))
to("append", os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"x"))
to("trunc", os.O_WRONLY | os.O_TRUNC, lambda fd: None)
os.truncate(prefix + "truncate", 3)
to("allocate", os.O_WRONLY, fallocate(0, 0, 100000))
to("punch", os.O_WRONLY, fallocate(3, 1, 2))
to("copy", os.O_WRONLY, lambda fd: os.copy_file_range(os.open(prefix + "untouched", os.O_RDONLY), fd, 5))
PYTHON
        # Opened before it had the bits, and written to afterwards.
        (
            chmod 0666 "$directory/$mode-held"
            nobody python3 - "$directory/$mode-held" "$work/signals/opened" "$work/signals/go" <<'PYTHON' &
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY)
open(sys.argv[2], "w").close()
while not os.path.exists(sys.argv[3]):
    time.sleep(0.01)
os.write(fd, b"y")
PYTHON
            writer=$!
            while [[ ! -e $work/signals/opened ]]; do sleep 0.01; done
            chmod "$mode" "$directory/$mode-held"
            setfattr -n security.capability -v "$capability" "$directory/$mode-held"
            touch "$work/signals/go"
            wait "$writer"
            rm "$work/signals/go" "$work/signals/opened"
        ) >/dev/null
        printf x | dd of="$directory/$mode-root-write" conv=notrunc status=none
        python3 -c 'import os, sys; os.write(os.open(sys.argv[1], os.O_RDWR), b"x")' "$directory/$mode-root-rdwr"
        truncate -s 2 "$directory/$mode-root-truncate"
        chown 4321 "$directory/$mode-chown"
        chgrp 4321 "$directory/$mode-chgrp"
        nobody dd if=/dev/zero of="$directory/$mode-direct" bs=1M count=3 conv=notrunc status=none
    done
    # Who is not in the group of a file may not let others run it as that, by an ACL either.
    for name in 2755-others-group 2644-others-group 2755-own-group 2755-second-group; do
        echo contents >"$directory/$name"
        chown 65534:4321 "$directory/$name"
        [[ $name != *own* ]] || chgrp 65534 "$directory/$name"
        chmod "${name%%-*}" "$directory/$name"
        [[ $name == *second* ]] || nobody setfacl -m u:1:rwx "$directory/$name"
    done
    setpriv --reuid=65534 --regid=65534 --groups=17,4321,18 setfacl -m u:1:rwx "$directory/2755-second-group"
    mkdir "$directory/no-acl"
    setfattr -x system.posix_acl_access "$directory/no-acl"
    setfattr -x system.posix_acl_default "$directory/no-acl"
    rmdir "$directory/no-acl"
}

# show DIRECTORY: what is left.
show() {
    (
        cd "$1"
        for name in *; do
            stat -c '%n %a %U %s' "$name"
            getfattr --absolute-names -e hex -n security.capability "$name" 2>/dev/null || true
        done
    )
}

mkdir "$mnt/d" "$reference/d"
steps "$mnt/d"
steps "$reference/d"
show "$reference/d" >"$work/expected"
show "$mnt/d" >"$work/found"
diff -u "$work/expected" "$work/found" || fail "privileges are not what another filesystem makes of them"
grep -q '^6777-wronly 777 root' "$work/expected" || fail "the reference keeps privileges"
grep -q '^2644-others-group 674 ' "$work/expected" || fail "the reference keeps the bit of a file with an ACL"
grep -q '^2755-second-group 2775 ' "$work/expected" || fail "the reference takes the bit from who is in the group"
[[ $(grep -c '^security.capability=' "$work/expected") -ge 2 ]] || fail "the reference has no capabilities"
note "the same after a remount"
remount_tape -o allow_other
show "$mnt/d" >"$work/found"
diff -u "$work/expected" "$work/found" || fail "privileges come back"

note "a program that was written to is not run with its owner's rights"
cp /usr/bin/id "$mnt/id"
unmount_tape
mount_tape -o allow_other,suid
chmod 4777 "$mnt/id"
[[ $(nobody "$mnt/id" -u) == 0 ]] || fail "the bit has no effect, so this shows nothing"
nobody sh -c 'head -c 1 "$1" | dd of="$1" conv=notrunc status=none; "$1" -u' - "$mnt/id" >"$work/ids"
[[ $(<"$work/ids") == 65534 ]] || fail "runs as $(<"$work/ids")"
unmount_tape
