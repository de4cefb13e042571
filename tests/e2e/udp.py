#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams through `forward` and `publish`: host to stack to stack to host, and the answers back."""

import os
import socket
import threading

from harness import Vnet, main, until


class Echo:
    """Answers each datagram with its own name and the datagram, and notes who asked."""

    def __init__(self, name):
        self.name, self.clients = name, set()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            data, client = self.sock.recvfrom(65536)
            self.clients.add(client)
            if data:
                self.sock.sendto(self.name + data, client)


def free_udp_ports(n):
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def pair(name, listen, port, idle=60):
    return f"""
vnet {name}-site {{
    interface ep0 {{ link = "{name}"; address = "10.0.0.1/24"; }}
    forward {{ listen = "{listen}"; to = "10.0.0.2:53"; proto = "udp"; idle = {idle}; }}
}}
vnet {name}-dc {{
    interface ep0 {{ link = "{name}"; address = "10.0.0.2/24"; }}
    publish {{ listen = "10.0.0.2:53"; to = "127.0.0.1:{port}"; proto = "udp"; idle = {idle}; }}
}}
"""


class Client:
    def __init__(self, port, address="127.0.0.1"):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(1)
        self.sock.connect((address, port))

    def ask(self, data):
        """The answer; datagrams may be lost, so ask again."""
        for _ in range(20):
            self.sock.send(data)
            try:
                return self.sock.recv(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
        raise AssertionError("no answer")


def flows(vnet):
    return {s["name"]: s["flows"] for s in vnet.json("ls")["stacks"]}


def each_client_gets_its_own_answers(program):
    red, blue = Echo(b"red"), Echo(b"blue")
    ports = free_udp_ports(2)
    with Vnet(program, pair("red", f"127.0.0.1:{ports[0]}", red.port) +
              pair("blue", f"127.0.0.1:{ports[1]}", blue.port)) as vnet:
        clients = [(Client(ports[i % 2]), (b"red", b"blue")[i % 2]) for i in range(40)]
        for turn in range(3):
            for number, (client, name) in enumerate(clients):
                text = b"%d of %d" % (turn, number)
                assert client.ask(text) == name + text
        assert flows(vnet) == {"red-site": 20, "red-dc": 20, "blue-site": 20, "blue-dc": 20}, flows(vnet)
        assert len(red.clients) == len(blue.clients) == 20


def large_and_small_datagrams_stay_whole(program):
    server, (port,) = Echo(b""), free_udp_ports(1)
    with Vnet(program, pair("red", f"127.0.0.1:{port}", server.port)):
        client = Client(port)
        for size in (1, 1472, 1473, 9000, 30000):
            data = os.urandom(size)
            assert client.ask(data) == data, size
        client.sock.send(b"")  # a datagram of no bytes is one
        assert client.ask(b"x") == b"x"


def an_answer_comes_from_the_address_that_was_asked(program):
    server, (port,) = Echo(b"it: "), free_udp_ports(1)
    with Vnet(program, pair("red", f"*:{port}", server.port)):
        for address in ("127.0.0.1", "127.0.0.2"):  # a connected socket takes answers of this address only
            assert Client(port, address).ask(b"who?") == b"it: who?"


def a_silent_client_is_forgotten_and_a_descriptor_with_it(program):
    server, (port,) = Echo(b""), free_udp_ports(1)
    with Vnet(program, pair("red", f"127.0.0.1:{port}", server.port, idle=1)) as vnet:
        fds = len(os.listdir(f"/proc/{vnet.process.pid}/fd"))
        clients = [Client(port) for _ in range(30)]
        for c in clients:
            assert c.ask(b"here") == b"here"
        until("all are forgotten", lambda: set(flows(vnet).values()) == {0})
        assert len(os.listdir(f"/proc/{vnet.process.pid}/fd")) == fds
        assert clients[0].ask(b"again") == b"again"


def more_clients_than_descriptors_take_turns(program):
    server, (port,) = Echo(b""), free_udp_ports(1)
    prefix, program.prefix = program.prefix, ["prlimit", "--nofile=64:64", *program.prefix]
    with Vnet(program, pair("red", f"127.0.0.1:{port}", server.port)) as vnet:
        program.prefix = prefix
        clients = [Client(port) for _ in range(100)]
        for number, c in enumerate(clients):
            assert c.ask(b"%d" % number) == b"%d" % number
        assert clients[0].ask(b"first") == b"first"
        assert flows(vnet)["red-dc"] < 32 and flows(vnet)["red-site"] == 100, flows(vnet)


def a_port_has_a_bound_number_of_clients(program):
    server, (port,) = Echo(b""), free_udp_ports(1)
    conf = pair("red", f"127.0.0.1:{port}", server.port)
    with Vnet(program, conf) as vnet:
        sock = None
        for _ in range(1100):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.sendto(b"", ("127.0.0.1", port))
            sock.close()
        assert Client(port).ask(b"still") == b"still"
        assert flows(vnet)["red-site"] <= 1024, flows(vnet)


def a_port_in_use_is_named(program):
    server = Echo(b"")
    conf = program.write("used.conf", pair("red", f"127.0.0.1:{server.port}", 9))
    code, _, err = program.call("run", "--socket", program.path("s"), conf)
    assert code == 1 and f"udp 127.0.0.1:{server.port}: port in use" in err, err


if __name__ == "__main__":
    main([
        each_client_gets_its_own_answers,
        large_and_small_datagrams_stay_whole,
        an_answer_comes_from_the_address_that_was_asked,
        a_silent_client_is_forgotten_and_a_descriptor_with_it,
        more_clients_than_descriptors_take_turns,
        a_port_has_a_bound_number_of_clients,
        a_port_in_use_is_named,
    ])
