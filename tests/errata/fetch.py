# SPDX-License-Identifier: BSD-2-Clause
"""FreeBSD's update metadata, from a mirror that the test makes: read, checked link by link.  fetch.py ERRATA ROOT"""

import functools
import gzip
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
from tap import TMP, errata, path, read, run, test, write

EOL = 4102444800


def sha(data):
    return hashlib.sha256(data).hexdigest()


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, timeout=60, check=True).stdout


def make_key(name, bits="2048"):
    write(name, openssl("genrsa", bits))
    return path(name), openssl("rsa", "-in", path(name), "-pubout")


def row(file, data, component="world|base", kind="f", mode="555", link=""):
    meta = "|||" if kind == "-" else f"0|0|{mode}|0"
    value = {"f": lambda: sha(data), "L": lambda: data.decode()}.get(kind, str)()
    return f"{component}|{file}|{kind}|{meta}|{value}|{link}"


OLD = [row("/bin/sh", b"sh 0"), row("/bin/sh", b"sh 1"), row("/bin/gone", b"gone"), row("/bin/same", b"same"),
       row("/new", b"", kind="-"), row("/lib/libc.so", b"libc.so.6", kind="L"), row("/boot/kernel/kernel", b"k0", "kernel|generic")]
NEW = [row("/bin/sh", b"sh 2"), row("/bin/same", b"same"), row("/new", b"new"), row("/lib/libc.so", b"libc.so.7", kind="L"),
       row("/boot/kernel/kernel", b"k1", "kernel|generic"), row("/etc/d/", b"", kind="d", mode="755"),
       row("/etc/d", b"", "src|src", kind="d", mode="755")]
KEY, PUB = make_key("mirror.pem")
CHANGES = {"/bin/sh": "replace", "/bin/gone": "remove", "/new": "add", "/lib/libc.so": "replace", "/boot/kernel/kernel": "replace",
           "/etc/d": "add"}


def text(rows):
    return "".join(line + "\n" for line in rows).encode()


def mirror(name, patch=2, old=None, new=None, key=KEY, pub=PUB, tag=None, index=None, release="13.2-RELEASE", arch="arm64"):
    """A mirror in FreeBSD's format; returns its folder."""
    shutil.rmtree(path(name), ignore_errors=True)
    top = f"{name}/13.2-RELEASE/arm64/"
    parts = {"INDEX-ALL": text(NEW), "INDEX-OLD": text(OLD if old is None else old), "INDEX-NEW": text(NEW if new is None else new)}
    for data in parts.values():
        write(f"{top}m/{sha(data)}.gz", gzip.compress(data))
    if index is None:
        index = "".join(f"{part}|{sha(data)}\n" for part, data in parts.items()).encode()
    write(f"{top}t/{sha(index)}", index)
    if tag is None:
        tag = f"freebsd-update|{arch}|{release}|{patch}|{sha(index)}|{EOL}\n"
    write(top + "pub.ssl", pub)
    write(top + "latest.ssl", openssl("rsautl", "-sign", "-inkey", key, data=tag.encode()))
    return path(name)


def fetch(folder, *args, keyprint=sha(PUB), release="13.2-RELEASE", arch="aarch64"):
    url = folder if "://" in folder else "file://" + folder
    return errata("fetch", "--freebsd", "--mirror", url, "--keyprint", keyprint, *args, release, arch)


def changes(*args, **kw):
    code, out, err = fetch(*args, **kw)
    assert code == 0, err
    answer = json.loads(out)
    return answer, {c["path"]: c["change"] for c in answer["changes"]}


@test
def lists():
    """lists what an update would add, replace and remove, from a folder"""
    folder = mirror("m")
    answer, found = changes(folder, "--json")
    assert found == CHANGES, found
    assert (answer["release"], answer["arch"], answer["patch"], answer["supported"]) == ("13.2-RELEASE", "arm64", 2, True)
    (shell,) = [c for c in answer["changes"] if c["path"] == "/bin/sh"]
    assert shell["sha256"] == sha(b"sh 2") and shell["component"] == "world|base" and shell["type"] == "f"
    code, out, _ = fetch(folder, release="13.2-RELEASE-p1")
    assert code == 0 and "13.2-RELEASE-p2" in out and "2 to add, 3 to replace, 1 to remove; nothing was installed" in out, out


@test
def http_server():
    """the same by HTTP, from a server on the loopback; what is missing there is an error that names it"""
    folder = mirror("m")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            if self.path.startswith("/away/"):
                self.send_response(302)
                self.send_header("Location", f"file://{folder}/{self.path[6:]}")
                self.end_headers()
            else:
                super().do_GET()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        assert changes(url, "--json")[1] == CHANGES == changes(url + "/", "--json")[1]
        code, out, err = fetch(url, release="12.4-RELEASE")
        assert code == 1 and not out and "/12.4-RELEASE/arm64/pub.ssl" in err and "404" in err, err
        code, out, err = fetch(url + "/away")
        assert code == 1 and not out, "a mirror must not lead to local files"
    finally:
        server.shutdown()
        server.server_close()


