#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# TAP: every source file says its licence in its first lines. $1: the top of the tree.
# Files that are not yet tracked count too, ignored ones do not.
set -eu

cd "$1"
files=$(git -c safe.directory='*' ls-files --cached --others --exclude-standard 2>/dev/null) || {
	echo "1..0 # SKIP not a git checkout"
	exit 0
}

bad=$(echo "$files" | while read -r file; do
	case $file in
	LICENSE | *.md | */notice.txt) continue ;;		# for people
	data/* | */data/* | */corpus/*) continue ;;	# made by others, or read by programs
	*.png | *.svg | *.pcap | *.asc | *.bin | *.json) continue ;;
	esac
	[ -f "$file" ] || continue		# removed, or a link to a folder
	head -n 5 "$file" | grep -q 'SPDX-License-Identifier: [A-Z]' || echo "$file"
done)

echo "1..1"
if [ -z "$bad" ]; then
	echo "ok 1 - each source file has an SPDX line"
else
	echo "not ok 1 - each source file has an SPDX line"
	echo "$bad" | sed 's/^/# without one: /'
fi
