#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Small files lie in packs, which tar alone takes off the tape with all attributes; a user's own tar file is none.
# timeout: 180
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

mkdir "$work/source"
for i in {1..400}; do
    mkdir -p "$work/source/d$((i % 7))"
    head -c $((i * 37)) /dev/urandom >"$work/source/d$((i % 7))/file-$i"
done
(
    cd "$work/source"
    ln d1/file-1 d2/hard-link
    setfattr -n user.text -v 'some text' d1/file-1
    setfattr -n user.binary -v 0x00ff80410a0d d3/file-3
    setfacl -m u:12345:rw,g:54321:r d4/file-4
    chown 4000000000:4000000001 d5/file-5
    chmod 6750 d6/file-6
    touch -d '1969-12-31 23:59:58.5 UTC' d1/file-8
    touch -d '2100-01-01 00:00:00.123456789 UTC' d2/file-9
    cp d0/file-7 "größe-文書-🎞"
    cp d0/file-7 "$(printf 'n%.0s' {1..255})"
    head -c 1048576 /dev/urandom >one-mebibyte
    tar -cf own.tar d6
)

format_tape
mount_tape
note "rsync writes under other names, and renames when it has closed"
rsync -aHAX --modify-window=-1 "$work/source/" "$mnt/"
compare_trees "$work/source" "$mnt"
echo short-lived >"$mnt/gone"
rm "$mnt/gone"
touch -r "$work/source" "$mnt"
remount_tape
compare_trees "$work/source" "$mnt"
unmount_tape
"$REELFS" check "$tape"
"$REELFS" segments --json "$tape" >"$work/segments"

packs=$(python3 -c '
import json, sys
print(*[s["filemark"] for s in json.load(open(sys.argv[1])) if s["kind"] == "pack"])' "$work/segments")
[[ -n $packs ]] || fail "there is no pack"
read -ra numbers <<<"$packs"
for program in tar bsdtar; do
    note "$program takes them off the tape"
    mkdir "$work/$program"
    for number in "${numbers[@]}"; do
        "$tapcheck" --extract "$number" "$tape" >"$work/pack.tar"
        if [[ $program == tar ]]; then
            tar -C "$work/tar" -b 1024 --xattrs --xattrs-include='*' --acls --same-owner --warning=no-timestamp -xpf "$work/pack.tar" 2>"$work/log"
            [[ ! -s $work/log ]] || fail "tar says: $(<"$work/log")"
        else
            bsdtar -C "$work/bsdtar" --xattrs --acls -xpf "$work/pack.tar"
            # libarchive 3.6 adds the fraction of a negative time instead of taking it away.
            if [[ -e $work/bsdtar/d1/file-8 ]]; then touch -r "$work/source/d1/file-8" "$work/bsdtar/d1/file-8"; fi
        fi
        if grep -aq 'short-lived' "$work/pack.tar"; then fail "an unlinked file is on the tape"; fi
    done
    # Packs have no directories.
    (cd "$work/source" && find . -type d -print0) | while IFS= read -r -d '' directory; do
        touch -r "$work/source/$directory" "$work/$program/$directory"
    done
    compare_trees "$work/source" "$work/$program"
done

note "packs take no more than tar does"
bytes=$(python3 -c '
import json, sys
print(sum(s["bytes"] for s in json.load(open(sys.argv[1])) if s["kind"] != "index"))' "$work/segments")
tar -C "$work/source" --format=posix --xattrs --acls -cf "$work/all.tar" .
[[ $((bytes * 100)) -le $(($(stat -c %s "$work/all.tar") * 105)) ]] || fail "$bytes bytes of data"

note "a changed file in a pack"
mount_tape
echo appended >>"$mnt/d1/file-8"
truncate -s 100 "$mnt/d2/file-9"
dd if=/dev/urandom of="$mnt/d3/file-10" bs=10 seek=3 count=2 conv=notrunc status=none
cp -a "$mnt/." "$work/changed"
remount_tape
compare_trees "$work/changed" "$mnt"
unmount_tape
"$REELFS" check "$tape"
