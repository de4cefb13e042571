#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Ten thousand stacks in one process without rights: started, killed, started again, idle, their limits.

2,500 of them, to be quick: UVNET_STACKS=10000 ./test --quick e2e-scale is the whole.  A low limit of open files makes
it fewer, for each stack has a forward.
"""

import os
import resource
import signal
import socket
import threading
import time

from harness import LIMIT, Vnet, WebServer, fetch_sum, free_ports, main, pair, until

FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
STACKS = min(int(os.environ.get("UVNET_STACKS", "2500")), (FILES if FILES > 0 else 1 << 20) - 200) // 2 * 2


def listen(i):
    """The host address that forwards into stack i."""
    return f"127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}"


def config(n, port, server):
    """Pairs on 10.0.0.1 and .2; each stack forwards to the other's port 80 and publishes the server as its own."""
    return "\n".join(f"""vnet s{i} {{
    interface ep0 {{ link = "l{i // 2}"; address = "10.0.0.{1 + i % 2}/24"; }}
    forward {{ listen = "{listen(i)}:{port}"; to = "10.0.0.{2 - i % 2}:80"; }}
    publish {{ listen = "10.0.0.{1 + i % 2}:80"; to = "127.0.0.1:{server}"; }}
}}""" for i in range(n))


def status(pid, key):
    """A number of /proc/PID/task/*/status, summed up over the threads."""
    total = 0
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status", encoding="ascii") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith(key + ":"))
    return total


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fetch(i, port):
    with socket.create_connection((listen(i), port), timeout=LIMIT) as s:
        s.sendall(b"GET /file HTTP/1.0\r\n\r\n")
        data = b""
        while block := s.recv(65536):
            data += block
    return data.split(b"\r\n\r\n", 1)[1]


def killed_and_started_again_all_forwards_accept(program):
    server, (port,) = WebServer(1, 1000), free_ports(1)
    text = config(STACKS, port, server.port)
    sample = range(0, STACKS, max(1, STACKS // 100))
    for _ in range(2):
        start = time.monotonic()
        vnet = Vnet(program, text)
        for i in range(STACKS):
            socket.create_connection((listen(i), port), timeout=LIMIT).close()
        print(f"# {STACKS} stacks with a forward each accepted after {time.monotonic() - start:.2f} s")
        for i in sample:
            assert fetch(i, port) == server.data, f"stack {i}"
        assert vnet.stop(signal.SIGKILL) == -signal.SIGKILL
    server.close()


def idle_stacks_do_not_wake_up(program):
    port = free_ports(1)[0]
    with Vnet(program, config(STACKS, port, 9)) as vnet:
        pid = vnet.process.pid
        kib = sum(int(line.split()[1]) for line in open(f"/proc/{pid}/status", encoding="ascii")
                  if line.startswith(("VmRSS:", "VmPTE:")))
        print(f"# {STACKS} stacks: {kib / STACKS:.1f} KiB of RSS and page tables each")
        assert kib / STACKS <= 32 or STACKS < 2000
        time.sleep(1)

        def quiet():
            before = status(pid, "voluntary_ctxt_switches")
            time.sleep(3)
            return status(pid, "voluntary_ctxt_switches") - before <= 3
        until("nothing wakes up for 3 seconds", quiet)
        seconds = cpu(pid)
        time.sleep(5)
        print(f"# {cpu(pid) - seconds:.2f} s of CPU time in 5 idle seconds")
        assert vnet.stop() == 0


def a_stack_at_its_memory_limit_fails_alone(program):
    server, ports = WebServer(1, 1 << 20), free_ports(2)
    small = pair("small", ports[0], server.port).replace("vnet small-dc {", 'vnet small-dc { memory = "64K";')
    with Vnet(program, small + pair("other", ports[1], server.port)) as vnet:
        held = []

        def open_many():
            for _ in range(200):
                held.append(socket.create_connection(("127.0.0.1", ports[0]), timeout=LIMIT))
                try:
                    held[-1].sendall(b"GET /file HTTP/1.0\r\n")
                except OSError:
                    pass  # that one was refused
        threading.Thread(target=open_many).start()
        until("the limit is met and said", lambda: "memory limit of 64 KiB" in vnet.output())
        assert 'stack "small-dc"' in vnet.output()
        assert fetch_sum(ports[1]) == server.sum
        failures = {s["name"]: s["heap_failures"] for s in vnet.json("ls")["stacks"]}
        assert failures.pop("small-dc") > 0 and not any(failures.values()), failures
        for s in held:
            s.close()
        assert vnet.stop() == 0
    server.close()


if __name__ == "__main__":
    main([
        killed_and_started_again_all_forwards_accept,
        idle_stacks_do_not_wake_up,
        a_stack_at_its_memory_limit_fails_alone,
    ])
