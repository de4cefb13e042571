#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`vnet run` as its user runs it: customers on the same addresses, without root."""

import os
import signal
import socket
import subprocess
import time

from harness import LIMIT, Fetch, Skip, Vnet, WebServer, fetch_sum, free_ports, main, pair, until

MB = 1 << 20


def customers(n, size=8 * MB):
    """n web servers with different bytes, and a forwarded port for each."""
    return [WebServer(i, size) for i in range(n)], free_ports(n)


def close(servers):
    for s in servers:
        s.close()


def two_customers_on_one_address_get_their_own_files(program):
    servers, ports = customers(2, 32 * MB)
    with Vnet(program, pair("red", ports[0], servers[0].port) + pair("blue", ports[1], servers[1].port)) as vnet:
        fetches = [Fetch(p) for p in ports]
        sums = [f.wait().sum for f in fetches]
        assert sums == [s.sum for s in servers], [f.error for f in fetches]
        stacks = vnet.json("ls")["stacks"]
        assert {s["name"] for s in stacks} >= {"red-site", "red-dc", "blue-site", "blue-dc"}
        assert sorted(i["address"] for s in stacks for i in s["interfaces"]) == ["10.0.0.1"] * 2 + ["10.0.0.2"] * 2
        assert vnet.stop() == 0
    close(servers)


def one_process_without_rights_serves_all_stacks(program):
    if "UVNET_EMULATOR" in os.environ:
        raise Skip("qemu-user has threads of its own")
    servers, ports = customers(2)
    with Vnet(program, pair("red", ports[0], servers[0].port) + pair("blue", ports[1], servers[1].port)) as vnet:
        pid = vnet.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            status = dict(line.split(":\t") for line in f)
        assert status["Uid"].split()[1] != "0" and status["CapEff"].strip() == "0" * 16, status["CapEff"]
        children = open(f"/proc/{pid}/task/{pid}/children", encoding="ascii").read()
        assert children == "", f"child processes: {children}"
        # A thread for each worker and the main one, however many stacks.
        assert len(os.listdir(f"/proc/{pid}/task")) <= len(os.sched_getaffinity(0)) + 1
        assert fetch_sum(ports[0]) == servers[0].sum
    close(servers)


def uploads_arrive_too(program):
    import hashlib
    import http.client
    servers, ports = customers(1)
    body = os.urandom(16 * MB)
    with Vnet(program, pair("red", ports[0], servers[0].port)):
        conn = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=60)
        conn.request("POST", "/", body)
        assert conn.getresponse().read().decode() == hashlib.sha256(body).hexdigest()
    close(servers)


def many_connections_at_once(program):
    servers, ports = customers(1, 1 * MB)
    with Vnet(program, pair("red", ports[0], servers[0].port)) as vnet:
        fetches = [Fetch(ports[0]) for _ in range(40)]
        for f in fetches:
            assert f.wait().sum == servers[0].sum, f.error
        until("all connections are gone", lambda: all(s["connections"] == 0 for s in vnet.json("ls")["stacks"]))
    close(servers)


def a_link_between_two_workers(program):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("one CPU only, so one worker only")
    servers, ports = customers(1, 32 * MB)
    with Vnet(program, pair("red", ports[0], servers[0].port, cpus=cpus[:2])) as vnet:
        assert {s["cpu"] for s in vnet.json("ls")["stacks"]} == set(cpus[:2])
        assert fetch_sum(ports[0]) == servers[0].sum
    close(servers)


def a_cut_link_stops_its_customer_and_no_other(program):
    servers, ports = customers(2, 24 * MB)
    with Vnet(program, pair("red", ports[0], servers[0].port) + pair("blue", ports[1], servers[1].port)) as vnet:
        red, blue = Fetch(ports[0], pause=0.01), Fetch(ports[1], pause=0.005)
        until("both are under way", lambda: red.got > 2 * MB and blue.got > 2 * MB)
        assert vnet.call("link", "red", "down")[0] == 0
        time.sleep(0.3)
        until("red's buffers are empty", lambda: (g := red.got, time.sleep(0.5))[0] == red.got)
        at = red.got
        assert blue.wait().sum == servers[1].sum, blue.error
        assert red.got == at and red.sum is None, "red went on without its link"
        assert vnet.call("link", "red", "up")[0] == 0
        assert red.wait().sum == servers[0].sum, red.error
    close(servers)


