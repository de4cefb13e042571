#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The module linker against compilers, linkers and their options, on x86-64.

usage: matrix.py MATRIX-CELL SOURCE-DIR [--all] [--table]

Every cell builds three modules and runs them in three stacks: sets.ko has a variable of each kind, user.ko uses those of
another module and of the program (not where symbols are local), notice.ko is six references that are counted, too,
under a loader that redirects the GOT as FreeBSD's does. All six must be right under ours.

How many references a linker relaxed is told from a twin of notice.ko that was linked with --emit-relocs: a load from the
GOT that an object had and the linked file has no more. A cell that should relax and did not fails; so does one where
the GOT loader's errors do not agree with the count. Without --all a sample of the cells runs; --table prints what
docs/module-matrix.md has.
"""
import itertools
import os
import shutil
import struct
import subprocess
import sys
import tempfile

flags = [a for a in sys.argv[1:] if a.startswith('--')]
cell_program, src = (os.path.realpath(a) for a in sys.argv[1:] if not a.startswith('--'))
MOD = os.path.join(src, 'tests/kld/mod')
REFS = 6

# Of Debian 12; what is not installed is left out, and said.
COMPILERS = ['gcc', 'clang-14', 'clang-19']
LEVELS = ['-O0', '-O2']
LINKERS = ['ld.lld-14', 'ld.lld-15', 'ld.lld-16', 'ld.lld-19', 'ld.bfd', 'ld.gold', 'mold']
# How: (ET_DYN options, joined by ld -r first, variables made local). Relaxes: whether it should.
DYN = {'default': ([], False, False), '--no-relax': (['-Bsymbolic', '--no-relax'], False, False),
       '-Bsymbolic': (['-Bsymbolic'], False, False), 'ld -r first': (['-Bsymbolic'], True, False),
       'local': ([], True, True)}
REL = {'default': ([], False, False), 'ld -r first': ([], True, False), 'local': ([], True, True)}
RELAX = ['-Bsymbolic', 'ld -r first', 'local']

GOTPCREL, GOTPCRELX, REX_GOTPCRELX = 9, 41, 42
PC32 = 2


class Elf:
    """Sections, and the relocations of code that name a virtual variable."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            self.data = d = f.read()
        self.type, = struct.unpack_from('<H', d, 16)
        shoff, = struct.unpack_from('<Q', d, 40)
        n, = struct.unpack_from('<H', d, 60)
        self.sec = [struct.unpack_from('<IIQQQQIIQQ', d, shoff + 64 * i) for i in range(n)]
        self.shstr, = struct.unpack_from('<H', d, 62)

    def text_at(self, table, offset):
        start = self.sec[table][4] + offset
        return self.data[start:self.data.index(b'\0', start)].decode()

    def name(self, i):
        return self.text_at(self.shstr, self.sec[i][0])

    def references(self):
        """(type, opcode) of each; the opcode is the byte before the ModRM byte, which is before the place."""
        found = []
        for s in self.sec:
            if s[1] != 4 or not self.sec[s[7]][2] & 4 or not s[7]:      # SHT_RELA of an executable section
                continue
            target = self.sec[s[7]]
            for at in range(s[4], s[4] + s[5], 24):
                offset, info, _ = struct.unpack_from('<QQq', self.data, at)
                symtab = self.sec[s[6]]
                entry = struct.unpack_from('<IBBHQQ', self.data, symtab[4] + 24 * (info >> 32))
                name = self.text_at(symtab[6], entry[0])
                in_set = 0 < entry[3] < len(self.sec) and self.name(entry[3]) == 'set_vnet'
                if not in_set and not name.startswith('vnet_entry_n_'):
                    continue
                byte = target[4] + offset - (target[3] if self.type != 1 else 0) - 2
                found.append((info & 0xffffffff, self.data[byte]))
        return found

    def loads(self):
        """How many load from the GOT in a way that a linker can turn into lea."""
        return sum(t in (GOTPCRELX, REX_GOTPCRELX, GOTPCREL) and op == 0x8b for t, op in self.references())

    def direct(self):
        return sum(t == PC32 and op == 0x8d for t, op in self.references())


