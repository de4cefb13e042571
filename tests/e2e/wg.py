#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tunnels of stacks from the host's side: made by files, shown and changed by `vnet wg` in wg(8)'s words."""

import socket
import subprocess

from harness import Fetch, Vnet, WebServer, fetch_sum, free_ports, main, until


def wg(*args, text=None):
    """Run wg(8); its absence is a failure."""
    return subprocess.run(["wg", *args], input=text, capture_output=True, text=True, check=True).stdout.strip()


def udp_ports(n):
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def localhost():
    """By name where the machine knows it: /etc/hosts need not be there."""
    try:
        socket.getaddrinfo("localhost", None)
        return "localhost"
    except OSError:
        return "127.0.0.1"


class Pair:
    """Two stacks, NAME-site (10.9.0.1) and NAME-dc (10.9.0.2), with a tunnel between them and a web server behind."""

    def __init__(self, program, name, size=1 << 20):
        self.program, self.name = program, name
        self.keys = [wg("genkey") for _ in range(2)]
        self.publics = [wg("pubkey", text=k) for k in self.keys]
        self.ports = udp_ports(2)
        (self.forward,) = free_ports(1)
        self.server = WebServer(7, size)
        self.files = [self.write(side, "") for side in range(2)]

    def interface(self, side):
        return f"[Interface]\nPrivateKey = {self.keys[side]}\nListenPort = {self.ports[side]}\n"

    def peer(self, side):
        """The other side, as this side's file has it; keys in an order of their own."""
        return (f"[Peer]\nAllowedIPs = 10.9.0.{2 - side}/32, fd09::{2 - side}/128\n"
                f"Endpoint = 127.0.0.1:{self.ports[1 - side]}\nPublicKey = {self.publics[1 - side]}\n")

    def write(self, side, more):
        text = f"Address = 10.9.0.{side + 1}/24, fd09::{side + 1}/64\n" + more
        text = "# peers may come first\n" + self.peer(side) + self.interface(side) + text
        return self.program.write(f"{self.name}{side}.conf", text)

    def config(self):
        return f"""
vnet {self.name}-site {{
    wireguard = "{self.files[0]}";
    forward {{ listen = "127.0.0.1:{self.forward}"; to = "10.9.0.2:80"; }}
}}
vnet {self.name}-dc {{
    wireguard = "{self.files[1]}";
    publish {{ listen = "10.9.0.2:80"; to = "127.0.0.1:{self.server.port}"; }}
}}
"""

    def good(self):
        return fetch_sum(self.forward) == self.server.sum


def fields(vnet, stack, field):
    """`vnet wg STACK show FIELD` of a field of peers, by key."""
    code, out, err = vnet.call("wg", stack, "show", field)
    assert code == 0, err
    return {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines()}


def ok(answer):
    assert answer[0] == 0, answer[2]
    return answer[1]


def lasting(text):
    """What wg(8) shows, without what passes from one moment to the next."""
    return [line for line in text.splitlines() if not line.strip().startswith(("latest handshake", "transfer"))]


def a_tunnel_is_shown_as_wg_does(program):
    red = Pair(program, "red")
    with Vnet(program, red.config() + "vnet idle { }\n") as vnet:
        assert red.good()
        out = ok(vnet.call("wg", "red-site"))
        assert lasting(out) == lasting(ok(vnet.call("wg", "red-site", "show")))
        for word in (f"public key: {red.publics[0]}", "private key: (hidden)", f"listening port: {red.ports[0]}",
                     f"peer: {red.publics[1]}", f"endpoint: 127.0.0.1:{red.ports[1]}",
                     "allowed ips: ", "10.9.0.2/32", "fd09::2/128", "latest handshake: ", "transfer: "):
            assert word in out, f"{word!r} is not in {out}"
        assert red.keys[0] not in out
        assert ok(vnet.call("wg", "red-site", "show", "private-key")).strip() == red.keys[0]
        assert ok(vnet.call("wg", "red-site", "show", "public-key")).strip() == red.publics[0]
        dump = ok(vnet.call("wg", "red-dc", "show", "dump")).splitlines()
        assert dump[0].split("\t") == [red.keys[1], red.publics[1], str(red.ports[1]), "off"]
        peer = dump[1].split("\t")
        assert peer[0] == red.publics[0] and peer[1] == "(none)" and peer[-1] == "off"
        assert int(peer[5]) > 0 and int(peer[6]) > len(red.server.data)
        j = vnet.json("wg", "red-site")
        assert j["peers"][0]["public_key"] == red.publics[1] and red.keys[0] not in str(j)
        out = ok(vnet.call("wg"))
        assert "interface: wg0 of red-site\n" in out and "\n\ninterface: wg0 of red-dc\n" in out and "idle" not in out
        assert [(t["stack"], t["public_key"]) for t in vnet.json("wg")["tunnels"]] == [
            ("red-site", red.publics[0]), ("red-dc", red.publics[1])]
        assert vnet.call("wg", "red-site", "show", "colour")[0] == 2
        assert vnet.call("wg", "nobody")[0] == 1
    red.server.close()


