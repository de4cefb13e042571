#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Real programs, built with nothing but CC=vnetcc, do in two instances at once, and in two that take turns, what they
# do alone: their own tests pass. scripts/setup brings their sources.
# usage: real.sh VNETCC [--sample]
#	--sample	what takes a minute, for every run of the tests; all of it takes some ten
#	LUA_TESTS=DIR	the official tests for Lua 5.4.4 (lua-5.4.4-tests, which Debian has not): they are run, too

vnetcc=$(realpath "$1")
sample=$2
root=$(realpath "$(dirname "$0")/../..")
src=$root/tests/cc
run=$(realpath "$(dirname "$vnetcc")")/vinst-run
[ -z "$LUA_TESTS" ] || LUA_TESTS=$(realpath "$LUA_TESTS")
# shellcheck source=/dev/null
. "$src/tap.sh"

# twice COMMAND...: the output of two is twice that of one, line by line.
twice() {
	"$@" >one && sed p one | sort >want && "$run" -n 2 "$@" >both && sort both | diff want - &&
		"$run" -n 2 --interleave "$@" >turns && sort turns | diff want -
}

# both COMMAND...: it succeeds in two at once, and in two that take turns.
both() {
	"$run" -n 2 "$@" && "$run" -n 2 --interleave "$@"
}

# copy NAME...: copies of the sources, to build in
copy() {
	for name; do
		[ -e "$name" ] || cp -r "$("$root/scripts/setup" --program "$name")" "$name" || return 1
	done
}

# ---- Lua ----

