#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vnetcc where cc would link: programs run as they are, in an instance of their own, and in several at once.
# usage: program.sh VNETCC SOURCE_DIR

vnetcc=$(realpath "$1")
src=$(realpath "$2")
run=$(realpath "$(dirname "$vnetcc")")/vinst-run
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

gs=$(uname -m | grep x86_64)
cp "$src/program_main.c" main.c
echo 'int other = 7; int *get(void) { return &other; }' >other.c
echo 'int unneeded = 1;' >unneeded.c
cc -O1 -o plain main.c other.c && ./plain >want || exit 1

same() {
	"$1" >got && diff want got
}

at_once() {
	for level in -O0 -O1 -O2 -O3 -Os; do
		"$vnetcc" "$level" -o prog main.c other.c && same ./prog || return 1
	done
}

objects() {
	"$vnetcc" -O2 -c main.c other.c unneeded.c && "$vnetcc" -o prog main.o other.o && same ./prog
}

archive() {
	rm -f lib.a && ar rc lib.a unneeded.o other.o && "$vnetcc" -o prog main.o lib.a && same ./prog &&
		! nm prog | grep unneeded && ar rcT libthin.a unneeded.o other.o && "$vnetcc" -o prog main.o -L. -lthin &&
		same ./prog
}

plain_objects() {
	echo 'int twice(int x) { return 2 * x; }' >twice.c
	echo 'int twice(int); static int v = 4; int main(void) { v = twice(v); return v != 8; }' >m.c
	cc -c twice.c && "$vnetcc" m.c twice.o -o prog && ./prog
}

shared() {
	echo 'int calls; int *p = &calls; const char version[] = "1"; int step(void) { return *version == 49 ? ++*p : 0; }' >lib.c
	cat >host.c <<'C'
#include <uvnet/vinst.h>
int step(void);
int main(void) {
	struct vinst *a = vinst_create(), *b = vinst_create(), *before = vinst_enter(a);
	int x = step() + step(), y;
	vinst_enter(b);
	y = step();
	vinst_leave(before);
	return !(x == 3 && y == 1 && step() == 1 && vinst_destroy(a) == 0 && vinst_destroy(b) == 0 &&
		vinst_destroy(before) == -1);
}
C
	for level in -O0 -O2; do
		"$vnetcc" "$level" -shared -fPIC -o liblib.so lib.c &&
			cc -I"$src/../../include" -o host host.c -L. -llib -Wl,-rpath,. && ./host || return 1
	done
}

instances() {
	cat want want want | sort >want3
	"$vnetcc" -O2 -o prog main.c other.c && "$run" -n 3 ./prog >got && sort got | diff want3 - &&
		"$run" -n 3 --interleave ./prog 7 >got
	[ $? -eq 7 ] && sort got | diff want3 -
}

numbers() {
	printf '%s\n' '#include <stdio.h>' 'int main(int c, char **v) { return c != 3 || printf("%s %s\n", v[1], v[2]) < 0; }' >m.c
	"$vnetcc" m.c -o prog && "$run" -n 3 -I % ./prog node%.conf 100%-% >got && sort got >sorted &&
		printf '%s\n' 'node1.conf 1001-1' 'node2.conf 1002-2' 'node3.conf 1003-3' | diff - sorted &&
		"$run" -n 2 --interleave -I @@ ./prog % a@@@@ >got && sort got >sorted &&
		printf '%s\n' '% a11' '% a22' | diff - sorted && "$run" -n 1 ./prog % a@@ >got && echo '% a@@' | diff - got || return 1
	"$run" -I '' ./prog 1 2 2>/dev/null
	[ $? -eq 125 ]
}

none() {
	echo 'int main(void) { return 0; }' >m.c
	"$vnetcc" m.c -o prog && ./prog && "$vnetcc" -fvirtual=none main.c other.c -o prog && same ./prog &&
		! nm prog | grep vinst_base
}

errors() {
	"$vnetcc" main.o -o missing 2>err && return 1
	grep -q 'undefined reference to .get' err && [ ! -e missing ] || return 1
	"$vnetcc" -flto main.c other.c -o missing 2>err && return 1
	grep -q 'leave it out' err && [ ! -e missing ]
}

outside() {
	cat >m.c <<'C'
#include <stdio.h>
#include <uvnet/vinst.h>
static int v;
int main(int argc, char **argv) { (void)argv; if (argc > 1) vinst_enter(0); return v++; }
C
	"$vnetcc" -I"$src/../../include" m.c -o prog && ./prog && ! ./prog outside
}

hidden() {
	printf '%s\n' '#include <string.h>' '#include <stdlib.h>' 'static int own; static int umask(int m) { return own += m; }' \
		'int main(int argc, char **argv) {' 'return strtok(argv[0], "/") == NULL || umask(argc) == 0 ||' \
		'rand() < 0; }' >state.c
	"$vnetcc" -g -O1 -fvirtual-report state.c -o prog 2>report && cat report &&
		grep -q '^libc: .*state.c:5: strtok: all instances share the place in the string' report &&
		grep -q '^libc: .*state.c:6: rand: ' report && ! grep -q '^libc: .*umask' report &&
		"$vnetcc" -fvirtual-report=json state.c -o prog >report.json &&
		python3 -c 'import json; print([c["function"] for c in json.load(open("report.json"))["libc"]])' >got &&
		grep -q "'rand', 'strtok'" got
}

