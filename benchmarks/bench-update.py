#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An update of 10 of 100 modules: vnet-update against freebsd-update's way, from one web server.

The modules have 857 KB each, put together from the modules of this build; a change of one is as after compiling a changed
function anew: some bytes more in the middle, and addresses that moved in two hundred places.  freebsd-update's way is its protocol
and its steps, each by the program that it calls, with Debian's: tag and indexes; the hashes of all installed files; for each
changed one its bsdiff patch, bspatch, the hash afterwards, gzip into its store, and from there to its place (without its -S, which syncs).
"""

import gzip
import hashlib
import http.server
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

MODULES, CHANGED, SIZE = 100, 10, 857 << 10
BIN = os.path.dirname(os.path.abspath(__file__))
RNG = random.Random(1)


def run(*args, **kw):
    return subprocess.run(args, check=True, stdout=subprocess.DEVNULL, **kw)


def write(name, data):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "wb") as file:
        file.write(data)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def compile_anew(data):
    """A longer function in the middle, and what points behind it moved."""
    data = bytearray(data)
    for _ in range(200):
        at = RNG.randrange(0, len(data) - 4)
        value = int.from_bytes(data[at:at + 4], "little") + 64
        data[at:at + 4] = (value & 0xffffffff).to_bytes(4, "little")
    middle = len(data) // 2
    return bytes(data[:middle] + RNG.randbytes(64) + data[middle:])


class Server:
    """A web server that counts what it sends."""

    def __init__(self, folder):
        self.bytes = self.requests = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests += 1
                try:
                    data = read(folder + self.path)
                except OSError:
                    data, status = b"", 404
                else:
                    status = 200
                outer.bytes += len(data)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def ours(old, new):
    update = BIN + "/vnet-update"
    run(update, "keygen", "--plain", "key")
    for files in (old, new):
        names = [n for n in files if files is old or files[n] != old[n]]
        for name in names:
            write("in/" + name, files[name])
        if files is new:
            run(update, "fetch", "--base", "base")
            run(update, "install", "--base", "base")
        run(update, "publish", "--repo", "repo", "--key", "key", *(f"modules/{n}=in/{n}" for n in names))
        if files is old:
            run(update, "init", "--base", "base", "--trust", "repo/1.root.json", "file://" + os.path.abspath("repo"))
    server = Server("repo")
    start = time.monotonic()
    run(update, "fetch", "--base", "base", "--mirror", server.url)
    run(update, "install", "--base", "base")
    seconds = time.monotonic() - start
    for name, data in new.items():
        assert read(f"base/current/tree/modules/{name}") == data
    return server.bytes, seconds, server.requests


def freebsd(old, new):
    """update.freebsd.org's folder, a client's /var/db/freebsd-update, and its system below sys/."""
    lines = {"old": [], "new": []}
    for kind, files in (("old", old), ("new", new)):
        for name, data in files.items():
            lines[kind].append(f"kernel|generic|/boot/kernel/{name}|f|0|0|0555|0|{sha(data)}|\n")
    write("fb/latest.ssl", bytes(512))
    index = b""
    for kind in ("old", "new"):
        text = "".join(sorted(lines[kind])).encode()
        write(f"fb/m/{sha(text)}.gz", gzip.compress(text))
        index += f"INDEX-{kind.upper()}|{sha(text)}\n".encode()
    write(f"fb/t/{sha(index)}", index)
    os.makedirs("fb/bp")
    for name, data in old.items():
        write("sys/" + name, data)
        write(f"db/files/{sha(data)}.gz", gzip.compress(data))
        if new[name] != data:
            write("a", data)
            write("b", new[name])
            run("bsdiff", "a", "b", f"fb/bp/{sha(data)}-{sha(new[name])}")
    server = Server("fb")

    def get(*paths):
        run("curl", "-fsS", "--remote-name-all", "--output-dir", "db", *(server.url + p for p in paths))

    start = time.monotonic()
    get("/latest.ssl", f"/t/{sha(index)}")
    get(*(f"/m/{line.split('|')[1]}.gz" for line in index.decode().splitlines()))
    for line in index.decode().splitlines():
        run("gunzip", "-k", f"db/{line.split('|')[1]}.gz")
    for name in old:                                    # "Inspecting system"
        run("sha256sum", "sys/" + name)
    todo = [(n, sha(old[n]), sha(new[n])) for n in old if old[n] != new[n]]
    get(*(f"/bp/{a}-{b}" for _, a, b in todo))
    for _, a, b in todo:
        with open("db/OLD", "wb") as out:
            subprocess.run(["gunzip", "-c", f"db/files/{a}.gz"], stdout=out, check=True)
        run("bspatch", "db/OLD", "db/NEW", f"db/{a}-{b}")
        run("sha256sum", "db/NEW")
        with open(f"db/files/{b}.gz", "wb") as out:
            subprocess.run(["gzip", "-c", "db/NEW"], stdout=out, check=True)
    for name, _, b in todo:                             # install
        with open("db/tmp", "wb") as out:
            subprocess.run(["gunzip", "-c", f"db/files/{b}.gz"], stdout=out, check=True)
        run("install", "-m", "0555", "db/tmp", "sys/" + name)
    seconds = time.monotonic() - start
    for name, data in new.items():
        assert read("sys/" + name) == data
    return server.bytes, seconds, server.requests


def main():
    if sys.argv[1:] not in ([], ["--json"]):
        print(f"usage: {sys.argv[0]} [--json]", file=sys.stderr)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    for program in ("bsdiff", "bspatch", "curl"):
        if shutil.which(program) is None:
            sys.exit(f"bench-update: {program} is missing; scripts/setup installs it")
    modules = b"".join(read(f"{BIN}/../modules/{n}") for n in ("inet.ko", "if_wg.ko", "if_epair.ko"))
    modules = (modules * (SIZE // len(modules) + 1))[:SIZE]
    old = {}
    for i in range(MODULES):
        data = bytearray(modules)
        for at in RNG.sample(range(SIZE - 16), 2000):     # no two alike
            data[at:at + 8] = RNG.randbytes(8)
        old[f"m{i:03}.ko"] = bytes(data)
    new = {n: compile_anew(d) if i < CHANGED else d for i, (n, d) in enumerate(old.items())}
    with tempfile.TemporaryDirectory(prefix="bench-update-") as folder:
        os.chdir(folder)
        a, b = ours(old, new), freebsd(old, new)
        delta = json.loads(read("repo/2.manifest.json"))["files"][0]["deltas"][0]["size"]
        os.chdir("/")
    rows = [("100 modules, 10 changed", "bytes", a[0], b[0], "freebsd-update's way"),
            ("100 modules, 10 changed", "s", a[1], b[1], "freebsd-update's way"),
            ("100 modules, 10 changed", "requests", a[2], b[2], "freebsd-update's way"),
            ("a delta of 857 KB", "bytes", delta, SIZE * 0.02, "2% of its size")]
    if sys.argv[1:]:
        print(json.dumps({"bench": "update", "rows": [
            {"name": r[0], "unit": r[1], "ours": r[2], "peer": r[3], "peer_name": r[4], "ratio": round(r[3] / r[2], 4)} for r in rows]}))
        return
    print(f"{'update':28} {'unit':22} {'ours':>14} {'peer':>14} {'ratio':>7}  peer is")
    for name, unit, mine, peer, who in rows:
        print(f"{name:28} {unit:22} {mine:14.4g} {peer:14.4g} {peer / mine:7.3f}  {who}")


main()