lua() {
	copy lua5.4 && make -s -C lua5.4 linux CC="$vnetcc" && cat >t.lua <<'LUA'
local t = {}
for i = 1, 100000 do t[i] = string.format("%x", i * 7919 % 100003) end
table.sort(t)
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(#t, t[500], t[99999], co(), co(), pcall(error, "e"))
LUA
	twice lua5.4/src/lua t.lua
}

# Without three parts: main.lua runs interpreters of its own; big.lua and math.lua take a long for 32 bits, and fail in a
# plain Lua 5.1, too.  pm.lua has come with two semicolons that Lua 5.1 does not know.  attrib.lua writes files: each
# instance in a folder of its own.
lua_tests_51() {
	copy lua5.1 lua-tests && make -s -C lua5.1/src all CC="$vnetcc" MYLIBS="-Wl,-E -ldl" \
	    MYCFLAGS="-DLUA_USE_POSIX -DLUA_USE_DLOPEN -w" && cd lua-tests/_lua5.1-tests &&
		sed "/main\.lua/d; /math\.lua/d; s/coroutine.wrap(assert(loadfile('big.lua')))/function () return 'b' end/
		    /assert(f() == 'a')/d" all.lua >most.lua && sed -i 's/ do;/ do/' pm.lua &&
		sed -i 's,^local DIR = .*,local DIR = "libs" .. N .. "/",' attrib.lua && grep -q 'DIR = "libs" .. N' attrib.lua &&
		cp -r libs libs0 && cp -r libs libs1 && cp -r libs libs2 && LUA_PATH='?;./?.lua' && export LUA_PATH &&
		../../lua5.1/src/lua -e 'N = 0' most.lua && both -I @ ../../lua5.1/src/lua -e 'N = @' most.lua
}

lua_tests_54() {
	cp -r "$LUA_TESTS" tests-5.4 && cd tests-5.4 && both ../lua5.4/src/lua -e_port=true all.lua >log 2>&1
	status=$?
	tail -n 20 log
	[ "$status" -eq 0 ] && [ "$(grep -c 'final OK' log)" -eq 4 ]
}

# The example, with the Lua that lua() has built.
lua_thousand() {
	PKG_CONFIG_PATH=$(dirname "$(dirname "$vnetcc")")/meson-uninstalled && export PKG_CONFIG_PATH &&
		cp -r "$root/examples/lua-thousand" . && make -s -C lua-thousand CC="$vnetcc" LUA=../lua5.4/src &&
		lua-thousand/thousand >got && cat got && grep -q '^1000 interpreters .* 0 went wrong' got
}

# ---- SQLite ----

# Two instances of the library, each with its own sqlite3_config(), in a program of plain cc.
sqlite_configured() {
	copy sqlite3 && (cd sqlite3 && ./configure --disable-tcl --disable-readline CC="$vnetcc" && make -s sqlite3.c) &&
		"$vnetcc" "$1" -shared -fPIC -o libsqlite3.so sqlite3/sqlite3.c -lm &&
		cc -I"$root/include" -Isqlite3 -o configs "$src/real_sqlite.c" -L. -lsqlite3 -Wl,-rpath,"$PWD" -pthread &&
		./configs
}

# The regression tests that a fuzzer has found for SQLite.
sqlite_tests() {
	cd sqlite3 && make -s fuzzcheck && both ./fuzzcheck test/fuzzdata4.db test/fuzzdata6.db
}

# ---- lwIP ----

# Its unit tests, and check, in which they are written.
lwip_tests() {
	lwip=$("$root/scripts/setup" --lwip-src)
	unit=$lwip/test/unit
	copy check && mkdir check-build && (cd check-build && cmake ../check -DCMAKE_C_COMPILER="$vnetcc" \
	    -DCHECK_ENABLE_TESTS=OFF && make -s check) || return 1
	mkdir -p port/arch && : >port/config.h && cat >port/arch/cc.h <<'C'
#include <stdio.h>
#include <stdlib.h>
#define LWIP_RAND() ((u32_t)rand())
#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_ERRNO_STDINCLUDE 1
#include <sys/time.h>
C
	# shellcheck disable=SC2046 # words
	"$vnetcc" -O1 -w -DLWIP_UNITTESTS_NOFORK -I"$unit" -Iport -I"$lwip/src/include" -Icheck-build/src -Icheck-build \
	    -o lwip-tests $(find "$unit" "$lwip/src/core" "$lwip/src/api" -name '*.c') "$lwip/src/netif/ethernet.c" \
	    "$lwip/src/apps/mdns/mdns.c" "$lwip/src/apps/mqtt/mqtt.c" check-build/src/libcheck.a -lm -lrt -pthread &&
		./lwip-tests && both ./lwip-tests
}

# ---- Others ----

zlib() {
	copy zlib && (cd zlib && CC=$vnetcc ./configure --static && make -s libz.a example) &&
		both -I % zlib/example foo%.gz && cmp foo1.gz foo2.gz
}

# What its `make test' does with files.
bzip2() {
	copy bzip2 && make -s -C bzip2 CC="$vnetcc" CFLAGS="-O2 -w" libbz2.a bzip2 &&
		"$vnetcc" -O2 -Ibzip2 "$src/real_bzip2.c" bzip2/libbz2.a -o samples && both ./samples bzip2 &&
		both bzip2/bzip2 -tv bzip2/sample1.bz2 bzip2/sample2.bz2 &&
		for n in 1 2; do cp bzip2/sample2.ref "file$n" || return 1; done &&
		both -I % bzip2/bzip2 -k -f -2 file% && cmp file1.bz2 bzip2/sample2.bz2 && cmp file2.bz2 bzip2/sample2.bz2
}

cjson() {
	copy cjson && mkdir cjson-build && cd cjson-build && cmake ../cjson -DCMAKE_C_COMPILER="$vnetcc" \
	    -DENABLE_CJSON_TEST=ON -DENABLE_CJSON_UTILS=ON -DBUILD_SHARED_LIBS=OFF -DENABLE_CUSTOM_COMPILER_FLAGS=OFF &&
		make -s && cd tests || return 1
	ran=0
	for t in *; do
		if [ ! -f "$t" ] || [ ! -x "$t" ]; then
			continue
		fi
		both "./$t" || return 1
		ran=$((ran + 1))
	done
	[ "$ran" -ge 19 ]
}

expat() {
	copy expat && mkdir expat-build && cd expat-build && cmake ../expat/expat -DCMAKE_C_COMPILER="$vnetcc" \
	    -DEXPAT_SHARED_LIBS=OFF -DEXPAT_BUILD_DOCS=OFF && make -s runtests && both tests/runtests
}

# real SOURCES NAME COMMAND...: one test, if its sources are there
real() {
	for name in $1; do
		if [ ! -d "$("$root/scripts/setup" --program "$name")" ]; then
			count=$((count + 1))
			echo "ok $count - $2 # SKIP scripts/setup could not fetch the source $name"
			return
		fi
	done
	shift
	# In a shell of its own: it may go to other folders.
	title=$1
	shift
	check "$title" in_shell "$@"
}

in_shell() (
	"$@"
)

real lua5.4 "Lua 5.4: a program in two instances" lua
real lua5.4 "a thousand Lua interpreters (examples/lua-thousand)" lua_thousand
real "lua5.1 lua-tests" "Lua 5.1: its official tests" lua_tests_51
real zlib "zlib: its own test" zlib
real bzip2 "bzip2: its own tests" bzip2
if [ "$sample" = --sample ]; then
	real sqlite3 "SQLite: two instances with different configurations" sqlite_configured -O0
	finish
	exit
fi
if [ -n "$LUA_TESTS" ]; then
	real lua5.4 "Lua 5.4: its official tests" lua_tests_54
else
	count=$((count + 1))
	echo "ok $count - Lua 5.4: its official tests # SKIP no package has them; LUA_TESTS=DIR may"
fi
real sqlite3 "SQLite: two instances with different configurations" sqlite_configured -O2
real sqlite3 "SQLite: its fuzzer's tests" sqlite_tests
real check "lwIP: its unit tests" lwip_tests
real cjson "cJSON: its own tests" cjson
real expat "Expat: its own tests" expat
finish
