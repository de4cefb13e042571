#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A gateway: what a tunnel's peers send to the world goes on by sockets of the host, as far as `egress` allows.

Gateway and peer are two processes of vnet without any rights, in a network namespace that the test made; the world is
another namespace with servers. The last tests have wireguard-go in a third for a peer: an ordinary system's sockets see
how a connection is refused.
"""

import errno
import os
import random
import shutil
import socket
import struct
import subprocess
import threading

import netns
from harness import LIMIT, Skip, Vnet, free_ports, main, until

WORLD4, WORLD6 = "198.51.100.1", "2001:db8:1::1"
HOST4 = "198.51.100.2"  # the gateway's own address
TCP, UDP, CLOSED = 80, 53, 81


def key():
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip()
    public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout.strip()
    return private, public


def serve_tcp(family, address):
    """Sends back what it gets, and at the end of it the count."""
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, TCP))
    server.listen(4096)

    def one(conn):
        n = 0
        try:
            while block := conn.recv(65536):
                n += len(block)
                conn.sendall(block)
            conn.sendall(b"%d bytes" % n)
        except OSError:
            pass
        conn.close()

    while True:
        threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()


def serve_udp(family, address):
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((address, UDP))
    while True:
        data, client = server.recvfrom(65536)
        server.sendto(b"answer to " + data, client)


world = None


def make_world():
    global world
    if world is None:
        netns.alone()
        world = netns.Namespace()
        world.join("w0", f"{WORLD4}/24", f"{WORLD6}/64", other=(f"{HOST4}/24", "2001:db8:1::2/64"))
        for family, address in ((socket.AF_INET, WORLD4), (socket.AF_INET6, WORLD6)):
            world.start(serve_tcp, family, address)
            world.start(serve_udp, family, address)
            until("the world is there", lambda f=family, a=address: reach(f, a))


def reach(family, address):
    with socket.socket(family) as s:
        return s.connect_ex((address, TCP)) == 0


class Gateway(Vnet):
    """A stack on 10.9.0.1 with one peer, 10.9.0.2; the peer's file is left in self.peer."""

    def __init__(self, program, rules, more=""):
        make_world()
        ours, theirs = key(), key()
        self.public, self.theirs = ours[1], theirs
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        self.port = udp.getsockname()[1]
        udp.close()
        gate = program.write("gate.conf", f"""[Interface]
PrivateKey = {ours[0]}
Address = 10.9.0.1/24, fd09::1/64
ListenPort = {self.port}

[Peer]
PublicKey = {theirs[1]}
AllowedIPs = 10.9.0.2/32, fd09::2/128
""")
        self.peer = program.write("peer.conf", f"""[Interface]
PrivateKey = {theirs[0]}
Address = 10.9.0.2/24, fd09::2/64

[Peer]
PublicKey = {ours[1]}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 127.0.0.1:{self.port}
""")
        rules = ", ".join(f'"{r}"' for r in rules)
        super().__init__(program, f'vnet gate {{ wireguard = "{gate}"; egress = [{rules}]; {more} }}', "--workers", "1")

    def stack(self):
        return self.json("ls")["stacks"][0]


class Peer(Vnet):
    """A second vnet whose ports lead through the tunnel to addresses of the world."""

    def __init__(self, gateway, targets):
        self.ports = free_ports(len(targets))
        conf = ""
        for port, (proto, to) in zip(self.ports, targets):
            conf += f'forward {{ listen = "127.0.0.1:{port}"; to = "{to}"; proto = "{proto}"; }}\n'
        super().__init__(gateway.program, f"""vnet peer {{
    wireguard = "{gateway.peer}";
    route {{ to = "default"; interface = "wg0"; }}
    route {{ to = "::/0"; interface = "wg0"; }}
    {conf}
}}""", "--workers", "1")


def connect(port, address="127.0.0.1"):
    return socket.create_connection((address, port), LIMIT)


def echo(sock, data):
    """Send all, end the stream, read all: what comes back. Half-close goes all the way."""
    def feed():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    got = bytearray()
    while block := sock.recv(65536):
        got += block
    feeder.join(LIMIT)
    sock.close()
    return bytes(got)


def is_reset(port):
    """Nothing but a reset, or an end without a byte, comes out of that port."""
    try:
        with connect(port) as s:
            s.sendall(b"x")
            return s.recv(1) == b""
    except ConnectionError:
        return True


