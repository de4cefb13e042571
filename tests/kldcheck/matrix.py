#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The checker against compilers, options and linkers: what --emit-relocs says is the truth.

usage: matrix.py KLDCHECK SOURCE-DIR [--all]

Without --all a sample of what is installed is built. A reference is known from the static relocations that the linker
kept: it is broken when its instructions, as linked, no longer load from the GOT. Each broken one must be among those
found, the verdict must be "broken" exactly when there is one, and that must hold for the stripped file as well.
"""
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

kldcheck, src = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
every = '--all' in sys.argv
doubts = []

CLANG = ['--target=aarch64-unknown-freebsd13.2', '-ffreestanding', '-fno-common', '-mgeneral-regs-only', '-fPIC']
GCC = ['-ffreestanding', '-fno-common', '-mgeneral-regs-only', '-fPIC', '-fno-stack-protector']


def have(*names):
    return [n for n in names if shutil.which(n)]


def tool(*names):
    found = have(*names)
    return found[0] if found else None


# What the whole matrix has, of Debian 12; what is not installed is left out, and said.
COMPILERS = ['clang-14', 'clang-19', 'aarch64-linux-gnu-gcc']
LINKERS = ['ld.lld-13', 'ld.lld-14', 'ld.lld-15', 'ld.lld-16', 'ld.lld-19', 'aarch64-linux-gnu-ld.bfd',
           'aarch64-linux-gnu-ld.gold', 'mold']
compilers = [(c, CLANG if c.startswith('clang') else GCC) for c in have(*COMPILERS)] or [(c, CLANG) for c in have('clang')]
opts = [['-O0'], ['-O1'], ['-O2'], ['-Os'], ['-O2', '-mcpu=cortex-a72'], ['-O2', '-fvisibility=hidden'], ['-O2', '-DSTATIC'],
        ['-O1', '-DSTATIC'], ['-O2', '-fsection-anchors'], ['-O2', '-mbranch-protection=standard'], ['-O3', '-funroll-loops'],
        ['-Oz', '-mllvm', '-enable-machine-outliner=always'], ['-O2', '-fno-jump-tables']]
linkers = have(*LINKERS)
modes = [['-Bsymbolic'], ['-Bsymbolic', '--no-relax'], []]
localise = [True, False]
READELF = tool('llvm-readelf-14', 'llvm-readelf', 'aarch64-linux-gnu-readelf')
OBJCOPY = tool('llvm-objcopy-14', 'llvm-objcopy', 'aarch64-linux-gnu-objcopy')

if not compilers or not linkers or not READELF or not OBJCOPY:
    print('1..0 # SKIP no clang, no linker or no binutils for aarch64')
    sys.exit(0)


def run(args, **kw):
    return subprocess.run(args, capture_output=True, text=True, **kw)


def sections(path):
    out = {}
    for line in run([READELF, '-SW', path]).stdout.splitlines():
        m = re.match(r'\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)\s+([0-9a-f]+)', line)
        if m:
            out[m[1]] = tuple(int(x, 16) for x in m.groups()[1:])
    return out


PC_RELATIVE = ('ADR_PREL_PG_HI21', 'ADR_PREL_LO21', 'LD_PREL_LO19')
GOT = ('ADR_GOT_PAGE', 'LD64_GOT_LO12_NC', 'LD64_GOTPAGE_LO15')


def truth(path):
    """The addresses of the instructions that refer to a set, with their relocation, and whether they still load."""
    sec = sections(path)
    ranges = [(sec[s][0], sec[s][0] + sec[s][2]) for s in ('set_vnet', 'set_pcpu') if s in sec]
    text = sec['.text']
    data = open(path, 'rb').read()
    refs = []
    for line in run([READELF, '-rW', path]).stdout.splitlines():
        m = re.match(r'([0-9a-f]{8,16})\s+\S+\s+R_AARCH64_(\S+)\s+([0-9a-f]{8,16})\s+\S+(?: ([+-]) ([0-9a-f]+))?', line)
        if not m or not text[0] <= int(m[1], 16) < text[0] + text[2]:
            continue
        addend = int(m[5] or '0', 16) * (-1 if m[4] == '-' else 1)
        value = int(m[3], 16) + addend
        kind = m[2].replace('R_AARCH64_', '')
        if not any(a <= value < b for a, b in ranges):
            continue
        at = int(m[1], 16)
        word = int.from_bytes(data[text[1] + at - text[0]:][:4], 'little')
        if kind in ('LD64_GOT_LO12_NC', 'LD64_GOTPAGE_LO15'):
            broken = (word & 0xffc00000) != 0xf9400000      # no longer an LDR: relaxed
        elif kind in GOT:
            continue
        elif word == 0xd503201f:                            # the linker left only the second of a pair
            continue
        else:
            broken = True
        refs.append((at, kind, broken))
    return refs


def check(path):
    p = run([kldcheck, '--json', path])
    return p.returncode, json.loads(p.stdout)['modules'][0]


def judge(path, refs, name):
    status, m = check(path)
    broken = [r for r in refs if r[2]]
    bad = []
    if not broken and m['verdict'] == 'unsure' and status == 2:     # allowed, and counted: a doubt is no lie
        doubts.append(name)
    elif bool(broken) != (m['verdict'] == 'broken') or status != (1 if broken else 0):
        bad.append(f'{name}: {len(broken)} of {len(refs)} references broken, verdict {m["verdict"]} ({status}) {m["notes"][:2]}')
    # Every one is found, by one of its instructions.
    seen = {i['address'] for r in m['references'] for i in r['instructions']}
    for at, kind, _ in broken:
        if at not in seen:
            bad.append(f'{name}: missed {at:#x} {kind}')
    known = {r[0] for r in broken} | {r[0] for r in refs}
    for r in m['references']:
        if not any(i['address'] in known for i in r['instructions']):
            bad.append(f'{name}: invented {r["instructions"]}')
    return bad


def build(dir, n, compiler, opt, linker, mode, local):
    base = os.path.join(dir, str(n))
    obj, kld, ko = base + '.o', base + '.kld', base + '.ko'
    cc, flags = compiler
    if cc.startswith('aarch64') and '-mllvm' in opt or cc.startswith('clang') and '-fsection-anchors' in opt:
        return None
    if run([cc, *flags, *opt, '-c', os.path.join(src, 'mod.c'), '-o', obj]).returncode:
        return None
    if run([tool('ld.lld-14', 'ld.lld', 'aarch64-linux-gnu-ld.bfd'), '-r', obj, '-o', kld]).returncode:
        return None
    if local:       # FreeBSD's default: no symbols are exported
        run([OBJCOPY] + [f'--localize-symbol={s}' for s in names(kld)] + [kld])
    p = run([linker, '-shared', '-znotext', '-znorelro', '--emit-relocs', *mode, kld, '-o', ko])
    return ko if p.returncode == 0 else None


def names(obj):
    return [line.split()[-1] for line in run([READELF, '-sW', obj]).stdout.splitlines()
            if ' GLOBAL ' in line and ' UND ' not in line]


def main():
    combos = list(itertools.product(compilers, opts, linkers, modes, localise))
    if not every:
        combos = combos[::max(1, len(combos) // 60)]
    bad, modules, nrefs, nbroken, brokenmods = [], 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as dir:
        for n, c in enumerate(combos):
            ko = build(dir, n, *c)
            if not ko:
                continue
            name = ' '.join([c[0][0], *c[1], c[2], *c[3], 'local' if c[4] else 'exported'])
            refs = truth(ko)
            modules += 1
            nrefs += len(refs)
            nbroken += sum(r[2] for r in refs)
            brokenmods += any(r[2] for r in refs)
            bad += judge(ko, refs, name)
            stripped = ko + '.stripped'
            run([OBJCOPY, '--strip-all', ko, stripped])
            bad += judge(stripped, refs, name + ' stripped')
            data = bytearray(open(stripped, 'rb').read())
            data[40:48] = bytes(8)      # no section headers
            data[60:64] = bytes(4)
            bare = ko + '.bare'
            open(bare, 'wb').write(data)
            status, m = check(bare)
            if m['verdict'] == 'ok' and any(r[2] for r in refs):
                bad.append(name + ': ok without section headers')
            if m['verdict'] == 'broken' and not any(r[2] for r in refs):
                bad.append(name + ': broken without section headers')
    missing = [t for t in COMPILERS + LINKERS if not shutil.which(t)]
    print(f'1..{1 + len(missing)}')
    for b in bad[:60]:
        print('#', b)
    print(f'# {modules} modules ({brokenmods} broken), {nrefs} references, {nbroken} broken; {len(bad)} wrong, {len(doubts)} good ones unsure')
    ok = not bad and len(doubts) * 50 <= modules and modules > 10 and brokenmods > 0
    print('ok 1' if ok else 'not ok 1', '- every verdict and reference as the relocations say')
    for n, t in enumerate(missing, 2):
        print(f'ok {n} - modules by {t} # SKIP {t} is not installed: scripts/packages names its package')
    return 0


sys.exit(main())
