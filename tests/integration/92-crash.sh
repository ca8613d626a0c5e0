#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The power of the drive is cut, or the daemon is killed, under a mount that programs write to.
# timeout: 900
# shellcheck source=tests/integration/lib.sh
source "$(dirname "$0")/lib.sh"

note "50 crashes; each is repeated by tests/crash/mount.py with --seed and --only"
python3 "$tests/crash/mount.py" "$REELFS" "$work" --points 50