def ask(port, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", port))
        s.settimeout(1)
        for _ in range(LIMIT):
            s.send(data)
            try:
                return s.recv(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
    raise AssertionError("no answer")


def a_peer_reaches_the_world_by_tcp_and_udp_of_both_families(program):
    with Gateway(program, ["0.0.0.0/0", "::/0"]) as gate, \
            Peer(gate, [("tcp", f"{WORLD4}:{TCP}"), ("tcp", f"[{WORLD6}]:{TCP}"), ("udp", f"{WORLD4}:{UDP}"),
                        ("udp", f"[{WORLD6}]:{UDP}")]) as peer:
        data = random.Random(1).randbytes(3 << 20)
        for port in peer.ports[:2]:
            assert echo(connect(port), data) == data + b"%d bytes" % len(data)
        for port in peer.ports[2:]:
            assert ask(port, b"who?") == b"answer to who?"
            large = random.Random(2).randbytes(4000)  # in fragments, both ways
            assert ask(port, large) == b"answer to " + large
        until("no connection is left", lambda: gate.stack()["connections"] == 0)
        assert gate.stack()["flows"] == 4, gate.stack()


def what_no_rule_names_is_refused(program):
    rules = [f"{WORLD4}:{TCP}", "10.0.0.0/8", f"[2001:db8:1::/64]:{UDP}"]
    with Gateway(program, rules) as gate, \
            Peer(gate, [("tcp", f"{WORLD4}:{TCP}"), ("tcp", f"{WORLD4}:{CLOSED}"), ("tcp", f"[{WORLD6}]:{TCP}"),
                        ("udp", f"{WORLD4}:{UDP}"), ("udp", f"[{WORLD6}]:{UDP}")]) as peer:
        assert echo(connect(peer.ports[0]), b"in") == b"in2 bytes"
        assert is_reset(peer.ports[1]) and is_reset(peer.ports[2])
        assert ask(peer.ports[4], b"six") == b"answer to six"
        failed = gate.stack()["failed"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", peer.ports[3]))
            until("a datagram is refused", lambda: s.send(b"x") and gate.stack()["failed"] > failed)
        assert gate.stack()["flows"] == 1


def the_host_itself_is_not_the_world(program):
    """Its own addresses only by name, whatever the rest says."""
    server = socket.socket()
    server.bind((HOST4, 0))
    server.listen()
    port = server.getsockname()[1]
    for rules, allowed in ((["0.0.0.0/0"], False), ([f"{HOST4[:-2]}.0/24", "0.0.0.0/0"], False),
                           ([f"0.0.0.0/0:{TCP}", f"{HOST4}:{port}"], True)):
        with Gateway(program, rules) as gate, \
                Peer(gate, [("tcp", f"{HOST4}:{port}"), ("tcp", f"{WORLD4}:{TCP}")]) as peer:
            assert echo(connect(peer.ports[1]), b"out") == b"out3 bytes"
            if not allowed:
                assert is_reset(peer.ports[0])
                continue
            with connect(peer.ports[0]) as s:
                conn = server.accept()[0]
                conn.sendall(b"by name")
                assert s.recv(100) == b"by name"
                conn.close()
    server.close()


def many_connections_at_once_and_no_descriptor_is_left(program):
    with Gateway(program, ["0.0.0.0/0"]) as gate, Peer(gate, [("tcp", f"{WORLD4}:{TCP}")]) as peer:
        assert echo(connect(peer.ports[0]), b"first") == b"first5 bytes"
        until("it is over", lambda: gate.stack()["connections"] == 0)
        fds = len(os.listdir(f"/proc/{gate.process.pid}/fd"))
        socks = [connect(peer.ports[0]) for _ in range(400)]
        for number, s in enumerate(socks):
            s.sendall(b"%d" % number)
        for number, s in enumerate(socks):
            assert s.recv(100) == b"%d" % number
        assert gate.stack()["connections"] == 400
        assert len(os.listdir(f"/proc/{gate.process.pid}/task")) <= 3, "a thread a connection"
        for s in socks:
            s.close()
        until("all are over", lambda: gate.stack()["connections"] == 0)
        until("no descriptor is left", lambda: len(os.listdir(f"/proc/{gate.process.pid}/fd")) == fds)


def a_stack_has_its_limit_of_connections(program):
    with Gateway(program, ["0.0.0.0/0"], "connections = 3;") as gate, Peer(gate, [("tcp", f"{WORLD4}:{TCP}")]) as peer:
        socks = [connect(peer.ports[0]) for _ in range(3)]
        for s in socks:
            s.sendall(b"x")
            assert s.recv(1) == b"x"
        fourth = connect(peer.ports[0])
        fourth.sendall(b"wait")
        failed = gate.stack()["failed"]
        until("the next one is asked for again", lambda: gate.stack()["failed"] > failed)
        assert gate.stack()["connections"] == 3
        socks[0].close()
        assert fourth.recv(4) == b"wait"


def a_silent_flow_of_datagrams_ends(program):
    with Gateway(program, ["0.0.0.0/0"], "egress_idle = 1;") as gate, Peer(gate, [("udp", f"{WORLD4}:{UDP}")]) as peer:
        assert ask(peer.ports[0], b"a") == b"answer to a"
        until("it is forgotten", lambda: gate.stack()["flows"] == 0)
        assert ask(peer.ports[0], b"b") == b"answer to b"


def a_stack_with_connections_goes_away(program):
    with Gateway(program, ["0.0.0.0/0"]) as gate, \
            Peer(gate, [("tcp", f"{WORLD4}:{TCP}"), ("udp", f"{WORLD4}:{UDP}")]) as peer:
        s = connect(peer.ports[0])
        s.sendall(b"x")
        assert s.recv(1) == b"x" and ask(peer.ports[1], b"a") == b"answer to a"
        code, _, err = gate.call("destroy", "gate")
        assert code == 0, err
        assert gate.stop() == 0
        assert peer.stop() == 0


class Ordinary:
    """A peer as anybody has: wireguard-go with the system's own sockets, in a namespace."""

    def __init__(self, gateway):
        if not os.path.exists("/dev/net/tun"):
            raise Skip("wireguard-go needs /dev/net/tun")
        if shutil.which("wireguard-go") is None:
            raise AssertionError("there is no wireguard-go; scripts/setup installs it")
        self.name = f"wguvt{random.randrange(10**6)}"
        log = gateway.program.path("wireguard-go.log")
        with open(log, "w", encoding="utf-8") as f:
            self.go = subprocess.Popen(["wireguard-go", "-f", self.name], stdout=f, stderr=f)
        self.ns = netns.Namespace()
        until("wireguard-go runs", lambda: self.go.poll() is not None or subprocess.run(
            ["wg", "show", self.name], capture_output=True, check=False).returncode == 0)
        with open(log, encoding="utf-8") as f:
            assert self.go.poll() is None, f.read()
        subprocess.run(["wg", "set", self.name, "private-key", "/dev/stdin", "peer", gateway.public, "allowed-ips",
                        "0.0.0.0/0,::/0", "endpoint", f"127.0.0.1:{gateway.port}"],
                       input=gateway.theirs[0], text=True, check=True)
        subprocess.run(["ip", "link", "set", self.name, "netns", str(self.ns.tid)], check=True)
        self.ns.ip("addr", "add", "10.9.0.2/24", "dev", self.name)
        self.ns.ip("addr", "add", "fd09::2/64", "dev", self.name, "nodad")
        self.ns.ip("link", "set", self.name, "mtu", "1420", "up")
        self.ns.ip("route", "add", "default", "dev", self.name)
        self.ns.ip("-6", "route", "add", "default", "dev", self.name)

    def connect(self, address, port):
        """
        0 or the errno. The call blocks: where poll(2) wakes a socket that does not, Linux may not have set its error yet.
        """
        def call():
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", LIMIT, 0))
                return s.connect_ex((address, port))
        return self.ns.run(call)

    def refused(self, address, port, error):
        """It is refused, in that way."""
        got = self.connect(address, port)
        assert got == error, f"{address} {port}: {errno.errorcode.get(got, got)}, not {errno.errorcode[error]}"

    def udp_error(self, address, port):
        """What an ordinary connected socket hears of a datagram that cannot be delivered."""
        def call():
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect((address, port))
                s.settimeout(1)
                for _ in range(LIMIT):
                    try:
                        s.send(b"x")
                        s.recv(100)
                        return 0
                    except TimeoutError:
                        continue
                    except OSError as error:
                        return error.errno
            return errno.ETIMEDOUT
        return self.ns.run(call)

    def close(self):
        self.go.terminate()
        self.go.wait()
        self.ns.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def an_ordinary_peer_browses_and_hears_of_errors(program):
    rules = ["198.51.0.0/16:1-1000", "203.0.113.0/24", "2001:db8:1::/64", "2001:db8:2::/64"]
    with Gateway(program, rules) as gate, Ordinary(gate) as peer:
        data = random.Random(3).randbytes(1 << 20)
        for address in (WORLD4, WORLD6):
            sock = peer.ns.run(lambda a=address: socket.create_connection((a, TCP), LIMIT))
            assert echo(sock, data) == data + b"%d bytes" % len(data), address
            # Refused by the far end, without having been accepted before.
            peer.refused(address, CLOSED, errno.ECONNREFUSED)
            assert peer.udp_error(address, UDP) == 0
            assert peer.udp_error(address, CLOSED) == errno.ECONNREFUSED
        # Refused by the rules.
        peer.refused(WORLD4, 1001, errno.ECONNREFUSED)
        peer.refused("2001:db8:3::1", TCP, errno.ECONNREFUSED)
        assert peer.udp_error(WORLD4, 1001) == errno.EHOSTUNREACH  # Linux's errno for "prohibited"
        assert peer.udp_error("2001:db8:3::1", UDP) == errno.EACCES
        # The host has no way there, or nobody is there.
        peer.refused("203.0.113.1", TCP, errno.ENETUNREACH)
        peer.refused("2001:db8:2::1", TCP, errno.ENETUNREACH)
        peer.refused("198.51.100.99", TCP, errno.EHOSTUNREACH)
        peer.refused("2001:db8:1::99", TCP, errno.EHOSTUNREACH)
        until("no connection is left", lambda: gate.stack()["connections"] == 0)


def a_network_of_the_stack_is_not_the_world(program):
    """The tunnel's own network, and names that are nobody's: no rule lets them out."""
    with Gateway(program, ["0.0.0.0/0", "::/0"]) as gate, Ordinary(gate) as peer:
        def sent(address):
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                s.sendto(b"x", (address, UDP))

        assert peer.connect(WORLD4, TCP) == 0
        until("it is over", lambda: gate.stack()["connections"] == 0)
        before = gate.stack()
        for address in ("10.9.0.77", "10.9.0.255", "255.255.255.255", "224.0.0.251", "fd09::77"):
            peer.ns.run(sent, address)
        peer.refused("10.9.0.1", TCP, errno.ECONNREFUSED)  # the stack itself: no such port
        after = gate.stack()
        assert after["flows"] == 0 and after["accepted"] == before["accepted"], (before, after)
        peer.refused("169.254.169.254", TCP, errno.ECONNREFUSED)


def the_module_goes_and_comes(program):
    with Gateway(program, ["0.0.0.0/0"]) as gate, \
            Peer(gate, [("tcp", f"{WORLD4}:{TCP}"), ("udp", f"{WORLD4}:{UDP}")]) as peer:
        for _ in range(3):
            assert echo(connect(peer.ports[0]), b"out") == b"out3 bytes"
            assert ask(peer.ports[1], b"who?") == b"answer to who?"
            with connect(peer.ports[0]) as s:       # one that stands, and a flow
                s.sendall(b"x")
                assert s.recv(1) == b"x"
                assert gate.call("kldunload", "if_wg")[0] == 0
                until("its connection is gone", lambda: gate.stack()["connections"] == 0)
            assert gate.stack()["flows"] == 0
            code, _, err = gate.call("kldload", f"{program.dir}/modules/if_wg.ko")
            assert code == 0, err


if __name__ == "__main__":
    main([
        a_peer_reaches_the_world_by_tcp_and_udp_of_both_families,
        what_no_rule_names_is_refused,
        the_host_itself_is_not_the_world,
        many_connections_at_once_and_no_descriptor_is_left,
        a_stack_has_its_limit_of_connections,
        a_silent_flow_of_datagrams_ends,
        a_stack_with_connections_goes_away,
        an_ordinary_peer_browses_and_hears_of_errors,
        a_network_of_the_stack_is_not_the_world,
        the_module_goes_and_comes,
    ])
