#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`vnet sysctl`: values of one stack, of modules that come and go, what is refused, and that they take effect."""

from harness import Fetch, Vnet, WebServer, fetch_sum, free_ports, main, pair, until

MB = 1 << 20


def value(vnet, stack, name):
    code, out, err = vnet.call("sysctl", "-n", stack, name)
    assert code == 0, err
    return out.strip()


def a_value_is_one_stacks(program):
    server, ports = WebServer(1, 1000), free_ports(2)
    with Vnet(program, pair("red", ports[0], server.port) + pair("blue", ports[1], server.port)) as vnet:
        code, out, err = vnet.call("sysctl", "red-site", "net.inet.ip.ttl", "net.inet.ip.ttl=9")
        assert (code, out) == (0, "net.inet.ip.ttl: 9\nnet.inet.ip.ttl: 64 -> 9\n"), (out, err)
        assert value(vnet, "red-site", "net.inet.ip.ttl") == "9"
        for stack in ("red-dc", "blue-site", "blue-dc"):
            assert value(vnet, stack, "net.inet.ip.ttl") == "64"
        # It takes effect: what red's site sends from now on.
        _, out, _ = vnet.call("ping", "-c", "1", "red-dc", "10.0.0.1")
        assert "ttl=9 " in out, out
        _, out, _ = vnet.call("ping", "-c", "1", "red-site", "10.0.0.2")
        assert "ttl=64 " in out, out
        assert fetch_sum(ports[0]) == server.sum and fetch_sum(ports[1]) == server.sum
        # A node is all below it, and -a everything.
        out = vnet.json("sysctl", "red-site", "net.inet")["variables"]
        names = [v["name"] for v in out]
        assert names == sorted(names) and all(n.startswith("net.inet.") for n in names) and len(names) >= 9, names
        everything = vnet.json("sysctl", "-a", "red-site")["variables"]
        names = [v["name"] for v in everything]
        assert {"kern.hostname", "net.link.epair.count", "vm.heap.used"} <= set(names), names
        assert all(v["description"] and v["type"] for v in everything), everything
        assert value(vnet, "red-site", "kern.hostname") == "red-site"
        assert value(vnet, "red-site", "net.link.epair.count") == "1"
        site = [s for s in vnet.json("ls")["stacks"] if s["name"] == "red-site"][0]
        assert int(value(vnet, "red-site", "vm.heap.limit")) == site["heap_limit"] > 0, site
        assert "1 to 255" in vnet.call("sysctl", "-d", "red-site", "net.inet.ip.ttl")[1]
    server.close()


def bad_input_is_refused_and_changes_nothing(program):
    server, (port,) = WebServer(1, 1000), free_ports(1)
    with Vnet(program, pair("red", port, server.port)) as vnet:
        before = vnet.json("sysctl", "red-site", "net.inet", "net.inet6")
        for args, why in (
                (("net.inet.ip.nothing",), "no such variable"), (("net.inet.ip.ttl.more",), "no such variable"),
                (("",), "no such variable"), (("net.inet.ip=1",), "variables are below it"),
                (("net.inet.tcp.pcbcount=1",), "cannot be set"), (("net.inet.ip.ttl=",), "is not a number"),
                (("net.inet.ip.ttl=9x",), "is not a number"), (("net.inet.ip.ttl=0",), "is not a value for it (TTL"),
                (("net.inet.ip.ttl=256",), "is not a value for it"), (("net.inet.ip.ttl=99999999999",), "does not fit its type, int"),
                (("net.inet.ip.forwarding=1", "net.inet.ip.ttl=256"), "is not a value for it"),
                (("net.inet.ip.forwarding=1", "net.inet.ip.ttl=9", "net.inet.tcp.recvspace=10"), "5840 to")):
            code, out, err = vnet.call("sysctl", "red-site", *args)
            assert code == 1 and why in err and out == "", (args, code, out, err)
        assert vnet.json("sysctl", "red-site", "net.inet", "net.inet6") == before
        assert vnet.call("sysctl", "nobody", "net")[0] == 1
        assert vnet.call("sysctl", "red-site")[0] == 2 and vnet.call("sysctl")[0] == 2
    server.close()


def it_can_be_said_in_the_configuration(program):
    server, (port,) = WebServer(2, 4 * MB), free_ports(1)
    conf = pair("red", port, server.port).replace(
        "interface ep0", 'sysctl = [ "net.inet.tcp.recvspace=16384", "net.inet.tcp.sendspace=8192" ];\ninterface ep0')
    with Vnet(program, conf) as vnet:
        assert value(vnet, "red-site", "net.inet.tcp.recvspace") == "16384"
        # A client that does not read: what waits for it in its stack is bounded, and all comes in the end.
        fetch = Fetch(port, chunk=1024, pause=0.001)
        until("the download is under way", lambda: fetch.got > 20000)
        sockets = [s for s in vnet.json("netstat", "red-site")["sockets"] if s.get("state") == "ESTABLISHED"]
        assert all(s["recvq"] <= 16384 for s in sockets), sockets
        sockets = [s for s in vnet.json("netstat", "red-dc")["sockets"] if s.get("state") == "ESTABLISHED"]
        assert all(s["sendq"] <= 8192 for s in sockets), sockets
        fetch.pause = 0
        fetch.chunk = 65536
        assert fetch.wait().sum == server.sum, fetch.error
        assert fetch_sum(port) == server.sum
        conf = program.write("bad.conf", 'vnet more {\n sysctl = "net.inet.ip.ttl=300";\n}\n')
        code, _, err = vnet.call("create", conf)
        assert code == 1 and "bad.conf:2: vnet \"more\": sysctl: net.inet.ip.ttl: \"300\" is not a value" in err, err
        conf = program.write("good.conf", 'vnet more {\n sysctl = "net.inet.ip.ttl=30";\n}\n')
        assert vnet.call("create", conf)[0] == 0
        assert value(vnet, "more", "net.inet.ip.ttl") == "30"
    server.close()


def a_modules_names_come_and_go_with_it(program):
    with Vnet(program, "vnet a { }\nvnet b { }\n") as vnet:
        names = vnet.json("sysctl", "-a", "a")
        assert vnet.call("sysctl", "a", "net.wg")[0] == 1
        assert vnet.call("kldload", f"{program.dir}/modules/if_wg.ko")[0] == 0
        for stack in ("a", "b"):
            assert value(vnet, stack, "net.wg.peers") == "0"
        assert vnet.call("sysctl", "a", "net.wg.peers=1")[0] == 1
        assert vnet.call("kldunload", "if_wg")[0] == 0
        code, _, err = vnet.call("sysctl", "a", "net.wg")
        assert code == 1 and "no such variable" in err, err
        after = vnet.json("sysctl", "-a", "a")
        assert [v["name"] for v in names["variables"]] == [v["name"] for v in after["variables"]]


if __name__ == "__main__":
    main([
        a_value_is_one_stacks,
        bad_input_is_refused_and_changes_nothing,
        it_can_be_said_in_the_configuration,
        a_modules_names_come_and_go_with_it,
    ])
