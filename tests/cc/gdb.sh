#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gdb sees a program of vnetcc as it sees a plain one: breakpoints, lines, backtraces; and the variables of each instance.
# shellcheck disable=SC2016 # the $ of regular expressions
# usage: gdb.sh VNETCC VNET-GDB.PY

vnetcc=$(realpath "$1")
script=$(realpath "$2")
include=$(dirname "$script")/../include
# shellcheck source=/dev/null
. "$(dirname "$0")/tap.sh"

cat >prog.c <<'C'
#include <uvnet/vinst.h>
struct pair { int x, y; struct pair *next; };
static struct pair first = { 1, 2, 0 }, *list = &first;
static int count = 10;
static _Thread_local int mine = 5;
int shared_one __attribute__((section(".data.shared"))) = 77;
static int step(int by)
{
	count += by;
	list->y += by;
	mine += by;
	return count; /* break here */
}
static int both(struct vinst *vi)
{
	struct vinst *before = vinst_enter(vi);
	int n = step(100); /* called here */
	vinst_leave(before);
	return n;
}
int main(void)
{
	struct vinst *vi = vinst_create();
	int n = step(1) + both(vi);
	return n != 11 + 110;
}
C

# session COMMAND...: a session with the program; the leak checker cannot work under a debugger
session() {
	ASAN_OPTIONS=detect_leaks=0 timeout 60 gdb -nx -q -batch -ex 'set pagination off' -ex 'set confirm off' \
		-ex "source $script" "$@" ./prog >out 2>&1 </dev/null
	cat out
}

has() {
	for regex; do
		grep -Eq -e "$regex" out || {
			echo "not found: $regex"
			return 1
		}
	done
}

line() {
	grep -n "/\* $1 \*/" prog.c | cut -d : -f 1
}

# each_base COMMAND...: with the base in a thread-local, and where there is one in %gs
each_base() {
	for base in tls $(uname -m | sed -n 's/x86_64/gs/p'); do
		"$vnetcc" -g -O0 "-fvirtual-base=$base" -I"$include" prog.c -o prog && ./prog && "$@" || return 1
	done
}

variables() {
	session -ex "break prog.c:$(line 'break here')" -ex run -ex 'vinst print . count' -ex continue -ex bt -ex 'vinst list' \
		-ex 'vinst print . count' -ex 'vinst print 0 count' -ex 'vinst print 1 list->y * 1000 + first.x' \
		-ex 'vinst print 0 list->y' -ex 'vinst print . mine' -ex 'vinst print 0 mine' -ex 'vinst print 1 count = 50' \
		-ex 'vinst print 1 count' -ex 'print by' -ex 'vinst print 7 count' -ex 'vinst print 0 by' &&
		has "Breakpoint 1, step \(by=1\) at prog.c:$(line 'break here')" "#1 .* both \(vi=.*\) at prog.c:$(line 'called here')" \
			'#2 .* main \(' '^\$1 = 11$' '^   +0 +0x' '^ \* +1 +0x' '^\$2 = 110$' '^\$3 = 11$' '^\$4 = 102001$' '^\$5 = 3$' \
			'^\$6 = 105$' '^\$7 = 6$' '^\$8 = 50$' '^\$9 = 50$' '^\$10 = 100$' 'no instance has the number 7' \
			'by: no virtual variable in it'
}

if command -v gdb >/dev/null && "$vnetcc" -g -I"$include" prog.c -o prog && session -ex start | grep -q 'main ('; then
	check "breakpoints, lines, and each instance's variables" each_base variables
	finish
else
	echo "1..0 # SKIP gdb is missing, or may not trace here"
fi
