# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# What the shell tests of vnetcc share: a directory to work in, and TAP.

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
count=0

# check NAME COMMAND...: one test; what the command prints is shown when it fails.
check() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" >"$dir/log" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		sed 's/^/# /' "$dir/log"
	fi
}

finish() {
	echo "1..$count"
}
