#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Unmodified C sees in each of three interleaved instances what it sees when it runs alone, at every level of optimisation.
# usage: traps.sh VNETCC SOURCE_DIR

vnetcc=$(realpath "$1")
src=$(realpath "$2")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cflags="-std=gnu17 -I$src -Wno-unused -Wno-atomic-alignment -Wno-tentative-definition-incomplete-type"
units="traps_data traps_addr traps_two"
count=0

# result STATUS NAME
result() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2"; fi
}

comment() {
	sed 's/^/# /' "$dir/log"
}

# The truth: the same files, compiled plainly, run alone.
plain() {
	# shellcheck disable=SC2086 # flags and units are lists of words
	(cd "$src" && ${VNETCC_CLANG:-clang} $cflags -DPLAIN -O0 -o "$dir/plain" instances.c traps_data.c traps_addr.c \
		traps_two.c) && "$dir/plain" "$dir/want"
}

# Compiles one unit.  Instead of traps_addr.c, "optimised" takes the IR that clang -O2 leaves of it, with its PHIs and tables.
compile() {
	flags=$(echo "$2" | sed s/optimised//)
	if [ "${2#*optimised}" != "$2" ] && [ "$1" = traps_addr ]; then
		# shellcheck disable=SC2086
		${VNETCC_CLANG:-clang} $cflags $flags -fPIC -S -emit-llvm "$src/$1.c" -o "$dir/$1.ll" &&
			"$vnetcc" -O2 -c "$dir/$1.ll" -o "$dir/$1.o"
	else
		# shellcheck disable=SC2086
		"$vnetcc" $cflags $flags -c "$src/$1.c" -o "$dir/$1.o"
	fi
}

# instances COMPILE_OPTIONS LINK_OPTIONS HOST_OPTIONS
instances() {
	objects=
	for u in $units; do
		compile "$u" "$1" || return 1
		objects="$objects $dir/$u.o"
	done
	# shellcheck disable=SC2086
	"$vnetcc" --module $2 -o "$dir/m.ko" $objects &&
		cc $cflags $3 -o "$dir/host" "$src/instances.c" "$dir/m.ko" &&
		rm -f "$dir"/got.? && "$dir/host" "$dir/got" || return 1
	for i in 0 1 2; do
		diff "$dir/want.0" "$dir/got.$i" || return 1
	done
}

# try NAME COMPILE_OPTIONS LINK_OPTIONS HOST_OPTIONS
try() {
	instances "$2" "$3" "$4" >"$dir/log" 2>&1
	status=$?
	[ "$status" -eq 0 ] || comment
	result "$status" "$1"
}

plain >"$dir/log" 2>&1
status=$?
[ "$status" -eq 0 ] || comment
result "$status" "the traps compiled plainly run alone"

for level in -O0 -O1 -O2 -O3 -Os; do
	try "three instances see what one program sees at $level" "$level" "$level" ""
done
try "compiled at -O0, linked at -O2" -O0 -O2 ""
try "with debug information" "-O2 -g" "-O2 -g" ""
try "with -fcommon" "-O2 -fcommon" -O2 ""
try "with -fno-strict-aliasing" "-O2 -fno-strict-aliasing" -O2 ""
try "with fortified libc calls" "-O2 -D_FORTIFY_SOURCE=3" -O2 ""
try "in a program that is not position-independent" -O2 -O2 -no-pie
exports=$(sed -n 's/.*TRAP(\([a-z_]*\)).*/trap_\1/p' "$src/traps.h" | tr '\n' ',')
try "with local definitions" -O2 "-O2 -fexport=${exports}cross_call,cross_nested,cross_const,cross_read,cross_store" ""
try "a unit that was optimised before" "-O2 optimised" -O2 ""

# The promise that nobody changes the base: the optimiser comes first.
for level in -O1 -O2 -O3 -Os; do
	try "with a steady base at $level" "$level -DSTEADY" "$level -fvirtual-keeps-base=*" -DSTEADY
done
try "with a steady base and debug information" "-O2 -g -DSTEADY" "-O2 -fvirtual-keeps-base=*" -DSTEADY
try "with a steady base, compiled at -O0" "-O0 -DSTEADY" "-O2 -fvirtual-keeps-base=*" -DSTEADY
for level in -O1 -O2 -O3; do
	try "with a steady base and local definitions at $level" "$level -DSTEADY" \
		"$level -fvirtual-keeps-base=* -fexport=$exports" -DSTEADY
done
try "with a steady base, a unit that was optimised before" "-O2 optimised -DSTEADY" "-O2 -fvirtual-keeps-base=*" -DSTEADY

# The base in %gs, which the host changes with the thread-local.
if [ "$(uname -m)" = x86_64 ]; then
	gs="-fvirtual-set=vinst -fvirtual-base=gs"
	for level in -O0 -O1 -O2 -O3 -Os; do
		try "in %gs at $level" "$level -DGS" "$level $gs" -DGS
	done
	try "in %gs, a unit that was optimised before" "-O2 optimised -DGS" "-O2 $gs" -DGS
	for level in -O1 -O2 -O3 -Os; do
		try "in %gs with a steady base at $level" "$level -DSTEADY -DGS" "$level $gs -fvirtual-keeps-base=*" \
			"-DSTEADY -DGS"
	done
	try "in %gs with a steady base and local definitions" "-O2 -DSTEADY -DGS" \
		"-O2 $gs -fvirtual-keeps-base=* -fexport=$exports" "-DSTEADY -DGS"
fi
echo "1..$count"