def a_set_is_done_whole_or_not_at_all(program):
    red = Pair(program, "red")
    key = program.write("psk", wg("genpsk") + "\n")
    other = wg("pubkey", text=wg("genkey"))
    with Vnet(program, red.config()) as vnet:
        assert red.good()
        ok(vnet.call("wg", "red-site", "set", "peer", other, "preshared-key", key, "allowed-ips",
                     "10.1.0.0/16,fd01::/64", "endpoint", f"{localhost()}:7", "persistent-keepalive", "5"))
        assert fields(vnet, "red-site", "allowed-ips")[other] == ["10.1.0.0/16 fd01::/64"]
        assert fields(vnet, "red-site", "persistent-keepalive")[other] == ["5"]
        assert fields(vnet, "red-site", "endpoints")[other][0] in ("127.0.0.1:7", "[::1]:7")
        with open(key, encoding="utf-8") as f:
            assert fields(vnet, "red-site", "preshared-keys")[other] == [f.read().strip()]
        ok(vnet.call("wg", "red-site", "set", "peer", other, "allowed-ips", "+10.2.0.0/16,-10.1.0.0/16"))
        assert fields(vnet, "red-site", "allowed-ips")[other] == ["fd01::/64 10.2.0.0/16"]
        before = ok(vnet.call("wg", "red-site", "showconf"))
        for words in (("listen-port", "70000"), ("peer", "short"), ("colour", "red"), ("peer",),
                      ("peer", other, "allowed-ips", "10.0.0.0/33"), ("private-key", program.write("bad", "x" * 44)),
                      # What only the doing shows: no mark without CAP_NET_ADMIN.
                      ("fwmark", "7", "peer", other, "remove")):
            code, _, err = vnet.call("wg", "red-site", "set", *words)
            assert code != 0 and err.startswith("vnet: "), words
            assert ok(vnet.call("wg", "red-site", "showconf")) == before, words
        ok(vnet.call("wg", "red-site", "set", "peer", other, "remove"))
        assert list(fields(vnet, "red-site", "peers")) == [red.publics[1]]
        assert red.good()
    red.server.close()


def a_tunnel_goes_through_another(program):
    outer, inner = Pair(program, "outer"), Pair(program, "inner", 4 << 20)
    inner.ports = [51, 51]
    config = outer.config()
    for side, place in enumerate(("site", "dc")):
        peer = inner.peer(side).replace("127.0.0.1", f"10.9.0.{2 - side}" if side == 0 else f"[fd09::{2 - side}]")
        inner.files[side] = program.write(f"inner{side}.conf", inner.interface(side) + f"MTU = 1340\n"
                                          f"Address = 10.9.0.{side + 1}/24\n" + peer)
    for place, block in zip(("site", "dc"), inner.config().strip().split("\nvnet ")):
        block = block if block.startswith("vnet ") else "vnet " + block
        config += block.replace("{\n", f"{{\n    wireguard_outside = \"outer-{place}\";\n", 1) + "\n"
    with Vnet(program, config) as vnet:
        assert inner.good() and outer.good()
        # The file went through both; the inner tunnel has no socket of the host.
        rx = [int(fields(vnet, f"{name}-site", "transfer")[pair.publics[1]][0]) for name, pair in
              (("inner", inner), ("outer", outer))]
        assert rx[0] > len(inner.server.data) and rx[1] > rx[0] + len(outer.server.data), rx
        assert fields(vnet, "inner-site", "endpoints")[inner.publics[1]] == ["10.9.0.2:51"]
        ok(vnet.call("wg", "inner-dc", "set", "listen-port", "52"))
        assert inner.good()
        # The module goes and comes: the inner and the outer are back.
        ok(vnet.call("kldunload", "if_wg"))
        ok(vnet.call("kldload", f"{program.dir}/modules/if_wg.ko"))
        until("the inner tunnel is back", inner.good)
        # Without its outside a tunnel is dead, and goes in peace.
        ok(vnet.call("destroy", "outer-site"))
        assert "inner-site" in ok(vnet.call("ls"))
        ok(vnet.call("destroy", "inner-site", "outer-dc", "inner-dc"))
    for pair in (outer, inner):
        pair.server.close()


