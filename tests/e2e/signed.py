#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Signed modules: with --require-signed, what the key did not sign is not loaded, dependencies too."""

import os
import shutil
import subprocess

from harness import Vnet, WebServer, fetch_sum, free_ports, main, pair

UPDATE = os.environ["UVNET_BUILD"] + "/bin/vnet-update"


def sign(program, *modules, key="key"):
    file = program.path(key)
    if not os.path.exists(file):
        subprocess.run([UPDATE, "keygen", "--plain", file], check=True, capture_output=True)
        os.chmod(file + ".pub", 0o644)
    subprocess.run([UPDATE, "sign", "--key", file, *(f"{program.dir}/modules/{m}" for m in modules)], check=True)
    return file + ".pub"


def unsign(program):
    for name in ("inet.ko", "if_epair.ko", "if_wg.ko"):
        shutil.copy(f"{os.environ['UVNET_BUILD']}/modules/{name}", f"{program.dir}/modules/{name}")


def starts(program, *options):
    """The error of a run that must not come up."""
    config = program.write("vnet.conf", "vnet a { }")
    code, _, err = program.call("run", "--for", "0", *options, config)
    assert code == 1, err
    return err


def what_is_signed_is_loaded_and_works(program):
    server, (port,) = WebServer(1, 1 << 20), free_ports(1)
    key = sign(program, "inet.ko", "if_epair.ko")
    with Vnet(program, pair("red", port, server.port), "--require-signed", key) as vnet:
        assert fetch_sum(port) == server.sum
        code, _, err = vnet.call("kldload", f"{program.dir}/modules/if_wg.ko")
        assert code == 1 and "not signed" in err, err
        sign(program, "if_wg.ko")
        code, _, err = vnet.call("kldload", f"{program.dir}/modules/if_wg.ko")
        assert code == 0, err
        assert fetch_sum(port) == server.sum
    server.close()


def each_reason_is_said(program):
    unsign(program)
    key = sign(program, "if_epair.ko")
    assert "inet.ko: it is not signed" in starts(program, "--require-signed", key)
    sign(program, "inet.ko", key="stranger")
    assert "it is signed with key" in starts(program, "--require-signed", key)
    sign(program, "inet.ko")
    inet = f"{program.dir}/modules/inet.ko"
    with open(inet, "rb") as file:
        good = file.read()
    for content, why in ((good[:5000] + b"x" + good[5001:], "BAD signature"), (good + b" ", "not signed"),
                         (good[:-40] + bytes(12) + good[-28:], "signature"), (good[-28:], "is cut")):
        with open(inet, "wb") as file:
            file.write(content)
        assert why in starts(program, "--require-signed", key), why
    assert "no public key" in starts(program, "--require-signed", program.write("none", "nothing\n"))


def kldinfo_shows_the_signature(program):
    unsign(program)
    module = f"{program.dir}/modules/if_epair.ko"
    key = sign(program, "if_epair.ko")
    code, out, _ = program.call("kldinfo", module)
    assert code == 0 and "not verified" in out and "file:if_epair.ko" in out, out
    code, out, _ = program.call("kldinfo", "--require-signed", key, module)
    assert code == 0 and "(verified)" in out, out
    code, _, err = program.call("kldinfo", "--require-signed", key, f"{program.dir}/modules/inet.ko")
    assert code == 1 and "not signed" in err, err
    code, out, _ = program.call("kldinfo", f"{program.dir}/modules/inet.ko")
    assert code == 0 and out.rstrip().endswith("not signed"), out


main([what_is_signed_is_loaded_and_works, each_reason_is_said, kldinfo_shows_the_signature])
