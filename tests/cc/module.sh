#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What a module of vnetcc --module looks like: sections, symbols, code, and the report of what was decided.
# usage: module.sh VNETCC

vnetcc=$(realpath "$1")
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

cat >one.c <<'C'
#include <stdio.h>
extern __thread int host_tls;
extern int host_variable;
extern int other;
int counter = 1;
static char buffer[100];
static int *const table[] = { &counter, &other };
const char *const names[] = { "a", "b" };
__attribute__((visibility("hidden"))) int secret;
static int idle(void) { return 3; }
void note(int n) { counter += n; buffer[n] = names[n & 1][0]; *table[n & 1] = idle(); secret += host_tls; }
int show(void) { counter++; buffer[0]++; other++; fputs(buffer, stdout); return host_variable + counter + other; }
C
cat >two.c <<'C'
int other = 2;
C
cat >set.c <<'C'
struct init { const char *name; int *data; };
static int pinned;
static struct init first = { "first", &pinned };
static struct init *const entry __attribute__((section("set_init"), used)) = &first;
static int target;
int *by_hand __attribute__((section("set_vnet"))) = &target;
int *get(void) { target++; return by_hand; }
int pins(void) { return pinned++; }
C
cat >switch.c <<'C'
extern __thread unsigned long curvnet_base;
extern int other;
int both(unsigned long to) { int n = ++other; curvnet_base = to; return n + ++other; }
C
cat >carry.c <<'C'
static int total, calls;
static __attribute__((noinline)) int inner(int n) { calls++; return total += n; }
int outer(int n) { return inner(n) + inner(n + 1) + calls; }
C
echo 'int glue_counter; int glue(void) { return ++glue_counter; }' >glue.c
"$vnetcc" -O2 -g -c one.c two.c set.c switch.c carry.c && cc -c -fno-common glue.c

# writable FILE: its writable sections that take part in a load
writable() {
	readelf -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] \([^ ]*\) .* WA .*/\1/p' | sort | tr '\n' ' '
}

sections() {
	"$vnetcc" --module -o m.ko one.o two.o && w=$(writable m.ko) && echo "$w" && [ "$w" = ".data.rel.ro set_vnet " ]
}

symbols() {
	nm m.ko >syms && cat syms && grep -q ' D counter$' syms && grep -q ' d buffer$' syms && grep -q ' T note$' syms &&
		readelf -sW m.ko | grep ' counter$' | grep -q 'GLOBAL DEFAULT' &&
		readelf -sW m.ko | grep ' secret$' | grep -q 'GLOBAL HIDDEN'
}

code() {
	readelf -rW m.ko >rel && cat rel && grep -q 'TPOFF32 .* curvnet_base' rel && grep -q 'TPOFF32 .* host_tls' rel &&
		grep -q 'GOTPCREL[X]* .* stdout' rel && grep -q 'GOTPCREL[X]* .* host_variable' rel &&
		grep -q 'PLT32 .* fputs' rel && ! grep -q 'GOTPCREL[X]* .* \(counter\|other\|secret\)' rel
}

base_once() {
	objdump -d --disassemble=show m.ko >dis && cat dis && [ "$(grep -c '%fs:' dis)" -eq 2 ] &&
		"$vnetcc" --module -o n.ko -fvirtual-keeps-base='*' one.o two.o &&
		objdump -d --disassemble=show n.ko >dis && cat dis && [ "$(grep -c '%fs:' dis)" -eq 1 ]
}

# What is known of the base decides when it is added: never by silence.
steady() {
	"$vnetcc" --module -o m.ko -fvirtual-report one.o two.o 2>&1 | grep -q '^the base may change' &&
		"$vnetcc" --module -o m.ko -fvirtual-report -fvirtual-keeps-base=fputs one.o two.o 2>&1 |
		grep -q '^no code here can see the base change' &&
		"$vnetcc" --module -o m.ko -fvirtual-report '-fvirtual-keeps-base=*' one.o switch.o 2>&1 |
		grep -q '^the base may change'
}

# Of a store to the base itself nothing must say that it leaves the base alone; of others it does.
base_store() {
	"$vnetcc" --module -O0 -o m.ko '-fvirtual-keeps-base=*' -fvirtual-ir=m.ll two.o switch.o && grep store m.ll &&
		! grep 'store.* @curvnet_base,.*!noalias' m.ll && grep -q 'store.* @curvnet_base,' m.ll &&
		grep -q 'store i32 .*!noalias' m.ll
}

