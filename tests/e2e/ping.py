#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`vnet ping`: from within stacks on the same addresses, what it prints and how it exits."""

import json
import signal
import subprocess

from harness import LIMIT, Vnet, main, until

CONF = "".join(f"""
vnet {name}-site {{
    interface ep0 {{ link = "{name}"; address = [ "10.0.0.1/24", "fd00::1/64" ]; }}
    gateway = "10.0.0.2";
}}
vnet {name}-dc {{
    interface ep0 {{ link = "{name}"; address = [ "10.0.0.2/24", "fd00::2/64" ]; }}
    forwarding = true;
}}
""" for name in ("red", "blue"))


def start(vnet, *args):
    return subprocess.Popen(vnet.program.command("--socket", vnet.socket, "ping", *args), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def ready(vnet):
    """Addresses of IPv6 are checked for duplicates first."""
    for name in ("red-site", "red-dc", "blue-site", "blue-dc"):
        until("no address is tentative", lambda stack=name: all(
            "state" not in a for i in vnet.json("ifconfig", stack)["interfaces"] for a in i["addresses"]))


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def both_families_answer(program):
    with Vnet(program, CONF) as vnet:
        ready(vnet)
        for stack in ("red-site", "blue-site"):
            code, out, err = vnet.call("ping", "-c", "3", "-i", "0.01", stack, "10.0.0.2")
            assert code == 0, err
            out = out.splitlines()
            assert out[0] == "PING 10.0.0.2 (10.0.0.2): 56 data bytes", out
            assert out[3].startswith("64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time="), out
            assert "3 packets transmitted, 3 packets received, 0.0% packet loss" in out, out
            assert out[-1].startswith("round-trip min/avg/max/stddev = "), out
            code, out, err = vnet.call("ping", "-c", "2", "-i", "0.01", "-s", "8", stack, "fd00::2")
            assert code == 0 and "16 bytes from fd00::2, icmp_seq=1 hlim=" in out, (out, err)
        # A link-local address is one of an interface; a stack reaches itself; what is long goes in fragments.
        site = [a["address"] for i in vnet.json("ifconfig", "red-dc")["interfaces"] for a in i["addresses"]]
        local = [a for a in site if a.startswith("fe80")][0]
        for args in ((f"{local}%ep0",), ("10.0.0.1",), ("fd00::1",), ("10.0.0.2", "-s", "65487"), ("fd00::2", "-s", "65487"),
                     ("10.0.0.2", "-s", "0")):
            code, out, err = vnet.call("ping", "-c", "1", "red-site", *args)
            assert code == 0 and ", 0.0% packet loss" in out, (args, out, err)


def it_is_one_line_of_json_an_answer(program):
    with Vnet(program, CONF) as vnet:
        code, out, _ = vnet.call("ping", "--json", "-c", "5", "-i", "0.002", "red-site", "10.0.0.2")
        out = lines(out)
        assert code == 0 and out[0] == {"to": "10.0.0.2", "size": 56}, out
        assert [a["seq"] for a in out[1:-1]] == [0, 1, 2, 3, 4] and all(a["bytes"] == 64 for a in out[1:-1]), out
        last = out[-1]
        assert last["ok"] and last["transmitted"] == last["received"] == 5 and last["duplicates"] == 0, last
        assert 0 < last["min_ns"] <= last["avg_ns"] <= last["max_ns"], last


def silence_is_exit_status_2(program):
    with Vnet(program, CONF) as vnet:
        assert vnet.call("link", "red", "down")[0] == 0
        code, out, _ = vnet.call("ping", "-c", "3", "-i", "0.01", "-W", "50", "red-site", "10.0.0.2")
        assert code == 2 and "3 packets transmitted, 0 packets received, 100.0% packet loss" in out, (code, out)
        assert "round-trip" not in out, out
        assert vnet.call("ping", "-c", "1", "blue-site", "10.0.0.2")[0] == 0
        assert vnet.call("link", "red", "up")[0] == 0
        assert vnet.call("ping", "-c", "1", "red-site", "10.0.0.2")[0] == 0


def what_goes_wrong_is_said(program):
    with Vnet(program, CONF) as vnet:
        # The gateway has no way on, and says so; the site has no way at all.
        code, out, _ = vnet.call("ping", "-c", "1", "-W", "200", "red-site", "192.0.2.1")
        assert code == 2 and "10.0.0.2: icmp_seq=0 destination" in out and "unreachable" in out, (code, out)
        code, out, _ = vnet.call("ping", "-c", "1", "-W", "50", "red-dc", "192.0.2.1")
        assert code == 2 and "icmp_seq=0 no route to host" in out, (code, out)
        for args, why in ((("nobody", "10.0.0.2"), "no such stack"), (("red-site", "example"), "is not an address"),
                          (("red-site", "fe80::1"), "wants its interface"), (("red-site", "fe80::1%ep7"), "no such interface"),
                          (("red-site", "fd00::2%ep0"), "only a link-local")):
            code, out, err = vnet.call("ping", "-c", "1", *args)
            assert code == 1 and why in err and out == "", (args, code, out, err)
        for args in (("-c", "0"), ("-c", "x"), ("-i", "0"), ("-s", "65488"), ("-W", "0")):
            code, _, err = vnet.call("ping", *args, "red-site", "10.0.0.2")
            assert code == 2 and "is not a" in err, (args, code, err)


def interrupted_it_sums_up(program):
    with Vnet(program, CONF) as vnet:
        ping = start(vnet, "-i", "0.01", "red-site", "10.0.0.2")
        for _ in range(3):
            assert ping.stdout.readline()
        ping.send_signal(signal.SIGINT)
        out, _ = ping.communicate(timeout=LIMIT)
        assert ping.returncode == 0 and "packets received, " in out and out.splitlines()[-1].startswith("round-trip"), out
        # Clients that just vanish leave nothing behind: of a stack there are 16 at the most.
        for _ in range(40):
            ping = start(vnet, "red-site", "10.0.0.2")
            assert ping.stdout.readline()
            ping.kill()
            ping.communicate(timeout=LIMIT)
        until("a ping has room", lambda: vnet.call("ping", "-c", "1", "red-site", "10.0.0.2")[0] == 0)
        pings = [start(vnet, "red-site", "10.0.0.2") for _ in range(16)]
        for ping in pings:
            assert ping.stdout.readline()
        code, _, err = vnet.call("ping", "-c", "1", "red-site", "10.0.0.2")
        assert code == 1 and "16 pings" in err, (code, err)
        assert vnet.call("ping", "-c", "1", "blue-site", "10.0.0.2")[0] == 0
        # Nor do they hold the stack up that they are in.
        assert vnet.call("destroy", "red-site")[0] == 0
        for ping in pings:
            _, err = ping.communicate(timeout=LIMIT)
            assert ping.returncode == 1 and "the stack was destroyed" in err, err
        assert vnet.stop() == 0


if __name__ == "__main__":
    main([
        both_families_answer,
        it_is_one_line_of_json_an_answer,
        silence_is_exit_status_2,
        what_goes_wrong_is_said,
        interrupted_it_sums_up,
    ])
