#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--pcap: an independent reader, tshark, finds in a link's capture the very file that went over it."""

import hashlib
import os
import shutil
import subprocess

from harness import Skip, Vnet, WebServer, fetch_sum, free_ports, main, pair


def tshark_reassembles_each_customers_file(program):
    if shutil.which("tshark") is None:
        raise Skip("tshark is not installed")
    servers, ports = [WebServer(i, 4 << 20) for i in range(2)], free_ports(2)
    captures = program.path("pcap")
    os.mkdir(captures)
    os.chmod(captures, 0o777)
    conf = pair("red", ports[0], servers[0].port) + pair("blue", ports[1], servers[1].port)
    with Vnet(program, conf, "--pcap", captures) as vnet:
        assert [fetch_sum(p) for p in ports] == [s.sum for s in servers]
        assert vnet.stop() == 0
    for name, server in zip(("red", "blue"), servers):
        objects = program.path(f"objects-{name}")
        # Every checksum is checked: what was left out within the process must be in the capture.
        out = subprocess.run(["tshark", "-r", f"{captures}/{name}.pcap", "-o", "tcp.check_checksum:TRUE",
                              "-o", "ip.check_checksum:TRUE", "-q", "--export-objects", f"http,{objects}",
                              "-z", "io,stat,0,tcp.checksum.status==0 || ip.checksum.status==0"],
                             capture_output=True, text=True, timeout=120, check=True).stdout
        with open(f"{objects}/file", "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == server.sum, "the capture holds another file"
        bad = [line for line in out.splitlines() if "<>" in line]
        assert bad and bad[0].split("|")[2].strip() == "0", f"bad checksums: {bad}"
        server.close()


if __name__ == "__main__":
    main([tshark_reassembles_each_customers_file])
