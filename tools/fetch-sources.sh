#!/bin/sh
# Fetches the sources of Debian packages that are compiled for the system, by apt-get, checks them by hash and unpacks what is needed
# to DIRECTORY/<package>. The system's own apt configuration is not touched. Does nothing for what is there already.
#
#     tools/fetch-sources.sh DIRECTORY
set -eu
[ $# -eq 1 ] || { echo "usage: tools/fetch-sources.sh DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
directory=$(cd "$1" && pwd)
mirror=http://deb.debian.org/debian
release=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

apt() {
	apt-get -q -q -o "Dir::Etc::SourceList=$directory/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o "Dir::State::Lists=$directory/apt/lists" -o "Dir::Cache=$directory/apt/cache" -o APT::Sandbox::User=root "$@"
}

# fetch PACKAGE ARCHIVE SHA256 FILES...: files are patterns below the archive's first folder
fetch() {
	package=$1 archive=$2 hash=$3
	shift 3
	[ ! -e "$directory/$package" ] || return 0
	mkdir -p "$directory/apt/lists/partial" "$directory/apt/cache/archives/partial"
	echo "deb-src [signed-by=$keyring] $mirror $release main" >"$directory/apt/sources.list"
	apt update
	(cd "$directory/apt" && apt source --download-only "$package" >/dev/null)
	echo "$hash  $directory/apt/$archive" | sha256sum --check --quiet
	rm -rf "$directory/$package.part"
	mkdir -p "$directory/$package.part"
	tar -xf "$directory/apt/$archive" -C "$directory/$package.part" --strip-components=1 --wildcards "$@"
	mv "$directory/$package.part" "$directory/$package"
}

fetch zlib zlib_1.2.13.dfsg.orig.tar.bz2 71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1 '*/*.c' '*/*.h'
fetch libzstd libzstd_1.5.4+dfsg2.orig.tar.xz 8cf4bbb65e77ec348d052c8d6230eba66d435bddf64c8b5be2fcb16880c19953 \
	'*/lib/common/*' '*/lib/decompress/*' '*/lib/*.h'
rm -rf "$directory/apt"
