#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces on devices of the host: TUN, TAP and packet sockets, in a network namespace of this test's own."""

import contextlib
import os
import socket
import subprocess
import sys
import threading

from harness import NOBODY, Vnet, WebServer, fetch_sum, free_ports, main, until

MB = 1 << 20


def ip(*args):
    subprocess.run(["ip", *args], check=True)


@contextlib.contextmanager
def as_root(program):
    prefix, program.prefix = program.prefix, []
    try:
        yield
    finally:
        program.prefix = prefix


def stack(kind, device, server, forward, port):
    return f"""
vnet red {{
    interface host0 {{ {kind} = "{device}"; address = ["10.7.0.2/24", "fd07::2/64"]; }}
    publish {{ listen = "10.7.0.2:80"; to = "127.0.0.1:{server}"; }}
    publish {{ listen = "[fd07::2]:80"; to = "127.0.0.1:{server}"; }}
    forward {{ listen = "127.0.0.1:{forward}"; to = "10.7.0.1:{port}"; }}
}}
"""


def fetched(url):
    """The sum of what the host's own TCP fetches."""
    out = subprocess.run(f"set -o pipefail; curl -sfg --noproxy '*' --max-time 60 '{url}' | sha256sum", shell=True,
                         executable="/bin/bash", check=True, capture_output=True, text=True).stdout
    return out.split()[0]


def exists(device):
    return subprocess.run(["ip", "link", "show", device], check=False, capture_output=True).returncode == 0


def address(device):
    ip("addr", "add", "10.7.0.1/24", "dev", device)
    ip("addr", "add", "fd07::1/64", "dev", device, "nodad")
    ip("link", "set", device, "up")


def both_ways(program, kind, device, prepare):
    """Files from the stack to the host's TCP, by IPv4 and IPv6, and from the host into the stack."""
    web, other = WebServer(1, 16 * MB), WebServer(2, 16 * MB, host="")
    (forward,) = free_ports(1)
    try:
        with Vnet(program, stack(kind, device, web.port, forward, other.port)) as vnet:
            prepare(device)
            interfaces = vnet.json("ifconfig", "red")["interfaces"]
            assert interfaces[0]["device"] == device, interfaces
            until("its IPv6 address is valid",
                  lambda: all("state" not in a for a in vnet.json("ifconfig", "red")["interfaces"][0]["addresses"]))
            assert fetched("http://10.7.0.2/file") == web.sum
            assert fetched("http://[fd07::2]/file") == web.sum
            assert fetch_sum(forward) == other.sum
            assert vnet.stop() == 0, vnet.output()
    finally:
        web.close()
        other.close()


def a_tun_device_carries_files(program):
    with as_root(program):
        both_ways(program, "tun", "uvtun0", address)
    assert not exists("uvtun0"), "it is gone with the stack"


def a_tap_device_carries_files(program):
    with as_root(program):
        both_ways(program, "tap", "uvtap0", address)


class DhcpServer:
    """On a device of the host: gives 10.7.0.77/24 to whoever asks, and notes what it was asked (RFC 2131)."""

    def __init__(self, device):
        self.seen = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.bind(("", 67))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                request = self.socket.recv(1500)
            except OSError:
                return
            if len(request) < 243 or request[240] != 53:
                continue
            self.seen.append(request[242])
            if request[242] not in (1, 3):
                continue
            server = socket.inet_aton("10.7.0.1")
            # An offer or an acknowledgement, the server, an hour, the mask, the router.
            options = (bytes([53, 1, 2 if request[242] == 1 else 5, 54, 4]) + server +
                       bytes([51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 3, 4]) + server + b"\xff")
            answer = b"\x02" + request[1:16] + socket.inet_aton("10.7.0.77") + server + request[24:240] + options
            self.socket.sendto(answer.ljust(300, b"\0"), ("255.255.255.255", 68))

    def close(self):
        self.socket.close()


