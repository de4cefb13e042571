#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2015
# kldcheck and errata build alone, in a folder of their own, with their tests; and lean on no header of Linux.
# usage: alone.sh TOP
set -u

top=$(realpath "$1")
command -v meson >/dev/null || {
	echo "1..0 # SKIP no meson"
	exit 0
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

result() {
	if [ "$1" -eq 0 ]; then
		echo "ok $2"
	else
		echo "not ok $2"
		sed 's/^/# /' "$dir/log"
	fi
}

echo 1..4
meson setup "$dir/b" "$top" -Dparts=tools >"$dir/log" 2>&1 && ninja -C "$dir/b" >>"$dir/log" 2>&1
result $? "1 - configures and builds with -Dparts=tools"

"$dir/b/bin/kldcheck" --help >"$dir/log" 2>&1 && "$dir/b/bin/errata" --help >>"$dir/log" 2>&1
result $? "2 - both programs run"

meson test -C "$dir/b" --list >"$dir/log" 2>&1 && grep -q kldcheck-matrix "$dir/log" && grep -q errata-notices "$dir/log" &&
    meson test -C "$dir/b" --no-rebuild kldcheck-arm64 kldcheck-usage >"$dir/log" 2>&1
result $? "3 - their tests are there, and run"

# What FreeBSD has as well: C's and POSIX's headers, getopt_long's and flock's, and the libraries'.
cat "$top"/kldcheck/*.[ch] "$top"/errata/*.[ch] | sed -n 's/^#[[:space:]]*include <\(.*\)>.*/\1/p' | sort -u |
    while read -r h; do
	case $h in
	ctype.h | dirent.h | errno.h | fcntl.h | signal.h | spawn.h | stdarg.h | stdbool.h | stddef.h | stdint.h) ;;
	stdio.h | stdlib.h | string.h | strings.h | time.h | unistd.h | sys/stat.h | sys/utsname.h | sys/wait.h) ;;
	getopt.h | sys/file.h) ;;
	capstone/capstone.h | curl/curl.h | git2.h | jansson.h | openssl/*.h | rnp/*.h | uvnet/err.h | zlib.h) ;;
	*) echo "$h" ;;
	esac
done >"$dir/log"
[ ! -s "$dir/log" ]
result $? "4 - no header of Linux is included"