def run(*args):
    p = subprocess.run(args, capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(f'{" ".join(args)}: {p.stderr.strip() or p.stdout.strip() or p.returncode}')
    return p.stdout


def compile_all(dir, compiler, level):
    """The objects of the three modules, for ET_REL and for ET_DYN."""
    os.makedirs(dir)
    out = {}
    for kind in ('REL', 'DYN'):
        for module, sources in {'sets': ['sets', 'sets2'], 'user': ['user'], 'notice': ['notice', 'notice2']}.items():
            out[kind, module] = objects = []
            for source in sources:
                objects.append(os.path.join(dir, f'{kind}-{source}.o'))
                run(compiler, '-std=gnu17', '-D_GNU_SOURCE', level, '-fPIC', '-fasynchronous-unwind-tables',
                    *(['-DSHARED'] if kind == 'DYN' else []), '-I', os.path.join(src, 'include'), '-c',
                    os.path.join(MOD, source + '.c'), '-o', objects[-1])
    return out


def join(objects, out, local):
    run('ld', '-r', '-o', out, *objects)
    if local:
        run('objcopy', '--wildcard', '--localize-symbol=vnet_entry_[sn]_*', '--localize-symbol=pcpu_entry_s_*', out)
    return out


def cell(dir, objects, linker, kind, how):
    """Build and run; returns (ours, got, loads, relaxed, direct), the last four None for ET_REL."""
    os.makedirs(dir)
    options, first, local = (DYN if kind == 'DYN' else REL)[how]
    for module in ('sets', 'notice') + (() if local else ('user',)):
        parts = objects[kind, module]
        ko = os.path.join(dir, module + '.ko')
        if first:
            parts = [join(parts, ko + '.o', local)]
        if kind == 'REL':
            run(linker, '-r', '-o', ko, *parts)
            continue
        run(linker, '-shared', *options, '-o', ko, *parts)
        if module == 'notice':
            run(linker, '-shared', '--emit-relocs', *options, '-o', ko + '.twin', *parts)
    out = run(cell_program, dir, *(['got'] if kind == 'DYN' else [])).split()
    if kind == 'REL':
        return int(out[0]), None, None, None, None
    before = sum(Elf(o).loads() for o in objects[kind, 'notice'])
    left = Elf(os.path.join(dir, 'notice.ko.twin')).loads()
    return int(out[0]), int(out[1]), before, before - left, sum(Elf(o).direct() for o in objects[kind, 'notice'])


def judge(how, kind, result):
    ours, got, loads, relaxed, direct = result
    if ours != REFS:
        return f'{ours} of {REFS} references right'
    if kind == 'REL':
        return None
    if how in RELAX and loads and relaxed == 0:
        return f'none of {loads} loads from the GOT was relaxed'
    if (got < REFS) != (relaxed + direct > 0):
        return f'{relaxed} relaxed and {direct} direct, and {got} of {REFS} right with the GOT redirected'
    return None


def print_table(results):
    """One table for each compiler: a column for each linker, in a cell what the page says."""
    linkers = list(dict.fromkeys(key[2] for key in results))
    for compiler, level in dict.fromkeys(key[:2] for key in results):
        print(f'\n### {compiler} {level}\n')
        print('| kind, how |', ' | '.join(linkers), '|')
        print('|---' * (len(linkers) + 1) + '|')
        for kind, how in dict.fromkeys(key[3:] for key in results):
            row = []
            for linker in linkers:
                r = results.get((compiler, level, linker, kind, how))
                row.append('-' if r is None else f'{r[0]}' if kind == 'REL' else f'{r[3]}/{r[2]} · {r[1]} · {r[0]}')
            print(f'| ET_{kind}, {how} |', ' | '.join(row), '|')


def main():
    compilers = [c for c in COMPILERS if shutil.which(c)]
    linkers = [l for l in LINKERS if shutil.which(l)]
    missing = [x for x in COMPILERS + LINKERS if not shutil.which(x)]
    if not compilers or not linkers or not shutil.which('ld') or not shutil.which('objcopy'):
        print('1..0 # SKIP no compiler, no linker or no binutils')
        return 0
    if missing:
        print('# not installed:', ', '.join(missing))
    cells = [(*c, kind, how) for c in itertools.product(compilers, LEVELS, linkers)
             for kind, hows in (('DYN', DYN), ('REL', REL)) for how in hows]
    if '--all' not in flags:
        cells = cells[::11]     # 11 is prime to the number of hows: each is met with every linker
    results, failed = {}, 0
    if '--table' not in flags:
        print(f'1..{len(cells)}')
    with tempfile.TemporaryDirectory() as dir:
        objects = {}
        for n, key in enumerate(cells, 1):
            compiler, level, linker, kind, how = key
            try:
                if (compiler, level) not in objects:
                    objects[compiler, level] = compile_all(os.path.join(dir, compiler + level), compiler, level)
                results[key] = cell(os.path.join(dir, str(n)), objects[compiler, level], linker, kind, how)
                wrong = judge(how, kind, results[key])
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
