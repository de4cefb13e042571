#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2015,SC2016,SC2086 # eval runs the commands in quotes; options may be empty
# A module that lld broke, run by a loader that redirects as FreeBSD's kernel does: wrong before the repair, right after.
# usage: repair.sh KLDCHECK SOURCE-DIR
set -u

kldcheck=$(realpath "$1")
src=$(realpath "$2")
for tool in clang ld.lld aarch64-linux-gnu-gcc qemu-aarch64 cmp python3; do
	command -v $tool >/dev/null || {
		echo "1..0 # SKIP no $tool"
		exit 0
	}
done
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

# module OUT LDFLAG CFLAG...
module() {
	out=$1 ldflag=$2
	shift 2
	clang --target=aarch64-unknown-freebsd13.2 -ffreestanding -fPIC -fno-common -O2 -mcpu=cortex-a72 "$@" \
	    -c "$src/runs.c" -o m.o && ld.lld -r m.o -o m.kld &&
	    ld.lld -Bshareable -Bsymbolic -znotext -znorelro $ldflag m.kld -o "$out"
}

run() {
	qemu-aarch64 ./loader "$1"
}

verdict() {
	"$kldcheck" "$2" >out
	[ $? -eq "$1" ]
}

wrong() {
	verdict 1 broken.ko && ! run broken.ko
}

mended() {
	"$kldcheck" --repair broken.ko -o mended.ko && verdict 0 mended.ko && run mended.ko
}

# Exactly the words that the report lists differ.
only() {
	"$kldcheck" --repair broken.ko -o again.ko >list && cmp again.ko mended.ko || return 1
	cmp -l broken.ko mended.ko | awk '{ print int(($1 - 1) / 4) * 4 }' | sort -un >differ
	awk 'match($0, /offset 0x[0-9a-f]+/) { print substr($0, RSTART + 7, RLENGTH - 7) }' list |
	    while read -r o; do echo $((o)); done | sort -un >listed
	[ -s differ ] && cmp differ listed
}

refuses() {
	rm -f no.ko
	"$kldcheck" --repair "$1" -o no.ko 2>err
	[ $? -eq 1 ] && [ ! -e no.ko ] && grep -q "$2" err
}

aarch64-linux-gnu-gcc -O1 -static -o loader "$src/loader.c" && module broken.ko --relax && module fine.ko --no-relax &&
    module static.ko --no-relax -DSTATIC || {
	echo "Bail out! the modules cannot be built"
	exit 1
}
cp -p broken.ko before.ko

check "a module linked with --no-relax is ok, and runs right" eval 'verdict 0 fine.ko && run fine.ko'
check "a relaxed one is broken, and runs wrong" wrong
check "repaired it is ok, and runs right" mended
check "nothing but the listed words differs" only
check "the module that was read stays as it was" cmp before.ko broken.ko
check "a module that is ok is copied as it is" eval '"$kldcheck" --repair fine.ko -o copy.ko && cmp fine.ko copy.ko'
check "a static variable is refused, with what to do" refuses static.ko VNET_DEFINE_STATIC
if command -v mold >/dev/null; then
	mold -shared -Bsymbolic -znotext -znorelro m.kld -o dropped.ko 2>/dev/null
	clang --target=aarch64-unknown-freebsd13.2 -ffreestanding -fPIC -O2 -mcpu=cortex-a72 -c "$src/runs.c" -o m.o &&
	    mold -shared -Bsymbolic -znotext m.o -o dropped.ko
	check "a module without GOT slots is refused, with what to do" refuses dropped.ko no-relax
fi
check "an output that cannot be written leaves nothing" eval '! "$kldcheck" --repair broken.ko -o none/x.ko && [ ! -e none ]'
echo "1..$count"