def a_dhcp_server_gives_the_address(program):
    web = WebServer(5, MB)
    conf = f"""
vnet red {{
    interface host0 {{ tap = "uvtap5"; address = "DHCP"; }}
    publish {{ listen = "*:80"; to = "127.0.0.1:{web.port}"; }}
}}
"""
    with contextlib.ExitStack() as on_exit:
        on_exit.callback(web.close)
        ip("tuntap", "add", "uvtap5", "mode", "tap", "user", str(NOBODY))
        on_exit.callback(ip, "link", "delete", "uvtap5")
        address("uvtap5")
        server = DhcpServer("uvtap5")
        on_exit.callback(server.close)
        vnet = on_exit.enter_context(Vnet(program, conf + "vnet other { }"))
        until("it has its address", lambda: [
            (a["address"], a["prefixlen"]) for a in vnet.json("ifconfig", "red")["interfaces"][0]["addresses"]
            if ":" not in a["address"]] == [("10.7.0.77", 24)])
        assert server.seen[0] == 1 and server.seen[-1] == 3, server.seen
        assert fetched("http://10.7.0.77/file") == web.sum
        # The router of the answer is the way to everything else: an address of the host behind it.
        assert vnet.call("ping", "-c", "1", "-W", "5000", "red", "10.7.0.1")[0] == 0
        ip("addr", "add", "10.8.0.1/32", "dev", "lo")
        on_exit.callback(ip, "addr", "del", "10.8.0.1/32", "dev", "lo")
        code, out, err = vnet.call("ping", "-c", "1", "-W", "5000", "red", "10.8.0.1")
        assert code == 0, out + err
        assert vnet.call("destroy", "red")[0] == 0
        until("the address is given back", lambda: server.seen[-1] == 7)
        assert vnet.stop() == 0, vnet.output()


def a_packet_socket_carries_files(program):
    ip("link", "add", "uvpa", "type", "veth", "peer", "name", "uvpb")
    ip("link", "set", "uvpb", "up")
    with as_root(program):
        both_ways(program, "packet", "uvpb", lambda device: address("uvpa"))
    ip("link", "delete", "uvpa")


def a_user_has_the_device_that_root_made_for_him(program):
    ip("tuntap", "add", "uvtun1", "mode", "tun", "user", str(NOBODY))
    ip("link", "set", "uvtun1", "mtu", "1400")
    both_ways(program, "tun", "uvtun1", address)
    assert exists("uvtun1")
    ip("link", "delete", "uvtun1")