gs() {
	[ -n "$gs" ] || return 0
	for level in -O0 -O1 -O2 -O3 -Os; do
		"$vnetcc" "$level" -fvirtual-base=gs -o prog main.c other.c && same ./prog &&
			objdump -d prog >code && grep -q '%gs:0x[0-9a-f]*(%rip)' code || return 1
	done
	cat want want want | sort >want3
	"$run" -n 3 ./prog >got && sort got | diff want3 - || return 1
	"$run" -n 3 --interleave ./prog 7 >got
	[ $? -eq 7 ] && sort got | diff want3 - || return 1
	for pie in -pie -no-pie; do
		"$vnetcc" "$pie" -I"$src/../../include" -O2 -fvirtual-base=gs m.c -o prog && ./prog && ! ./prog outside ||
			return 1
	done
	# Addresses are words of the set, an instance's own, and never the template's.
	printf '%s\n' '#include <stdio.h>' '#include <string.h>' 'struct n { struct n *next; int v; };' \
	    'static struct n head = { &head, 1 }, more[9]; static char b[9]; char *const p[] = { b, b + 1 };' \
	    'struct n *get(int i) { return i > 5 ? &more[7] : &head; }' 'int main(int c, char **v) { (void)v;' \
	    'for (int i = 0; i < 9; i++) { more[i].next = head.next; head.next = &more[i]; get(i)->v += i * c; }' \
	    'memset(p[1], 97, 3); strcat(b + 1, "x"); int n = 0; for (struct n *e = &head; (e = e->next) != &head; n++);' \
	    'return printf("%d %d %d %s\n", head.v, more[7].v, n, b + 1) < 0; }' >addresses.c
	"$vnetcc" -O2 -fvirtual-base=gs -o prog addresses.c && nm prog | grep -q ' d vnetcc.address' &&
		"$run" -n 3 --interleave ./prog >got && printf '%s\n' '16 21 9 aaax' '16 21 9 aaax' '16 21 9 aaax' | diff got - ||
		return 1
	"$vnetcc" -shared -fPIC -fvirtual-base=gs -o missing other.c 2>err && return 1
	grep -q 'shared library takes' err && [ ! -e missing ] || return 1
	"$vnetcc" -fvirtual-base=fs -o missing main.c other.c 2>err && return 1
	grep -q 'there are tls and gs' err
}

thread_locals() {
	for options in -O0 -O1 -O2 -O3 -Os ${gs:+"-O2 -fvirtual-base=gs"} "-O2 -fno-pie -no-pie"; do
		# shellcheck disable=SC2086 # a list of words
		"$vnetcc" -g $options -I"$src/../../include" "$src/program_threads.c" "$src/program_threads_two.c" -o prog \
			-fvirtual-report 2>report && ./prog || return 1
	done
	cat report
	grep -q '^virtual in each thread: count .*program_threads.c:14' report && grep -q ' 5 thread-locals; ' report
}

# Thread-locals stay those of the thread where they are told to; a plain object cannot share one otherwise.
thread_locals_shared() {
	echo 'extern _Thread_local int n; int up(void) { return ++n; }' >up.c
	echo '_Thread_local int n; int up(void); int main(void) { return up() + n - 2; }' >tl.c
	cc -c -fPIC up.c && "$vnetcc" -fno-virtual=n tl.c up.o -o prog && ./prog && "$vnetcc" -fvirtual=none tl.c up.o -o prog &&
		./prog && ! "$vnetcc" tl.c up.o -o missing 2>err && cat err && [ ! -e missing ] &&
		grep -q 'up.o, a plain object, uses n .*-fno-virtual=n' err
}

check "compiled and linked at once, at every level" at_once
check "objects" objects
check "archives, thin ones too: only the members that are needed" archive
check "objects of plain cc join" plain_objects
check "a shared library, hosted by a program of plain cc" shared
check "vinst-run: three instances at once, and taking turns" instances
check "vinst-run -I: each instance sees its number" numbers
check "programs without virtual variables" none
check "the linker's errors, and -flto" errors
check "a variable outside of any instance faults" outside
check "thread-locals: one a thread in each instance" thread_locals
check "thread-locals that a plain object uses" thread_locals_shared
check "the base in %gs" gs
# malloc, stdio, threads, signals, atexit, fork: what uvnet/vinst.h promises.
contract() {
	for options in -O0 -O2 ${gs:+"-O2 -fvirtual-base=gs"}; do
		# shellcheck disable=SC2086 # a list of words
		"$vnetcc" $options -I"$src/../../include" "$src/program_contract.c" -o prog && ./prog >got || return 1
		cat got
		printf '%s\n' 'forked' 'end of 2' 'both: 30' 'end of 1' 'end of 1' 'end of 0, the second' 'end of 0' | diff - got || return 1
	done
}

check "malloc, stdio, threads, signals, atexit, fork" contract
check "the report names calls that lead to libc's own state" hidden
finish
