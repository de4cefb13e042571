#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Real programs, built with nothing but CC=vnetcc, do in two instances at once, and in two that take turns, what they
# do alone. By hand: their sources come from Debian's source packages (apt needs deb-src lines).
# usage: real.sh VNETCC		SOURCES=DIR: a folder where the archives are already

vnetcc=$(realpath "$1")
run=$(realpath "$(dirname "$vnetcc")")/vinst-run
[ -z "$SOURCES" ] || SOURCES=$(realpath "$SOURCES")
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

# unpack PACKAGE ARCHIVE SHA256: unpacked into ./PACKAGE, or nothing is there.
unpack() {
	[ -z "$SOURCES" ] || cp "$SOURCES/$2" . 2>/dev/null
	[ -f "$2" ] || apt-get -q --download-only --tar-only source "$1"
	echo "$3  $2" | sha256sum --check --status && mkdir "$1" && tar -xf "$2" -C "$1" --strip-components=1
}

# twice COMMAND...: the output of two is twice that of one, line by line.
twice() {
	"$@" >one && sed p one | sort >want && "$run" -n 2 "$@" >both && sort both | diff want - &&
		"$run" -n 2 --interleave "$@" >turns && sort turns | diff want -
}

lua() {
	make -s -C lua5.4 linux CC="$vnetcc" && cat >t.lua <<'LUA'
local t = {}
for i = 1, 100000 do t[i] = string.format("%x", i * 7919 % 100003) end
table.sort(t)
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(#t, t[500], t[99999], co(), co(), pcall(error, "e"))
LUA
	twice lua5.4/src/lua t.lua
}

# Not minigzip: it closes standard output, which is shared.
zlib() {
	(cd zlib && CC=$vnetcc ./configure --static && make -s libz.a) && cat >z.c <<'C' &&
#include <stdio.h>
#include <string.h>
#include "zlib.h"
static unsigned char in[1 << 20], packed[1 << 21], out[1 << 20];
int main(void) {
	uLongf n = sizeof(packed), m = sizeof(out);
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * i >> 9);
	if (compress(packed, &n, in, sizeof(in)) != Z_OK || uncompress(out, &m, packed, n) != Z_OK)
		return 1;
	printf("%lu %lx %d\n", n, crc32(0, out, (uInt)m), memcmp(in, out, sizeof(in)));
	return 0;
}
C
		"$vnetcc" -O2 -Izlib z.c zlib/libz.a -o z && twice ./z
}

# one NAME PACKAGE ARCHIVE SHA256
one() {
	if unpack "$2" "$3" "$4" >fetch.log 2>&1; then
		check "$1 in two instances" "$1"
	else
		count=$((count + 1))
		echo "ok $count - $1 in two instances # SKIP the source $3 cannot be had (SOURCES=DIR may hold it)"
	fi
}

one lua lua5.4 lua5.4_5.4.4.orig.tar.gz 164c7849653b80ae67bec4b7473b884bf5cc8d2dca05653475ec2ed27b9ebf61
one zlib zlib zlib_1.2.13.dfsg.orig.tar.bz2 71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1
finish
