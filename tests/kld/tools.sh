#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# gdb and perf see modules: tools.sh KLD-TOOLS VNET-GDB.PY RELOCATABLE SHARED
# shellcheck disable=SC2016 # the $ of regular expressions
set -eu

host=$1 script=$2
shift 2
source=$(dirname "$0")/mod/debug.c
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0

# check NAME FILE REGEX...: each expression is found in the file
check() {
	count=$((count + 1))
	name=$1 file=$2
	shift 2
	for regex; do
		grep -Eq -e "$regex" "$file" || {
			echo "not ok $count - $kind: $name"
			echo "# not found: $regex"
			sed 's/^/# /' "$file"
			return 0
		}
	done
	echo "ok $count - $kind: $name"
}

line() {
	grep -n "/\* $1 \*/" "$source" | cut -d : -f 1
}

# gdb_run COMMAND...: a session; the leak checker cannot work under a debugger
gdb_run() {
	set -- -ex "source $script" "$@"
	ASAN_OPTIONS=detect_leaks=0 timeout 60 gdb -nx -q -batch -ex 'set pagination off' -ex 'set confirm off' \
	    -ex 'set breakpoint pending on' "$@" --args "$host" "$module" >"$tmp/out" 2>&1 </dev/null || :
	cat "$tmp/out"
}

see_by_gdb() {
	gdb_run -ex "break debug.c:$(line 'break here')" -ex run -ex bt -ex 'vnet list' \
	    -ex 'echo count \n' -ex 'vnet print red d_count' -ex 'vnet print green d_count' \
	    -ex 'echo list \n' -ex 'vnet print red d_list->y + d_first.x * 1000' -ex 'vnet print blue d_list->y' \
	    -ex 'echo table \n' -ex 'vnet print red d_table' -ex 'vnet print red d_plain' \
	    -ex 'vnet pcpu 0 d_hits' -ex 'vnet print blue host_var' -ex 'vnet print red vnet_entry_d_first' \
	    -ex 'vnet print green d_count = 70' -ex continue -ex 'vnet print green d_count' >"$tmp/session"
	check "a breakpoint by source line, before the module is loaded" "$tmp/session" \
	    "Breakpoint 1, inner \(amount=100\) at .*debug.c:$(line 'break here')"
	check "a backtrace through the module, with lines and arguments" "$tmp/session" \
	    "#1 .* debug_add \(amount=100\) at .*debug.c:$(line 'called here')" '#[23] .* main '
	check "vnet list" "$tmp/session" '^ +[0-9]+ +0 +0x[0-9a-f]+  vnet0' '^ \* +[0-9]+ +0 +0x[0-9a-f]+  red'
	check "vnet print: each stack has its own" "$tmp/session" '^\$1 = 101' '^\$2 = 1$' '^\$3 = 10120' '^\$4 = 20' \
	    '^\$5 = {1, 2, 101, 4}' '^\$6 = 105'
	check "vnet pcpu" "$tmp/session" '^\$7 = 3'
	check "vnet print: the program's; by the whole name" "$tmp/session" '^\$8 = 7' '^\$9 = {x = 10, y = 120, next = 0x0}'
	check "vnet print assigns" "$tmp/session" '^\$10 = 70' '^\$11 = 171'

	gdb_run -ex 'vnet print red d_count' >"$tmp/session"
	check "vnet print before the program runs" "$tmp/session" "no stack is called red"
	gdb_run -ex "break debug_add" -ex run -ex 'vnet print nobody d_count' >"$tmp/session"
	check "a breakpoint by name; vnet print: no such stack" "$tmp/session" 'Breakpoint 1, debug_add' \
	    'no stack is called nobody'
	gdb_run -ex "break debug_add" -ex run -ex 'vnet print red amount' >"$tmp/session"
	check "vnet print: not a virtual variable" "$tmp/session" 'amount: no virtual variable in it is known'
	# Three calls, then the module goes and comes back: gdb forgets it and learns it again.
	gdb_run -ex "break debug_add" -ex run -ex c -ex c -ex c -ex 'info breakpoints' -ex bt -ex c -ex c -ex c >"$tmp/session"
	check "a module that was unloaded and loaded again" "$tmp/session" 'breakpoint already hit 4 times' \
	    '#0  debug_add \(amount=100\)' 'exited normally'
}

# Each time that it is loaded.
see_by_perf() {
	UVNET_PERFMAP=1 "$host" "$module" >"$tmp/out" &
	pid=$!
	wait "$pid"
	map=/tmp/perf-$pid.map
	grep -E "^[0-9a-f]+ [0-9a-f]+ (inner|debug_add) \\[${module##*/}\\]\$" "$map" >"$tmp/map"
	rm -f "$map"
	check "perf's map names the functions of a module" "$tmp/map" inner debug_add
	[ "$(wc -l <"$tmp/map")" = 4 ] || echo "not ok $((count += 1)) - $kind: they are named twice"
}

for kind in relocatable shared; do
	module=$1
	shift
	if command -v gdb >/dev/null && gdb_run -ex start | grep -q 'main (argc='; then
		see_by_gdb
	else
		echo "ok $((count += 1)) - $kind: gdb # SKIP gdb is missing, or may not trace here"
	fi
	see_by_perf
done

count=$((count + 1))
"$host" "$module" >"$tmp/out" &
pid=$!
wait "$pid"
if [ -e "/tmp/perf-$pid.map" ]; then
	echo "not ok $count - no map unless asked for"
else
	echo "ok $count - no map unless asked for"
fi
echo "1..$count"
