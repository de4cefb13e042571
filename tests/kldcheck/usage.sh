#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2015,SC2016,SC2086 # eval runs the commands in quotes; options may be empty
# Options, exit status, JSON, folders, other kinds of files; and that the tools lean on POSIX alone.
# usage: usage.sh KLDCHECK SOURCE-DIR
set -u

kldcheck=$(realpath "$1")
src=$(realpath "$2")
command -v clang >/dev/null && command -v ld.lld >/dev/null || {
	echo "1..0 # SKIP no clang or no lld"
	exit 0
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
count=0

check() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" >log 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		sed 's/^/# /' log
	fi
}

status() {
	want=$1
	shift
	"$kldcheck" "$@" >out 2>err
	got=$?
	[ $got -eq "$want" ] || {
		echo "status $got, not $want"
		cat out err
		return 1
	}
}

# module NAME TARGET OPTION...
module() {
	name=$1 target=$2
	shift 2
	clang --target="$target" -ffreestanding -fno-common -O2 -c "$src/mod.c" -o "$name" "$@"
}

shared() {
	module m.o aarch64-unknown-freebsd13.2 -fPIC -mcpu=cortex-a72 && ld.lld -shared -Bsymbolic -znotext "$@" m.o
}

mkdir -p all/sub some empty
shared -o all/broken.ko && shared --no-relax -o all/sub/ok.ko && cp all/sub/ok.ko some/ && cp all/broken.ko "odd
name.ko" && echo text >all/text.ko && cp all/text.ko some/ && echo text >all/not-a-module.txt || exit 1
module amd64.ko x86_64-unknown-freebsd13.2 -mcmodel=kernel -fno-pic
module uvnet.ko x86_64-linux-gnu -fno-pic
module arm64-rel.ko aarch64-unknown-freebsd13.2 -fPIC
module riscv.o riscv64-unknown-freebsd13.2 -fPIC -march=rv64gc -mabi=lp64d &&
    ld.lld -shared -Bsymbolic -znotext riscv.o -o riscv.ko
echo 'int x; int *f(void) { return &x; }' >none.c
clang --target=aarch64-unknown-freebsd13.2 -ffreestanding -fPIC -c none.c -o none.o && ld.lld -shared none.o -o none.ko

check "0: all ok" eval 'status 0 all/sub/ok.ko && grep -q "ok.ko: ok (" out'
check "1: one broken, beside others" eval 'status 1 all && grep -q "broken.ko: broken (17" out && ! grep -q not-a-module out'
check "2: none broken, one unreadable" eval 'status 2 some && grep -q "not an ELF file" out'
check "2: no such file, and a folder without modules" eval 'status 2 absent && status 2 empty'
check "2: a command line that is wrong, with the usage" eval 'status 2 --wrong && grep -q usage: err && status 2 &&
    status 2 --repair all/broken.ko'
check "a module without a set is ok" eval 'status 0 none.ko && grep -q "no set_vnet" out'
check "a relocatable module is ok on amd64, and unsure on arm64, where none is loaded" eval 'status 0 amd64.ko &&
    grep -q "relocatable, judged as FreeBSD" out && status 2 arm64-rel.ko'
check "a relocatable module that does not say FreeBSD: judged as one of uvnet, and says so" eval 'status 0 uvnet.ko &&
    grep -q "judged as uvnet" out'
if [ -f riscv.ko ]; then
	check "a shared object of a machine not followed is unsure, never ok" eval 'status 2 riscv.ko && grep -q unsure out'
fi
check "--explain says where the GOT still has the address" eval 'status 1 --explain all/broken.ko && grep -q "GOT still has" out'
check "--json is JSON, whatever the file's name" eval 'status 1 --json all "odd
name.ko" && python3 -c "import json, sys; m = json.load(open(\"out\"))[\"modules\"]; sys.exit(not (len(m) == 4 and
m[0][\"references\"][0][\"cause\"] == \"relaxed\" and m[3][\"file\"] == \"odd\nname.ko\"))"'
check "text shows no control characters of a name" eval 'status 1 "odd
name.ko" && head -n 1 out | grep -q "odd?name.ko: broken"'
check "--help, to standard output" eval 'status 0 --help && grep -q -e --repair out'
check "a full device is an error" eval '! "$kldcheck" all >/dev/full 2>err'

# FreeBSD has the same headers: those of C and POSIX, and Capstone's.
posix() {
	cat "$src"/../../kldcheck/*.[ch] | sed -n 's/^#include <\(.*\)>/\1/p' | sort -u | while read -r h; do
		case $h in
		dirent.h | errno.h | fcntl.h | stdarg.h | stdbool.h | stddef.h | stdint.h | stdio.h | stdlib.h | string.h) ;;
		sys/stat.h | unistd.h | capstone/capstone.h) ;;
		*) echo "$h" ;;
		esac
	done | grep . && return 1
	for c in "$src"/../../kldcheck/*.c; do
		clang -std=c17 -D_POSIX_C_SOURCE=200809L -DKLDCHECK_VERSION='""' -Wall -Wextra -Werror -fsyntax-only "$c" || return 1
	done
}
check "nothing but C, POSIX and Capstone is included" posix
echo "1..$count"
