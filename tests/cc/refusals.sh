#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What vnetcc cannot do right it refuses: a message that names the culprit, exit status not 0, and no output left behind.
# usage: refusals.sh VNETCC

vnetcc=$(realpath "$1")
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

# refused TEXT COMMAND...: the command fails, says TEXT, and leaves nothing that begins with m.ko
refused() {
	text=$1
	shift
	if "$@" >out 2>&1; then
		echo "was accepted"
		return 1
	fi
	cat out
	grep -q -e "$text" out || return 1
	for f in m.ko*; do
		[ ! -e "$f" ] || return 1
	done
}

# source_refused TEXT OPTIONS: the C on standard input, compiled by vnetcc, is refused at the link
source_refused() {
	text=$1
	shift
	cat >unit.c
	"$vnetcc" -O1 -g -c unit.c -o unit.o || return 1
	refused "$text" "$vnetcc" --module -o m.ko "$@" unit.o
}

tls() {
	source_refused 'unit.c:1: mine is thread-local' <<'C'
_Thread_local int mine = 3;
int get(void) { return mine; }
C
}

asm_text() {
	source_refused 'unit.c:2: asm names the virtual variable counter (unit.c:1)' <<'C'
int counter;
void up(void) { __asm__ volatile("lock; incl counter(%%rip)" : : : "memory", "cc"); }
C
}

asm_constant() {
	source_refused 'unit.c:2: asm needs the address of a virtual variable as a constant' <<'C'
static int counter;
void note(void) { __asm__ volatile("# %0" : : "i"(&counter)); }
C
}

asm_outside() {
	source_refused 'asm outside functions names the virtual variable table' <<'C'
int table[4];
__asm__(".pushsection .note.x,\"a\"\n .quad table\n.popsection");
int get(void) { return table[0]; }
C
}

constructor() {
	source_refused 'start() is a constructor' -fvirtual-set=pcpu <<'C'
int ready;
__attribute__((constructor)) static void start(void) { ready = 1; }
C
}

ifunc() {
	source_refused 'work is an ifunc' <<'C'
static int one(void) { return 1; }
static int (*choose(void))(void) { return one; }
int work(void) __attribute__((ifunc("choose")));
C
}

shared_holder() {
	source_refused 'unit.c:2: head is shared (-fno-virtual) but its initialiser holds the address of first' \
		-fno-virtual=head <<'C'
static int first;
int *head = &first;
int *get(void) { first++; return head; }
C
}

unlisted_holder() {
	source_refused 'head is shared (not in -fvirtual=)' -fvirtual=first <<'C'
static int first;
int *head = &first;
int *get(void) { first++; return head; }
C
}

unknown_name() {
	echo 'int x;' | source_refused 'there is no variable tpyo' -fno-virtual=tpyo
}

unknown_export() {
	echo 'int x;' | source_refused 'no unit defines tpyo' -fexport=tpyo
}

unknown_option() {
	echo 'int x;' | source_refused '-fvirtaul=none: not an option' -fvirtaul=none
}

base_defined() {
	source_refused 'curvnet_base is not an external thread-local' <<'C'
unsigned long curvnet_base;
int x;
C
}

twice() {
	echo 'int x = 1;' >one.c
	echo 'int x = 2;' >two.c
	"$vnetcc" -c one.c two.c || return 1
	refused 'two.o: .*x.*symbol multiply defined' "$vnetcc" --module -o m.ko one.o two.o
}

plain_use() {
	echo 'int x = 1;' >one.c
	echo 'extern int x; int get(void) { return x; }' >two.c
	"$vnetcc" -g -c one.c && cc -c two.c || return 1
	refused 'two.o, a plain object, uses x, which is virtual (one.c:1)' "$vnetcc" --module -o m.ko one.o two.o
}

plain_definition() {
	echo 'int x __attribute__((weak)) = 1;' >one.c
	echo 'int x = 2;' >two.c
	"$vnetcc" -g -c one.c && cc -c two.c || return 1
	refused 'x is virtual in one.c:1 and defined again in two.o' "$vnetcc" --module -o m.ko one.o two.o
}

