#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What virtual variables cost whole programs, and what instances cost against what people do without them.

lwIP, Lua and SQLite, each built four times with -O2 -fPIE: virtual with the base in a thread-local (tls) and in %gs (gs);
not virtual through the same steps of vnetcc (-fvirtual=none, "same steps"); and by clang, unit by unit ("plain").
Instructions are callgrind's, a long run less a short one, so that start and end cancel out; times are of the processor, the least
of interleaved runs.  Then instances (vnetcc/instances.c): switching against copying the variables in and out, making
against a memcpy of the template's non-zero bytes into fresh memory, and how many there can be against dlmopen(3).

The builds are kept in benchmarks/vnetcc-builds/ of the build folder, until a source or vnetcc is newer.  Names of programs as
arguments measure only these.
"""

import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys

BIN = os.path.dirname(os.path.abspath(__file__))
BUILDS = os.path.join(BIN, "../benchmarks/vnetcc-builds")
with open(os.path.join(BIN, "../benchmarks/vnetcc-places.json"), encoding="utf-8") as places:
    PLACES = json.load(places)
ROOT = PLACES["root"]
HERE = os.path.join(ROOT, "benchmarks/vnetcc")
VNETCC = os.path.join(BIN, "vnetcc")
FLAGS = ["-O2", "-fPIE", "-pie", "-g0", "-w"]
SHARED = ["-O2", "-fPIC", "-g0", "-w"]
KINDS = {
    "tls": [VNETCC, "-fvirtual-base=tls"],
    "gs": [VNETCC, "-fvirtual-base=gs"],
    "same steps": [VNETCC, "-fvirtual=none"],
    "plain": ["clang"],
}
TIMES = 5


def run(*args, **kw):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **kw)
    if done.returncode != 0:
        sys.exit(f"bench-vnetcc: {' '.join(args)[:300]}: status {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def source(name):
    path = run(os.path.join(ROOT, "scripts/setup"), "--program", name).strip()
    return path if os.path.isdir(path) else sys.exit(f"bench-vnetcc: scripts/setup could not fetch the source {name}")


def newer(target, inputs):
    return os.path.exists(target) and all(os.path.getmtime(i) <= os.path.getmtime(target) for i in inputs)


def made(name, compiler, flags, sources, deps=()):
    """Builds/name by the compiler, unless it is there and newer than its sources."""
    target = os.path.join(BUILDS, name)
    runtime = [VNETCC, os.path.join(BIN, "../src/vinst/libvinst.a")] if compiler[0] == VNETCC else []
    if not newer(target, runtime + sources + list(deps)):
        os.makedirs(BUILDS, exist_ok=True)
        run(*compiler, *(FLAGS if "-shared" not in flags else SHARED), *flags, "-o", target, *[s for s in sources if not s.endswith(".h")], "-lm", "-ldl")
    return target


class Lwip:
    """Over its loop interface."""
    name = "lwip"
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-I" + os.path.join(ROOT, "include"), *PLACES["includes"].split()]
    work = [("lwIP bulk", ["bulk"], 4 << 20, 16 << 20, 512 << 20), ("lwIP ping-pong", ["pingpong"], 1000, 5000, 200000)]

    def units(self):
        return [os.path.join(HERE, "lwip_port.c"), os.path.join(ROOT, "benchmarks/lwip/driver.c"), *[os.path.join(PLACES["lwip"], s) for s in PLACES["sources"].split()]]

    def main(self):
        return [os.path.join(HERE, "lwip.c")]


class Lua:
    """Lua 5.4; its hashes must not depend on addresses, or no two runs would be alike."""
    name = "lua"
    flags = ["-DLUA_USE_LINUX", "-Dluai_makeseed(L)=((void)(L),12345u)"]
    work = [(f"Lua {n}", [os.path.join(HERE, f"lua/{n}.lua")], *sizes) for n, sizes in {
        "fannkuch": (6, 8, 9), "nbody": (500, 3000, 100000), "trees": (20, 220, 4000), "spectral": (3, 18, 300), "strings": (20, 220, 6000)}.items()]

    def units(self):
        return sorted(s for s in glob.glob(source("lua5.4") + "/src/*.c") if not re.search(r"/luac?\.c$", s))

    def main(self):
        return [source("lua5.4") + "/src/lua.c"]


class Sqlite:
    """SQLite, by its own speedtest1 in memory."""
    name = "sqlite"
    flags = ["-DSQLITE_THREADSAFE=1"]
    work = [("SQLite speedtest1", ["--memdb", "--testset", "main", "--size"], 1, 3, 20)]

    def units(self):
        amalgamation = os.path.join(BUILDS, "sqlite3")
        if not os.path.exists(amalgamation + "/sqlite3.c"):
            shutil.rmtree(amalgamation, ignore_errors=True)
            shutil.copytree(source("sqlite3"), amalgamation)
            run("./configure", "--disable-tcl", "--disable-readline", cwd=amalgamation)
            run("make", "-s", "sqlite3.c", cwd=amalgamation)
        self.flags = [*type(self).flags, "-I" + amalgamation]
        return [amalgamation + "/sqlite3.c"]

    def main(self):
        return [source("sqlite3") + "/test/speedtest1.c"]


# ---- Costs ----

def instructions(exe, args):
    out = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", exe, *args)
    return int(re.search(r"Collected : (\d+)", out).group(1))


def seconds(exe, args):
    pid = os.posix_spawn(exe, [exe, *args], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"bench-vnetcc: {exe}: status {status}")
    return usage.ru_utime + usage.ru_stime


def costs(program):
    """Of each work, by kind: instructions and seconds."""
    units = program.units()
    exes = {k: made(f"{program.name}-{k.replace(' ', '-')}", c, program.flags, program.main() + units) for k, c in KINDS.items()}
    result = {}
    for name, args, short, long, timed in program.work:
        count = {k: instructions(e, [*args, str(long)]) - instructions(e, [*args, str(short)]) for k, e in exes.items()}
        least = {k: math.inf for k in exes}
        for _ in range(TIMES):
            for k, e in exes.items():
                least[k] = min(least[k], seconds(e, [*args, str(timed)]))
        result[name] = (count, least)
    return result


def mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def cost_rows(result):
    rows = []
    for which, unit in enumerate(("instructions", "s")):
        for kind in ("tls", "gs"):
            for peer in ("same steps", "plain"):
                rows += [row(f"{n}, {kind}", unit, r[which][kind], r[which][peer], peer) for n, r in result.items()]
                rows.append(row(f"geometric mean, {kind}", unit + ", relative", mean([r[which][kind] / r[which][peer] for r in result.values()]), 1, peer))
    return rows


# ---- Instances ----

def instance_rows(program):
    """The program's library with vnetcc/instances.c instead of its main; Lua's has no variables that could be copied."""
    if program.name == "lua":
        return []
    units = program.units()
    mine = os.path.join(HERE, "instances.c")
    tls, gs = (made(f"{program.name}-instances-{k}", KINDS[k], [*program.flags, "-rdynamic"], units + [plain_object(mine)]) for k in ("tls", "gs"))
    shared = made(f"{program.name}.so", ["clang"], [*program.flags, "-shared"], units)
    out = {k: dict(line.split() for line in run(e, shared).splitlines()) for k, e in (("tls", tls), ("gs", gs))}
    n = {k: {key: float(v) for key, v in o.items()} for k, o in out.items()}
    t = n["tls"]
    name = f"{program.name}, {t['size']:.0f} bytes"
    return [
        row(f"switch, tls: {name}", "ns", t["switch"], t["copy"], "variables copied out and in (Cooja)"),
        row(f"switch, gs: {name}", "ns", n["gs"]["switch"], n["gs"]["copy"], "variables copied out and in (Cooja)"),
        row(f"create: {name}", "ns", t["create"], t["fresh"], f"memcpy of {t['bytes']:.0f} non-zero bytes and page faults"),
        row(f"create: {name}", "ns", t["create"], t["dlmopen"], "dlmopen"),
        row(f"instances: {name}", "number", t["count"], t["namespaces"], "dlmopen, until it fails", more=True),
    ]


def plain_object(path):
    target = os.path.join(BUILDS, os.path.basename(path) + ".o")
    os.makedirs(BUILDS, exist_ok=True)
    if not newer(target, [path]):
        run("clang", "-O2", "-fPIE", "-I" + os.path.join(ROOT, "include"), "-c", path, "-o", target)
    return target


# ---- Rows, as bench.h has them ----

def row(name, unit, ours, peer, peer_name, more=False):
    return {"name": name, "unit": unit, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": round(ours / peer if more else peer / ours, 4)}


def show(rows):
    print(f"{'vnetcc':36} {'unit':22} {'ours':>14} {'peer':>14} {'ratio':>7}  peer is")
    for r in rows:
        print(f"{r['name']:36} {r['unit']:22} {r['ours']:14.5g} {r['peer']:14.5g} {r['ratio']:7.3f}  {r['peer_name']}")


def main():
    programs = [Lwip(), Lua(), Sqlite()]
    args = sys.argv[1:]
    as_json = "--json" in args
    names = [a for a in args if a != "--json"]
    if any(n not in [p.name for p in programs] for n in names):
        sys.exit(f"usage: bench-vnetcc [--json] [{'|'.join(p.name for p in programs)} ...]")
    chosen = [p for p in programs if not names or p.name in names]
    result = {}
    for p in chosen:
        result.update(costs(p))
    rows = cost_rows(result)
    for p in chosen:
        rows += instance_rows(p)
    if as_json:
        print(json.dumps({"bench": "vnetcc", "rows": rows}))
    else:
        show(rows)


main()
