#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# reelfs restore: everything comes back as it was; selections, resuming, what is in the way, what cannot be read.
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

format_tape
mount_tape
make_special_tree "$work/source"
mkdir "$work/source/many"
for i in {1..300}; do head -c $((i * 37)) /dev/urandom >"$work/source/many/$i"; done
rsync -aHAXS --modify-window=-1 "$work/source/" "$mnt/"
expect_failure 1 'is mounted at' "$REELFS" restore "$tape" "$work/mounted"
unmount_tape

note "the whole volume"
"$REELFS" restore "$tape" "$work/all"
compare_trees "$work/source" "$work/all"
[[ $(stat -c %b "$work/all/hole-only") -eq 0 ]] || fail "a hole was written"
(($(stat -c %b "$work/all/sparse") < 2048)) || fail "a sparse file was written in whole"

note "what is there already is left alone, or replaced, or gone on with"
echo mine >"$work/all/short"
expect_failure 1 'is there already' "$REELFS" restore "$tape" "$work/all"
[[ $(<"$work/all/short") == mine ]] || fail "a file was replaced"
truncate -s 100 "$work/all/large"
rm "$work/all/many/7"
text=$("$REELFS" restore --resume "$tape" "$work/all")
[[ $text =~ 'complete already' ]] || fail "no file was complete: $text"
compare_trees "$work/source" "$work/all"
echo mine >"$work/all/short"
"$REELFS" restore -q --overwrite "$tape" "$work/all"
compare_trees "$work/source" "$work/all"

note "paths"
"$REELFS" restore "$tape" "$work/some" directory/below /large many/12
(cd "$work/some" && find . | sort >"$work/found")
printf '%s\n' . ./directory ./directory/below ./directory/below/hard-link ./directory/below/it ./large ./many \
    ./many/12 >"$work/expected"
diff "$work/expected" "$work/found"
cmp "$work/source/large" "$work/some/large"
[[ $work/some/large -ef $work/some/directory/below/hard-link ]] || fail "a hard link became a file of its own"
"$REELFS" restore -q "$tape" "$work/dots" ./short directory/../many/./12
cmp "$work/source/short" "$work/dots/short"
cmp "$work/source/many/12" "$work/dots/many/12"
[[ $("$REELFS" verify "$tape" ./many/../short) == "1 file is what was written"* ]] || fail "nothing was verified"
[[ $("$REELFS" list "$tape" ./many/../short) == *" /short" ]] || fail "a path with dots lists nothing"
expect_failure 1 'no-such: is not on the tape' "$REELFS" restore "$tape" "$work/none" no-such
[[ ! -e $work/none ]] || fail "a directory was made for a path that does not exist"
[[ $("$REELFS" restore "$tape" "$work/one" short) == "1 file, "* ]] || fail "one file is not said to be one"
mkdir "$work/few"
"$REELFS" restore -q "$tape" "$work/few" symlink dangling empty fifo null many/
[[ $("$REELFS" restore --resume "$tape" "$work/few" symlink dangling empty fifo null many/) == "0 files, 0 B "*"305 files were complete already" ]] ||
    fail "what is there is made again"
ln -sf elsewhere "$work/few/symlink"
[[ $("$REELFS" restore --resume "$tape" "$work/few" symlink) == "1 file, "* ]] || fail "a changed link stays"
[[ $(readlink "$work/few/symlink") == short ]] || fail "a changed link stays"
"$REELFS" restore -v "$tape" "$work/verbose" short 2>&1 | grep -q 'sense 0' && fail "a filemark is told as sense"

note "links planted in the target are not followed"
mkdir "$work/planted" "$work/elsewhere"
echo precious >"$work/precious"
ln -s "$work/elsewhere" "$work/planted/many"
ln -s "$work/precious" "$work/planted/short"
expect_failure 1 'many: is a directory' "$REELFS" restore -q --overwrite "$tape" "$work/planted" many short
rm "$work/planted/many"
"$REELFS" restore -q --overwrite "$tape" "$work/planted" many short
[[ -z $(ls -A "$work/elsewhere") && $(<"$work/precious") == precious ]] || fail "a link was followed"
cmp "$work/source/short" "$work/planted/short"

note "killed, and gone on with"
"$REELFS" restore -q "$tape" "$work/killed" &
pid=$!
for ((i = 0; i < 2000; i++)); do
    [[ ! -e $work/killed/large ]] || break
    kill -0 "$pid" 2>/dev/null || break
done
kill -KILL "$pid" 2>/dev/null || true
wait "$pid" || true
"$REELFS" restore -q --resume "$tape" "$work/killed"
compare_trees "$work/source" "$work/killed"

note "not as root: said once, and a directory that is closed to its owner is gone on with"
chmod 755 "$work"
chmod 666 "$tape" "$tape.cartridge"
mkdir -m 777 "$work/user"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups "$REELFS" restore)
"${nobody[@]}" "$tape" "$work/user/all" many 2>"$work/stderr"
[[ $(grep -c 'only root can restore owners' "$work/stderr") == 1 && $(wc -l <"$work/stderr") == 1 ]] ||
    fail "not one line: $(<"$work/stderr")"
