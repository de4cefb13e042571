#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Modules of a running process: broken ones are refused with the reason, and the stacks do not notice."""

import os
import shlex
import subprocess

from harness import Vnet, WebServer, fetch_sum, free_ports, main, pair

SOURCE = """
#include <uvnet/module.h>
#include <uvnet/vnet.h>
%s
static const moduledata_t mod = { .name = "%s" };
DECLARE_MODULE(%s, mod, SI_SUB_PSEUDO, SI_ORDER_ANY);
"""


def module(program, name, text):
    """Compile a module of these few lines."""
    path = program.path(f"{name}.ko")
    source = program.write(f"{name}.c", SOURCE % (text, name, name))
    include = f"-I{os.environ['UVNET_SOURCE']}/include"
    cc = shlex.split(os.environ.get("UVNET_CC", "cc"))
    subprocess.run([*cc, "-O2", "-fPIC", "-D_GNU_SOURCE", include, "-c", source, "-o", path + ".o"], check=True)
    subprocess.run([os.environ.get("UVNET_LD", "ld"), "-r", path + ".o", "-o", path], check=True)
    os.chmod(path, 0o644)
    return path


def refused(program, name, content, *words):
    """kldload says why not, in these words, and everything else goes on."""
    server, (port,) = WebServer(1, 1 << 20), free_ports(1)
    if content is None:
        path = name
    else:
        path = program.path(name)
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, 0o644)
    with Vnet(program, pair("red", port, server.port)) as vnet:
        files = vnet.json("kldstat")
        code, _, err = vnet.call("kldload", path)
        assert code == 1, err
        for word in words:
            assert word in err, f"{word!r} is not in: {err}"
        assert vnet.json("kldstat") == files
        assert fetch_sum(port) == server.sum
    server.close()


def what_is_no_module_is_refused(program):
    refused(program, "text.ko", b"hello, world\n", "text.ko", "ELF")


def a_truncated_module_is_refused(program):
    with open(f"{program.dir}/modules/if_epair.ko", "rb") as f:
        content = f.read()
    refused(program, "cut.ko", content[:len(content) // 2], "cut.ko")


def an_unknown_symbol_is_named(program):
    path = module(program, "lost", "int nowhere_to_be_found(void);\nint lost(void) { return (nowhere_to_be_found()); }")
    refused(program, path, None, "lost.ko", "nowhere_to_be_found")


def a_module_that_does_not_fit_is_refused_with_sizes(program):
    path = module(program, "huge", "char huge[64 << 20];")
    refused(program, path, None, "huge.ko", "modspace")
    path = module(program, "wide", "VNET_DEFINE(char[4 << 20], wide);")
    refused(program, path, None, "wide.ko", "set_vnet")


def a_failing_constructor_fails_the_load(program):
    path = module(program, "unlucky", "static int up(const void *a) { (void)a; return (curvnet == vnet0 ? 0 : -12); }\n"
                  "VNET_SYSINIT(unlucky_up, SI_SUB_PSEUDO, SI_ORDER_ANY, up, NULL);")
    refused(program, path, None, "unlucky.ko", "unlucky_up", "red-site")


def a_good_one_is_loaded_used_and_unloaded(program):
    server, (port,) = WebServer(1, 1 << 20), free_ports(1)
    path = module(program, "good", """
#include <stdio.h>
VNET_DEFINE_STATIC(int, answer) = 42;
static int up(const void *a)
{
    (void)a;
    if (VNET(answer) != 42) return (-22);
    VNET(answer) = (int)curvnet->vnet_id;
    return (0);
}
VNET_SYSINIT(good_up, SI_SUB_PSEUDO, SI_ORDER_ANY, up, NULL);
static void down(const void *a)
{
    (void)a;
    if (VNET(answer) != (int)curvnet->vnet_id) __builtin_trap();
}
VNET_SYSUNINIT(good_down, SI_SUB_PSEUDO, SI_ORDER_ANY, down, NULL);
""")
    with Vnet(program, pair("red", port, server.port)) as vnet:
        free = next(s for s in vnet.json("kldstat")["spaces"] if s["name"] == "module space")["free"]
        for _ in range(3):
            code, _, err = vnet.call("kldload", path)
            assert code == 0, err
            stat = vnet.json("kldstat")
            assert "good.ko" in [f["name"] for f in stat["files"]]
            space = next(s for s in stat["spaces"] if s["name"] == "module space")
            assert 0 < space["largest"] <= space["free"] == space["size"] - space["used"] < free, (space, free)
            assert vnet.call("kldload", path)[0] == 1, "loaded twice"
            assert fetch_sum(port) == server.sum
            code, _, err = vnet.call("kldunload", "good")
            assert code == 0, err
        assert fetch_sum(port) == server.sum
    server.close()


def modules_in_use_stay(program):
    server, (port,) = WebServer(1, 1 << 20), free_ports(1)
    with Vnet(program, pair("red", port, server.port)) as vnet:
        for name in ("inet", "if_epair", "nothing"):
            code, _, err = vnet.call("kldunload", name)
            assert code == 1 and name in err, err
        assert fetch_sum(port) == server.sum
    server.close()


if __name__ == "__main__":
    main([
        what_is_no_module_is_refused,
        a_truncated_module_is_refused,
        an_unknown_symbol_is_named,
        a_module_that_does_not_fit_is_refused_with_sizes,
        a_failing_constructor_fails_the_load,
        a_good_one_is_loaded_used_and_unloaded,
        modules_in_use_stay,
    ])
