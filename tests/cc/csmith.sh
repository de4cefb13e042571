#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Random programs of csmith: each, compiled by vnetcc, computes in three instances at once, and in three that take
# turns, the checksum that it computes compiled plainly.
# usage: csmith.sh VNETCC [FIRST_SEED COUNT]	(2,000 programs: csmith.sh build/bin/vnetcc 1 2000)

vnetcc=$(realpath "$1")
first=${2:-1}
total=${3:-10}
run=$(dirname "$vnetcc")/vinst-run
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

command -v csmith >/dev/null || {
	echo "1..0 # SKIP csmith is not installed"
	exit 0
}

# A program that does not end in time plainly says nothing and is left out.
one() {
	csmith --seed "$1" -o prog.c || return 1
	level=$(echo "-O0 -O1 -O2 -O3 -Os" | cut -d' ' -f$(($1 % 5 + 1)))
	echo "seed $1, $level"
	${VNETCC_CLANG:-clang} -w "$level" -I/usr/include/csmith prog.c -o plain || return 1
	timeout 5 ./plain >want || return 77
	"$vnetcc" -w "$level" -I/usr/include/csmith prog.c -o prog || return 1
	cat want want want >want3
	timeout 60 "$run" -n 3 ./prog >got && diff want3 got || return 1
	timeout 60 "$run" -n 3 --interleave ./prog >got && diff want3 got
}

all() {
	seed=$first
	ran=0
	bad=0
	while [ "$seed" -lt $((first + total)) ]; do
		one "$seed" >one.log 2>&1
		case $? in
		0) ran=$((ran + 1)) ;;
		77) ;;
		*)
			bad=$((bad + 1))
			cat one.log
			;;
		esac
		seed=$((seed + 1))
	done
	echo "$ran programs agree, $bad do not"
	[ "$bad" -eq 0 ] && [ "$ran" -gt 0 ]
}

check "random programs compute the same in every instance" all
tail -n 1 log | sed "s/^/# /"
finish
