#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# TAP: shellcheck finds nothing in the shell scripts of the tree. $1: the top of the tree.
# A finding that is meant is silenced where it is, with "# shellcheck disable=" and the reason.
set -eu

cd "$1"
command -v shellcheck >/dev/null || {
	echo "1..0 # SKIP shellcheck is not installed"
	exit 0
}
files=$(git -c safe.directory='*' ls-files --cached --others --exclude-standard 2>/dev/null) || {
	echo "1..0 # SKIP not a git checkout"
	exit 0
}

scripts=$(echo "$files" | while read -r file; do
	[ -f "$file" ] || continue
	case $(head -n 1 "$file" | tr -d '\0') in
	'#!/bin/sh'* | '#!/bin/bash'*) echo "$file" ;;
	esac
done)

echo "1..1"
# shellcheck disable=SC2086 # a list of words
if report=$(shellcheck -f gcc $scripts 2>&1); then
	echo "ok 1 - shellcheck finds nothing in $(echo "$scripts" | wc -l) scripts"
else
	echo "not ok 1 - shellcheck finds nothing in $(echo "$scripts" | wc -l) scripts"
	echo "$report" | sed 's/^/# /'
fi
