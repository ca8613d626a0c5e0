#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Damaged tapes: what salvage gets, and says is missing; what check finds and repairs; earlier generations.
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"
spoil=$tests/lib/spoil.py
block=524288

# expect STATUS COMMAND…: it exits so; what it prints is in $text.
expect() {
    local expected=$1 status=0
    shift
    text=$("$@" 2>&1) || status=$?
    [[ $status -eq $expected ]] || fail "exit status $status, not $expected: $*: $text"
}

# First object of the segment that has the file with this path.
object_of() {
    "$REELFS" list --json "$tape" "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["extents"][0]["block"])'
}

# First objects of segments of this kind.
segments_of() {
    "$REELFS" segments --json "$tape" |
        python3 -c 'import json, sys; print(*[s["first_block"] for s in json.load(sys.stdin) if s["kind"] == sys.argv[1]])' "$1"
}

keep_tape() {
    cp "$tape" "$work/kept"
    cp "$tape.cartridge" "$work/kept.cartridge"
}

bring_back() {
    cp "$work/kept" "$tape"
    cp "$work/kept.cartridge" "$tape.cartridge"
}

format_tape
mount_tape
make_special_tree "$work/source"
mkdir "$work/source/many"
for i in {1..300}; do head -c $((i * 37)) /dev/urandom >"$work/source/many/$i"; done
rsync -aHAX --modify-window=-1 "$work/source/" "$mnt/"
remount_tape
# A user's own archive, and what looks like an index and a pack of this volume.
tar -C "$work/source" -cf "$work/source/own.tar" many large
echo '<?xml version="1.0" encoding="UTF-8"?>' >"$work/source/like-an-index"
unmount_tape
index=$(segments_of index)
pack=$(segments_of pack)
for object in ${index##* } ${pack%% *}; do
    filemark=$("$REELFS" segments --json "$tape" | python3 -c 'import json, sys
print(*[s["filemark"] for s in json.load(sys.stdin) if s["first_block"] == int(sys.argv[1])])' "$object")
    python3 "$tapcheck" --extract "$filemark" "$tape" >"$work/source/like-$object"
done
head -c 9000001 /dev/urandom >"$work/source/film"
mount_tape
cp -p "$work"/source/{film,own.tar,like-*} "$mnt/"
rsync -aHAX --modify-window=-1 "$work/source/" "$mnt/"
unmount_tape
keep_tape

note "a sound tape: nothing is missing"
expect 0 "$REELFS" check --deep "$tape"
[[ $text =~ 'no problems found' ]] || fail "$text"
expect 0 "$REELFS" salvage "$tape" "$work/sound"
compare_trees "$work/source" "$work/sound"

note "one unreadable block in the middle of a file: it is named, the rest is there, salvage gets all but that block"
python3 "$spoil" "$tape" $(($(object_of /film) + 5))
expect 0 "$REELFS" check "$tape"
expect 4 "$REELFS" check --deep "$tape"
[[ $text =~ 'cannot be read; it has data of /film' && $text =~ '1 problem found' ]] || fail "$text"
mount_tape -o ro
for file in "$work"/source/many/* "$work"/source/one-mebibyte "$work"/source/{own.tar,large}; do cmp "$file" "$mnt/${file#"$work"/source/}"; done
! cat "$mnt/film" >"$work/film" 2>/dev/null || fail "a block that cannot be read was read"
unmount_tape
expect 1 "$REELFS" restore "$tape" "$work/restored"
[[ $text =~ 'bytes 2621440 to 3145727' ]] || fail "$text"
expect 1 "$REELFS" salvage "$tape" "$work/salvaged"
[[ $text =~ 'film: bytes 2621440 to 3145727 are missing (524288 bytes' ]] || fail "$text"
[[ $text =~ '1 of them are not whole, 524,288 bytes are missing' ]] || fail "$text"
cp "$work/source/film" "$work/film"
dd if=/dev/zero of="$work/film" bs=$block seek=5 count=1 conv=notrunc status=none
cmp "$work/film" "$work/salvaged/film"
[[ $(stat -c '%s %a %U' "$work/salvaged/film") == $(stat -c '%s %a %U' "$work/source/film") ]] || fail "attributes are lost"
rsync -aHAXn --modify-window=-1 --checksum --itemize-changes --delete "$work/source/" "$work/salvaged/" >"$work/diff"
[[ $(awk '{ print $2 }' "$work/diff") == film ]] || fail "more is missing: $(<"$work/diff")"
expect 1 "$REELFS" salvage --json --overwrite "$tape" "$work/salvaged"
python3 -c 'import json, sys
report = json.loads(sys.argv[1][sys.argv[1].index("{"):])
flaw, = report["flaws"]
assert (flaw["kind"], flaw["offset"], flaw["length"]) == ("missing", 2621440, 524288), flaw
assert report["missing_bytes"] == 524288 and report["damaged_files"] == 1, report' "$text"

note "another try of what is not whole"
bring_back
expect 0 "$REELFS" salvage --resume "$tape" "$work/salvaged"
compare_trees "$work/source" "$work/salvaged"

note "the label is lost"
python3 "$spoil" "$tape" 0
expect 1 "$REELFS" list "$tape"
expect 0 "$REELFS" salvage "$tape" "$work/label1"
compare_trees "$work/source" "$work/label1"
python3 "$spoil" "$tape" 2
expect 0 "$REELFS" salvage "$tape" "$work/label2"
[[ $text =~ 'an index cannot be proved' ]] || fail "$text"
compare_trees "$work/source" "$work/label2"
bring_back

note "the last index is lost: salvage has what it named, check --repair writes a new one"
last=$(segments_of index)
python3 "$spoil" "$tape" "${last##* }"
expect 1 "$REELFS" salvage "$tape" "$work/last"
[[ $text =~ lost\+found/segment-[0-9]+-damaged.data:\ bytes\ 0\ to\ 524287\ are\ missing ]] || fail "$text"
diff -r "$work/source/many" "$work/last/many"
expect 4 "$REELFS" check "$tape"
expect 1 "$REELFS" check --repair "$tape"
[[ $text =~ 'and an index written; 0 are left' ]] || fail "$text"
expect 0 "$REELFS" check "$tape"
expect 4 "$REELFS" check --deep "$tape"
[[ $text =~ 'it has data of /lost+found/segment-' && $text =~ '1 problem found' ]] || fail "$text"
mount_tape
diff -r "$work/source/many" "$mnt/many"
unmount_tape
bring_back

note "all indexes are lost: names come from the packs, what has none gets a number, and nothing of a user is taken for ours"
# shellcheck disable=SC2046 # each is a word
python3 "$spoil" "$tape" $(segments_of index)
expect 1 "$REELFS" list "$tape"
[[ $text =~ 'no valid index' ]] || fail "$text"
expect 1 "$REELFS" salvage "$tape" "$work/none"
for file in short below-block many/299 attributes owned; do cmp "$work/source/$file" "$work/none/$file"; done
[[ $(stat -c %u:%g "$work/none/owned") == 12345:54321 ]] || fail "the owner is lost"
[[ $(getfattr --absolute-names --only-values -n user.text "$work/none/attributes") == 'some text' ]] || fail "an attribute is lost"
for file in film own.tar like-${pack%% *} like-${index##* } like-an-index; do
    ! cmp -s "$work/source/$file" "$work/none/$file" || continue
    found=''
    for segment in "$work"/none/lost+found/*; do ! cmp -s "$segment" "$work/source/$file" || found=$segment; done
    [[ -n $found ]] || fail "$file is not there: $(ls "$work/none/lost+found")"
done
expect 4 "$REELFS" check --repair "$tape"
expect 1 "$REELFS" check --deep --repair "$tape"
mount_tape
diff -r "$work/source/many" "$mnt/many"
echo more >"$mnt/more"
unmount_tape
expect 0 "$REELFS" check "$tape"
bring_back

note "the end of data is missing: only check --repair makes one, and asks"
mount_tape
head -c 3000000 /dev/urandom >"$mnt/torn"
unmount_tape
object=$(object_of /torn)
python3 "$spoil" --cut $((object + 3)) "$tape"
mount_tape 2>/dev/null
! touch "$mnt/x" 2>/dev/null || fail "a volume without an end of data is writable"
unmount_tape
expect 4 "$REELFS" check --repair "$tape" </dev/null
[[ $text =~ '--yes agrees to that' ]] || fail "$text"
expect 1 "$REELFS" check --repair --yes "$tape"
[[ $text =~ "written from object $((object + 3)) on" ]] || fail "$text"
expect 0 "$REELFS" check --deep "$tape"
mount_tape
diff -r "$work/source/many" "$mnt/many"
[[ $(stat -c %s "$mnt"/lost+found/*) == $((3 * block)) ]] || fail "what was written of the file is not there"
unmount_tape
bring_back

note "what can be read behind that place is kept first"
mount_tape
head -c 3000000 /dev/urandom >"$work/torn"
cp "$work/torn" "$mnt/torn"
unmount_tape
object=$(object_of /torn)
python3 "$spoil" "$tape" $((object + 1))
python3 "$spoil" --cut $((object + 4)) "$tape"
expect 4 "$REELFS" check --repair --yes "$tape"
[[ $text =~ 'name a directory for them with --save' ]] || fail "$text"
expect 1 "$REELFS" check --repair --yes --save "$work/saved" "$tape"
[[ $(stat -c %s "$work/saved/object-$((object + 2))") == $((2 * block)) ]] || fail "$(ls -l "$work/saved")"
cmp -n $((2 * block)) -i $((2 * block)):0 "$work/torn" "$work/saved/object-$((object + 2))"
expect 0 "$REELFS" check --deep "$tape"
bring_back

note "fsck: -n changes nothing, -p appends, and overwrites nothing"
ln -s "$REELFS" "$work/fsck.reelfs"
last=$(segments_of index)
python3 "$spoil" --cut "${last##* }" "$tape"
sum=$(md5sum "$tape")
expect 4 "$work/fsck.reelfs" -n "$tape"
expect 4 "$work/fsck.reelfs" "$tape"
expect 4 "$work/fsck.reelfs" -p -f "$tape" </dev/null
[[ $sum == "$(md5sum "$tape")" ]] || fail "something was written"
expect 1 "$work/fsck.reelfs" -y "$tape"
expect 0 "$work/fsck.reelfs" -f -y "$tape"
expect 16 "$REELFS" check --from 3 "$tape"
expect 16 "$REELFS" check --yes "$tape"
bring_back

note "a deep check that is interrupted says where it goes on"
REELFS_FAULT='opcode=08 count=all delay=30' "$REELFS" check --deep "$tape" >"$work/stdout" 2>"$work/stderr" &
pid=$!
sleep 1
kill -INT "$pid"
status=0
wait "$pid" || status=$?
((status == 32)) || fail "exit status $status: $(<"$work/stderr")"
[[ $(<"$work/stderr") =~ '--from '([0-9]+) ]] || fail "$(<"$work/stderr")"
expect 0 "$REELFS" check --deep --from "${BASH_REMATCH[1]}" "$tape"

note "earlier generations"
mount_tape
rm -r "$mnt/many"
echo changed >"$mnt/short"
unmount_tape
expect 0 "$REELFS" check --list-generations --json "$tape"
mapfile -t numbers < <(python3 -c 'import json, sys
for g in json.loads(sys.argv[1]): print(g["generation"])' "$text")
((${#numbers[@]} >= 4)) || fail "$text"
before=${numbers[-2]}
mount_tape -o "rollback=$before"
diff -r "$work/source/many" "$mnt/many"
cmp "$work/source/short" "$mnt/short"
! touch "$mnt/x" 2>/dev/null || fail "an earlier generation is writable"
unmount_tape
"$REELFS" restore --generation "$before" "$tape" "$work/before"
compare_trees "$work/source" "$work/before"
"$REELFS" list --generation "$before" "$tape" /many >/dev/null
expect 1 "$REELFS" list "$tape" /many
[[ $("$REELFS" list --generation 1 "$tape" | wc -l) == 1 ]] || fail "the first generation is not empty"
expect 1 "$REELFS" list --generation 999 "$tape"
[[ $text =~ 'no index of generation 999' ]] || fail "$text"
expect_failure 2 'not the number of a generation' "$REELFS" list --generation 0 "$tape"
expect_failure 1 'no index of generation 999' "$REELFS" mount -o rollback=999 "$tape" "$mnt"
mount_tape
[[ $(<"$mnt/short") == changed ]] || fail "the last generation is not the last"
unmount_tape
