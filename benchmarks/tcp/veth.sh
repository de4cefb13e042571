#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# bench-tcp's peer: veth.sh PEER-PROGRAM
# Two network namespaces joined by a veth, without root where user namespaces are allowed; they vanish with this
# script. Prints on one line: Gbit/s and CPU-seconds a gigabit with offloads, the same of 100 flows, the same
# without offloads, millions of 64-byte datagrams a second that arrive, and the 50th and 99th percentile of a 64-byte round trip in microseconds.
set -eu

if [ "${2-}" != inside ]; then
	command -v iperf3 >/dev/null || {
		echo "iperf3 is not installed"
		exit 1
	}
	if [ "$(id -u)" = 0 ]; then
		exec unshare -n sh "$0" "$1" inside
	fi
	exec unshare -Urn sh "$0" "$1" inside
fi

# The other namespace lives as long as this process does.
unshare -n sleep 60 &
other=$!
trap 'kill $other 2>/dev/null' EXIT
there() {
	nsenter -t "$other" -n "$@"
}

until [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
	sleep 0.05
done
ip link add va type veth peer name vb
ip link set vb netns "$other"
ip addr add 10.0.0.1/24 dev va
ip link set va up
there ip addr add 10.0.0.2/24 dev vb
there ip link set vb up

# bulk FLOWS: both ends' CPU time, their kernel part included, over the bits that arrived.
bulk() {
	there iperf3 -s -1 >/dev/null 2>&1 &
	server=$!
	sleep 0.3
	iperf3 -c 10.0.0.2 -t 3 -O 1 -P "$1" -J | python3 -c '
import json, sys
end = json.load(sys.stdin)["end"]
bits = end["sum_received"]["bits_per_second"]
cpu = end["cpu_utilization_percent"]
print(bits / 1e9, (cpu["host_total"] + cpu["remote_total"]) / 100 / (bits / 1e9), end=" ")'
	wait $server
}

# What arrives of 64-byte datagrams that are sent as fast as it goes.
packets() {
	there iperf3 -s -1 >/dev/null 2>&1 &
	server=$!
	sleep 0.3
	iperf3 -c 10.0.0.2 -u -l 64 -b 0 -t 2 -J | python3 -c '
import json, sys
total = json.load(sys.stdin)["end"]["sum"]
print((total["packets"] - total["lost_packets"]) / total["seconds"] / 1e6, end=" ")'
	wait $server
}

bulk 1
bulk 100
ethtool -K va tso off gso off gro off sg off tx off rx off >/dev/null 2>&1
there ethtool -K vb tso off gso off gro off sg off tx off rx off >/dev/null 2>&1
bulk 1
packets
there "$1" server &
server=$!
sleep 0.3
"$1" 10.0.0.2
wait $server
