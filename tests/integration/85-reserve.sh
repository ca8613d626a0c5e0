#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The option reserve: taken, released, left by a killed daemon, held by somebody else; and what info tells.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

head -c 3000000 /dev/urandom >"$work/data"
keys=$tape.cartridge

# set_key GROUP KEY VALUE: in the cartridge's key file, as another host or a test may do.
set_key() {
    python3 - "$keys" "$@" <<'EOT'
import configparser
import sys

path, group, key, value = sys.argv[1:]
file = configparser.RawConfigParser(delimiters=("=",))
file.optionxform = str
file.read(path)
if not file.has_section(group):
    file.add_section(group)
file.set(group, key, value)
with open(path, "w") as out:
    file.write(out, space_around_delimiters=False)
EOT
}

is_reserved() {
    grep -q '^holder=' "$keys"
}

is_free() {
    ! grep -Eq '^(holder|keys|reserved-by)=' "$keys"
}

# A reservation of a daemon that was killed.
leave_behind() {
    mount_tape -o reserve
    cp "$work/data" "$mnt/$1"
    "$REELFS" sync "$mnt"
    is_reserved || fail "not reserved"
    pid=$(daemon_of "$tape")
    kill -KILL "$pid"
    await_exit "$pid" 10
    is_reserved || fail "a killed daemon has released it"
}

format_tape
note "reserved while it is mounted"
mount_tape -o reserve
cp "$work/data" "$mnt/first"
is_reserved || fail "not reserved"
grep -q 'reserved *yes' <<<"$("$REELFS" info "$mnt")" || fail "info does not say so: $("$REELFS" info "$mnt")"
unmount_tape
is_free || fail "not released: $(<"$keys")"
mount_tape -o reserve,noreserve
is_free || fail "reserved"
unmount_tape

note "left by a killed daemon: cleared by the next mount, with one line"
leave_behind second
mount_tape 2>"$work/stderr"
[[ $(grep -c 'the reservation of a reelfs of this machine that is gone' "$work/stderr") -eq 1 ]] || fail "$(<"$work/stderr")"
is_free || fail "not cleared: $(<"$keys")"
cmp "$mnt/second" "$work/data"
unmount_tape

note "likewise where it is reached by another way"
leave_behind third
set_key test initiator 2
mount_tape -o reserve 2>"$work/stderr"
[[ $(grep -c 'that is gone' "$work/stderr") -eq 1 ]] || fail "$(<"$work/stderr")"
grep -q '^holder=2$' "$keys" || fail "not reserved anew: $(<"$keys")"
grep -q '^keys=2:[0-9a-f]*;$' "$keys" || fail "the old registration is still there: $(<"$keys")"
cmp "$mnt/third" "$work/data"
unmount_tape
is_free || fail "not released: $(<"$keys")"

note "and by any other command"
leave_behind fourth
set_key test initiator 1
"$REELFS" info "$tape" 2>"$work/stderr" >"$work/info"
grep -q 'that is gone' "$work/stderr" || fail "$(<"$work/stderr")"
is_free || fail "not cleared: $(<"$keys")"

note "a drive that can only be reserved in the old way"
set_key drive lacks 'persistent-reserve;'
mount_tape -o reserve
grep -q '^reserved-by=1$' "$keys" || fail "not reserved: $(<"$keys")"
unmount_tape
is_free || fail "not released: $(<"$keys")"
set_key drive lacks 'persistent-reserve;reserve;'
expect_failure 1 'cannot be reserved.*noreserve' mount_tape -o reserve
mount_tape
unmount_tape
set_key drive lacks ''

note "somebody else has it"
set_key reservation keys '3:1122334455667788;'
set_key reservation holder 3
set_key reservation type 3
for options in rw reserve; do
    expect_failure 1 'reserved by another program or host \(key 0x1122334455667788\)' mount_tape -o "$options"
done
expect_failure 1 'reserved by another program or host \(key 0x1122334455667788\)' "$REELFS" info "$tape"
grep -q '^holder=3$' "$keys" || fail "it was taken away: $(<"$keys")"
sed -i '/^\[reservation\]/,$d' "$keys"

note "what the drive and the cartridge say"
set_key test tape-alerts '4;20;21;'
set_key cartridge barcode TAP001L9
"$REELFS" info --json "$tape" >"$work/info"
python3 - "$work/info" <<'EOT'
import json
import sys

info = json.load(open(sys.argv[1]))
assert info["drive"]["alerts"].startswith("4: the tape is bad"), info
assert "; 20: the drive needs cleaning now; 21: " in info["drive"]["alerts"], info
assert "reserved_by" not in info["drive"], info
assert info["drive"]["serial"].startswith("RV"), info
assert info["medium"]["serial"].startswith("RC"), info
assert info["medium"]["barcode"] == "TAP001L9", info
assert info["medium"]["change_reference"] > 0, info
EOT
mount_tape 2>"$work/stderr"
grep -q 'the drive says: the tape is bad.*(TapeAlert 4)' "$work/stderr" || fail "$(<"$work/stderr")"
[[ $(wc -l <"$work/stderr") -eq 2 ]] || fail "$(<"$work/stderr")"
unmount_tape