def files_set_add_and_sync(program):
    red = Pair(program, "red", 16 << 20)
    other, third = (wg("pubkey", text=wg("genkey")) for _ in range(2))
    more = f"\n[Peer]\nPublicKey = {other}\nAllowedIPs = 10.3.0.0/16\n"
    with Vnet(program, red.config()) as vnet:
        assert red.good()
        add = program.write("add.conf", more + f"\n[Peer]\nPublicKey = {third}\n")
        ok(vnet.call("wg", "red-site", "addconf", add))
        assert set(fields(vnet, "red-site", "peers")) == {red.publics[1], other, third}

        # While a download runs and without another handshake: one peer goes, one stays, ours is untouched.
        shook = fields(vnet, "red-site", "latest-handshakes")[red.publics[1]]
        slow = Fetch(red.forward, pause=0.001)
        until("a download runs", lambda: slow.got > 1 << 20)
        sync = program.write("sync.conf", red.interface(0) + red.peer(0) + more.replace("10.3.", "10.4."))
        for _ in range(5):
            ok(vnet.call("wg", "red-site", "syncconf", sync))
        assert set(fields(vnet, "red-site", "peers")) == {red.publics[1], other}
        assert fields(vnet, "red-site", "allowed-ips")[other] == ["10.4.0.0/16"]
        assert slow.wait().sum == red.server.sum
        assert fields(vnet, "red-site", "latest-handshakes")[red.publics[1]] == shook

        # What showconf says, wg(8) takes, and setconf makes the same of it.
        conf = ok(vnet.call("wg", "red-site", "showconf"))
        ok(vnet.call("wg", "red-site", "setconf", program.write("show.conf", conf)))
        assert ok(vnet.call("wg", "red-site", "showconf")) == conf
        assert red.good()
        ok(vnet.call("wg", "red-site", "setconf", program.write("set.conf", red.interface(0))))
        assert not fields(vnet, "red-site", "peers")

        for text, word in (("x\n", "not KEY = VALUE"), ("[Peer]\nAllowedIPs = 10.0.0.0/8\n", "no PublicKey"),
                           ("[Interface]\nAddress = 10.0.0.1/24\n", "wg-quick"),
                           (f"[Interface]\nPrivateKey = {red.keys[0][:-1]}\n", "PrivateKey")):
            code, _, err = vnet.call("wg", "red-site", "syncconf", program.write("bad.conf", text))
            assert code == 1 and "bad.conf:" in err and word in err and red.keys[0][:-1] not in err, err
    red.server.close()


def a_stack_made_later_has_its_tunnel(program):
    red, blue = Pair(program, "red"), Pair(program, "blue")
    blue.files[0] = blue.write(0, "DNS = 10.9.0.53\nPostUp = reboot\n")
    idle = "vnet idle { }\n"
    for first in (red.config(), idle):      # with if_wg.ko there already, and not
        with Vnet(program, first) as vnet:
            conf = program.write("blue.conf", blue.config())
            code, _, err = vnet.call("create", conf)
            assert code == 1 and "blue0.conf:" in err and "PostUp: no commands are run" in err, err
            conf = program.write("blue.conf", blue.config().replace("vnet blue-site {",
                                                                    'vnet blue-site { wireguard_commands = "skip";'))
            code, _, err = vnet.call("create", conf)
            assert code == 0 and "DNS: passed over" in err and "PostUp: passed over" in err, err
            assert blue.good()
            ok(vnet.call("destroy", "blue-site", "blue-dc"))
            ok(vnet.call("create", conf))
            assert blue.good()
            # A path is one from the configuration's folder.
            conf = program.write("blue.conf", blue.config().replace(program.path(""), "").replace(
                "vnet blue-site {", 'vnet blue-site { wireguard_commands = "skip";'))
            ok(vnet.call("destroy", "blue-site", "blue-dc"))
            ok(vnet.call("create", conf))
            assert blue.good()
            code, _, err = vnet.call("create", program.write("lost.conf", 'vnet x { wireguard = "/nowhere"; }'))
            assert code == 1 and "/nowhere: No such file" in err, err
            if first != idle:
                assert red.good()
    red.server.close()
    blue.server.close()