@test
def tampered():
    """another key, signature, tag, index or file list: each link of the chain is refused"""
    other, other_pub = make_key("other.pem")
    weak, weak_pub = make_key("weak.pem", "1024")
    good = mirror("m")
    for folder, kw, want in (
            (mirror("a", key=other, pub=other_pub), {}, "pub.ssl: its SHA-256"),
            (mirror("b", key=other), {}, "BAD signature"),
            (mirror("c", key=weak, pub=weak_pub), {"keyprint": sha(weak_pub)}, "no RSA public key of 2048"),
            (mirror("d", tag="freebsd-update|arm64|13.2-RELEASE|x\n"), {}, "no tag of freebsd-update"),
            (mirror("e", arch="amd64"), {}, "signed for 13.2-RELEASE amd64"),
            (mirror("f", release="13.1-RELEASE"), {}, "signed for 13.1-RELEASE"),
            (mirror("g", index=b"INDEX-OLD|zz\n"), {}, "metadata index, line 1"),
            (mirror("h", index=b"INDEX-ALL|" + b"0" * 64 + b"\n"), {}, "no INDEX-OLD"),
            (mirror("i", new=["world|base|/bin/../../x|f|0|0|555|0|" + "0" * 64 + "|"]), {}, "line 1 is no row"),
            (mirror("j", new=["world|base|bin/sh|f|0|0|555|0|" + "0" * 64 + "|"]), {}, "line 1 is no row"),
            (mirror("k", new=NEW + ["\033[31m"]), {}, "is no row"),
            (good, {"keyprint": "0" * 64}, "pub.ssl: its SHA-256"),
            (good, {"keyprint": "x"}, "--keyprint"),
            (good, {"release": "../../etc"}, "is no release"),
            (good, {"arch": "../x"}, "is no architecture"),
            ("gopher://127.0.0.1/", {}, "rotocol")):
        code, out, err = fetch(folder, **kw)
        assert code in (1, 2) and not out and want in err, (want, code, out, err)
    for name in ("pub.ssl", "latest.ssl", "t", "m"):
        at = os.path.join(mirror("m"), "13.2-RELEASE/arm64", name)
        for file in [at] if os.path.isfile(at) else [os.path.join(at, f) for f in os.listdir(at)]:
            if name == "m" and sha(text(OLD)) not in file:
                continue
            data = bytearray(read(file))
            for change in (data[:-1], b"", data[:10] + bytes([data[10] ^ 1]) + data[11:] if name != "m" else data + b"x"):
                with open(file, "wb") as out:
                    out.write(change)
                code, out, err = fetch(path("m"))
                assert code == 1 and not out and err.startswith("errata: "), (file, out, err)


@test
def bombs():
    """sizes are capped: a tag without end, an index that unpacks to gigabytes"""
    at = os.path.join(mirror("m"), "13.2-RELEASE/arm64")
    with open(os.path.join(at, "latest.ssl"), "ab") as file:
        file.truncate(1 << 30)
    code, out, err = fetch(path("m"))
    assert code == 1 and not out and "more than 65536 bytes" in err, err
    mirror("m")
    with open(os.path.join(at, "m", sha(text(OLD)) + ".gz"), "wb") as file:
        file.write(gzip.compress(bytes(80 << 20)))
    code, out, err = fetch(path("m"))
    assert code == 1 and not out and "unpacks to more than" in err, err


@test
def rollback():
    """--state: a lower patch level than was seen is refused, and the state stays as it was"""
    state = path("state")
    code, _, err = fetch(mirror("m", patch=2), "--state", state)
    assert code == 0, err
    seen = read(state)
    assert seen.startswith(b"freebsd-update|arm64|13.2-RELEASE|2|")
    code, out, err = fetch(mirror("m", patch=1), "--state", state)
    assert code == 1 and not out and "an old state" in err and read(state) == seen, err
    code, _, err = fetch(mirror("m", patch=3), "--state", state)
    assert code == 0 and b"|3|" in read(state), err
    code, _, err = fetch(mirror("m"), "--state", write("state2", "nonsense"))
    assert code == 1 and "is not the state" in err


@test
def with_root():
    """--root: compared with the files there; what was changed locally is left alone; nothing is written"""
    root = os.path.join(TMP.name, "root")
    for name, data in (("bin/sh", "sh 1"), ("bin/same", "mine"), ("bin/gone", "gone"), ("boot/kernel/kernel", "k1")):
        write("root/" + name, data)
    os.makedirs(os.path.join(root, "etc/d"))
    os.makedirs(os.path.join(root, "lib"))
    os.symlink("libc.so.6", os.path.join(root, "lib/libc.so"))
    before = sorted(os.walk(root))
    _, found = changes(mirror("m"), "--json", "--root", root)
    assert found == {"/bin/sh": "replace", "/bin/same": "local", "/bin/gone": "remove", "/new": "add", "/lib/libc.so": "replace"}, found
    assert sorted(os.walk(root)) == before


run()
