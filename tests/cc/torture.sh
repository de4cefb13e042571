#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gcc's tests of execution (c-torture/execute): each program that passes compiled by clang also passes compiled by
# vnetcc, alone, in two instances at once, and in two that take turns. By hand, for the sources are a download of
# 80 MB; nothing of them stays. Its folder builtins/ is not for us: there gcc's own library is replaced.
# usage: torture.sh VNETCC [LEVEL...]		(every level: torture.sh build/bin/vnetcc -O0 -O1 -O2 -O3 -Os)
#	TORTURE=DIR	the folder c-torture/execute of a gcc that is there already
#	ONLY=PATTERN	only the programs whose names fit

vnetcc=$(realpath "$1")
shift
levels=${*:--O0 -O2}
run=$(realpath "$(dirname "$vnetcc")")/vinst-run
only=${ONLY:-*}
[ -z "$TORTURE" ] || TORTURE=$(realpath "$TORTURE")
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

# cannot SOURCE LEVEL: what cannot pass, and why.  The first three abort without vnetcc too, by opt's internalize and
# default<LEVEL>: they expect that the optimiser knows no more than one unit, and a linked program has no secrets from it.
cannot() {
	case $1 in
	20000603-1.c) [ "$2" = -O3 ] ;;	# wants two types in a union to be alike, which they are not once the call is inlined
	bcp-1.c) ;;	# wants expressions that are not constant; they are once nobody else can write the variable
	pr17377.c) ;;	# wants a call that is no tail call; the addition after it is of a variable that is always 0
	fprintf-2.c | printf-2.c | user-printf.c) ;;	# tmpnam(3): two at once have one name, for its state is libc's
	*) return 1 ;;
	esac
}

fetch() {
	apt-get download gcc-12-source && dpkg-deb --fsys-tarfile gcc-12-source_*.deb | tar -xf - &&
		tar -xf usr/src/gcc-12/gcc-*.tar.xz --strip-components=1 --wildcards '*/gcc.c-torture/execute/*' &&
		rm -rf usr gcc-12-source_*.deb
}

# passes LEVEL SOURCE: alone, at once, in turns. The programs check themselves.
passes() {
	"$vnetcc" -w "$1" -std=gnu89 "$2" -o prog -lm && timeout 20 ./prog && timeout 60 "$run" -n 2 ./prog &&
		timeout 60 "$run" -n 2 --interleave ./prog
}

# one LEVEL SOURCE: 0, or 77 if clang's program does not pass either, or 78 if it cannot pass.
one() {
	cannot "$(basename "$2")" "$1" && return 78
	passes "$@" </dev/null && return 0
	"${VNETCC_CLANG:-clang}" -w "$1" -std=gnu89 "$2" -o plain -lm && timeout 20 ./plain </dev/null || return 77
	return 1
}

# level LEVEL: every program of that level.
level() {
	ran=0 plainly=0 excused=0 bad=0
	for source in "$TORTURE"/*.c "$TORTURE"/ieee/*.c; do
		# shellcheck disable=SC2254 # a pattern
		case $(basename "$source") in
		$only) ;;
		*) continue ;;
		esac
		one "$1" "$source" >one.log 2>&1
		case $? in
		0) ran=$((ran + 1)) ;;
		77) plainly=$((plainly + 1)) ;;
		78) excused=$((excused + 1)) ;;
		*)
			bad=$((bad + 1))
			echo "failed: $(basename "$source") $1"
			cat one.log
			;;
		esac
	done
	echo "$1: $ran pass, $bad do not, $excused cannot; $plainly do not pass plainly"
	[ "$bad" -eq 0 ] && [ "$ran" -gt 0 ]
}

if [ -z "$TORTURE" ]; then
	fetch >fetch.log 2>&1 || {
		cat fetch.log >&2
		echo "1..0 # SKIP gcc's sources cannot be had (see above); TORTURE=DIR names a copy"
		exit 0
	}
	TORTURE=$PWD/gcc/testsuite/gcc.c-torture/execute
fi
for l in $levels; do
	check "c-torture/execute passes in two instances, $l" level "$l"
	tail -n 1 log | sed "s/^/# /"
done
finish