def a_destroyed_stack_takes_its_customer_down_and_no_other(program):
    servers, ports = customers(2, 24 * MB)
    with Vnet(program, pair("red", ports[0], servers[0].port) + pair("blue", ports[1], servers[1].port)) as vnet:
        red, blue = Fetch(ports[0], pause=0.01), Fetch(ports[1], pause=0.005)
        until("both are under way", lambda: red.got > 2 * MB and blue.got > 2 * MB)
        assert vnet.call("destroy", "red-site")[0] == 0
        assert red.wait().sum is None
        assert blue.wait().sum == servers[1].sum, blue.error
        assert [s["name"] for s in vnet.json("ls")["stacks"] if s["name"].startswith("red")] == ["red-dc"]
    close(servers)


def a_third_customer_is_added_to_the_running_process(program):
    servers, ports = customers(3)
    with Vnet(program, pair("red", ports[0], servers[0].port) + pair("blue", ports[1], servers[1].port)) as vnet:
        green = program.write("green.conf", pair("green", ports[2], servers[2].port))
        code, _, err = vnet.call("create", green)
        assert code == 0, err
        assert [fetch_sum(p) for p in ports] == [s.sum for s in servers]
        assert vnet.call("destroy", "green-site", "green-dc")[0] == 0
        assert Fetch(ports[2]).wait().error is not None
        assert fetch_sum(ports[0]) == servers[0].sum
        assert vnet.call("create", green)[0] == 0  # and again
        assert fetch_sum(ports[2]) == servers[2].sum
    close(servers)


def a_file_that_fails_leaves_nothing_of_itself(program):
    servers, ports = customers(2)
    with Vnet(program, pair("red", ports[0], servers[0].port)) as vnet:
        before = vnet.json("ls")["stacks"]
        # The last stack of the file wants the port that red has.
        bad = program.write("bad.conf", pair("green", ports[1], servers[1].port) + pair("x", ports[0], 9))
        code, _, err = vnet.call("create", bad)
        assert code == 1 and f"127.0.0.1:{ports[0]}" in err, err
        assert [s["name"] for s in vnet.json("ls")["stacks"]] == [s["name"] for s in before]
        assert vnet.call("link", "green")[0] == 1
        good = program.write("good.conf", pair("green", ports[1], servers[1].port))
        assert vnet.call("create", good)[0] == 0
        assert fetch_sum(ports[1]) == servers[1].sum and fetch_sum(ports[0]) == servers[0].sum
    close(servers)


def a_port_in_use_is_named(program):
    servers, ports = customers(1)
    conf = program.write("used.conf", pair("red", servers[0].port, ports[0]))
    code, _, err = program.call("run", "--socket", program.path("s"), conf)
    assert code == 1 and f"127.0.0.1:{servers[0].port}" in err and "in use" in err, err
    assert not os.path.exists(program.path("s"))
    close(servers)


def a_wrong_address_is_named_with_file_line_and_key(program):
    conf = program.write("wrong.conf", 'vnet a {\n    interface ep0 { link = "l"; address = "10.0.0.300/24"; }\n}\n')
    for command in ("check", "run"):
        code, _, err = program.call(command, conf)
        assert code == 1 and "wrong.conf:2" in err and "address" in err and "10.0.0.300" in err, err


def without_descriptors_it_waits_and_can_still_be_asked(program):
    servers, ports = customers(1, MB)
    prefix, program.prefix = program.prefix, ["prlimit", "--nofile=64:64", *program.prefix]
    with Vnet(program, pair("red", ports[0], servers[0].port)) as vnet:
        program.prefix = prefix
        clients = [socket.create_connection(("127.0.0.1", ports[0])) for _ in range(60)]
        until("half are used up", lambda: sum(s["connections"] for s in vnet.json("ls")["stacks"]) >= 20)
        with open(f"/proc/{vnet.process.pid}/stat", encoding="ascii") as f:
            ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
        time.sleep(2)
        assert vnet.call("ls")[0] == 0
        with open(f"/proc/{vnet.process.pid}/stat", encoding="ascii") as f:
            ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) - ticks
        assert ticks <= 50, f"{ticks} ticks in 2 s: it spins"
        for c in clients:
            c.close()
        assert fetch_sum(ports[0]) == servers[0].sum
    close(servers)


