#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tape that is filled by more than it holds: who wrote too much is told, the index is on the tape, and what is complete
# is right; on a drive that says what room there is, on one that only warns, and on one that does not even do that.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

CAPACITY=24000000
src=$work/src
mkdir "$src"
python3 - "$src" <<'EOT'
import os, random, sys
random.seed(3)
for d in range(12):
    os.makedirs(f"{sys.argv[1]}/d{d:02}")
    for i in range(60):
        with open(f"{sys.argv[1]}/d{d:02}/s{i:03}", "wb") as file:
            file.write(random.randbytes(random.randint(1, 40000)))
    with open(f"{sys.argv[1]}/d{d:02}/big", "wb") as file:
        file.write(random.randbytes(random.randint(2, 5) * 200001))
EOT

# fresh [LACKS [EARLY-WARNING]]
fresh() {
    rm -f "$tape" "$tape.cartridge" "$tape.remains"
    format_tape --capacity "$CAPACITY" >/dev/null
    [[ -z ${1:-} ]] || printf '[drive]\nlacks=%s\n' "$1" >>"$tape.cartridge"
    [[ -z ${2:-} ]] || printf '[cartridge]\nearly-warning=%s\n' "$2" >>"$tape.cartridge"
}

# Fills it, one directory after the other; $work/told: what cp complains about.
fill() {
    local status=0
    mkdir "$mnt/src"
    cp -r "$src"/d* "$mnt/src" 2>"$work/told" || status=$?
    [[ $status -eq 1 ]] || fail "cp ends with $status"
    grep -q 'No space left' "$work/told" || fail "$(head -n 3 "$work/told")"
    if grep -v 'No space left' "$work/told"; then fail "other errors"; fi
}

# Every file that is as long as it should be is right; each other one was told to cp or says what it has lost.
verify() {
    python3 - "$src" "$mnt/src" "$work/told" <<'EOT'
import os, sys
source, mounted, told = sys.argv[1], sys.argv[2], open(sys.argv[3]).read()
whole = 0
for directory, _, names in os.walk(source):
    for name in names:
        path = os.path.relpath(os.path.join(directory, name), source)
        here, there = os.path.join(source, path), os.path.join(mounted, path)
        expected = open(here, "rb").read()
        data = open(there, "rb").read() if os.path.exists(there) else b""
        if data == expected:
            whole += 1
            continue
        if len(data) >= len(expected):
            sys.exit(f"failed: {path} looks complete")
        if f"/src/{path}'" in told or f"cannot create directory '{mounted}/{os.path.dirname(path)}'" in told:
            continue
        try:
            os.getxattr(there, "user.reelfs-lost")
        except OSError:
            sys.exit(f"failed: nobody was told of {path}")
if whole < 150:
    sys.exit(f"failed: only {whole} files are whole")
print(f"  {whole} files are whole, {len(told.splitlines())} times cp was told")
EOT
}

# GNU tar gets the files of each pack off the tape. $1: "cut" where the tape may have ended within the last pack; then
# all that comes before its end.
extract_packs() {
    local number last torn
    mkdir -p "$work/packs"
    "$REELFS" segments "$tape" | awk '$2 == "pack" { print $1 }' >"$work/numbers"
    [[ -s $work/numbers ]] || fail "there is no pack"
    last=$(tail -n 1 "$work/numbers")
    while read -r number; do
        "$tapcheck" --extract "$number" "$tape" >"$work/pack.tar"
        tar -C "$work/packs" -xf "$work/pack.tar" --no-same-owner 2>"$work/stderr" && continue
        [[ $1$number == cut$last ]] || fail "pack $number: $(<"$work/stderr")"
        torn=$({ tar -tf "$work/pack.tar" 2>/dev/null || true; } | tail -n 1)
        cmp -n "$(stat -c %s "$work/packs/$torn")" "$work/packs/$torn" "$work/$torn"
        rm "$work/packs/$torn"
        echo "  the last pack is cut within $torn"
    done <"$work/numbers"
    diff -rq "$work/packs/src" "$src" | grep -v "^Only in $src" && fail "tar gets something else"
    rm -r "$work/packs"
}

note "the drive says what room there is"
fresh
mount_tape -o buffer=16M >/dev/null
fill
sync "$mnt/src/d00/s000" "$mnt/src/d00/big"
# And it stays full.
if head -c 5000000 /dev/zero >"$mnt/more" 2>/dev/null; then fail "there is room again"; fi
unmount_tape
"$REELFS" check "$tape" >/dev/null
mount_tape >/dev/null 2>&1
verify
unmount_tape
extract_packs whole

note "changes near the end are refused, or fit"
fresh
mount_tape -o buffer=16M >/dev/null
fill
# Each round is worth a full index; what is kept for one is used up at some time.
rounds=0
while true; do
    mode=$((rounds % 2 ? 644 : 600))
    find "$mnt/src" -type f -exec chmod "$mode" {} + 2>"$work/stderr" && sync "$mnt/src" 2>"$work/stderr" || break
    rounds=$((rounds + 1))
    ((rounds < 100)) || fail "there is always room for one more"
done
grep -q 'No space left' "$work/stderr" || fail "$(head -n 3 "$work/stderr")"
for command in "mv $mnt/src/d00 $mnt/moved" "rm $mnt/src/d00/s000" "mkdir $mnt/new" "setfattr -n user.x -v y $mnt/src"; do
    read -ra words <<<"$command"
    if "${words[@]}" 2>"$work/stderr"; then fail "works: $command"; fi
    grep -q 'No space left' "$work/stderr" || fail "$command: $(<"$work/stderr")"
done
sync "$mnt/src/d00/s000" "$mnt/src"
echo "  full after $rounds rounds of changes"
unmount_tape
"$REELFS" check "$tape" >/dev/null
mount_tape >/dev/null 2>&1
verify
unmount_tape

note "the drive only warns"
fresh "capacity;capacity-page;volume-page;attributes" 4000000
mount_tape -o buffer=8M >/dev/null
fill
sync "$mnt/src/d00/s000" "$mnt/src/d00/big" "$mnt/src/d00"
# What was in memory when the warning came had no place any more.
expect_failure 1 'lost data' unmount_tape
"$REELFS" check "$tape" >/dev/null
mount_tape >/dev/null 2>&1
verify
unmount_tape
extract_packs cut

note "the tape ends before anybody is warned"
CAPACITY=12000000
fresh "capacity;capacity-page;volume-page;attributes;eom-position" 1
mount_tape -o buffer=8M >/dev/null
cp "$src/d00/big" "$mnt/first"
"$REELFS" sync "$mnt"
if cp -r "$src" "$mnt/" 2>/dev/null; then fail "it all fits"; fi
if unmount_tape 2>/dev/null; then fail "nobody is told"; fi
mount_tape >/dev/null 2>&1
cmp "$src/d00/big" "$mnt/first"
unmount_tape