diff -r "$work/source/many" "$work/user/all/many"
[[ $(stat -c %u "$work/user/all/many/7") == 65534 ]] || fail "the file is somebody else's"
rm "$work/user/all/many/7"
chmod 555 "$work/user/all/many"
"${nobody[@]}" -q --resume "$tape" "$work/user/all" many
diff -r "$work/source/many" "$work/user/all/many"
[[ $(stat -c %a "$work/user/all/many") == $(stat -c %a "$work/source/many") ]] || fail "the mode of a directory is not as on the tape"

note "a full disk: one line, what is complete stays, and with more room the same command goes on"
mkdir "$work/full"
mount -t tmpfs -o size=6m none "$work/full"
expect_failure 1 'takes no more; make room' "$REELFS" restore -q "$tape" "$work/full"
mount -o remount,size=64m "$work/full"
"$REELFS" restore -q --resume "$tape" "$work/full" large many
cmp "$work/source/large" "$work/full/large"
diff -r "$work/source/many" "$work/full/many"
umount "$work/full"

note "interrupted, and gone on with"
for signal in INT TERM; do
    rm -rf "$work/interrupted"
    REELFS_FAULT='opcode=08 count=all delay=60' "$REELFS" restore -q "$tape" "$work/interrupted" 2>"$work/stderr" &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        [[ ! -d $work/interrupted/many ]] || break
        sleep 0.05
    done
    kill -"$signal" "$pid"
    status=0
    wait "$pid" || status=$?
    ((status == 1)) || fail "exit status $status after SIG$signal: $(<"$work/stderr")"
    grep -q 'interrupted; the same command with --resume goes on' "$work/stderr" || fail "no hint: $(<"$work/stderr")"
done
"$REELFS" restore -q --resume "$tape" "$work/interrupted"
compare_trees "$work/source" "$work/interrupted"

note "what cannot be read is named, the rest is there, and another try completes it"
for ((n = 3; n < 30; n++)); do
    rm -rf "$work/bad"
    status=0
    REELFS_FAULT="opcode=08 after=$n sense=3/11/00" "$REELFS" restore "$tape" "$work/bad" >/dev/null 2>"$work/stderr" || status=$?
    ! grep -q 'bytes .* cannot be read' "$work/stderr" || break
done
((status == 1)) || fail "exit status $status: $(<"$work/stderr")"
grep -q 'files could not be restored' "$work/stderr" || fail "no summary: $(<"$work/stderr")"
"$REELFS" restore -q --resume "$tape" "$work/bad"
compare_trees "$work/source" "$work/bad"

note "what is there stays until what replaces it is complete: with bytes that cannot be read, interrupted, killed"
for file in large many/1; do
    echo "mine, and newer" >"$work/bad/$file"
done
cp -a "$work/bad" "$work/before"
status=0
REELFS_FAULT="opcode=08 after=$n sense=3/11/00" "$REELFS" restore -q --overwrite "$tape" "$work/bad" 2>"$work/stderr" || status=$?
((status == 1)) || fail "exit status $status: $(<"$work/stderr")"
failed=$(sed -n "s/^reelfs: \(.*\): the file that was there already.*/\1/p" "$work/stderr")
[[ -n $failed ]] || fail "nobody is told which: $(<"$work/stderr")"
while read -r file; do
    cmp "$work/before/$file" "$work/bad/$file"
done <<<"$failed"
[[ -z $(find "$work/bad" -name '.reelfs*') ]] || fail "left: $(find "$work/bad" -name '.reelfs*')"
rm -rf "$work/bad"
# $1: a signal, while a file is being replaced. Prints what is left of that.
strike() {
    rm -rf "$work/interrupted"
    cp -a "$work/before" "$work/interrupted"
    REELFS_FAULT='opcode=08 count=all delay=60' "$REELFS" restore -q --overwrite "$tape" "$work/interrupted" 2>"$work/stderr" &
    local pid=$!
    for ((i = 0; i < 400; i++)); do
        [[ -z $(find "$work/interrupted" -name '.reelfs-restore.*' -size +1M) ]] || break
        sleep 0.02
    done
    kill -"$1" "$pid"
    wait "$pid" || true
    find "$work/interrupted" -name '.reelfs-restore.*'
}
for signal in INT KILL; do
    for ((try = 0; try < 5; try++)); do
        rest=$(strike "$signal")
        [[ $signal == KILL && -z $rest ]] || break # too late to show anything
    done
    case $signal in
    INT) [[ -z $rest ]] || fail "left: $rest" ;;
    KILL) [[ -n $rest ]] || fail "nothing is under another name meanwhile" ;;
    esac
    for file in large many/1; do
        cmp -s "$work/before/$file" "$work/interrupted/$file" || cmp "$work/source/$file" "$work/interrupted/$file"
    done
done

note "an unfinished file needs no room beside its successor"
"$REELFS" restore -q "$tape" "$work/all2" large
mkdir "$work/tight"
mount -t tmpfs -o size=$(($(stat -c %s "$work/source/large") * 3 / 2)) none "$work/tight"
install -m 1600 "$work/all2/large" "$work/tight/large"
"$REELFS" restore -q --resume "$tape" "$work/tight" large
cmp "$work/source/large" "$work/tight/large"
umount "$work/tight"
