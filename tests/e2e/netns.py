# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces of a test's own, and sockets in them: threads of this program enter one, the program does not."""

import ctypes
import os
import subprocess
import threading

from harness import Skip

CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000
libc = ctypes.CDLL(None, use_errno=True)


def alone():
    """Leave the host's network for an empty one, before anything else is done; and the folder of wg(8)'s sockets."""
    if os.getuid() != 0 or libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        raise Skip("network namespaces are root's to make (what is tested in them runs without root)")
    if subprocess.run(["mount", "--make-rprivate", "/"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip("mounts cannot be a test's own here: / is none (a chroot)")
    os.makedirs("/var/run/wireguard", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "wireguard", "/var/run/wireguard"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Namespace:
    """An empty network with its loopback up."""

    def __init__(self):
        ready = threading.Event()
        self.end = threading.Event()

        def live():
            libc.unshare(CLONE_NEWNET)
            self.tid = threading.get_native_id()
            self.fd = os.open(f"/proc/self/task/{self.tid}/ns/net", os.O_RDONLY)
            ready.set()
            self.end.wait()

        self.thread = threading.Thread(target=live, daemon=True)
        self.thread.start()
        ready.wait()
        self.ip("link", "set", "lo", "up")

    def run(self, function, *args):
        """What the function returns, or raises, when a thread in here calls it."""
        result = []

        def call():
            libc.setns(self.fd, CLONE_NEWNET)
            try:
                result.extend((True, function(*args)))
            except BaseException as error:  # the caller's to see
                result.extend((False, error))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        if not result[0]:
            raise result[1]
        return result[1]

    def start(self, function, *args):
        """Run it in here in the background."""
        def call():
            libc.setns(self.fd, CLONE_NEWNET)
            function(*args)

        threading.Thread(target=call, daemon=True).start()

    def ip(self, *args):
        self.run(lambda: subprocess.run(["ip", *args], check=True))

    def join(self, name, *addresses, other=()):
        """A cable from the test's own namespace to this one."""
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", str(self.tid)],
                       check=True)
        for addr in other:
            subprocess.run(["ip", "addr", "add", addr, "dev", name, *nodad(addr)], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        for addr in addresses:
            self.ip("addr", "add", addr, "dev", name, *nodad(addr))
        self.ip("link", "set", name, "up")

    def close(self):
        os.close(self.fd)
        self.end.set()


def nodad(addr):
    return ["nodad"] if ":" in addr else []
