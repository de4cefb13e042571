#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vnetcc -c is a drop-in for cc: its objects are ordinary ones, with the unit's bitcode beside the code.
# usage: driver.sh VNETCC

vnetcc=$(realpath "$1")
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

cat >unit.c <<'C'
#include "unit.h"
int counter = START;
static int helper(int n) { int twice = n * 2; return twice + counter; }
int next(int n) { counter++; return helper(n); }
C
echo '#define START 40' >unit.h
echo 'int next(int); int main(void) { return next(1) + next(2) != 43 + 46; }' >main.c
# shellcheck disable=SC2016 # $42 is the assembler's
printf '.globl answer\nanswer:\n\tmovl $42, %%eax\n\tret\n.section .note.GNU-stack,"",@progbits\n' >part.s

module_of() {
	"$vnetcc" --module -o m.ko "$@" && nm m.ko | grep -q ' D counter$'
}

ordinary() {
	"$vnetcc" -O2 -c unit.c -o unit.o && cc -o prog main.c unit.o && ./prog
}

output_name() {
	mkdir -p sub && (cd sub && "$vnetcc" -I.. -c ../unit.c && [ -f unit.o ])
}

several() {
	"$vnetcc" -c unit.c main.c && cc -o prog main.o unit.o && ./prog && module_of unit.o
}

archived() {
	"$vnetcc" -c unit.c && ar rc lib.a unit.o && mkdir -p x && (cd x && ar x ../lib.a) && module_of x/unit.o &&
		cc -o prog main.c lib.a && ./prog
}

stripped() {
	"$vnetcc" -g -c unit.c && strip -g unit.o && module_of unit.o
}

unoptimised() {
	"$vnetcc" -O2 -c unit.c && "$vnetcc" --module -O0 -o m.ko -fvirtual-ir=m.ll unit.o &&
		grep -q 'alloca' m.ll && grep -q 'call.*@helper' m.ll && ! grep -q optnone m.ll
}

dependencies() {
	"$vnetcc" -MD -MF unit.d -MT out.o -c unit.c && grep -q 'unit.h' unit.d && grep -q '^out.o:' unit.d &&
		"$vnetcc" -M unit.c | grep -q unit.h
}

preprocess() {
	"$vnetcc" -E -DSTART=1 unit.c | grep -q 'int counter = 40' && "$vnetcc" -S unit.c -o unit.s &&
		grep -q '^next:' unit.s
}

stdin_unit() {
	echo 'int counter;' | "$vnetcc" -x c -c - -o stdin.o && module_of stdin.o
}

response() {
	printf -- '-c -O2 "unit.c"\n-o '"'quoted name.o'"'\n' >args && "$vnetcc" @args && [ -f 'quoted name.o' ] &&
		echo '--module -o m.ko "quoted name.o"' >args && "$vnetcc" @args && nm m.ko | grep -q ' D counter$'
}

assembly() {
	"$vnetcc" -Werror -c part.s -o part.o && "$vnetcc" -c unit.c && "$vnetcc" --module -o m.ko unit.o part.o &&
		nm m.ko | grep -q ' T answer$'
}

position() {
	"$vnetcc" -fno-pic -c unit.c && "$vnetcc" -fPIE -O2 -c unit.c && module_of unit.o
}

questions() {
	"$vnetcc" --version | grep -q '^vnetcc .*LLVM' && "$vnetcc" --help | grep -q -e --module &&
		"$vnetcc" -dumpmachine | grep -q linux
}

status() {
	echo 'int f(void) { return undeclared; }' >bad.c
	! "$vnetcc" -c bad.c 2>err && grep -q undeclared err
}

check "an object that plain cc links and that runs" ordinary
check "the output's name is cc's" output_name
check "several inputs" several
check "an object from an archive" archived
check "an object stripped of debug information" stripped
check "the bitcode is what it was before optimising" unoptimised
check "-M, -MD, -MF and -MT" dependencies
check "-E and -S" preprocess
check "a unit from standard input" stdin_unit
check "response files, with quotes, in both modes" response
check "assembly, without a warning" assembly
check "-fno-pic and -fPIE" position
check "--version, --help and questions to the compiler" questions
check "the compiler's errors and status" status
finish