joined() {
	echo 'int x = 1;' >one.c
	echo 'int y = 1;' >two.c
	"$vnetcc" -c one.c two.c && ld -r -o both.o one.o two.o || return 1
	refused 'both.o: holds the bitcode of several units' "$vnetcc" --module -o m.ko both.o
}

joined_plain() {
	echo 'int x = 1;' >one.c
	echo 'int y = 1;' >two.c
	"$vnetcc" -c one.c && cc -c two.c && ld -r -o both.o one.o two.o || return 1
	refused 'both.o: defines y, which is not in its bitcode' "$vnetcc" --module -o m.ko both.o
}

no_bitcode() {
	echo 'int x = 1;' >one.c
	cc -c one.c || return 1
	refused 'no object has bitcode' "$vnetcc" --module -o m.ko one.o
}

archive() {
	echo 'int x = 1;' >one.c
	"$vnetcc" -c one.c && ar rc lib.a one.o || return 1
	refused 'lib.a: is an archive; name its members' "$vnetcc" --module -o m.ko lib.a
}

other_machine() {
	echo 'int x = 1;' >one.c
	"$vnetcc" --target=riscv64-linux-gnu -c one.c -o other.o || return 1
	refused 'other.o: is for another machine' "$vnetcc" --module -o m.ko other.o
}

other_triple() {
	echo 'int x = 1;' >one.c
	echo 'int y = 1;' >two.c
	"$vnetcc" -c one.c && "$vnetcc" --target=x86_64-unknown-freebsd -c two.c || return 1
	refused 'two.o: compiled for x86_64-unknown-freebsd' "$vnetcc" --module -o m.ko one.o two.o
}

# Cut at every 97th byte: refused, or nothing of it was missing.
truncated() {
	echo 'int x = 1; int *p = &x; int get(void) { return *p; }' >one.c
	"$vnetcc" -O2 -g -c one.c || return 1
	size=$(wc -c <one.o)
	at=0
	while [ "$at" -lt "$size" ]; do
		head -c "$at" one.o >cut.o
		refused '^vnetcc: error: cut.o: ' "$vnetcc" --module -o m.ko cut.o || return 1
		at=$((at + 97))
	done
}

damaged_bitcode() {
	echo 'int x = 1;' >one.c
	"$vnetcc" -c one.c || return 1
	head -c 400 /dev/zero >zeros
	objcopy --update-section .llvmbc=zeros one.o bad.o || return 1
	refused 'bad.o: has bitcode that is damaged' "$vnetcc" --module -o m.ko bad.o
}

missing() {
	refused 'nowhere.o: No such file' "$vnetcc" --module -o m.ko nowhere.o
}

lto() {
	echo 'int x;' >one.c
	refused '-flto: leave it out' "$vnetcc" -flto -c one.c -o m.ko
}

syntax() {
	echo 'int x' >one.c
	refused 'one.c:1' "$vnetcc" -c one.c -o m.ko
}

unwritable() {
	echo 'int x = 1;' >one.c
	"$vnetcc" -c one.c || return 1
	refused 'nowhere/m.ko' "$vnetcc" --module -o nowhere/m.ko one.o
}

check "a thread-local of the program" tls
check "asm that names a virtual variable" asm_text
check "asm that needs an address as a constant" asm_constant
check "asm outside functions that names a virtual variable" asm_outside
check "a constructor" constructor
check "an ifunc" ifunc
check "a shared variable that holds a virtual address" shared_holder
check "a variable left out of a list that holds a virtual address" unlisted_holder
check "a name that no variable has" unknown_name
check "an export that nobody defines" unknown_export
check "an option that does not exist" unknown_option
check "a program that defines the base" base_defined
check "two definitions" twice
check "a plain object that uses a virtual variable" plain_use
check "a plain object that defines a virtual variable again" plain_definition
check "several units in one object" joined
check "a unit and a plain object in one" joined_plain
check "only plain objects" no_bitcode
check "an archive" archive
check "an object for another machine" other_machine
check "a unit for another system" other_triple
check "truncated objects" truncated
check "damaged bitcode" damaged_bitcode
check "an object that is not there" missing
check "-flto" lto
check "an error of the compiler" syntax
check "an output that cannot be written" unwritable
finish
