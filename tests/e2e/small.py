#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""In small places: with little address space or private memory vnet runs with a smaller arena, or says what to set.

RLIMIT_DATA counts what vm.overcommit_memory=2 counts, private memory that may be written, when it is reserved; so it
stands for that one, which no test may set for a whole machine.
"""

import os
import subprocess

from harness import LIMIT, Skip, free_ports, main, pair, until

MIB = 1 << 20


def run(program, *limits):
    """A customer's two stacks for a moment, under limits of prlimit(1): (exit code, what it said)."""
    conf = program.write("small.conf", pair("small", *free_ports(2)))
    command = program.command("run", "--for", "0.2", "--workers", "1", "--socket", program.path("small-sock"), conf)
    p = subprocess.run(["prlimit", "--core=0", *limits, *command], capture_output=True, text=True, timeout=LIMIT,
                       check=False)
    return p.returncode, p.stdout + p.stderr


class Group:
    """A control group of our own below the one we are in, with a limit of memory."""

    def __init__(self, limit):
        with open("/proc/self/cgroup", encoding="utf-8") as f:
            groups = [line.rstrip("\n").split(":", 2)[1:] for line in f]
        for root, key, path in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes", p) for c, p in groups if c == "memory"] + [
                ("/sys/fs/cgroup", "memory.max", p) for c, p in groups if c == ""]:
            self.dir = f"{root}{path.rstrip('/')}/uvnet-test-{os.getpid()}"
            try:
                os.mkdir(self.dir)
                try:
                    with open(f"{self.dir}/{key}", "w", encoding="ascii") as f:
                        f.write(str(limit))
                    return
                except OSError:
                    os.rmdir(self.dir)
            except OSError:
                pass
        raise Skip("no control group with a limit of memory can be made here (it takes root, and the controller)")

    def enter(self):
        with open(f"{self.dir}/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(os.getpid()))

    def close(self):
        until("the group is empty", lambda: not open(f"{self.dir}/cgroup.procs", encoding="ascii").read())
        os.rmdir(self.dir)


def run_in_group(program, limit, conf):
    group = Group(limit)
    try:
        command = program.command("run", "-v", "--for", "0.2", "--workers", "1", "--socket", program.path("group-sock"),
                                  program.write("group.conf", conf))
        p = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False, preexec_fn=group.enter)
        return p.returncode, p.stdout + p.stderr
    finally:
        group.close()


def a_control_group_is_filled_by_nobody(program):
    code, said = run_in_group(program, 64 * MIB, pair("small", *free_ports(2)))
    assert code == 0 and "64 MiB of memory" in said and "16384 KiB for a stack" in said and "running: 2 stacks" in said, said
    code, said = run_in_group(program, 32 * MIB, pair("small", *free_ports(2)))
    assert code == 0 and "8192 KiB for a stack that says nothing" in said, said


def what_does_not_fit_a_control_group_is_refused(program):
    code, said = run_in_group(program, 32 * MIB, "".join(f"vnet s{i} {{ }}\n" for i in range(2000)))
    assert code == 1 and "2000 stacks take" in said and "may have 32 MiB" in said and "uvnet-test-" in said, said
    code, said = run_in_group(program, 32 * MIB, 'vnet a { memory = "64M"; }\n')
    assert code == 1 and 'group.conf:1: vnet "a": memory: 64 MiB is more than' in said, said


def with_little_address_space_the_arena_is_smaller(program):
    code, said = run(program, f"--as={(600 + 32 * (os.cpu_count() or 1)) * MIB}")
    assert code == 0 and "running: 2 stacks" in said, said


def with_too_little_it_says_what_to_set(program):
    code, said = run(program, f"--as={60 * MIB}")
    assert code == 1 and "ulimit -v" in said, said


def where_private_memory_is_counted_the_arena_is_shared(program):
    code, said = run(program, f"--data={96 * MIB}")
    assert code == 0 and "running: 2 stacks" in said, said


def with_too_little_private_memory_it_says_what_to_set(program):
    code, said = run(program, f"--data={2 * MIB}")
    assert code == 1 and "ulimit -d" in said, said


if __name__ == "__main__":
    main([
        with_little_address_space_the_arena_is_smaller,
        with_too_little_it_says_what_to_set,
        where_private_memory_is_counted_the_arena_is_shared,
        with_too_little_private_memory_it_says_what_to_set,
        a_control_group_is_filled_by_nobody,
        what_does_not_fit_a_control_group_is_refused,
    ])