def a_stack_has_as_many_connections_as_it_may(program):
    server, (port,) = WebServer(1, 1000), free_ports(1)
    text = pair("red", port, server.port).replace("vnet red-site {", "vnet red-site { connections = 3;")
    with Vnet(program, text) as vnet:
        def site():
            return next(s for s in vnet.json("ls")["stacks"] if s["name"] == "red-site")

        held = [socket.create_connection(("127.0.0.1", port), timeout=LIMIT) for _ in range(3)]
        until("three are through", lambda: site()["connections"] == 3)
        late = Fetch(port)
        held += [socket.create_connection(("127.0.0.1", port), timeout=LIMIT) for _ in range(20)]
        for _ in range(5):
            assert site()["connections"] == 3 and late.got == 0
        said = 'stack "red-site": 3 connections and clients are as many as it may have'
        until("it is said", lambda: vnet.output().count(said) == 1)
        for s in held:
            s.close()
        assert late.wait().sum == server.sum, late.error
        assert vnet.stop() == 0
    server.close()


def too_many_workers_are_refused(program):
    conf = program.write("workers.conf", "vnet a { }\n")
    code, _, err = program.call("run", "--socket", program.path("s"), "--workers", "1000", conf)
    assert code == 1 and "1000 workers" in err, (code, err)


def check_accepts_the_examples(program):
    root = os.environ["UVNET_SOURCE"]
    for name in ("two-customers.conf", "third-customer.conf"):
        with open(f"{root}/examples/{name}", encoding="utf-8") as f:
            code, _, err = program.call("check", program.write(name, f.read()))
        assert code == 0, err


def a_dead_server_is_a_quick_error_for_the_client(program):
    (port, nobody) = free_ports(2)
    with Vnet(program, pair("red", port, nobody)):
        start = time.monotonic()
        assert Fetch(port).wait().error is not None
        assert time.monotonic() - start < 10


def signals_end_it_cleanly(program):
    servers, ports = customers(1, 24 * MB)
    for sig in (signal.SIGINT, signal.SIGTERM):
        with Vnet(program, pair("red", ports[0], servers[0].port)) as vnet:
            fetch = Fetch(ports[0], pause=0.01)
            until("it is under way", lambda: fetch.got > MB)
            assert vnet.stop(sig) == 0, vnet.output()
            assert not os.path.exists(vnet.socket)
            assert fetch.wait().sum is None
    close(servers)


def it_ends_by_itself_after_for_seconds(program):
    (port, server) = free_ports(2)
    start = time.monotonic()
    conf = program.write("for.conf", pair("red", port, server))
    code, _, err = program.call("run", "--for", "1", "--socket", program.path("f"), conf)
    assert code == 0, err
    assert 0.9 < time.monotonic() - start < 20


def idle_costs_no_cpu(program):
    (port, server) = free_ports(2)
    with Vnet(program, pair("red", port, server)) as vnet:
        def ticks():
            with open(f"/proc/{vnet.process.pid}/stat", encoding="ascii") as f:
                return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
        time.sleep(0.5)
        before = ticks()
        time.sleep(3)
        assert ticks() - before <= 3, "more than 30 ms in 3 s"


def the_control_socket_is_the_users_alone(program):
    (port, server) = free_ports(2)
    with Vnet(program, pair("red", port, server)) as vnet:
        assert os.stat(vnet.socket).st_mode & 0o777 == 0o600
        second = subprocess.run(program.command("run", "--socket", vnet.socket, program.path("test.conf")),
                                capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1 and vnet.socket in second.stderr, second.stderr
        assert vnet.call("ls")[0] == 0


if __name__ == "__main__":
    main([
        two_customers_on_one_address_get_their_own_files,
        one_process_without_rights_serves_all_stacks,
        uploads_arrive_too,
        many_connections_at_once,
        a_link_between_two_workers,
        a_cut_link_stops_its_customer_and_no_other,
        a_destroyed_stack_takes_its_customer_down_and_no_other,
        a_third_customer_is_added_to_the_running_process,
        a_file_that_fails_leaves_nothing_of_itself,
        a_port_in_use_is_named,
        a_wrong_address_is_named_with_file_line_and_key,
        without_descriptors_it_waits_and_can_still_be_asked,
        a_stack_has_as_many_connections_as_it_may,
        too_many_workers_are_refused,
        check_accepts_the_examples,
        a_dead_server_is_a_quick_error_for_the_client,
        signals_end_it_cleanly,
        it_ends_by_itself_after_for_seconds,
        idle_costs_no_cpu,
        the_control_socket_is_the_users_alone,
    ])
