# SPDX-License-Identifier: BSD-2-Clause
"""vnet-update: the cycle, the attacks, power failures, mirrors.  update.py VNET-UPDATE ERRATA ROOT [CRASH-LIBRARY]"""

import base64
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

UPDATE, ERRATA, ROOT = (os.path.abspath(a) for a in sys.argv[1:4])
CRASH = os.path.abspath(sys.argv[4]) if len(sys.argv) > 4 else None
# In memory where that can be had: what is tested syncs each file.
TMP = tempfile.TemporaryDirectory(prefix="update-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
_tests = []


def path(*names):
    return os.path.join(TMP.name, *names)


def write(name, data, mode=0o644):
    full = path(name)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(full, mode)
    return full


def read(*names):
    with open(path(*names), "rb") as file:
        return file.read()


def update(*args, env=None, stdin=subprocess.DEVNULL, codes=(0, 1, 2), text=None):
    """Runs vnet-update: (exit code, stdout, stderr)."""
    done = subprocess.run([UPDATE, *args], capture_output=True, timeout=120, check=False, env={**os.environ, **(env or {})},
                          cwd=TMP.name, **({"input": text} if text is not None else {"stdin": stdin}))
    assert done.returncode in codes, (args, done.returncode, done.stderr)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def ok(*args, **kw):
    code, out, err = update(*args, **kw)
    assert code == 0, (args, code, out, err)
    return out


def refused(*args, why, **kw):
    code, out, err = update(*args, **kw)
    assert code == 1 and why in err, (args, code, out, err)


def noise(n, seed):
    return random.Random(seed).randbytes(n)


def changed(data, at=1000, n=20, seed=9):
    return data[:at] + noise(n, seed) + data[at + n:]


def key(name):
    if not os.path.exists(path(name)):
        ok("keygen", "--plain", name)
    return name


def key_id(name):
    line = read(name + ".pub").decode().splitlines()[1]
    return base64.b64decode(line)[2:10][::-1].hex().upper()


def publish(repo, *files, keys=("k",), more=()):
    return ok("publish", "--repo", repo, *(a for k in keys for a in ("--key", key(k))), *more, *files)


MODULE = noise(60000, 1)


def repository(name, keys=("k",)):
    """A repository with version 1 (mod/a.ko, b) and a base that has it in use; then version 2, not fetched."""
    write(f"{name}.in/a.ko", MODULE)
    write(f"{name}.in/b", "one\n", 0o755)
    publish(f"{name}.r", f"mod/a.ko={name}.in/a.ko", f"b={name}.in/b", keys=keys)
    ok("init", "--base", f"{name}.b", "--trust", f"{name}.r/1.root.json", "file://" + path(name + ".r"))
    ok("fetch", "--base", f"{name}.b")
    ok("install", "--base", f"{name}.b")
    write(f"{name}.in/a.ko", changed(MODULE))
    publish(f"{name}.r", f"mod/a.ko={name}.in/a.ko", keys=keys)
    return f"{name}.r", f"{name}.b"


def state(base):
    """All that is below a base but locks and downloads: names, targets, contents."""
    out = {}
    for folder, names, files in os.walk(path(base)):
        names.sort()
        for name in files + names:
            full = os.path.join(folder, name)
            key_ = os.path.relpath(full, path(base))
            if os.path.islink(full):
                out[key_] = os.readlink(full)
            elif os.path.isfile(full):
                with open(full, "rb") as file:
                    out[key_] = hashlib.sha256(file.read()).hexdigest()
    return out


def in_use(base):
    """The version in use, whole: its number."""
    code, out, err = update("ids", "--base", base)
    assert code == 0, (out, err)
    return int(os.path.basename(os.readlink(path(base, "current"))))


def resign(repo, name, edit, keys=("k",)):
    """Change a signed document and sign it anew: what only who has the key can do."""
    doc = json.loads(read(repo, name))
    edit(doc)
    write(f"{repo}/{name}", json.dumps(doc, indent=1))
    for k in keys:
        ok("sign", "--repo", repo, "--key", k)
    write(f"{repo}/latest", name.split(".")[0] + "\n")


def test(func):
    """A test case, named by its docstring.  What it returns is why it was skipped."""
    _tests.append(func)
    return func


@test
def cycle():
    """publish, fetch, install, rollback and forth; fetch says what will change, ids what did"""
    repo, base = repository("cycle")
    out = ok("fetch", "--base", base)
    assert "updated:\n  mod/a.ko\n" in out and "1 by delta, 0 whole" in out and "added" not in out, out
    assert in_use(base) == 1 and read(base, "current/tree/mod/a.ko") == MODULE
    assert update("status", "--base", base)[0] == 1
    ok("install", "--base", base)
    assert in_use(base) == 2 and read(base, "current/tree/mod/a.ko") == changed(MODULE)
    assert os.access(path(base, "current/tree/b"), os.X_OK) and not os.access(path(base, "current/tree/mod/a.ko"), os.X_OK)
    assert update("status", "--base", base)[0] == 0
    ok("rollback", "--base", base)
    assert in_use(base) == 1 and read(base, "current/tree/mod/a.ko") == MODULE
    refused("rollback", "--base", base, why="nothing to go back to")
    ok("install", "--base", base)
    assert in_use(base) == 2
    for i in range(3):
        write("cycle.in/a.ko", changed(MODULE, seed=20 + i))
        publish(repo, "mod/a.ko=cycle.in/a.ko", more=["--remove", "b"] if i == 0 else [])
    out = ok("fetch", "--base", base, "--json")
    change = {c["path"]: c for c in json.loads(out)["changes"]}
    assert change["b"]["change"] == "remove" and change["mod/a.ko"]["download"] < 500, change
    ok("install", "--base", base)
    assert in_use(base) == 5 and sorted(os.listdir(path(base, "versions"))) == ["2", "5"]
    write(f"{base}/current/tree/mod/a.ko", "x")
    write(f"{base}/current/tree/extra", "x")
    code, out, _ = update("ids", "--base", base, "--json")
    assert code == 1 and {d["path"] for d in json.loads(out)} == {"mod/a.ko", "extra"}, out
    write("cycle.in/a.ko", changed(MODULE, seed=30))
    publish(repo, "mod/a.ko=cycle.in/a.ko")
    code, out, err = update("fetch", "--base", base)
    assert code == 0 and "0 by delta, 1 whole" in out and "not as it was installed" in err, (out, err)
    ok("install", "--base", base)
    assert in_use(base) == 6
    refused("rollback", "--base", base, why="not as they were fetched")
    assert in_use(base) == 6


@test
def notice():
    """a notice comes along: its table is filled in from git, status says affected and fixed"""
    repo, base = repository("notice")
    git = path("notice.git")
    for args in (["init", "-q", "-b", "main", git], ["-C", git, "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-q",
                 "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *args], check=True, capture_output=True)
    commit = subprocess.run(["git", "-C", git, "rev-parse", "HEAD"], check=True, capture_output=True).stdout.decode()[:12]
    text = read(ROOT, "tests/errata/notice.txt").decode().replace("98e7f836e65e    stable/13-n255888", "@HASH@    @REVISION@")
    assert "@HASH@" in text
    write("notice.git/FreeBSD-EN-23:08.vnet.asc", text)
    publish(repo, "mod/a.ko=cycle.in/a.ko", more=["--notice", "notice.git/FreeBSD-EN-23:08.vnet.asc"])
    ok("fetch", "--base", base)
    code, out, _ = update("status", "--base", base, "--json")
    (entry,) = json.loads(out)["notices"]
    assert code == 1 and entry["answer"] == "affected" and entry["id"] == "FreeBSD-EN-23:08.vnet" and entry["since"] == 3, out
    ok("install", "--base", base)
    code, out, _ = update("status", "--base", base)
    assert code == 0 and "fixed" in out, out
    shown = subprocess.run([ERRATA, "show", path(base, "current/notices/FreeBSD-EN-23:08.vnet.asc")], check=True,
                           capture_output=True).stdout.decode()
    assert commit in shown and "main-n1" in shown, shown
    ok("rollback", "--base", base)
    assert "affected" in update("status", "--base", base)[1]
    refused("publish", "--repo", repo, "--key", "k", "--notice", write("no.asc", "@HASH@\n"), why="no git checkout")
    refused("publish", "--repo", repo, "--key", "k", "--notice", write("no.asc", "nothing\n"), why="errata lint")


@test
def rotation():
    """keys change hands by a threshold of the old and the new; who comes late walks all the way"""
    repo, base = repository("rot", keys=("k1",))
    for name in ("k2", "k3", "m"):
        key(name)
    ok("root", "--repo", repo, "--key", "k1", "--key", "k2", "--add", "k2.pub", "--add", "k3.pub", "--threshold", "2",
       "--manifest-key", "m.pub")
    out = ok("root", "--repo", repo, "--key", "k2", "--remove", key_id("k1"))
    assert "waits for signatures" in out, out
    refused("root", "--repo", repo, "--key", "k2", why="waits for signatures")
    write("rot.in/b", "two\n")
    out = publish(repo, "b=rot.in/b", keys=("k1",))
    assert "waits for signatures" in out, out       # k1 signs no manifest since root 2
    ok("sign", "--repo", repo, "--key", "m")
    assert read(repo, "latest") == b"3\n"
    out = ok("sign", "--repo", repo, "--key", "k3")
    assert "root 3: 2 of 2 keys sign it" in out, out
    ok("fetch", "--base", base)
    assert json.loads(read(base, "root.json"))["version"] == 3
    ok("install", "--base", base)
    assert in_use(base) == 3
    write(f"{base}/root.json", read(repo, "1.root.json"))
    refused("fetch", "--base", base, why="was put back")


@test
def attacks():
    """each is refused with its reason, and what is in use stays as it is"""
    def attack(name, why, spoil, keys=("k",)):
        repo, base = repository("a-" + name, keys=keys)
        spoil(repo, base)
        before = state(base)
        refused("fetch", "--base", base, why=why)
        after = state(base)
        for seen in ("seen.json", "root.json"):     # what was learnt from signed documents may stay
            before.pop(seen, None)
            after.pop(seen, None)
        before, after = ({k: v for k, v in s.items() if ".part/" not in k and not k.startswith("parts/")} for s in (before, after))
        assert before == after, (name, set(before.items()) ^ set(after.items()))
        assert in_use(base) == 1

    def append(name):
        return lambda repo, base: write(f"{repo}/{name}", read(repo, name) + b"\n")

    def files(repo, kind):
        manifest = json.loads(read(repo, "2.manifest.json"))
        entry = [e for e in manifest["files"] if e["path"] == "mod/a.ko"][0]
        whole = f"{repo}/files/{entry['sha256']}"
        return whole if kind == "whole" else f"{repo}/deltas/{entry['deltas'][0]['from']}-{entry['sha256']}"

    def spoil_both(data):
        def spoil(repo, base):
            for kind in ("whole", "delta"):
                write(files(repo, kind), data(read(files(repo, kind))))
        return spoil

    def wrong_key(repo, base):
        key("stranger")
        ok("sign", "--repo", repo, "--key", "stranger")
        os.rename(path(repo, f"2.manifest.json.{key_id('stranger')}.minisig"), path(repo, f"2.manifest.json.{key_id('k')}.minisig"))

    def old_manifest(repo, base):
        ok("fetch", "--base", base)
        shutil.rmtree(path(base, "versions/2"))
        write(f"{repo}/latest", "1\n")

    def two_manifests(repo, base):
        ok("fetch", "--base", base)
        shutil.rmtree(path(base, "versions/2"))
        resign(repo, "2.manifest.json", lambda d: d.update(published="2000-01-01T00:00:00Z"))

    def edit(change):
        return lambda repo, base: resign(repo, "2.manifest.json", change)

    def few(repo, base):
        key("other")
        ok("root", "--repo", repo, "--key", "k", "--key", "other", "--add", "other.pub", "--threshold", "2")
        ok("root", "--repo", repo, "--key", "k", "--key", "other")
        os.unlink(path(repo, f"3.root.json.{key_id('other')}.minisig"))

    def link(repo, base):
        write("victim", "mine")
        os.mkdir(path(base, "versions/2.part"))
        os.symlink(path("victim"), path(base, "versions/2.part/tree"))
        for kind in ("whole", "delta"):
            os.unlink(path(files(repo, kind)))

    for name, why, spoil in (
            ("key", "which may not", wrong_key), ("unsigned", "signed by 0 of the keys",
             lambda repo, base: os.unlink(path(repo, f"2.manifest.json.{key_id('k')}.minisig"))),
            ("few", "3.root.json: signed by 1 of the keys that may; 2 must", few),
            ("byte", "BAD signature", append("2.manifest.json")), ("old", "version 2 was seen here", old_manifest),
            ("two", "two are signed", two_manifests),
            ("expired", "it expired at 2001", edit(lambda d: d.update(expires="2001-01-01T00:00:00Z"))),
            ("mixed", "it says that it is version 7", edit(lambda d: d.update(version=7))),
            ("root", "this is no manifest", edit(lambda d: d.update(type="root"))),
            ("swapped", "its hash is not", spoil_both(lambda d: bytes(len(d)))),
            ("cut", "bytes", spoil_both(lambda d: d[:-10])), ("long", "more than the", spoil_both(lambda d: d + bytes(10))),
            ("gone", "is not there", lambda repo, base: [os.unlink(path(files(repo, kind))) for kind in ("whole", "delta")]),
            ("dots", "plain relative", edit(lambda d: d["files"][0].update(path="../b"))),
            ("absolute", "plain relative", edit(lambda d: d["files"][0].update(path="/etc/b"))),
            ("below", "below another", edit(lambda d: d["files"].append({**d["files"][1], "path": "mod/a.ko/x"}))),
            ("twice", "there twice", edit(lambda d: d["files"].append(d["files"][1]))),
            ("huge", "impossible", edit(lambda d: d["files"][0].update(size=1 << 50))),
            ("negative", "impossible", edit(lambda d: d["files"][0].update(size=-1))),
            ("newline", "plain relative", edit(lambda d: d["files"][0].update(path="b\nx"))),
            ("id", "impossible", edit(lambda d: d.update(notices=[{"id": "../x", "topic": "t", "sha256": "0" * 64, "size": 1,
             "since": 1, "paths": []}]))),
            ("latest", "no number", lambda repo, base: write(f"{repo}/latest", "2x\n")), ("link", "is not there", link)):
        attack(name, why, spoil)
    assert read("victim") == b"mine"


@test
def links():
    """a symbolic link in the tree is not followed: ids says so, the file is fetched anew, install refuses"""
    _, base = repository("link")
    os.unlink(path(base, "versions/1/tree/b"))
    os.symlink("/etc/passwd", path(base, "versions/1/tree/b"))
    code, out, _ = update("ids", "--base", base)
    assert code == 1 and "b: " in out, out
    ok("fetch", "--base", base)
    assert read(base, "versions/2/tree/b") == b"one\n"
    shutil.rmtree(path(base, "versions/2/tree/mod"))
    os.symlink(path("link.in"), path(base, "versions/2/tree/mod"))
    refused("install", "--base", base, why="not as they were fetched")
    assert os.readlink(path(base, "current")) == "versions/1"


class Mirror:
    """A web server of one folder; spoil(path, data) may change an answer, or return None to break off in the middle."""

    def __init__(self, folder, spoil=lambda name, data: data):
        mirror = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.lstrip("/")
                mirror.asked.append((name, self.headers.get("Range")))
                try:
                    data = read(folder, name)
                except OSError:
                    self.send_error(404)
                    return
                out = spoil(name, data)
                begin = 0
                if self.headers.get("Range"):
                    begin = int(self.headers["Range"].split("=")[1].split("-")[0])
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
                else:
                    self.send_response(200)
                whole = data if out is None else out
                self.send_header("Content-Length", str(len(whole) - begin))
                self.end_headers()
                self.wfile.write(whole[begin:] if out is not None else data[begin:len(data) // 2])

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def is_big(name):
    return name.startswith("files/") or name.startswith("deltas/")


@test
def mirrors():
    """one dies in the middle and the next goes on there; one lies and is left; one is old; none is left"""
    write("mir.in/a.ko", MODULE)
    publish("mir.r", "mod/a.ko=mir.in/a.ko")

    def base(name):
        ok("init", "--base", name, "--trust", "mir.r/1.root.json")
        return name

    with Mirror("mir.r", lambda name, data: None if is_big(name) else data) as dying, Mirror("mir.r") as good:
        code, out, err = update("fetch", "--base", base("mir.1"), "--mirror", dying.url, "--mirror", good.url)
        assert code == 0 and "next mirror" in err, err
        assert [r for name, r in good.asked if is_big(name)] == [f"bytes={len(read('mir.r', dying.asked[-1][0])) // 2}-"], good.asked
    with Mirror("mir.r", lambda name, data: bytes(len(data)) if is_big(name) else data) as liar, Mirror("mir.r") as good:
        code, out, err = update("fetch", "--base", base("mir.2"), "--mirror", liar.url, "--mirror", good.url)
        assert code == 0 and "its hash is not" in err, err
    with Mirror("mir.r", lambda name, data: data + bytes(1 << 20) if name.endswith(".json") else data) as liar, Mirror("mir.r") as good:
        code, out, err = update("fetch", "--base", base("mir.3"), "--mirror", liar.url, "--mirror", good.url)
        assert code == 0 and "BAD signature" in err, err
    with Mirror("mir.r", lambda name, data: None if is_big(name) else data) as dying:
        refused("fetch", "--base", base("mir.4"), "--mirror", dying.url, why="")
        assert not os.path.exists(path("mir.4/versions/1"))
    with Mirror("mir.r") as good:           # what the dying one sent is not asked for again
        ok("fetch", "--base", "mir.4", "--mirror", good.url)
        assert all(r for name, r in good.asked if is_big(name)), good.asked
    shutil.copytree(path("mir.r"), path("mir.old"))
    publish("mir.r", "b=cycle.in/b")
    with Mirror("mir.r") as new, Mirror("mir.old") as old:
        ok("fetch", "--base", "mir.1", "--mirror", new.url)
        refused("fetch", "--base", "mir.1", "--mirror", old.url, why="version 2 was seen here")
        code, _, err = update("fetch", "--base", "mir.1", "--mirror", old.url, "--mirror", new.url)
        assert code == 0 and "next mirror" in err
    refused("fetch", "--base", "mir.1", "--mirror", new.url, why="onnect")


@test
def endless():
    """a stream without end is cut at the size that was said, and a small file that unpacks to much is no more than it says"""
    write("end.in/a", MODULE)
    publish("end.r", "a=end.in/a")
    ok("init", "--base", "end.b", "--trust", "end.r/1.root.json")

    class Endless(Mirror):
        """Sends zeros for ever where a file was asked for."""

        def __init__(self):
            super().__init__("end.r")
            handler, self.sent = self.server.RequestHandlerClass, 0
            get, mirror = handler.do_GET, self

            def do_get(request):
                if not is_big(request.path.lstrip("/")) and request.path != "/latest":
                    get(request)
                    return
                request.send_response(200)
                request.end_headers()
                try:
                    while True:
                        request.wfile.write(bytes(65536))
                        mirror.sent += 65536
                except OSError:
                    pass

            handler.do_GET = do_get

    with Endless() as mirror:
        refused("fetch", "--base", "end.b", "--mirror", mirror.url, why="more than the")
    bomb = subprocess.run(["zstd", "-q", "-19", "-c"], input=bytes(100 << 20), capture_output=True, check=False).stdout \
        if shutil.which("zstd") else None
    if bomb is None:
        return "no zstd to make a bomb with"

    def swap(doc):
        (entry,) = doc["files"]
        write(f"end.r/files/{entry['sha256']}", bomb)
        entry["packed"] = {"size": len(bomb), "sha256": hashlib.sha256(bomb).hexdigest()}

    resign("end.r", "1.manifest.json", swap)
    refused("fetch", "--base", "end.b", "--mirror", "file://" + path("end.r"), why="does not unpack to 60000 bytes")
    return None


@test
def power():
    """the power fails at every change that fetch, install and rollback make: always a whole version, and the next run mends it"""
    if CRASH is None:
        return "the sanitizers' library and a preloaded one do not go together"
    repository("pow")
    total = 0
    for command, before, after in (("fetch", 1, 1), ("install", 1, 2), ("rollback", 2, 1)):
        seen = set()
        for fail in (False, True):
            at = 0
            while True:
                at += 1
                assert at < 500
                shutil.rmtree(path("pow.x"), ignore_errors=True)
                shutil.copytree(path("pow.b"), path("pow.x"), symlinks=True)
                env = {"LD_PRELOAD": CRASH, "CRASH_AT": str(at), "CRASH_FIRED": path("fired"), **({"CRASH_FAIL": "1"} if fail else {})}
                code, _, err = update(command, "--base", "pow.x", env=env, codes=(0, 1, 99))
                version = in_use("pow.x")
                assert version in (before, after), (command, at, version)
                seen.add(version)
                assert code != 0 or fail or version == after
                again = update(command, "--base", "pow.x")
                if command == "rollback" and version == after:
                    assert again[0] == 1
                else:
                    assert again[0] == 0, (command, at, fail, again)
                assert in_use("pow.x") == after, (command, at)
                total += 1
                if not os.path.exists(path("fired")):
                    break
                os.unlink(path("fired"))
        assert seen == {before, after}, (command, seen)
        ok(command, "--base", "pow.b")
    print(f"# {total} failures of power or disk")
    return None


@test
def minisign():
    """minisign verifies what we sign, and we verify what it signs, also with an encrypted key of either"""
    if shutil.which("minisign") is None:
        return "no minisign"

    def run(*args, text=b""):
        return subprocess.run(["minisign", *args], capture_output=True, cwd=TMP.name, input=text, check=False)

    write("ms.in/a", MODULE)
    publish("ms.r", "a=ms.in/a")
    name = f"ms.r/1.manifest.json.{key_id('k')}.minisig"
    done = run("-V", "-p", "k.pub", "-m", "ms.r/1.manifest.json", "-x", name)
    assert done.returncode == 0, done
    done = run("-S", "-s", "k", "-m", "ms.r/1.manifest.json", "-x", name, "-t", "by minisign")
    assert done.returncode == 0, done
    ok("init", "--base", "ms.b", "--trust", "ms.r/1.root.json", "file://" + path("ms.r"))
    ok("fetch", "--base", "ms.b")
    done = run("-G", "-p", "theirs.pub", "-s", "theirs", text=b"secret\nsecret\n")
    assert done.returncode == 0, done
    ok("publish", "--repo", "ms2.r", "--key", "theirs", "a=ms.in/a", text=b"secret\n")
    refused("publish", "--repo", "ms2.r", "--key", "theirs", "a=ms.in/a", text=b"Secret\n", why="wrong password")
    done = run("-V", "-p", "theirs.pub", "-m", "ms2.r/1.manifest.json", "-x",
               f"ms2.r/1.manifest.json.{key_id('theirs')}.minisig")
    assert done.returncode == 0, done
    ok("keygen", "ours", text=b"word\nword\n")
    done = run("-S", "-s", "ours", "-m", "ms.in/a", text=b"word\n")
    assert done.returncode == 0, done
    assert run("-V", "-p", "ours.pub", "-m", "ms.in/a").returncode == 0
    return None


@test
def refusals():
    """what a user gets wrong: a sentence, and nothing made"""
    refused("fetch", "--base", "nowhere", why="vnet-update init")
    refused("publish", "--repo", "ref.r", why="--key FILE")
    refused("publish", "--repo", "ref.r", "--key", key("k"), "../x=cycle.in/b", why="relative")
    refused("publish", "--repo", "ref.r", "--key", "k", "nothing", why="no file")
    refused("publish", "--repo", "ref.r", "--key", "k", "--remove", "nothing", why="no such file")
    assert not os.path.exists(path("ref.r/latest"))
    refused("publish", "--repo", "ref.r", "--key", write("bad", "no key\n"), why="no secret key")
    refused("keygen", "--plain", "k", why="there is a key already")
    assert update("init", "--base", "ref.b", "x")[0] == 2
    assert update("init", "--base", "ref.b", "--trust", "k.pub", "ftp")[0] == 2
    refused("init", "--base", "ref.b", "--trust", "k.pub", why="root: ")
    assert not os.path.exists(path("ref.b"))
    publish("ref.r", "b=cycle.in/b")
    ok("init", "--base", "ref.b", "--trust", "ref.r/1.root.json", "file://" + path("ref.r"))
    refused("init", "--base", "ref.b", "--trust", "ref.r/1.root.json", why="known here already")
    refused("install", "--base", "ref.b", why="nothing was fetched")
    assert update("status", "--base", "ref.b")[0] == 2 and update("ids", "--base", "ref.b")[0] == 2
    for args in ([], ["nonsense"], ["fetch", "--nonsense"], ["fetch", "x"], ["root", "--threshold", "0"], ["sign", "--key", "k"]):
        assert update(*args)[0] == 2, args
    for command in ("fetch", "install", "publish", "root", "keygen", "sign", "init", "ids", "status", "rollback"):
        assert "usage: " in ok(command, "--help")


def main():
    failed = False
    print(f"1..{len(_tests)}")
    for i, func in enumerate(_tests, 1):
        name = func.__doc__.strip()
        try:
            skipped = func()
            print(f"ok {i} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except (AssertionError, OSError, KeyError, IndexError, ValueError, subprocess.SubprocessError) as error:
            failed = True
            print(f"not ok {i} - {name}")
            print(*[f"# {line}" for line in f"{type(error).__name__}: {error}".splitlines()], sep="\n", flush=True)
    sys.exit(failed)


main()
