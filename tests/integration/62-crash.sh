#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon dies in the middle of rsync: what was on the tape comes back with its names, or in lost+found; the second
# rsync does the rest.
# timeout: 300
# quick
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

FILES=3000
LARGE=6

note "a tree of $FILES small files and $LARGE large ones"
mkdir "$work/source"
python3 - "$work/source" "$FILES" "$LARGE" <<'EOF'
import os, random, sys
top, files, large = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(7)
for i in range(files):
    directory = f"{top}/d{i % 37}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/file-{i}", "wb") as f:
        f.write(os.urandom(random.choice((0, 10, 4000, 40000))))
for i in range(large):
    with open(f"{top}/d{30 + i}/large-{i}.wav", "wb") as f:
        f.write(b"RIFF\0\0\0\0WAVEfmt " + os.urandom(5_000_000 + i))
EOF
setfattr -n user.text -v 'some text' "$work/source/d1/file-1"
setfacl -m u:12345:rw "$work/source/d2/file-2"
ln "$work/source/d3/file-3" "$work/source/d4/hard-link"

# Kills the daemon as soon as $1 bytes are on the cartridge, while rsync copies.
rsync_until_killed() {
    local pid rsync
    pid=$(daemon_of "$tape")
    rsync -aHAX "$work/source/" "$mnt/" 2>/dev/null &
    rsync=$!
    while [[ $(stat -c %s "$tape") -lt $1 ]]; do
        kill -0 "$rsync" 2>/dev/null || break
        sleep 0.01
    done
    kill -KILL "$pid"
    wait "$rsync" || true
    await_exit "$pid" 10 || fail "the daemon does not die"
}

# shellcheck disable=SC2119 # without arguments
format_tape
mount_tape -o buffer=16M
mkdir "$mnt/d0"
cp -a "$work/source/d0/file-0" "$mnt/d0"
echo committed >"$mnt/committed"
"$REELFS" sync "$mnt"
# Two files of the user that look like the volume's own: a tar file, and what is on a volume.
tar --format=posix -cf "$work/own.tar" -C "$work/source" d5
cat "$tape" "$work/own.tar" >"$work/lookalike.tar"
"$tapcheck" --extract 2 "$tape" >"$work/index.xml"
cp "$work/own.tar" "$work/index.xml" "$mnt"
rsync_until_killed 40000000
umount -l "$mnt"

note "read-only: as of the last index, and not one byte is written"
sha256sum "$tape" >"$work/before"
mount_tape -o ro 2>"$work/stderr"
grep -q 'not closed: up to .* follow the last index' "$work/stderr" || fail "$(<"$work/stderr")"
[[ $(ls "$mnt") == $'committed\nd0' ]] || fail "more than the last index has: $(ls "$mnt")"
[[ $(<"$mnt/committed") == committed ]]
if : 2>/dev/null >"$mnt/new"; then fail "it can be written"; fi
unmount_tape
sha256sum --quiet --check "$work/before"

note "mounted for writing, what follows comes back"
size=$("$tapcheck" --end "$tape")
head -c "$size" "$tape" >"$work/before"
mount_tape 2>"$work/stderr"
cat "$work/stderr"
grep -q 'not closed: behind its last index were found, and recovered: .* packs\? with .* files' "$work/stderr" ||
    fail "$(<"$work/stderr")"
[[ $(wc -l <"$work/stderr") -eq 1 ]] || fail "more than one line: $(<"$work/stderr")"
cmp -n "$size" "$work/before" "$tape" || fail "something was overwritten"
[[ $(<"$mnt/committed") == committed ]]
[[ -d $mnt/lost+found && $(stat -c '%a %u' "$mnt/lost+found") == '700 0' ]] || fail "no lost+found"

note "all that came back is right"
found=$(python3 - "$work/source" "$mnt" <<'EOF'
import os, sys
source, mnt = sys.argv[1:]
named = whole = 0
for directory, _, files in os.walk(mnt):
    if "lost+found" in directory:
        continue
    for name in files:
        path = os.path.join(directory, name)
        original = os.path.join(source, os.path.relpath(path, mnt))
        data = open(path, "rb").read()
        if not os.path.exists(original):
            # rsync had not renamed it yet, or it is ours.
            assert name in ("committed", "own.tar", "index.xml") or name.startswith("."), path
            continue
        named += 1
        expected = open(original, "rb").read()
        lost = "user.reelfs-lost" in os.listxattr(path)
        assert data == expected or (lost and expected.startswith(data)), path
        assert lost or os.stat(path).st_mtime_ns == os.stat(original).st_mtime_ns, path
        whole += not lost
large = [open(f"{d}/{n}", "rb").read() for d, _, names in os.walk(source) for n in names if n.startswith("large-")]
for name in os.listdir(f"{mnt}/lost+found"):
    data = open(f"{mnt}/lost+found/{name}", "rb").read()
    if name.endswith(".wav"):
        assert any(l.startswith(data) if "incomplete" in name else l == data for l in large), name
print(named, whole)
EOF
)
read -r named whole <<<"$found"
note "$named files with their names, $whole of them whole; in lost+found: $(cd "$mnt/lost+found" && echo *)"
[[ $whole -gt 100 ]] || fail "only $whole files came back"
compgen -G "$mnt/lost+found/segment-*.wav" >/dev/null || fail "no large file came back"
for original in own.tar index.xml; do
    [[ -e $mnt/$original ]] && cmp "$mnt/$original" "$work/$original" && continue
    for candidate in "$mnt"/lost+found/segment-*."${original##*.}"; do
        if cmp -s "$candidate" "$work/$original"; then continue 2; fi
    done
    fail "$original did not come back"
done

note "a second crash right behind the recovery's index"
kill -KILL "$(daemon_of "$tape")"
umount -l "$mnt"
mount_tape 2>"$work/stderr"
[[ ! -s $work/stderr ]] || fail "it is recovered again: $(<"$work/stderr")"

note "the second rsync does the rest, and no more"
rsync -aHAX --stats "$work/source/" "$mnt/" >"$work/stats"
transferred=$(sed -n 's/^Number of regular files transferred: //p' "$work/stats" | tr -d ,)
[[ $transferred -le $((FILES + LARGE - whole + 1)) ]] || fail "$transferred files were sent again, $whole were there"
rm -rf "$mnt/lost+found" "$mnt"/committed "$mnt"/own.tar "$mnt"/index.xml
find "$mnt" -name '.*.??????' -delete
touch -r "$work/source" "$mnt"
for i in {0..36}; do touch -r "$work/source/d$i" "$mnt/d$i"; done
compare_trees "$work/source" "$mnt"
# shellcheck disable=SC2119
remount_tape
compare_trees "$work/source" "$mnt"
unmount_tape
"$REELFS" check "$tape"
