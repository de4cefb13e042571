# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of errata share: the program, a key made on the spot, real data when it is there, TAP."""

import json
import os
import subprocess
import sys
import tempfile

ERRATA = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(sys.argv[2])
SHARED = os.environ.get("UVNET_SHARED") or os.path.join(ROOT, "..", "shared")
DATA = os.path.join(SHARED, "data")
TMP = tempfile.TemporaryDirectory(prefix="errata-test-")
_tests = []


def path(name):
    return os.path.join(TMP.name, name)


def write(name, data):
    full = path(name)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return full


def read(name):
    with open(name, "rb") as file:
        return file.read()


def errata(*args, **kw):
    """Runs errata: (exit code, stdout, stderr)."""
    done = subprocess.run([ERRATA, *args], capture_output=True, timeout=120, check=False, **kw)
    if done.returncode < 0 or done.returncode > 2:
        raise AssertionError(f"errata {args}: exit {done.returncode}: {done.stderr!r}")
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def errata_json(*args):
    _, out, err = errata(*args)
    assert out, err
    return json.loads(out)


class Key:
    """An OpenPGP key of the test's own, made and used through librnp's tools."""

    def __init__(self, name="Test Officer <officer@example.org>"):
        self.home = tempfile.mkdtemp(dir=TMP.name)
        self._run("rnpkeys", "--generate-key", "--userid", name, "--numbits", "2048")
        self.file = path(os.path.basename(self.home) + ".asc")
        with open(self.file, "wb") as out:
            out.write(self._run("rnpkeys", "--export-key", name))

    def _run(self, program, *args):
        done = subprocess.run([program, "--homedir", self.home, "--password", "", *args], capture_output=True,
                              timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _sign(self, how, data):
        source = os.path.join(self.home, "in")
        with open(source, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        self._run("rnp", *how, "--armor", "--overwrite", "--output", source + ".out", source)
        return read(source + ".out").replace(b"\r\n", b"\n")  # canonical in the hash, not in the file

    def sign(self, text):
        return self._sign(["--sign", "--clearsign"], text)

    def detach(self, data):
        return self._sign(["--sign", "--detach"], data)


def real_keys():
    keys = ("so-current.asc", "so-2013-2023.asc", "so-2003-2013.asc", "so-1996-2003.sgml")
    return [arg for key in keys for arg in ("--keyring", os.path.join(DATA, "keys", key))]


def test(func=None, data=False):
    """A test case, named by its docstring; data: it needs FreeBSD's own files.  What it returns is why it was skipped."""
    def add(f):
        _tests.append((f, data))
        return f
    return add(func) if func else add


def run():
    failed = False
    print(f"1..{len(_tests)}")
    for i, (func, data) in enumerate(_tests, 1):
        name = func.__doc__.strip()
        if data and not os.path.isdir(DATA):
            print(f"ok {i} - {name} # SKIP no FreeBSD data in {DATA} (UVNET_SHARED)")
            continue
        try:
            skipped = func()
            print(f"ok {i} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except (AssertionError, OSError, KeyError, IndexError, ValueError, subprocess.SubprocessError) as error:
            failed = True
            print(f"not ok {i} - {name}")
            print(*[f"# {line}" for line in f"{type(error).__name__}: {error}".splitlines()], sep="\n", flush=True)
    sys.exit(failed)
