#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon as another user than root; what users may see of each other's files; secrets.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

user=nobody
uid=$(id -u "$user")
head -c 3000001 /dev/urandom >"$work/data"

# All ids of the daemon, and what it may do.
is_unprivileged() {
    local pid=$1
    awk -v uid="$uid" '/^Uid:/ { for (i = 2; i <= 5; i++) if ($i != uid) exit 1 }' "/proc/$pid/status" ||
        fail "$(grep Uid "/proc/$pid/status")"
    awk '/^Cap(Prm|Eff):/ && $2 !~ /^0+$/ { exit 1 }' "/proc/$pid/status" || fail "$(grep Cap "/proc/$pid/status")"
    awk '/^Groups:/ { for (i = 2; i <= NF; i++) if ($i == 0) exit 1 }' "/proc/$pid/status" || fail "still in group 0"
    for task in /proc/"$pid"/task/*; do
        awk -v uid="$uid" '/^Uid:/ { if ($3 != uid) exit 1 }' "$task/status" || fail "a thread is root still"
    done
}

format_tape >/dev/null

note "refused before anything happens"
expect_failure 1 "has to be able to write it" mount_tape -o "runas=$user"
expect_failure 1 "no such user" mount_tape -o runas=no-such-user-here
expect_failure 1 "is root" mount_tape -o runas=root
expect_failure 2 "runas" mount_tape -o runas
expect_failure 1 "opened as another user" "$REELFS" mount -o "runas=$user" /dev/null "$mnt"
if findmnt "$mnt" >/dev/null; then fail "mounted all the same"; fi

chmod 711 "$work"
mkdir "$work/cartridges"
mv "$tape" "$tape.cartridge" "$work/cartridges/"
chown -R "$user" "$work/cartridges"
tape=$work/cartridges/tape.tap

# With the cartridge in its own directory, lib.sh's clean-up has to find it.
ln -s "$tape" "$work/tape.tap"

for way in "$REELFS unmount" umount "umount -i"; do
    note "written, closed by $way, mounted again"
    mount_tape -o "runas=$user,buffer=16M" >/dev/null
    pid=$(daemon_of "$tape")
    is_unprivileged "$pid"
    name=${way// /-}
    name=$mnt/${name//\//-}
    cp "$work/data" "$name"
    chown 1234:5678 "$name"
    chmod 4750 "$name"
    "$REELFS" sync "$mnt"
    "$REELFS" status "$mnt" >/dev/null
    read -ra words <<<"$way"
    "${words[@]}" "$mnt"
    await_exit "$pid" 60 || fail "the daemon does not end"
    "$REELFS" check "$tape" >/dev/null
    mount_tape -o "runas=$user,buffer=16M" >/dev/null
    cmp "$name" "$work/data"
    [[ $(stat -c %u:%g:%a "$name") == 1234:5678:4750 ]] || fail "$(stat -c %u:%g:%a "$name")"
    unmount_tape
done

note "a signal ends it as well, and nothing of it is left"
mount_tape -o "runas=$user,buffer=16M" >/dev/null
pid=$(daemon_of "$tape")
socket=/run/reelfs/$(findmnt --noheadings --output MAJ:MIN "$mnt" | tr -d ' ').socket
[[ -S $socket ]] || fail "no control socket"
cp "$work/data" "$mnt/signal"
kill -TERM "$pid"
await_exit "$pid" 60 || fail "the daemon does not end"
if findmnt "$mnt" >/dev/null; then fail "still mounted"; fi
for _ in {1..100}; do
    if [[ ! -e $socket ]]; then break; fi
    sleep 0.05
done
[[ ! -e $socket ]] || fail "the control socket is left"
if grep -q "$mnt" /run/mount/utab 2>/dev/null; then fail "umount still knows the mount"; fi
"$REELFS" check "$tape" >/dev/null

note "killed: the mount is dead, and the next mount takes it away"
mount_tape -o "runas=$user,buffer=16M" >/dev/null
kill -KILL "$(daemon_of "$tape")"
sleep 0.2
mount_tape -o "runas=$user,buffer=16M" >/dev/null 2>&1
cmp "$mnt/signal" "$work/data"

note "users see what permissions allow"
as_user() {
    setpriv --reuid "$uid" --regid "$(id -g "$user")" --clear-groups "$@"
}
mkdir -m 700 "$mnt/private"
echo secret >"$mnt/private/file"
echo public >"$mnt/public"
chmod 644 "$mnt/public"
echo mine >"$mnt/secret"
chmod 600 "$mnt/secret"
mkdir -m 755 "$mnt/shared"
mkdir -m 1777 "$mnt/tmp"
[[ $(as_user cat "$mnt/public") == public ]] || fail "a file that is for all cannot be read"
for command in "ls $mnt/private" "cat $mnt/private/file" "cat $mnt/secret" "touch $mnt/shared/new" "rm -f $mnt/public" \
    "chmod 666 $mnt/public" "chown $uid $mnt/public" "mv $mnt/public $mnt/tmp/public" "setfattr -n user.x -v y $mnt/public" \
    "setfattr -n trusted.x -v y $mnt/tmp" "truncate -s 0 $mnt/public" "getfattr -n user.reelfs-lost $mnt/secret"; do
    read -ra words <<<"$command"
    if as_user "${words[@]}" >/dev/null 2>&1; then fail "user $user can: $command"; fi
done
as_user touch "$mnt/tmp/own"
[[ $(stat -c %u "$mnt/tmp/own") == "$uid" ]] || fail "the new file is not the user's"
# Whoever is told of the drive's state may be anybody, whoever changes it has to be the daemon's own user or root.
if setpriv --reuid 12345 --regid 12345 --clear-groups "$REELFS" sync "$mnt" 2>/dev/null; then fail "a stranger reaches the daemon"; fi
unmount_tape

note "CHAP secrets are in no command line and no log"
secret=very-secret-indeed
printf '%s\n' "$secret" >"$work/secret"
chmod 600 "$work/secret"
# Nobody listens there.
for way in environment file option; do
    case $way in
    environment) REELFS_CHAP_SECRET=$secret "$REELFS" -v info "iscsi://user@127.0.0.1:1/iqn.2000-01.none:none/1" ;;
    file) REELFS_CHAP_FILE=$work/secret "$REELFS" -v info "iscsi://user@127.0.0.1:1/iqn.2000-01.none:none/1" ;;
    option) "$REELFS" -v mount -f -o "debug,chap-file=$work/secret" "iscsi://user@127.0.0.1:1/iqn.2000-01.none:none/1" "$mnt" ;;
    esac >"$work/stdout" 2>"$work/stderr" && fail "there is a drive"
    if grep -q "$secret" "$work/stdout" "$work/stderr"; then fail "the secret is told ($way)"; fi
done
expect_failure 1 'REELFS_CHAP_SECRET' "$REELFS" info "iscsi://user:$secret@127.0.0.1:1/iqn.2000-01.none:none/1"
if grep -q "$secret" "$work/stderr"; then fail "the secret is told: $(<"$work/stderr")"; fi
