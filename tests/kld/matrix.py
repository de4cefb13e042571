#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The module linker against compilers, linkers and their options, on the machine that MATRIX-CELL is made for.

usage: matrix.py MATRIX-CELL SOURCE-DIR [--all] [--table]

Every cell builds three modules and runs them in three stacks: sets.ko has a variable of each kind, user.ko uses those of
another module and of the program (not where symbols are local), notice.ko is six references that are counted, too,
under a loader that redirects the GOT as FreeBSD's does. All six must be right under ours.

How many references a linker relaxed is told from a twin of notice.ko that was linked with --emit-relocs: a load from the
GOT that an object had and the linked file has no more. A cell that should relax and did not fails; so does one where
the GOT loader's errors do not agree with the count. Without --all a sample of the cells runs; --table prints what
docs/module-matrix.md has.
"""
import collections
import itertools
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile

flags = [a for a in sys.argv[1:] if a.startswith('--')]
cell_program, src = (os.path.realpath(a) for a in sys.argv[1:] if not a.startswith('--'))
MOD = os.path.join(src, 'tests/kld/mod')
REFS = 6
BY_COMPILER = 2             # of these, addressed without the GOT where no linker relaxes: the static and the hidden variable

# Of Debian 12; what is not installed is left out, and said.
LLD = ['ld.lld-14', 'ld.lld-15', 'ld.lld-16', 'ld.lld-19']
CLANG = ['clang-14', 'clang-19']
# How: (ET_DYN options, joined by ld -r first, variables made local). Relaxes: whether it should.
DYN = {'default': ([], False, False), '--no-relax': (['-Bsymbolic', '--no-relax'], False, False),
       '-Bsymbolic': (['-Bsymbolic'], False, False), 'ld -r first': (['-Bsymbolic'], True, False),
       'local': ([], True, True)}
REL = {'default': ([], False, False), 'ld -r first': ([], True, False), 'local': ([], True, True)}
RELAX = ['-Bsymbolic', 'ld -r first', 'local']

# A reference to a virtual variable, for what the code at the place of its relocation is.
LOAD, DIRECT = 'a load from the GOT', 'an address without the GOT'


def word(data, at):
    return struct.unpack_from('<I', data, at)[0]


def x86_64(kind, data, at):
    opcode = data[at - 2]               # before the ModRM byte, which is before the place
    if kind in (9, 41, 42) and opcode == 0x8b:          # GOTPCREL, GOTPCRELX, REX_GOTPCRELX; mov
        return LOAD
    return DIRECT if kind == 2 and opcode == 0x8d else None     # PC32; lea


def aarch64(kind, data, at):
    if kind == 312:                     # LD64_GOT_LO12_NC
        return LOAD if word(data, at) & 0xffc00000 == 0xf9400000 else None      # ldr
    return DIRECT if kind in (274, 277) else None       # ADR_PREL_LO21, ADD_ABS_LO12_NC


def riscv64(kind, data, at):
    # GOT_HI20; PCREL_HI20. Not the instruction: lld 15 and mold shorten code, and leave relocations where they were.
    return LOAD if kind == 20 else DIRECT if kind == 23 else None


def arm(kind, data, at):
    # GOT_BREL, GOT_PREL; REL32, GOTOFF32, MOVW_PREL_NC
    return LOAD if kind in (26, 96) else DIRECT if kind in (3, 24, 45) else None


# What a linker can relax is two instructions that lie together, and lld wants all of a section to be so: it may not
# where the compiler moved them apart, as for the scheduling model of a Cortex.
def pairs_lie_together(elf):
    places = {kind: [place for k, place in elf.references() if k == kind] for kind in (311, 312)}
    return [p + 4 for p in places[311]] == places[312]


Machine = collections.namedtuple('Machine', 'name triple compilers levels linkers classify relaxers relaxable')
MACHINES = {
    62: Machine('x86_64', '', ['gcc'] + CLANG, ['-O0', '-O2'], LLD + ['ld.bfd', 'ld.gold', 'mold'], x86_64,
                LLD + ['ld.bfd', 'ld.gold', 'mold'], lambda elf: True),
    183: Machine('aarch64', 'aarch64-linux-gnu', ['gcc'] + CLANG, ['-O0', '-O2', '-O2 -mcpu=cortex-a57'],
                 LLD + ['ld.bfd', 'ld.gold', 'mold'], aarch64, LLD + ['mold'], pairs_lie_together),
    243: Machine('riscv64', 'riscv64-linux-gnu', ['gcc'] + CLANG, ['-O0', '-O2'], LLD + ['ld.bfd', 'mold'], riscv64, [],
                 None),
    40: Machine('arm', 'arm-linux-gnueabihf', ['gcc'] + CLANG, ['-O0', '-O2'], LLD + ['ld.bfd', 'ld.gold', 'mold'], arm,
                [], None),
}
# Not libgcc's functions for atomic operations and thread-locals, which a module does not have.
MACHINE_FLAGS = {('aarch64', 'gcc'): ['-mno-outline-atomics'], ('aarch64', 'clang'): ['-mno-outline-atomics'],
                 ('arm', 'clang'): ['-mtp=cp15']}


class Elf:
    """Sections, and the relocations of code that name a virtual variable."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            self.data = d = f.read()
        self.wide = d[4] == 2
        self.type, self.machine = struct.unpack_from('<HH', d, 16)
        shoff, = struct.unpack_from('<Q' if self.wide else '<I', d, 40 if self.wide else 32)
        n, self.shstr = struct.unpack_from('<HH', d, 60 if self.wide else 48)
        form = '<IIQQQQIIQQ' if self.wide else '<10I'
        self.sec = [struct.unpack_from(form, d, shoff + struct.calcsize(form) * i) for i in range(n)]

    def text_at(self, table, offset):
        start = self.sec[table][4] + offset
        return self.data[start:self.data.index(b'\0', start)].decode()

    def name(self, i):
        return self.text_at(self.shstr, self.sec[i][0])

    def symbol(self, table, i):
        """Its name's offset, and its section."""
        at = self.sec[table][4] + i * (24 if self.wide else 16)
        return struct.unpack_from('<I', self.data, at)[0], struct.unpack_from('<H', self.data, at + (6 if self.wide else 14))[0]

    def references(self):
        """(type, place in the file) of each."""
        found = []
        for s in self.sec:
            if s[1] not in (4, 9) or not s[7] or not self.sec[s[7]][2] & 4:     # relocations of an executable section
                continue
            target = self.sec[s[7]]
            for at in range(s[4], s[4] + s[5], s[9]):
                offset, info = struct.unpack_from('<QQ' if self.wide else '<II', self.data, at)
                name, section = self.symbol(s[6], info >> (32 if self.wide else 8))
                in_set = 0 < section < len(self.sec) and self.name(section) == 'set_vnet'
                if in_set or self.text_at(self.sec[s[6]][6], name).startswith('vnet_entry_n_'):
                    found.append((info & (0xffffffff if self.wide else 0xff),
                                  target[4] + offset - (target[3] if self.type != 1 else 0)))
        return found

    def count(self, what):
        return sum(machine.classify(kind, self.data, place) == what for kind, place in self.references())


