#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# bench-wg's tunnel between two network namespaces: tunnel.sh vnet|wireguard-go BIN-FOLDER
# iperf3, one flow, through a tunnel over a veth; both ends are processes, on TUN devices with an MTU of 1420.
# Prints Gbit/s that arrive, and CPU-seconds a gigabit of both tunnel processes, system calls and what the kernel does in
# them included. Needs root, for the namespaces and the devices; all of it vanishes with this script.
set -eu

kind=$1
bin=$2
if [ "${3-}" != inside ]; then
	exec unshare -n sh "$0" "$kind" "$bin" inside
fi

dir=$(mktemp -d)
pids=
cleanup() {
	for pid in $pids; do kill "$pid" 2>/dev/null || :; done
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

# The other namespace lives as long as this process does.
unshare -n sleep 600 &
other=$!
pids=$other
until [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
	sleep 0.05
done
there() {
	nsenter -t "$other" -n "$@"
}
side() {	# side NUMBER COMMAND...: there is 2
	n=$1
	shift
	if [ "$n" = 1 ]; then "$@"; else there "$@"; fi
}

# In the background: the process is the command's own.
side_exec() {
	n=$1
	shift
	if [ "$n" = 1 ]; then exec "$@"; else exec nsenter -t "$other" -n "$@"; fi
}

ip link add va type veth peer name vb
ip link set vb netns "$other"
ip addr add 10.0.0.1/24 dev va
there ip addr add 10.0.0.2/24 dev vb
umask 077
for n in 1 2; do
	side "$n" ip link set lo up
	side "$n" ip link set "v$(echo "$n" | tr 12 ab)" up
	wg genkey >"$dir/key$n"
	wg pubkey <"$dir/key$n" >"$dir/pub$n"
done

for n in 1 2; do
	p=$((3 - n))
	dev=uvb$$-$n
	if [ "$kind" = vnet ]; then
		cat >"$dir/wg$n.conf" <<-EOT
			[Interface]
			PrivateKey = $(cat "$dir/key$n")
			ListenPort = 51820
			Address = 10.10.0.$n/32
			MTU = 1420
			[Peer]
			PublicKey = $(cat "$dir/pub$p")
			Endpoint = 10.0.0.$p:51820
			AllowedIPs = 10.9.0.$p/32
		EOT
		cat >"$dir/vnet$n.conf" <<-EOT
			vnet tunnel {
				cpu = $((n - 1));
				interface tun0 { tun = "$dev"; address = "10.11.0.$n/32"; }
				wireguard = "$dir/wg$n.conf";
				route { to = "10.9.0.$n/32"; interface = "tun0"; }
				route { to = "10.9.0.$p/32"; interface = "wg0"; }
				forwarding = true;
			}
		EOT
		side "$n" ip tuntap add "$dev" mode tun
		side "$n" ip link set "$dev" mtu 1420
		side_exec "$n" "$bin/vnet" run -s "$dir/sock$n" "$dir/vnet$n.conf" >"$dir/log$n" 2>&1 &
	else
		side_exec "$n" wireguard-go -f "$dev" >"$dir/log$n" 2>&1 &
		until side "$n" wg show "$dev" >/dev/null 2>&1; do sleep 0.1; done
		side "$n" wg set "$dev" private-key "$dir/key$n" listen-port 51820 peer "$(cat "$dir/pub$p")" \
			endpoint "10.0.0.$p:51820" allowed-ips "10.9.0.$p/32"
		side "$n" ip link set "$dev" mtu 1420
	fi
	pids="$pids $!"
	eval "pid$n=$!"
	side "$n" ip addr add "10.9.0.$n/32" dev "$dev"
	side "$n" ip link set "$dev" up
	side "$n" ip route add "10.9.0.$p/32" dev "$dev" src "10.9.0.$n"
done
# The other side refuses a connection: it is reached.
cat >"$dir/reached" <<'EOT'
import socket, sys, time
for _ in range(100):
    try:
        socket.create_connection(("10.9.0.2", 9), 1)
    except ConnectionRefusedError:
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit(1)
EOT
if ! python3 "$dir/reached"; then
	echo "no tunnel:"
	cat "$dir"/log*
	exit 1
fi

# Ticks of both processes' threads, in user space and in the kernel.
ticks() {
	# shellcheck disable=SC2154	# by the eval
	cat "/proc/$pid1/stat" "/proc/$pid2/stat" | sed 's/.*) //' | awk '{ t += $12 + $13 } END { print t }'
}

there iperf3 -s -1 >/dev/null 2>&1 &
server=$!
sleep 0.5
before=$(ticks)
iperf3 -c 10.9.0.2 -t "${SECONDS_WANTED:-5}" -J >"$dir/result"
after=$(ticks)
wait $server
python3 - "$dir/result" "$((after - before))" "$(getconf CLK_TCK)" <<-'EOT'
	import json, sys
	end = json.load(open(sys.argv[1]))["end"]
	gbits = end["sum_received"]["bytes"] * 8 / 1e9
	print(end["sum_received"]["bits_per_second"] / 1e9, int(sys.argv[2]) / int(sys.argv[3]) / gbits)
EOT
