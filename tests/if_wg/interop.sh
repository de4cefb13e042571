#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# wireguard-go and wg(8), as Debian has them, with a stack of vnet, in a network namespace of this test's own: each
# side begins a handshake once, TCP goes through both ways, each side's endpoint roams, IPv6 is inside and outside, a
# pre-shared key is in use, sessions are renewed, and peers come and go.
# usage: interop.sh VNET MODULES
# UVNET_RECONNECTS=1000 has them come and go so often (here: 50, which is some seconds); UVNET_SLOW=1 waits two minutes
# for wireguard-go to renew a session. Ours is renewed by if_wg_fast.ko, the same module with shorter seconds.
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
Address = 10.9.0.2/24, fd09::2/64
ListenPort = 51820
MTU = 1420

[Peer]
PublicKey = $(cat theirs.pub)
PresharedKey = $(cat psk)
AllowedIPs = 10.9.0.1/32, fd09::1/128
Endpoint = 127.0.0.1:51821
EOF
cat >vnet.conf <<EOF
vnet red {
	wireguard = "$dir/red.conf";
	publish { listen = "10.9.0.2:80"; to = "127.0.0.1:9001"; }
	forward { listen = "127.0.0.1:8081"; to = "10.9.0.1:9002"; }
	publish { listen = "[fd09::2]:80"; to = "127.0.0.1:9001"; }
	forward { listen = "127.0.0.1:8082"; to = "[fd09::1]:9003"; }
}
EOF
head -c 20000000 /dev/urandom >file
python3 -m http.server -b 127.0.0.1 9001 >web1.log 2>&1 &
pids="$pids $!"
python3 -m http.server -b 0.0.0.0 9002 >web2.log 2>&1 &
pids="$pids $!"

python3 -m http.server -b :: 9003 >web3.log 2>&1 &
pids="$pids $!"

for port in 9001 9002 9003; do
	for _ in $(seq 100); do curl -sfo /dev/null http://127.0.0.1:$port/ && break || sleep 0.1; done
done
wireguard-go -f wguvt$$ >go.log 2>&1 &
pids="$pids $!"
for _ in $(seq 50); do wg show wguvt$$ >/dev/null 2>&1 && break || sleep 0.1; done
wg set wguvt$$ private-key theirs.key listen-port 51821 peer "$(cat ours.pub)" preshared-key psk \
	allowed-ips 10.9.0.2/32,fd09::2/128
ip addr add fd09::1/64 dev wguvt$$ nodad
ip addr add 10.9.0.1/24 dev wguvt$$
ip link set wguvt$$ up mtu 1420