machine = MACHINES[Elf(cell_program).machine]
emulated = machine.name != platform.machine()
emulator = [f'qemu-{machine.name}', '-L', f'/usr/{machine.triple}'] if emulated else []


def tool(name):
    """Of that machine: a linker that does all, or the cross tool."""
    return f'{machine.triple}-{name}' if machine.triple and name in ('gcc', 'ld', 'ld.bfd', 'ld.gold', 'objcopy') else name


def run(*args):
    p = subprocess.run(args, capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(f'{" ".join(args)}: {p.stderr.strip() or p.stdout.strip() or p.returncode}')
    return p.stdout


def compile_all(dir, compiler, level):
    """The objects of the three modules, for ET_REL and for ET_DYN."""
    os.makedirs(dir)
    out = {}
    family = compiler.split('-')[0]
    target = MACHINE_FLAGS.get((machine.name, family), [])
    if machine.triple and family == 'clang':
        target = target + ['--target=' + machine.triple]
    for kind in ('REL', 'DYN'):
        for module, sources in {'sets': ['sets', 'sets2'], 'user': ['user'], 'notice': ['notice', 'notice2']}.items():
            out[kind, module] = objects = []
            for source in sources:
                objects.append(os.path.join(dir, f'{kind}-{source}.o'))
                run(tool(compiler), *target, '-std=gnu17', '-D_GNU_SOURCE', *level.split(), '-fPIC',
                    '-fasynchronous-unwind-tables', *(['-DSHARED'] if kind == 'DYN' else []), '-I',
                    os.path.join(src, 'include'), '-c', os.path.join(MOD, source + '.c'), '-o', objects[-1])
    return out


def join(objects, out, local):
    run(tool('ld'), '-r', '-o', out, *objects)
    if local:
        run(tool('objcopy'), '--wildcard', '--localize-symbol=vnet_entry_[sn]_*', '--localize-symbol=pcpu_entry_s_*', out)
    return out


Result = collections.namedtuple('Result', 'ours got loads relaxed direct should_relax')


def link_twin(linker, options, out, parts):
    """The file, or None where the linker breaks down at that; not one that is to relax."""
    try:
        run(tool(linker), '-shared', '--emit-relocs', *options, '-o', out, *parts)
    except RuntimeError as e:
        if 'internal error' not in str(e) or linker in machine.relaxers:
            raise
        return None
    return out


def cell(dir, objects, linker, kind, how):
    """Build and run; for ET_REL only `ours` is said."""
    os.makedirs(dir)
    options, first, local = (DYN if kind == 'DYN' else REL)[how]
    for module in ('sets', 'notice') + (() if local else ('user',)):
        parts = objects[kind, module]
        ko = os.path.join(dir, module + '.ko')
        if first:
            parts = [join(parts, ko + '.o', local)]
        if kind == 'REL':
            run(tool(linker), '-r', '-o', ko, *parts)
            continue
        run(tool(linker), '-shared', *options, '-o', ko, *parts)
        if module == 'notice':
            twin = link_twin(linker, options, ko + '.twin', parts)
    out = run(*emulator, cell_program, dir, *(['got'] if kind == 'DYN' else [])).split()
    if kind == 'REL':
        return Result(int(out[0]), None, None, None, None, False)
    notice = [Elf(o) for o in objects[kind, 'notice']]
    before = sum(o.count(LOAD) for o in notice)
    relaxed = before - Elf(twin).count(LOAD) if twin else None
    return Result(int(out[0]), int(out[1]), before, relaxed, sum(o.count(DIRECT) for o in notice),
                  linker in machine.relaxers and how in RELAX and all(machine.relaxable(o) for o in notice))


def judge(kind, r):
    if r.ours != REFS:
        return f'{r.ours} of {REFS} references right'
    if kind == 'REL':
        return None
    if r.should_relax and r.loads and r.relaxed == 0:
        return f'none of {r.loads} loads from the GOT was relaxed'
    if not machine.relaxers and r.got != REFS - BY_COMPILER:
        return f'{r.got} of {REFS} right with the GOT redirected: this linker relaxes after all'
    if r.relaxed is not None and (r.got < REFS) != (r.relaxed + r.direct > 0):
        return f'{r.relaxed} relaxed and {r.direct} direct, and {r.got} of {REFS} right with the GOT redirected'
    return None


def print_table(results):
    """One table for each compiler: a column for each linker, in a cell what the page says."""
    linkers = list(dict.fromkeys(key[2] for key in results))
    for compiler, level in dict.fromkeys(key[:2] for key in results):
        print(f'\n### {machine.name}, {compiler} {level}\n')
        print('| kind, how |', ' | '.join(linkers), '|')
        print('|---' * (len(linkers) + 1) + '|')
        for kind, how in dict.fromkeys(key[3:] for key in results):
            row = []
            for linker in linkers:
                r = results.get((compiler, level, linker, kind, how))
                row.append('-' if r is None else f'{r.ours}' if kind == 'REL' else f'{"?" if r.relaxed is None else r.relaxed}/{r.loads} · {r.got} · {r.ours}')
            print(f'| ET_{kind}, {how} |', ' | '.join(row), '|')


def main():
    compilers = [c for c in machine.compilers if shutil.which(tool(c))]
    linkers = [l for l in machine.linkers if shutil.which(tool(l))]
    missing = [tool(x) for x in machine.compilers + machine.linkers if not shutil.which(tool(x))]
    if not compilers or not linkers or not shutil.which(tool('ld')) or not shutil.which(tool('objcopy')):
        print('1..0 # SKIP no compiler, no linker or no binutils')
        return 0
    if missing:
        print('# not installed:', ', '.join(missing))
    cells = [(*c, kind, how) for c in itertools.product(compilers, machine.levels, linkers)
             for kind, hows in (('DYN', DYN), ('REL', REL)) for how in hows]
    if '--all' not in flags:
        cells = cells[::37 if emulated else 11]     # primes to the number of hows: each is met with every linker
    results, failed = {}, 0
    if '--table' not in flags:
        print(f'1..{len(cells)}')
    with tempfile.TemporaryDirectory() as dir:
        objects = {}
        for n, key in enumerate(cells, 1):
            compiler, level, linker, kind, how = key
            try:
                if (compiler, level) not in objects:
                    objects[compiler, level] = compile_all(os.path.join(dir, compiler + level.replace(' ', '')), compiler, level)
                results[key] = cell(os.path.join(dir, str(n)), objects[compiler, level], linker, kind, how)
                wrong = judge(kind, results[key])
            except RuntimeError as e:
                wrong = str(e)
            failed += wrong is not None
            shutil.rmtree(os.path.join(dir, str(n)), ignore_errors=True)
            if '--table' not in flags:
                print('not ok' if wrong else 'ok', n, '-', compiler, level, linker, 'ET_' + kind, how, flush=True)
            if wrong:
                print(f'# {" ".join(key)}: {wrong}', flush=True)
    if '--table' in flags:
        print_table(results)
    return 1 if failed else 0


sys.exit(main())
