#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""In small places: with little address space or private memory vnet runs with a smaller arena, or says what to set.

RLIMIT_DATA counts what vm.overcommit_memory=2 counts, private memory that may be written, when it is reserved; so it
stands for that one, which no test may set for a whole machine.
"""

import os
import subprocess

from harness import LIMIT, free_ports, main, pair

MIB = 1 << 20


def run(program, *limits):
    """A customer's two stacks for a moment, under limits of prlimit(1): (exit code, what it said)."""
    conf = program.write("small.conf", pair("small", *free_ports(2)))
    command = program.command("run", "--for", "0.2", "--workers", "1", "--socket", program.path("small-sock"), conf)
    p = subprocess.run(["prlimit", "--core=0", *limits, *command], capture_output=True, text=True, timeout=LIMIT,
                       check=False)
    return p.returncode, p.stdout + p.stderr


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
    ])
