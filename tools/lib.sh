# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by tools/demo and tools/test. $top is the source tree.
set -euo pipefail
# shellcheck disable=SC2034 # used by those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

say() {
    printf '\n=== %s\n' "$*"
}

# quietly LOG COMMAND…: the output is shown only if it fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 100 "$log" >&2
        die "failed: $*"
    }
}

# need_packages LOG: installs what tools/packages names and this machine lacks.
need_packages() {
    local log=$1 missing=() package
    [[ $(id -u) -eq 0 ]] || die "must be run by root: packages are installed and filesystems mounted"
    while read -r package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done <"$top/tools/packages"
    [[ ${#missing[@]} -gt 0 ]] || return 0
    say "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    quietly "$log" apt-get -q update
    quietly "$log" apt-get -q install -y --no-install-recommends "${missing[@]}"
}

# Mounting is impossible without it, as in a container that was not given the device.
need_fuse() {
    [[ -c /dev/fuse ]] || modprobe fuse 2>/dev/null || true
    [[ -c /dev/fuse ]] || die "there is no /dev/fuse: the kernel or the container does not allow FUSE"
}
