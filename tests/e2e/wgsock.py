#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The stock wg(8) on a stack's tunnel, through the socket where it looks for one.

It has that place built in, /var/run/wireguard: so this runs in a mount namespace of its own, where that folder is
empty and the unprivileged user's, who runs vnet.
"""

import os
import socket
import stat
import subprocess
import sys

from harness import NOBODY, Fetch, Vnet, fetch_sum, main, until
from wg import Pair, wg

FOLDER = "/var/run/wireguard"


def config(pair, name, more=""):
    return pair.config().replace("vnet red-site {", f'vnet red-site {{ uapi = "{name}";') + more


def sock(name="uvred", folder=FOLDER):
    return f"{folder}/{name}.sock"


def wg_fails(*args):
    p = subprocess.run(["wg", *args], capture_output=True, text=True, check=False)
    assert p.returncode != 0, p.stdout
    return p.stderr


def stock_wg_shows_and_sets(program):
    red = Pair(program, "red")
    other = wg("pubkey", text=wg("genkey"))
    psk = program.write("psk", wg("genpsk") + "\n")
    with Vnet(program, config(red, "uvred")) as vnet:
        st = os.stat(sock())
        assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o600
        assert st.st_uid == (NOBODY if os.getuid() == 0 and program.prefix else os.getuid())
        assert "uvred" in wg("show", "interfaces").split()
        assert fetch_sum(red.forward) == red.server.sum
        out = wg("show", "uvred")
        for word in (f"public key: {red.publics[0]}", f"peer: {red.publics[1]}", "10.9.0.2/32", "latest handshake"):
            assert word in out, out
        # Both tools say the same, but for the time and what went through since.
        for field in ("private-key", "public-key", "listen-port", "fwmark", "peers", "preshared-keys", "endpoints",
                      "allowed-ips", "persistent-keepalive", "latest-handshakes"):
            code, ours, err = vnet.call("wg", "red-site", "show", field)
            assert code == 0 and ours.strip() == wg("show", "uvred", field), f"{field}: {ours} {err}"
        def lines(text):
            return sorted(text.split("\n"))
        assert lines(vnet.call("wg", "red-site", "showconf")[1].strip()) == lines(wg("showconf", "uvred"))

        wg("set", "uvred", "peer", other, "preshared-key", psk, "allowed-ips", "10.8.0.0/16,fd08::/16", "endpoint",
           "127.0.0.1:9", "persistent-keepalive", "25")
        dump = dict(line.split("\t", 1) for line in wg("show", "uvred", "dump").splitlines()[1:])
        with open(psk, encoding="utf-8") as f:
            assert dump[other].split("\t")[:3] == [f.read().strip(), "127.0.0.1:9", "10.8.0.0/16,fd08::/16"]
        wg("set", "uvred", "peer", other, "remove")
        assert wg("show", "uvred", "peers") == red.publics[1]
        assert "Unable to modify interface" in wg_fails("set", "uvred", "fwmark", "7", "peer", red.publics[1], "remove")
        assert wg("show", "uvred", "peers") == red.publics[1]
        assert fetch_sum(red.forward) == red.server.sum
        assert vnet.call("destroy", "red-site")[0] == 0
        assert not os.path.exists(sock())
    red.server.close()


def stock_files_set_and_sync(program):
    red = Pair(program, "red", 16 << 20)
    other = wg("pubkey", text=wg("genkey"))
    more = f"\n[Peer]\nPublicKey = {other}\nAllowedIPs = 10.3.0.0/16\n"
    with Vnet(program, config(red, "uvred")) as vnet:
        assert fetch_sum(red.forward) == red.server.sum
        shook = wg("show", "uvred", "latest-handshakes")
        slow = Fetch(red.forward, pause=0.001)
        until("a download runs", lambda: slow.got > 1 << 20)
        wg("addconf", "uvred", program.write("add.conf", more))
        for _ in range(5):
            wg("syncconf", "uvred", program.write("sync.conf", red.interface(0) + red.peer(0)))
        assert wg("show", "uvred", "latest-handshakes") == shook
        assert slow.wait().sum == red.server.sum
        wg("setconf", "uvred", program.write("set.conf", red.interface(0) + more))
        assert wg("show", "uvred", "peers") == other
        assert vnet.call("wg", "red-site", "show", "peers")[1].strip() == other
    red.server.close()


class Talk:
    """A connection of a program that is not wg(8)."""

    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(sock())

    def reply(self, text=None):
        if text is not None:
            self.s.sendall(text)
        got = b""
        while not got.endswith(b"\n\n"):
            piece = self.s.recv(1 if got else 6)
            if not piece:
                return got
            got += piece
        return got


def other_programs_are_served_and_bounded(program):
    red = Pair(program, "red")
    with Vnet(program, config(red, "uvred")) as vnet:
        one = Talk()
        for _ in range(3):
            assert one.reply(b"get=1\n\n").startswith(b"private_key=")
        # In pieces, and two at once.
        one.s.sendall(b"ge")
        assert one.reply(b"t=1\n\nget=1\n\n").endswith(b"errno=0\n\n")
        assert one.reply().endswith(b"errno=0\n\n")
        assert one.reply(b"set=1\nlisten_port=x\n\n") == b"errno=22\n\n"
        assert one.reply(b"nonsense\n\n").startswith(b"errno=")
        assert Talk().reply(b"get=1\0\n\n") == b""
        # While if_wg.ko is away there is a socket, and no device behind it.
        assert vnet.call("kldunload", "if_wg")[0] == 0
        assert one.reply(b"get=1\n\n") == b"errno=19\n\n" and wg_fails("show", "uvred")
        assert vnet.call("kldload", f"{program.dir}/modules/if_wg.ko")[0] == 0
        assert one.reply(b"get=1\n\n").startswith(b"private_key=")
        # More than there is room for wait, and come when one goes.
        more = [Talk() for _ in range(5)]
        for t in more:
            t.s.sendall(b"get=1\n\n")
        for t in more[:3]:
            assert t.reply().endswith(b"errno=0\n\n")
        for t in more[:3]:
            t.s.close()
        for t in more[3:]:
            assert t.reply().endswith(b"errno=0\n\n")
        # Whoever never ends a request is cut off, at once when it is too long.
        try:
            one.s.sendall(b"x" * (2 << 20))
            one.s.shutdown(socket.SHUT_WR)
            assert one.s.recv(1) == b""
        except ConnectionError:
            pass
        assert fetch_sum(red.forward) == red.server.sum
    red.server.close()


def names_are_checked_and_places_can_be_said(program):
    red = Pair(program, "red")
    place = program.path("sockets")
    with Vnet(program, f'uapi_folder = "{place}";\n' + config(red, "uvred")) as vnet:
        assert stat.S_ISSOCK(os.stat(sock(folder=place)).st_mode) and not os.path.exists(sock())
        again = program.write("again.conf", f'vnet again {{ wireguard = "{red.files[0]}"; uapi = "uvred"; }}')
        assert vnet.call("create", again)[0] == 1
        assert os.path.exists(sock(folder=place))
        assert vnet.stop() == 0
    assert not os.path.exists(sock(folder=place))
    for text, word in ((config(red, "x" * 16), "at most 15 letters"), (config(red, "../x"), "not a name"),
                       (config(red, "uv", 'vnet b { uapi = "uv"; wireguard = "b.conf"; }'), '"uv" is taken by line 2'),
                       ('vnet a { uapi = "uv"; }', "is for a stack with `wireguard`")):
        code, _, err = program.call("check", program.write("bad.conf", text))
        assert code == 1 and word in err, err
    # Nothing is left of what could not be made whole.
    code, _, err = program.call("run", "-s", program.path("other"), program.write("half.conf", config(
        red, "uvred", f'vnet last {{ forward {{ listen = "127.0.0.1:{red.server.port}"; to = "10.9.0.1:1"; }} }}')))
    assert code == 1 and "port in use" in err and not os.path.exists(sock()), err
    # A name that another process serves is not taken from it; one that nobody serves any more is.
    with Vnet(program, config(red, "uvred")):
        blue = Pair(program, "red")
        code, _, err = program.call("run", "-s", program.path("other"), program.write("b.conf", config(blue, "uvred")))
        assert code == 1 and "answers there" in err, err
        blue.server.close()
    left = socket.socket(socket.AF_UNIX)
    left.bind(sock())
    left.close()
    if os.getuid() == 0:
        os.chown(sock(), NOBODY, NOBODY)
    with Vnet(program, config(red, "uvred")):
        assert "uvred" in wg("show", "interfaces").split()
    red.server.close()


if __name__ == "__main__":
    if "UVNET_WGSOCK" not in os.environ:
        os.environ["UVNET_WGSOCK"] = "1"
        owner = f"chown {NOBODY} {FOLDER};" if os.getuid() == 0 else ""
        script = f'mount -t tmpfs none "$(realpath /var/run)"; mkdir {FOLDER}; {owner} exec "$@"'
        user = [] if os.getuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
        tried = subprocess.run(["unshare", "-m", *user, "sh", "-ec", script, "sh", "true"], capture_output=True, text=True,
                               check=False)
        if tried.returncode != 0:
            print(f"1..0 # SKIP no mount of our own over {FOLDER}'s: {tried.stderr.strip()}")
            sys.exit()
        os.execvp("unshare", ["unshare", "-m", *user, "sh", "-ec", script, "sh", sys.executable, *sys.argv])
    main([
        stock_wg_shows_and_sets,
        stock_files_set_and_sync,
        other_programs_are_served_and_bounded,
        names_are_checked_and_places_can_be_said,
    ])