# The set's address is computed where a function is entered from outside, and handed on.
carried() {
	"$vnetcc" --module -o m.ko -fexport=outer '-fvirtual-keeps-base=*' carry.o && objdump -d m.ko >dis && cat dis &&
		[ "$(grep -c '%fs:' dis)" -eq 1 ] && grep -q '<inner>:' dis
}

report_text() {
	"$vnetcc" --module -o m.ko -fvirtual-report one.o two.o 2>rep && cat rep &&
		grep -q '^virtual: counter (one.c:5), 4 bytes, 5 uses, 0 rebases$' rep &&
		grep -q '^virtual: table (one.c:7), 16 bytes, 1 uses, 2 rebases: constant, but holds the address of ' rep &&
		grep -q '^shared: stdout: no unit defines it$' rep &&
		grep -q '^5 virtual variables (1 of them constants), 128 bytes' rep
}

report_json() {
	"$vnetcc" --module -o m.ko -fvirtual-report=json one.o two.o >rep &&
		python3 -c 'import json, sys
r = json.load(open("rep"))
v = {x["name"]: x for x in r["variables"]}
sys.exit(not (r["virtual"] == 5 and v["table"]["rebases"] == 2 and v["buffer"]["unit"] == "one.o" and not v["stdout"]["virtual"]))'
}

none() {
	"$vnetcc" --module -o m.ko -fvirtual=none one.o two.o && ! nm m.ko | grep -q curvnet_base &&
		! readelf -SW m.ko | grep -q set_vnet
}

listed() {
	"$vnetcc" --module -o m.ko -fvirtual=buffer -fvirtual-report one.o two.o 2>rep && cat rep &&
		grep -q '^1 virtual' rep && grep -q 'shared: counter .*not in -fvirtual=' rep
}

unlisted() {
	"$vnetcc" --module -o m.ko -fno-virtual=buffer,secret -fvirtual-report one.o two.o 2>rep && cat rep &&
		grep -q '^3 virtual' rep && nm m.ko | grep -q ' b buffer$'
}

extern_virtual() {
	"$vnetcc" --module -o m.ko -fvirtual-extern=host_variable one.o two.o && objdump -dr --disassemble=show m.ko >dis &&
		cat dis && grep -q 'GOTPCREL[X]*.host_variable' dis &&
		"$vnetcc" --module -o m.ko -fvirtual-extern=host_variable -fvirtual-report one.o two.o 2>&1 |
		grep -q '^virtual: host_variable, 1 uses'
}

exports() {
	printf 'show # the only one\n' >list && "$vnetcc" --module -o m.ko -fexport-file=list one.o two.o && nm m.ko >syms &&
		cat syms && grep -q ' T show$' syms && ! grep -q ' [A-Z] note$' syms && ! grep -q ' D counter$' syms
}

own_sections() {
	"$vnetcc" --module -o m.ko -fexport=get,pins -fvirtual-report set.o 2>rep && cat rep &&
		readelf -SW m.ko | grep -q ' set_init .* 000008 ' &&
		grep -q '^shared: first .*its address is held, for all instances, by entry' rep &&
		grep -q '^shared: pinned ' rep && grep -q '^virtual: target ' rep &&
		grep -q '^shared: by_hand .*virtual by hand' rep
}

joined() {
	"$vnetcc" --module -o m.ko one.o two.o glue.o && nm m.ko | grep -q ' T glue$' && nm m.ko | grep -q ' B glue_counter$'
}

reproducible() {
	"$vnetcc" --module -o a.ko one.o two.o && "$vnetcc" --module -o b.ko one.o two.o && cmp a.ko b.ko
}

check "no writable section but the set and constant tables" sections
check "symbols keep binding and visibility" symbols
check "the base, the host's functions and its variables are reached as a module can" code
check "the base is loaded once between calls" base_once
check "the base is taken for steady only where it is" steady
check "a store to the base is known for one" base_store
check "the set's address is handed from function to function" carried
check "the report says what and why" report_text
check "the report as JSON" report_json
check "-fvirtual=none" none
check "-fvirtual=NAME" listed
check "-fno-virtual=NAME" unlisted
check "-fvirtual-extern=NAME" extern_virtual
check "-fexport-file" exports
check "sections of the source's own" own_sections
check "a plain object joins" joined
check "the same inputs give the same module" reproducible
finish
