#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""IPv6 in the configuration: stacks that have nothing else, ports of either family of the host on both sides."""

import socket
import threading

from harness import Skip, Vnet, WebServer, fetch_sum, free_ports, main, until

MB = 1 << 20


def host_has_inet6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def pair(name, listen, to, proto="tcp"):
    return f"""
vnet {name}-site {{
    interface ep0 {{ link = "{name}"; address = "fd00::1/64"; }}
    forward {{ listen = "{listen}"; to = "[fd00::2]:80"; proto = {proto}; }}
}}
vnet {name}-dc {{
    interface ep0 {{ link = "{name}"; address = [ "10.0.0.2/24", "fd00::2/64" ]; }}
    publish {{ listen = "[fd00::2]:80"; to = "{to}"; proto = {proto}; }}
}}
"""


def two_customers_on_one_address(program):
    red, blue, ports = WebServer(1, 8 * MB), WebServer(2, 8 * MB), free_ports(2)
    conf = (pair("red", f"127.0.0.1:{ports[0]}", f"127.0.0.1:{red.port}") +
            pair("blue", f"127.0.0.1:{ports[1]}", f"127.0.0.1:{blue.port}"))
    with Vnet(program, conf):
        assert fetch_sum(ports[0]) == red.sum
        assert fetch_sum(ports[1]) == blue.sum


def a_client_of_inet6(program):
    if not host_has_inet6():
        raise Skip("this machine has no ::1")
    server, (port,) = WebServer(1, 1000), free_ports(1)
    with Vnet(program, pair("red", f"[::1]:{port}", f"127.0.0.1:{server.port}")):
        with socket.create_connection(("::1", port), timeout=60) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        assert len(answer.partition(b"\r\n\r\n")[2]) == 1000, answer[:200]


def datagrams_come_back_from_the_address_that_was_asked(program):
    if not host_has_inet6():
        raise Skip("this machine has no ::1")
    echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    echo.bind(("::1", 0))

    def serve():
        while True:
            data, client = echo.recvfrom(65536)
            echo.sendto(b"echo " + data, client)

    threading.Thread(target=serve, daemon=True).start()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind(("::1", 0))
        port = s.getsockname()[1]
    with Vnet(program, pair("red", f"[::]:{port}", f"[::1]:{echo.getsockname()[1]}", "udp")):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.connect(("::1", port))  # refuses what comes from elsewhere

            def asked(size):
                try:
                    s.send(b"x" * size)
                    return s.recv(65536) == b"echo " + b"x" * size
                except OSError:
                    return False

            until("an answer", lambda: asked(10))
            until("an answer in fragments", lambda: asked(5000))


def bytes_pass_a_router(program):
    server, (port,) = WebServer(1, 8 * MB), free_ports(1)
    conf = f"""
vnet site {{
    interface ep0 {{ link = left; address = "fd01::2/64"; }}
    gateway = "fd01::1";
    forward {{ listen = "127.0.0.1:{port}"; to = "[fd02::2]:80"; }}
}}
vnet router {{
    interface ep0 {{ link = left; address = "fd01::1/64"; }}
    interface ep1 {{ link = right; address = "fd02::1/112"; }}
    forwarding = true;
}}
vnet dc {{
    interface ep0 {{ link = right; address = "fd02::2/112"; }}
    route {{ to = "fd01::/64"; gateway = "fd02::1"; }}
    publish {{ listen = "[fd02::2]:80"; to = "127.0.0.1:{server.port}"; }}
}}
"""
    with Vnet(program, conf) as vnet:
        assert fetch_sum(port) == server.sum
        routes = vnet.json("route", "dc")["routes"]
        assert [(r["to"], r["prefixlen"], r.get("gateway")) for r in routes] == [
            ("fd02::", 112, None), ("fd01::", 64, "fd02::1")], routes
        vnet.json("route", "dc", "delete", "fd01::/64")
        vnet.json("route", "dc", "add", "::/0", "fd02::1")
        assert fetch_sum(port) == server.sum
        code, _, err = vnet.call("route", "dc", "add", "fd05::/64", "fd03::1")
        assert code == 1 and "no interface has a network with that gateway" in err, err


def interfaces_and_sockets_are_shown(program):
    server, (port,) = WebServer(1, 1000), free_ports(1)
    with Vnet(program, pair("red", f"127.0.0.1:{port}", f"127.0.0.1:{server.port}")) as vnet:
        assert fetch_sum(port) == server.sum
        (ep0,) = vnet.json("ifconfig", "red-dc")["interfaces"]
        assert ep0["name"] == "ep0" and ep0["link"] == "red" and ep0["carrier"] == "up", ep0
        assert ep0["ipackets"] > 0 and ep0["opackets"] > 0, ep0
        addresses = [f"{a['address']}/{a['prefixlen']}" for a in ep0["addresses"]]
        assert "10.0.0.2/24" in addresses and "fd00::2/64" in addresses, addresses
        assert any(a.startswith("fe80::") for a in addresses), addresses
        code, out, _ = vnet.call("ifconfig", "red-dc")
        assert code == 0 and "\tinet6 fd00::2/64\n" in out, out
        sockets = vnet.json("netstat", "red-dc")["sockets"]
        assert {"proto": "tcp6", "recvq": 0, "sendq": 0, "local": "[fd00::2]:80", "state": "LISTEN"} in sockets, sockets
        with socket.create_connection(("127.0.0.1", port), timeout=60):
            until("a connection", lambda: any(s.get("remote") == "[fd00::2]:80" and s["state"] == "ESTABLISHED"
                                              for s in vnet.json("netstat", "red-site")["sockets"]))
        code, out, _ = vnet.call("netstat", "red-dc")
        assert code == 0 and "LISTEN" in out, out
        for command in "ifconfig", "netstat":
            code, _, err = vnet.call(command, "nobody")
            assert code == 1 and "nobody: no such stack" in err, err


def a_mistake_is_named(program):
    conf = program.write("bad.conf", 'vnet a { interface e { link = l; address = "fd00::1/64"; }\n'
                         'publish { listen = "[fd00::2]:80"; to = "127.0.0.1:1"; } }\n')
    code, _, err = program.call("check", conf)
    assert code == 1 and "publish.listen: [fd00::2]:80: no interface of this stack has that address" in err, err


if __name__ == "__main__":
    main([
        two_customers_on_one_address,
        a_client_of_inet6,
        datagrams_come_back_from_the_address_that_was_asked,
        bytes_pass_a_router,
        interfaces_and_sockets_are_shown,
        a_mistake_is_named,
    ])
