#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# wireguard-go and wg(8), as Debian has them, with a stack of vnet, in a network namespace of this test's own: each
# side begins a handshake once, TCP goes through both ways, an endpoint roams, a pre-shared key is in use.
# usage: interop.sh VNET MODULES
# shellcheck disable=SC2015,SC2317	# break cannot fail; cleanup is called by the trap
set -eu

vnet=$(realpath "$1")
modules=$(realpath "$2")
if [ "$(id -u)" != 0 ] || [ ! -c /dev/net/tun ]; then
	echo "1..0 # SKIP wireguard-go needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${INTEROP_INSIDE:-}" ]; then
	INTEROP_INSIDE=1 exec unshare -n -- "$0" "$vnet" "$modules"
fi

dir=$(mktemp -d)
pids=
n=0
cleanup() {
	for p in $pids; do kill "$p" 2>/dev/null || :; done
	wait
	rm -rf "$dir" /var/run/wireguard/wguvt$$.sock
}
trap cleanup EXIT

check() {
	n=$((n + 1))
	name=$1
	shift
	if "$@" >"$dir/out" 2>&1; then echo "ok $n - $name"; else
		echo "not ok $n - $name"
		sed 's/^/# /' "$dir/out" "$dir/vnet.log"
		failed=1
	fi
}
failed=0

ip link set lo up
cd "$dir"
umask 077
for s in ours theirs; do wg genkey >$s.key && wg pubkey <$s.key >$s.pub; done
wg genpsk >psk
cat >red.conf <<EOF
[Interface]
PrivateKey = $(cat ours.key)
Address = 10.9.0.2/24
ListenPort = 51820
MTU = 1420

[Peer]
PublicKey = $(cat theirs.pub)
PresharedKey = $(cat psk)
AllowedIPs = 10.9.0.1/32
Endpoint = 127.0.0.1:51821
EOF
cat >vnet.conf <<EOF
vnet red {
	wireguard = "$dir/red.conf";
	publish { listen = "10.9.0.2:80"; to = "127.0.0.1:9001"; }
	forward { listen = "127.0.0.1:8081"; to = "10.9.0.1:9002"; }
}
EOF
head -c 20000000 /dev/urandom >file
python3 -m http.server -b 127.0.0.1 9001 >web1.log 2>&1 &
pids="$pids $!"
python3 -m http.server -b 0.0.0.0 9002 >web2.log 2>&1 &
pids="$pids $!"

for port in 9001 9002; do
	for _ in $(seq 100); do curl -sfo /dev/null http://127.0.0.1:$port/ && break || sleep 0.1; done
done
wireguard-go -f wguvt$$ >go.log 2>&1 &
pids="$pids $!"
for _ in $(seq 50); do wg show wguvt$$ >/dev/null 2>&1 && break || sleep 0.1; done
wg set wguvt$$ private-key theirs.key listen-port 51821 peer "$(cat ours.pub)" preshared-key psk \
	allowed-ips 10.9.0.2/32
ip addr add 10.9.0.1/24 dev wguvt$$
ip link set wguvt$$ up mtu 1420

start_vnet() {
	"$vnet" run --modules "$modules" -s "$dir/sock" vnet.conf >>vnet.log 2>&1 &
	vpid=$!
	pids="$pids $vpid"
	for _ in $(seq 50); do [ -S "$dir/sock" ] && break || sleep 0.1; done
}
stop_vnet() {
	kill "$vpid" 2>/dev/null || :
	wait "$vpid" || :
}
same() {
	curl -sf --max-time 20 -o got "$1" && cmp got file
}

start_vnet
check "our initiation; a file from their side" same http://127.0.0.1:8081/file
check "a file from our side" same http://10.9.0.2/file
stop_vnet
sed -i '/^Endpoint/d' red.conf
start_vnet
wg set wguvt$$ peer "$(cat ours.pub)" remove
wg set wguvt$$ peer "$(cat ours.pub)" preshared-key psk allowed-ips 10.9.0.2/32 endpoint 127.0.0.1:51820
check "their initiation; a file from our side" same http://10.9.0.2/file
wg set wguvt$$ listen-port 51822
check "they move to another port" same http://10.9.0.2/file
check "and are found there" same http://127.0.0.1:8081/file
echo "1..$n"
exit $failed