start_vnet() {
	"$vnet" run --modules "$modules" -s "$dir/sock" vnet.conf >>vnet.log 2>&1 &
	vpid=$!
	pids="$pids $vpid"
	for _ in $(seq 600); do [ -S "$dir/sock" ] && break || sleep 0.1; done
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
wg set wguvt$$ peer "$(cat ours.pub)" preshared-key psk allowed-ips 10.9.0.2/32,fd09::2/128 endpoint 127.0.0.1:51820
check "their initiation; a file from our side" same http://10.9.0.2/file
wg set wguvt$$ listen-port 51822
check "they move to another port" same http://10.9.0.2/file
check "and are found there" same http://127.0.0.1:8081/file
check "IPv6 inside, a file from our side" same "http://[fd09::2]/file"
check "IPv6 inside, a file from their side" same http://127.0.0.1:8082/file

# wg(8) for our side
ours() {
	"$vnet" -s "$dir/sock" wg red "$@"
}
we_move() {
	ours set listen-port "$1" && same http://127.0.0.1:8081/file && wg show wguvt$$ endpoints | grep -q ":$1\$" &&
	    same http://10.9.0.2/file
}
check "we move to another port, and are found there" we_move 51830

# IPv6 outside, each side beginning: what is between them is ::1
stop_vnet
sed -i 's/^Endpoint.*//; s/^AllowedIPs.*/&\nEndpoint = [::1]:51822/' red.conf
start_vnet
check "IPv6 outside, our initiation; a file from their side" same http://127.0.0.1:8081/file
outside6() {
	wg show wguvt$$ endpoints | grep -q '\[::1\]:51820$' || return 1
	wg set wguvt$$ peer "$(cat ours.pub)" remove
	wg set wguvt$$ peer "$(cat ours.pub)" preshared-key psk allowed-ips 10.9.0.2/32,fd09::2/128 endpoint "[::1]:51820"
	same http://10.9.0.2/file && same "http://[fd09::2]/file"
}
check "IPv6 outside, their initiation; files from our side" outside6

# handshake COMMAND...: until the only peer has had one
handshake() {
	for _ in $(seq 2000); do
		"$@" 2>/dev/null | grep -q '[[:space:]][1-9]' && return 0
		sleep 0.01
	done
	echo "no handshake of $*"
	ours
	wg show wguvt$$
	return 1
}
reconnects() {
	for i in $(seq "${UVNET_RECONNECTS:-50}"); do
		echo "reconnect $i"
		sleep 0.06	# wireguard-go looks at twenty initiations a second of a peer
		if [ $((i % 2)) = 0 ]; then
			wg set wguvt$$ peer "$(cat ours.pub)" remove
			wg set wguvt$$ peer "$(cat ours.pub)" preshared-key psk persistent-keepalive 60 \
			    allowed-ips 10.9.0.2/32,fd09::2/128 endpoint 127.0.0.1:51820
			handshake wg show wguvt$$ latest-handshakes || return 1
		else
			ours set peer "$(cat theirs.pub)" remove
			ours set peer "$(cat theirs.pub)" preshared-key psk persistent-keepalive 60 \
			    allowed-ips 10.9.0.1/32,fd09::1/128 endpoint 127.0.0.1:51822
			handshake ours show latest-handshakes || return 1
		fi
	done
	same http://10.9.0.2/file && same http://127.0.0.1:8081/file
}
check "${UVNET_RECONNECTS:-50} reconnects, each side in turn" reconnects

# Sessions are renewed while something goes through them.
handshakes() {
	"$vnet" -s "$dir/sock" ls --json | grep -o '"handshakes": *[0-9]*' | tr -dc '0-9'
}
slowly() {
	curl -sf --max-time 60 --limit-rate 2M -o got "$1" && cmp got file
}
stop_vnet
mkdir fast
cp "$modules"/inet.ko "$modules"/if_epair.ko fast
cp "$modules"/if_wg_fast.ko fast/if_wg.ko
modules=$dir/fast
sed -i 's/^Endpoint.*/Endpoint = 127.0.0.1:51822/' red.conf
wg set wguvt$$ peer "$(cat ours.pub)" remove
wg set wguvt$$ peer "$(cat ours.pub)" preshared-key psk allowed-ips 10.9.0.2/32,fd09::2/128
start_vnet
our_renewal() {
	slowly http://127.0.0.1:8081/file && [ "$(handshakes)" -gt 1 ]
}
check "we renew a session after two minutes (of if_wg_fast.ko), and nothing is lost" our_renewal
stop_vnet
if [ -n "${UVNET_SLOW:-}" ]; then
	modules=$(realpath "$2")
	sed -i '/^Endpoint/d' red.conf
	start_vnet
	wg set wguvt$$ peer "$(cat ours.pub)" remove
	wg set wguvt$$ peer "$(cat ours.pub)" preshared-key psk allowed-ips 10.9.0.2/32,fd09::2/128 \
	    endpoint 127.0.0.1:51820
	their_renewal() {
		for _ in $(seq 20); do
			[ "$(handshakes)" -le 1 ] || break
			curl -sf --max-time 60 --limit-rate 2M -o got http://10.9.0.2/file && cmp got file || return 1
		done
		[ "$(handshakes)" -gt 1 ] && same http://10.9.0.2/file
	}
	check "they renew a session after two minutes" their_renewal
	stop_vnet
else
	n=$((n + 1))
	echo "ok $n - they renew a session after two minutes # SKIP two minutes: UVNET_SLOW=1"
fi
echo "1..$n"
exit $failed