def a_tunnel_joins_two_hosts(program):
    """Each in a namespace: TUN devices, WireGuard over a veth; what one host serves, the other has whole."""
    web = WebServer(4, 16 * MB, host="")
    with contextlib.ExitStack() as on_exit:
        on_exit.callback(web.close)
        on_exit.enter_context(as_root(program))
        far = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        on_exit.callback(far.wait)
        on_exit.callback(far.kill)
        until("its namespace is there",
              lambda: os.readlink(f"/proc/{far.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        there = ["nsenter", "-t", str(far.pid), "-n"]
        ip("link", "add", "uvout1", "type", "veth", "peer", "name", "uvout2")
        ip("link", "set", "uvout2", "netns", str(far.pid))
        keys = [subprocess.run(["wg", "genkey"], check=True, capture_output=True).stdout for _ in range(2)]
        public = [subprocess.run(["wg", "pubkey"], input=k, check=True, capture_output=True).stdout for k in keys]
        for n, prefix in ((1, []), (2, there)):
            def run(*args, prefix=prefix):
                subprocess.run([*prefix, "ip", *args], check=True)
            run("addr", "add", f"192.0.2.{n}/24", "dev", f"uvout{n}")
            run("link", "set", f"uvout{n}", "up")
            wg = program.write(f"wg{n}.conf", f"""
[Interface]
PrivateKey = {keys[n - 1].decode()}
ListenPort = 51820
Address = 10.10.0.{n}/32
[Peer]
PublicKey = {public[2 - n].decode()}
Endpoint = 192.0.2.{3 - n}:51820
AllowedIPs = 10.9.0.{3 - n}/32
""")
            os.chmod(wg, 0o600)
            program.prefix = prefix
            vnet = on_exit.enter_context(Vnet(program, f"""
vnet tunnel {{
    interface tun0 {{ tun = "uvin{n}"; address = "10.11.0.{n}/32"; }}
    wireguard = "{wg}";
    route {{ to = "10.9.0.{n}/32"; interface = "tun0"; }}
    route {{ to = "10.9.0.{3 - n}/32"; interface = "wg0"; }}
    forwarding = true;
}}
"""))
            run("addr", "add", f"10.9.0.{n}/32", "dev", f"uvin{n}")
            run("link", "set", f"uvin{n}", "mtu", "1420", "up")
            run("route", "add", f"10.9.0.{3 - n}/32", "dev", f"uvin{n}", "src", f"10.9.0.{n}")
        out = subprocess.run([*there, "curl", "-sf", "--noproxy", "*", "--max-time", "60", "--retry", "9",
                              "--retry-all-errors", "-o", program.path("got"), f"http://10.9.0.1:{web.port}/file"],
                             check=False)
        assert out.returncode == 0, vnet.output()
        with open(program.path("got"), "rb") as got:
            assert got.read() == web.data
        counted = {name: int(vnet.call("sysctl", "tunnel", "-n", f"net.link.tap.{name}")[1])
                   for name in ("tx_packets", "tx_frames", "rx_bad", "tx_errors")}
        assert counted["tx_packets"] > counted["tx_frames"], counted
        assert counted["rx_bad"] == 0, counted


def a_device_that_is_deleted_takes_the_carrier_down(program):
    for kind, prepare in (("tun", None), ("packet", "uvgone1")):
        device = "uvgone0"
        if prepare:
            ip("link", "add", device, "type", "veth", "peer", "name", prepare)
        with as_root(program), Vnet(program, stack(kind, device, 1, free_ports(1)[0], 3) + "vnet other { }") as vnet:
            ip("link", "set", device, "up")
            assert vnet.json("ifconfig", "red")["interfaces"][0]["carrier"] == "up"
            ip("link", "set", device, "down")
            ip("link", "set", device, "up")
            assert vnet.json("ifconfig", "red")["interfaces"][0]["carrier"] == "up"
            ip("link", "delete", device)
            if kind == "tun":
                until("its carrier is down",
                      lambda: vnet.json("ifconfig", "red")["interfaces"][0]["carrier"] == "down")
                assert "its device uvgone0 is gone" in vnet.output()
            assert vnet.call("destroy", "red")[0] == 0
            assert vnet.stop() == 0, vnet.output()


def a_stack_goes_while_its_device_is_busy(program):
    web = WebServer(3, 64 * MB)
    with as_root(program), Vnet(program, stack("tun", "uvtun4", web.port, free_ports(1)[0], 3) + "vnet other { }") as vnet:
        address("uvtun4")
        curl = subprocess.Popen(["curl", "-sf", "--limit-rate", "10M", "--noproxy", "*", "-o", "/dev/null", "http://10.7.0.2/file"])
        until("bytes flow", lambda: vnet.json("ifconfig", "red")["interfaces"][0]["obytes"] > 4 * MB)
        assert vnet.call("destroy", "red")[0] == 0
        assert not exists("uvtun4")
        assert [s["name"] for s in vnet.json("ls")["stacks"]] == ["other"]
        curl.kill()
        curl.wait()
        assert vnet.stop() == 0, vnet.output()
    web.close()


def what_cannot_be_is_said(program):
    ip("link", "add", "uvd", "mtu", "9000", "type", "veth", "peer", "name", "uve")
    for kind, device, words in (
            ("tun", "uvtun2", "interface host0: tun uvtun2: making it takes CAP_NET_ADMIN; or have root make it for this"
                              f" user: ip tuntap add uvtun2 mode tun user {NOBODY}"),
            ("packet", "uvd", "interface host0: packet uvd: a packet socket takes CAP_NET_RAW"),
            ("packet", "uvnone", "interface host0: packet uvnone: No such device")):
        conf = program.write("bad.conf", stack(kind, device, 1, 2, 3))
        code, _, err = program.call("run", "--socket", program.path("bad"), conf)
        assert code == 1 and words in err, err
    with as_root(program):
        for kind, device, words in (
                ("packet", "uvd", "its MTU is 9000, and a stack's is 1500: ip link set uvd mtu 1500"),
                ("tun", "uvd", "there is an interface of that name, which is no tun device")):
            conf = program.write("bad.conf", stack(kind, device, 1, 2, 3))
            code, _, err = program.call("run", "--socket", program.path("bad"), conf)
            assert code == 1 and words in err, err
    ip("link", "delete", "uvd")
    with Vnet(program, "vnet a { }") as vnet:
        conf = program.write("late.conf", stack("tun", "uvtun3", 1, 2, 3))
        code, _, err = vnet.call("create", conf)
        assert code == 1 and "are for `vnet run` only" in err, err


def begin():
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        print("1..0 # SKIP needs root and /dev/net/tun")
        sys.exit(0)
    if os.environ.get("UVNET_TAP_INSIDE") is None:
        os.environ["UVNET_TAP_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])
    ip("link", "set", "lo", "up")
    main([a_tun_device_carries_files, a_tap_device_carries_files, a_dhcp_server_gives_the_address, a_packet_socket_carries_files,
          a_user_has_the_device_that_root_made_for_him, a_tunnel_joins_two_hosts, a_device_that_is_deleted_takes_the_carrier_down,
          a_stack_goes_while_its_device_is_busy, what_cannot_be_is_said])


begin()