def routes(vnet, stack):
    return {f"{r['to']}/{r['prefixlen']}" for r in vnet.json("route", stack)["routes"] if "gateway" not in r}


def allowed_ips_have_routes_unless_the_table_is_off(program):
    red = Pair(program, "red")
    other = wg("pubkey", text=wg("genkey"))
    more = f"[Peer]\nPublicKey = {other}\nAllowedIPs = 10.1.2.3/16, ::/0, 0.0.0.0/0, 10.9.0.7/32\n"
    net = {"10.9.0.0/24", "fd09::/64"}
    red.files[0] = red.write(0, more)
    with Vnet(program, red.config()) as vnet:
        assert routes(vnet, "red-site") == net | {"10.1.0.0/16", "::/0", "0.0.0.0/0"}
        assert routes(vnet, "red-dc") == net
    red.files[0] = red.write(0, "Table = off\n" + more)
    with Vnet(program, red.config()) as vnet:
        assert routes(vnet, "red-site") == net
    # What the stack's own section says comes first.
    red.files[0] = red.write(0, more)
    with Vnet(program, red.config().replace("vnet red-site {", """
vnet red-site {
    interface ep0 { link = "lan"; address = "192.168.0.1/24"; }
    gateway = "192.168.0.2";
""")) as vnet:
        assert routes(vnet, "red-site") == net | {"10.1.0.0/16", "::/0", "192.168.0.0/24"}
    red.server.close()


def a_check_reads_the_files(program):
    red = Pair(program, "red")
    conf = program.write("red.conf", red.config())
    code, out, err = program.call("check", conf)
    assert code == 0 and "good" in out, err
    red.write(0, "Endpoint = 10.0.0.1:1\n")
    code, _, err = program.call("check", conf)
    assert code == 1 and 'vnet "red-site": wireguard: ' in err and "Endpoint: not a key of [Interface]" in err, err
    red.server.close()


def the_module_goes_and_comes_with_its_tunnels(program):
    red, blue = Pair(program, "red"), Pair(program, "blue")
    other = wg("pubkey", text=wg("genkey"))
    ko = f"{program.dir}/modules/if_wg.ko"
    with Vnet(program, red.config() + blue.config()) as vnet:
        assert red.good() and blue.good()
        ok(vnet.call("wg", "red-site", "set", "peer", other, "allowed-ips", "10.5.0.0/16"))
        ok(vnet.call("route", "red-site", "add", "10.5.0.0/16", "wg0"))
        before = {s: (ok(vnet.call("wg", s, "showconf")), routes(vnet, s)) for s in ("red-site", "red-dc", "blue-dc")}
        for _ in range(3):
            ok(vnet.call("kldunload", "if_wg"))
            assert "if_wg.ko" not in [f["name"] for f in vnet.json("kldstat")["files"]]
            code, _, err = vnet.call("wg", "red-site")
            assert code == 1 and "waits for if_wg.ko" in err, err
            ok(vnet.call("kldload", ko))
            assert before == {s: (ok(vnet.call("wg", s, "showconf")), routes(vnet, s)) for s in before}
        assert red.good() and blue.good()
        # A stack goes meanwhile; one that is made brings the module, and the tunnels, back.
        ok(vnet.call("kldunload", "if_wg"))
        ok(vnet.call("destroy", "blue-site"))
        site = blue.config().split("vnet blue-dc")[0]
        ok(vnet.call("create", program.write("site.conf", site)))
        assert red.good() and blue.good()
    red.server.close()
    blue.server.close()


