#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# inet.ko has no state that is not virtual: sections.sh FOLDER-OF-MODULES
# Every section of it that is allocated and writable is listed here with the reason why it may be.
set -eu

module=$1/inet.ko

# NAME REASON
allowed='set_vnet the variables, one copy a stack
.data.rel.ro constants that hold addresses: the module linker fills them in and maps them read-only
set_vnet_sysinit_set pointers to constructors, a linker set of constants: mapped read-only
set_vnet_sysuninit_set pointers to destructors, a linker set of constants: mapped read-only
set_sysinit_set pointers to constructors of the module itself, a linker set of constants: mapped read-only
set_sysuninit_set pointers to destructors of the module itself, a linker set of constants: mapped read-only
sysctl_oids names of the sysctl tree: linked into it and out of it with all workers stopped, no values
set_modmetadata_set pointers to what the module says of itself, a linker set of constants: mapped read-only'

echo 1..3

writable=$(readelf -SW "$module" | sed -n 's/^ *\[ *[0-9]*\] *//p' | awk '$7 ~ /W/ && $7 ~ /A/ { print $1 }')
status=ok
for section in $writable; do
	reason=$(echo "$allowed" | sed -n "s/^$section //p")
	if [ -n "$reason" ]; then
		echo "# $section: $reason"
	else
		echo "# $section: writable, allocated, and no reason is known"
		status="not ok"
	fi
done
[ -n "$writable" ] || status="not ok"
echo "$status 1 - every_writable_section_has_its_reason"

# The other way round: the sets are there (a compiler that drops them makes a module that does nothing).
status=ok
for section in $(echo "$allowed" | cut -d ' ' -f 1); do
	echo "$writable" | grep -qx "$section" || {
		echo "# $section is missing"
		status="not ok"
	}
done
echo "$status 2 - the_variables_and_the_linker_sets_are_there"

# lwIP's variables by name: what every stack needs its own of.
status=ok
index=$(readelf -SW "$module" | sed -n 's/^ *\[ *\([0-9]*\)\] set_vnet .*/\1/p')
for name in tcp_active_pcbs tcp_ticks netif_list ip_data inet_arp_table tcp_pcb_lists; do
	readelf -sW "$module" | awk -v i="$index" -v n="$name" '$7 == i && ($8 == n || index($8, n ".") == 1) { found = 1 }
	    END { exit !found }' || {
		echo "# $name is not in set_vnet"
		status="not ok"
	}
done
echo "$status 3 - lwips_variables_are_virtual"
