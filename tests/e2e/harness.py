# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests stand on: a running `vnet`, web servers with known bytes, TAP.

As root the program is copied to a folder that everybody may read and run as a user without any rights, since that
is what it claims to need. All ports are free ones of the moment, all traffic is on loopback.
"""

import glob
import hashlib
import http.client
import http.server
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

NOBODY = 65534
LIMIT = 60  # seconds that anything here may take


def free_ports(n):
    socks = [socket.socket() for _ in range(n)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def until(what, condition, limit=LIMIT):
    """Wait until condition() is true, and return what it returned."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"after {limit} s still not: {what}")


class WebServer:
    """A server on the host whose /file is `size` bytes that depend on `seed`."""

    def __init__(self, seed, size, host="127.0.0.1"):
        self.data = data = random.Random(seed).randbytes(size)
        self.sum = hashlib.sha256(data).hexdigest()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass  # the client left, which some tests want

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = hashlib.sha256(body).hexdigest().encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 4096  # with Python's 5, a burst is dropped, and retried for up to a minute

        self.server = Server((host, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Fetch:
    """A download that can be watched: how many bytes came, and at the end the sum or the error."""

    def __init__(self, port, chunk=65536, pause=0.0):
        self.got = 0
        self.sum = self.error = None
        self.chunk, self.pause, self.port = chunk, pause, port
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        digest = hashlib.sha256()
        try:
            conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
            conn.request("GET", "/file")
            answer = conn.getresponse()
            size = int(answer.headers["Content-Length"])
            while block := answer.read(self.chunk):
                digest.update(block)
                self.got += len(block)
                time.sleep(self.pause)
            if self.got != size:
                raise EOFError(f"{self.got} of {size} bytes")
            self.sum = digest.hexdigest()
        except (OSError, EOFError, http.client.HTTPException) as error:
            self.error = error

    def wait(self):
        self.thread.join(LIMIT)
        assert not self.thread.is_alive(), f"the download hangs at {self.got} bytes"
        return self


def fetch_sum(port):
    f = Fetch(port).wait()
    assert f.error is None, f"download: {f.error!r}"
    return f.sum


class Program:
    """The program's files, where an unprivileged user can run them."""

    def __init__(self, build):
        self.dir = tempfile.mkdtemp(prefix="uvnet-e2e-")
        os.chmod(self.dir, 0o755)
        os.mkdir(f"{self.dir}/bin")
        shutil.copy(f"{build}/bin/vnet", f"{self.dir}/bin/vnet")
        shutil.copytree(f"{build}/modules", f"{self.dir}/modules",
                        ignore=lambda d, names: [n for n in names if not n.endswith(".ko")])
        self.prefix = []
        if os.getuid() == 0:
            os.mkdir(f"{self.dir}/run")
            os.chown(f"{self.dir}/run", NOBODY, NOBODY)
            self.prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        else:
            os.mkdir(f"{self.dir}/run")
        self.emulate()

    def emulate(self):
        """The program is another machine's: qemu-user runs it, with that machine's libraries."""
        emulator = os.environ.get("UVNET_EMULATOR")
        if not emulator:
            return
        os.mkdir(f"{self.dir}/lib")
        for folder in os.environ["UVNET_LIBRARIES"].split(":"):
            for name in glob.glob(f"{folder}/lib*.so.*"):
                shutil.copy(name, f"{self.dir}/lib")
        # qemu-user accounts for reserved addresses page by page: without a limit there are too many stacks for it.
        self.prefix += ["prlimit", f"--as={8 << 30}", *shlex.split(emulator), "-E", f"LD_LIBRARY_PATH={self.dir}/lib"]

    def path(self, name):
        return f"{self.dir}/run/{name}"

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    def command(self, *args):
        return [*self.prefix, f"{self.dir}/bin/vnet", *args]

    def call(self, *args):
        """Run a command to its end: (exit code, standard output, standard error)."""
        p = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=LIMIT, check=False)
        return p.returncode, p.stdout, p.stderr

    def close(self):
        shutil.rmtree(self.dir)


class Vnet:
    """`vnet run` on a configuration, and its control socket."""

    def __init__(self, program, config, *options):
        self.program = program
        self.socket = program.path(f"sock{random.getrandbits(32)}")
        conf = program.write("test.conf", config)
        self.log = open(program.path("log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(program.command("run", "--socket", self.socket, *options, conf),
                                        stdout=self.log, stderr=self.log)
        until("vnet runs", lambda: os.path.exists(self.socket) or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()
        until("vnet answers", lambda: self.program.call("--socket", self.socket, "ls")[0] == 0)

    def output(self):
        with open(self.log.name, encoding="utf-8") as f:
            return f.read()

    def call(self, *args):
        return self.program.call("--socket", self.socket, *args)

    def json(self, *args):
        code, out, err = self.call(*args, "--json")
        assert code == 0, f"vnet {args}: {err}"
        return json.loads(out)

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(LIMIT)
        self.log.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.stop(signal.SIGTERM)


def pair(name, forward, server, cpus=None):
    """A customer: a site and a data centre on the addresses that every customer has."""
    cpu = [f"cpu = {c};" for c in cpus] if cpus else ["", ""]
    return f"""
vnet {name}-site {{
    {cpu[0]}
    interface ep0 {{ link = "{name}"; address = "10.0.0.1/24"; }}
    forward {{ listen = "127.0.0.1:{forward}"; to = "10.0.0.2:80"; }}
}}
vnet {name}-dc {{
    {cpu[1]}
    interface ep0 {{ link = "{name}"; address = "10.0.0.2/24"; }}
    publish {{ listen = "10.0.0.2:80"; to = "127.0.0.1:{server}"; }}
}}
"""


class Skip(Exception):
    """This test cannot run here; the text says why."""


def main(tests):
    """Run the functions in order, each with the program; speak TAP."""
    program = Program(os.environ["UVNET_BUILD"])
    print(f"1..{len(tests)}")
    failed = 0
    try:
        for number, test in enumerate(tests, 1):
            name = test.__name__
            try:
                test(program)
                print(f"ok {number} - {name}", flush=True)
            except Skip as skip:
                print(f"ok {number} - {name} # SKIP {skip}", flush=True)
            except Exception:  # whatever it is, the next test runs
                failed += 1
                print(f"not ok {number} - {name}")
                print("#", traceback.format_exc().replace("\n", "\n# "), flush=True)
    finally:
        program.close()
    sys.exit(failed > 0)
