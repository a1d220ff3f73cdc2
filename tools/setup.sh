#!/bin/sh
# Installs the Debian packages that building, running and testing need, and only those that are missing.
set -eu

wanted="clang-14 libclang-rt-14-dev libclang-common-14-dev lld-14 lld llvm binutils make python3 qemu-system-x86 busybox-static cpio gcc libc6-dev dpkg-dev gzip zstd"

missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -z "$missing" ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "setup.sh: as root, run: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of packages
apt-get install -q -y --no-install-recommends $missing || {
    apt-get update -q
    apt-get install -q -y --no-install-recommends $missing
}
