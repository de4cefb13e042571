#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The demonstration's configuration, examples/two-customers.conf, on whatever machine the program was built for."""

import os

from harness import Vnet, WebServer, fetch_sum, free_ports, main, until

MB = 1 << 20


def config(ports):
    """The file as it is, with ports that are free."""
    with open(f"{os.environ['UVNET_SOURCE']}/examples/two-customers.conf", encoding="utf-8") as f:
        text = f.read()
    for was, port in ports.items():
        assert f"127.0.0.1:{was}\"" in text
        text = text.replace(f"127.0.0.1:{was}\"", f"127.0.0.1:{port}\"")
    return text


def two_customers_on_one_address_get_their_own_files(program):
    servers = [WebServer(i, 8 * MB) for i in range(2)]
    red, blue = free_ports(2)
    ports = {8081: red, 8082: blue, 9001: servers[0].port, 9002: servers[1].port}
    with Vnet(program, config(ports)) as vnet:
        assert fetch_sum(red) == servers[0].sum
        assert fetch_sum(blue) == servers[1].sum
        assert fetch_sum(red) == servers[0].sum
        stacks = vnet.json("ls")["stacks"]
        assert [s["name"] for s in stacks] == ["red-site", "red-dc", "blue-site", "blue-dc"]
        assert vnet.stop() == 0
    for s in servers:
        s.close()


def a_stack_comes_and_goes_while_others_run(program):
    server = WebServer(3, MB)
    red, blue = free_ports(2)
    with Vnet(program, config({8081: red, 8082: blue, 9001: server.port, 9002: server.port})) as vnet:
        code, _, err = vnet.call("destroy", "blue-site")
        assert code == 0, err
        until("blue-site is gone", lambda: "blue-site" not in vnet.call("ls")[1])
        assert fetch_sum(red) == server.sum
    server.close()


if __name__ == "__main__":
    main([two_customers_on_one_address_get_their_own_files, a_stack_comes_and_goes_while_others_run])