class Shared:
    """Customers whose tunnels end at one port with one key, all with the same addresses inside."""

    def __init__(self, program, names):
        self.program, self.names = program, names
        self.key, self.port = wg("genkey"), udp_ports(1)[0]
        self.keys = {n: wg("genkey") for n in names}
        self.publics = {n: wg("pubkey", text=k) for n, k in self.keys.items()}
        self.forwards = dict(zip(names, free_ports(len(names))))
        self.servers = {n: WebServer(n, 1 << 20) for n in names}

    def gateway(self, name, key=None, more=""):
        conf = self.program.write(f"{name}-gw.conf", f"[Interface]\nPrivateKey = {key or self.key}\n"
                                  f"ListenPort = {self.port}\nAddress = 10.9.0.1/24\n"
                                  f"[Peer]\nPublicKey = {self.publics[name]}\nAllowedIPs = 10.9.0.2/32\n")
        return (f'vnet {name}-gw {{ wireguard = "{conf}"; {more}\n'
                f'publish {{ listen = "10.9.0.1:80"; to = "127.0.0.1:{self.servers[name].port}"; }} }}\n')

    def client(self, name, address="127.0.0.1"):
        conf = self.program.write(f"{name}-client.conf", f"[Interface]\nPrivateKey = {self.keys[name]}\n"
                                  f"Address = 10.9.0.2/24\n[Peer]\nPublicKey = {wg('pubkey', text=self.key)}\n"
                                  f"AllowedIPs = 10.9.0.1/32\nEndpoint = {address}:{self.port}\n")
        return (f'vnet {name}-client {{ wireguard = "{conf}";\n'
                f'forward {{ listen = "127.0.0.1:{self.forwards[name]}"; to = "10.9.0.1:80"; }} }}\n')

    def good(self, *names):
        return all(fetch_sum(self.forwards[n]) == self.servers[n].sum for n in names or self.names)

    def close(self):
        for server in self.servers.values():
            server.close()


def customers_share_a_port_and_a_key(program):
    both = Shared(program, ["red", "blue"])
    config = both.gateway("red") + both.client("red") + both.gateway("blue") + both.client("blue")
    with Vnet(program, config) as vnet:
        assert both.good()
        cpus = {s["name"]: s["cpu"] for s in vnet.json("ls")["stacks"]}
        assert cpus["red-gw"] == cpus["blue-gw"]
        for name in both.names:
            assert list(fields(vnet, f"{name}-gw", "peers")) == [both.publics[name]]
        # What is the port's cannot be changed by one of them; nor can a peer be both's.
        before = ok(vnet.call("wg", "red-gw", "showconf"))
        key = program.write("key", wg("genkey"))
        for words, why in ((("private-key", key), "private_key: is shared"),
                           (("listen-port", "7"), "listen_port: is shared"),
                           (("peer", both.publics["blue"]), "is a peer of another device")):
            code, _, err = vnet.call("wg", "red-gw", "set", *words)
            assert code != 0 and why in err, err
        assert ok(vnet.call("wg", "red-gw", "showconf")) == before
        ok(vnet.call("kldunload", "if_wg"))
        ok(vnet.call("kldload", f"{program.dir}/modules/if_wg.ko"))
        assert both.good()
        # One goes and comes, the other does not notice.
        shook = fields(vnet, "blue-client", "latest-handshakes")
        ok(vnet.call("destroy", "red-gw", "red-client"))
        assert both.good("blue")
        for args, why in ((("red", wg("genkey")), "another PrivateKey"),
                          (("red", None, f"cpu = {cpus['blue-gw'] + 1};"), "cpu: ")):
            code, _, err = vnet.call("create", program.write("red.conf", both.gateway(*args)))
            assert code == 1 and why in err, f"{why}: {code} {err}"
        ok(vnet.call("create", program.write("red.conf", both.gateway("red") + both.client("red"))))
        assert both.good()
        assert fields(vnet, "blue-client", "latest-handshakes") == shook
        # The port is free when the last one went.
        ok(vnet.call("destroy", "red-gw", "blue-gw"))
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::", both.port))
    both.close()


def the_address_that_was_asked_answers(program):
    one = Shared(program, ["red"])
    for address in ("127.0.0.2", "[::1]", "127.0.0.1"):
        with Vnet(program, one.gateway("red") + one.client("red", address)) as vnet:
            assert one.good()
            # A client follows whatever address answers: it still has the one that it asked.
            assert list(fields(vnet, "red-client", "endpoints").values()) == [[f"{address}:{one.port}"]]
    one.close()


if __name__ == "__main__":
    main([
        a_tunnel_is_shown_as_wg_does,
        a_set_is_done_whole_or_not_at_all,
        files_set_add_and_sync,
        a_stack_made_later_has_its_tunnel,
        allowed_ips_have_routes_unless_the_table_is_off,
        a_check_reads_the_files,
        the_module_goes_and_comes_with_its_tunnels,
        customers_share_a_port_and_a_key,
        a_tunnel_goes_through_another,
        the_address_that_was_asked_answers,
    ])
