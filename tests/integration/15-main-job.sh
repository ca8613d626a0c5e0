#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on real input: /usr/share/doc, /usr/include and a file of 2 GiB, by cp -a, rsync -aHAX and tar, compared
# after a remount by content and by every attribute; and the 2 GiB taken off the tape without reelfs.
# timeout: 900
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

big=$work/big
head -c 2G /dev/urandom >"$big"

format_tape
mount_tape
note "cp -a: /usr/share/doc, /usr/include, 2 GiB"
cp -a /usr/share/doc "$mnt/doc"
cp -a /usr/include "$mnt/include"
# Small files that have lingered for long enough are written in between, and cut the stream.
"$REELFS" sync "$mnt"
cp -a "$big" "$mnt/big"
note "rsync -aHAX: /usr/include; a second pass transfers nothing"
rsync -aHAX --modify-window=-1 /usr/include/ "$mnt/rsync/"
again=$(rsync -aHAX --modify-window=-1 --delete --itemize-changes /usr/include/ "$mnt/rsync/")
[[ -z $again ]] || fail "the second pass finds: $again"
note "tar: /usr/share/doc"
mkdir "$mnt/tar"
tar -C /usr/share/doc --xattrs --xattrs-include='*' --acls -cf - . | tar -C "$mnt/tar" --xattrs --xattrs-include='*' --acls -xpf -

remount_tape
note "compared after a remount"
compare_trees /usr/share/doc "$mnt/doc"
compare_trees /usr/include "$mnt/include"
compare_trees /usr/include "$mnt/rsync"
compare_trees /usr/share/doc "$mnt/tar"
cmp "$big" "$mnt/big"
unmount_tape

note "the 2 GiB are one segment, and come off the tape by number alone"
segments=$("$REELFS" segments --json "$tape" | python3 -c 'import json, sys
print(*(s["filemark"] for s in json.load(sys.stdin) if s.get("path") == "/big"))')
[[ $segments =~ ^[0-9]+$ ]] || fail "the file is in segments $segments"
"$tapcheck" --extract "$segments" "$tape" | cmp - "$big"
"$REELFS" check "$tape"
