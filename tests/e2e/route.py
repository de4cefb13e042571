#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Routers: a site and a data centre on different networks, with a router stack or two between them."""

import os
import socket
import struct

from harness import Fetch, Vnet, WebServer, fetch_sum, free_ports, main, until

MB = 1 << 20

# site 10.1.0.2 -- 10.1.0.1 r1 10.9.0.1 -- 10.9.0.2 r2 10.2.0.1 -- 10.2.0.2 dc
def line(port, server, extra="", cpus=None):
    cpu = [f"cpu = {c};" for c in cpus] if cpus else ["", ""]
    return f"""
vnet site {{
    {cpu[0]}
    interface ep0 {{ link = "left"; address = "10.1.0.2/24"; }}
    gateway = "10.1.0.1";
    forward {{ listen = "127.0.0.1:{port}"; to = "10.2.0.2:80"; }}
}}
vnet r1 {{
    {cpu[0]}
    interface ep0 {{ link = "left"; address = "10.1.0.1/24"; }}
    interface ep1 {{ link = "middle"; address = "10.9.0.1/24"; }}
    route {{ to = "10.2.0.0/16"; gateway = "10.9.0.2"; }}
    forwarding = true;
}}
vnet r2 {{
    {cpu[1]}
    interface ep0 {{ link = "middle"; address = "10.9.0.2/24"; }}
    interface ep1 {{ link = "right"; address = "10.2.0.1/24"; }}
    route {{ to = "10.1.0.0/24"; gateway = "10.9.0.1"; }}
    forwarding = true;
    {extra}
}}
vnet dc {{
    {cpu[1]}
    interface ep0 {{ link = "right"; address = "10.2.0.2/24"; }}
    gateway = "10.2.0.1";
    publish {{ listen = "10.2.0.2:80"; to = "127.0.0.1:{server}"; }}
}}
"""


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def bytes_pass_two_routers(program):
    server, (port,) = WebServer(1, 16 * MB), free_ports(1)
    cpus = sorted(os.sched_getaffinity(0))
    with Vnet(program, line(port, server.port, cpus=[cpus[0], cpus[-1]])) as vnet:
        assert fetch_sum(port) == server.sum
        routers = {s["name"]: s for s in vnet.json("ls")["stacks"]}
        for name in ("r1", "r2"):
            assert all(i["ibytes"] > 100000 and i["obytes"] > 100000 for i in routers[name]["interfaces"]), routers
    server.close()


def routes_are_listed_added_and_deleted(program):
    server, (port,) = WebServer(2, MB), free_ports(1)
    with Vnet(program, line(port, server.port)) as vnet:
        assert vnet.json("route", "r1")["routes"] == [
            {"to": "10.1.0.0", "prefixlen": 24, "interface": "ep0"},
            {"to": "10.9.0.0", "prefixlen": 24, "interface": "ep1"},
            {"to": "10.2.0.0", "prefixlen": 16, "gateway": "10.9.0.2", "interface": "ep1"}]
        assert "default" in vnet.call("route", "dc")[1]
        # Without the way back there is no connection; a longer prefix to nowhere wins over the default route.
        assert vnet.call("route", "dc", "add", "10.1.0.2/32", "10.2.0.77")[0] == 0
        fetch = Fetch(port)
        until("the answer is lost", lambda: fetch.got == 0 and vnet.json("ls")["stacks"][0]["accepted"] == 1)
        assert vnet.call("route", "dc", "delete", "10.1.0.2/32")[0] == 0
        assert fetch.wait().sum == server.sum, fetch.error
        for args, why in ((("add", "10.1.0.0/16", "10.77.0.1"), "no interface"), (("add", "default", "10.2.0.1"), "there is"),
                          (("delete", "10.5.0.0/16"), "no such route"), (("add", "10.5.0.1/16", "10.2.0.1"), "behind the prefix"),
                          (("add", "10.5.0.0/16", "10.2.0.2"), "not a neighbour")):
            code, _, err = vnet.call("route", "dc", *args)
            assert code == 1 and why in err, (args, err)
        assert vnet.call("route", "nobody")[0] == 1 and vnet.call("route", "dc", "add")[0] == 2
    server.close()


def who_is_no_router_passes_nothing(program):
    server, (port,) = WebServer(3, MB), free_ports(1)
    conf = line(port, server.port).replace("forwarding = true", "forwarding = false", 1)
    with Vnet(program, conf) as vnet:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(3)
            client.sendall(b"GET /file HTTP/1.0\r\n\r\n")
            try:
                assert client.recv(1) == b""
            except OSError:
                pass
        dc = [s for s in vnet.json("ls")["stacks"] if s["name"] == "dc"][0]
        assert dc["accepted"] == 0 and dc["interfaces"][0]["ibytes"] <= 2 * 42, dc  # its router's ARP, no SYN
    server.close()


def packets_have_their_checksums_where_they_are_recorded(program):
    server, (port,) = WebServer(4, MB), free_ports(1)
    pcap = program.path("pcap-route")
    os.makedirs(pcap)
    os.chmod(pcap, 0o777)
    with Vnet(program, line(port, server.port), "--pcap", pcap) as vnet:
        assert fetch_sum(port) == server.sum
        vnet.stop()
    for link in ("left", "middle", "right"):
        with open(f"{pcap}/{link}.pcap", "rb") as f:
            data = f.read()
        at, packets = 24, 0
        while at + 16 <= len(data):
            length = struct.unpack_from("<I", data, at + 8)[0]
            frame, at = data[at + 16:at + 16 + length], at + 16 + length
            if frame[12:14] != b"\x08\x00" or frame[23] != 6:
                continue
            total = struct.unpack_from(">H", frame, 16)[0]
            ip, tcp = frame[14:34], frame[34:14 + total]
            assert checksum(ip) == 0xffff, link
            assert checksum(ip[12:20] + struct.pack(">HH", 6, len(tcp)) + tcp) == 0xffff, link
            packets += 1
        assert packets > 100, (link, packets)
    server.close()


if __name__ == "__main__":
    main([
        bytes_pass_two_routers,
        routes_are_listed_added_and_deleted,
        who_is_no_router_passes_nothing,
        packets_have_their_checksums_where_they_are_recorded,
    ])
