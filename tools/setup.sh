#!/bin/sh
# Installs the Debian packages that building and running need, and only those that are missing. `setup.sh iso`: also what discs need, to
# be made and to be booted by either firmware.
set -eu

wanted="clang-14 libclang-rt-14-dev libclang-common-14-dev lld-14 lld llvm binutils make python3 qemu-system-x86 busybox-static cpio gcc libc6-dev dpkg-dev gzip zstd"
case "${1-}" in
    iso) wanted="$wanted grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools ovmf" ;;
    "") ;;
    *) echo "usage: tools/setup.sh [iso]" >&2; exit 2 ;;
esac

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
