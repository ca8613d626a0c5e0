#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon is killed in the middle of an rsync of 20,000 files. After a mount, a second rsync transfers what is not there, and nothing
# that is; both trees are the same then.
# timeout: 600
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

FILES=20000
python3 - "$work/source" "$FILES" <<'END'
import os
import random
import sys

random.seed(1)
for i in range(int(sys.argv[2])):
    directory = f"{sys.argv[1]}/{i // 100:03}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/file-{i}", "wb") as file:
        file.write(random.randbytes(random.randrange(1, 4000)))
END

files_in() {
    find "$1" -name lost+found -prune -o -type f ! -name '.*' -printf '%P\n' 2>/dev/null | sort
}

format_tape >"$work/stdout"
mount_tape -o buffer=32M >"$work/stdout"
rsync -a "$work/source/" "$mnt/" >"$work/rsync.1" 2>&1 &
first=$!
# In directories of 100, which rsync makes all at first.
await_files() {
    until [[ -n $(ls "$mnt/$(printf %03d $(($1 / 100)))" 2>/dev/null) ]]; do sleep 0.05; done
}
await_files $((FILES / 3))
files_in "$mnt" >"$work/committed"
"$REELFS" sync "$mnt"
note "$(wc -l <"$work/committed") files are committed"
await_files $((FILES * 2 / 3))
pid=$(daemon_of "$tape")
kill -KILL "$pid"
wait "$first" && fail "rsync has finished"
await_exit "$pid" 20 || fail "the daemon is deaf to KILL"
umount -i -l "$mnt"

mount_tape >"$work/stdout"
files_in "$mnt" >"$work/found"
note "$(wc -l <"$work/found") files are there after the crash"
missing=$(comm -23 "$work/committed" "$work/found" | head -n 5)
[[ -z $missing ]] || fail "these were committed, and are gone: $missing"
rsync -a --modify-window=-1 --exclude=/lost+found --delete --itemize-changes "$work/source/" "$mnt/" >"$work/rsync.2"
awk '$1 ~ /^>f/ { print $2 }' "$work/rsync.2" | sort >"$work/transferred"
note "$(wc -l <"$work/transferred") files are transferred by the second rsync"
again=$(comm -12 "$work/found" "$work/transferred" | head -n 5)
[[ -z $again ]] || fail "these were there, and are transferred again: $again"
left=$(files_in "$work/source" | comm -23 - <(sort "$work/found" "$work/transferred") | head -n 5)
[[ -z $left ]] || fail "nobody has transferred these: $left"
remount_tape
difference=$(rsync -an --checksum --modify-window=-1 --exclude=/lost+found --delete --itemize-changes "$work/source/" "$mnt/")
[[ -z $difference ]] || fail "the trees differ: $(head -n 10 <<<"$difference")"
unmount_tape
"$REELFS" check "$tape"
