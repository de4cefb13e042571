#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Random assembly with known truth, and the adversarial cases, through the real assembler and linker.

usage: randomised.py KLDCHECK [N [SEED]]          default: 400 cases; 10,000 by "randomised.py KLDCHECK 10000"

A module has many functions, each of a random shape: how the address is made (a pair, folded addends, an anchor beside the
set, a literal, MOVZ and MOVK, ADR), where it travels before it is used (registers, the stack, across branches, merges,
loops, calls), and what uses it. Whether it leads into a set is known when it is generated. One module in two has no
reference that is wrong: that one must never be called broken; one with a wrong one must never be called ok, and each
wrong reference must be found when the shapes are those of compilers.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

kldcheck = os.path.realpath(sys.argv[1])
cases = int(sys.argv[2]) if len(sys.argv) > 2 else 400
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 8
PER = 20                # functions a module

cc = shutil.which('clang-14') or shutil.which('clang')
ld = shutil.which('ld.lld-14') or shutil.which('ld.lld')
if not cc or not ld:
    print('1..0 # SKIP no clang or no lld')
    sys.exit(0)

# All in one section, so that distances are constants; the symbols say where the set is.
DATA = '''
.section .rodata,"a"
.balign 8
ro: .quad 1, 2, 3, 4
.data
.balign 8
w0: .fill 64
anchor: .fill 40
w: .quad 5
.globl __start_set_vnet
__start_set_vnet:
v0: .quad 1
v: .quad 2
   .fill 48
v9: .quad 3
.globl g
g: .quad 4
.globl __stop_set_vnet
__stop_set_vnet:
z: .fill 64
woff: .quad v - anchor
.section .rodata
off_v: .quad v - anchor
.bss
.balign 8
b: .skip 256
.text
'''


class Gen:
    def __init__(self, rng):
        self.r = rng
        self.n = 0
        self.literals = []

    def label(self):
        self.n += 1
        return f'.L{self.n}'

    def target(self, broken):
        return self.r.choice(['v', 'v0', 'v9', 'v+4', 'v9-8'] if broken else ['w', 'anchor', 'z', 'b', 'b+8', 'w0', 'ro'])

    def make(self, reg, sym):
        """Instructions that leave the address of sym in reg; all are exact."""
        t = self.r.choice([r for r in (9, 10, 11, 12) if r != reg])
        k = self.r.choice(['pair', 'pair', 'apart', 'adr', 'fold', 'negative', 'anchor', 'two', 'literal', 'movk'])
        if k == 'pair':
            return [f'adrp x{reg}, {sym}', f'add x{reg}, x{reg}, :lo12:{sym}']
        if k == 'apart':
            return [f'adrp x{t}, {sym}', *self.noise(), f'add x{reg}, x{t}, :lo12:{sym}']
        if k == 'adr':
            return [f'adr x{reg}, {sym}']
        if k == 'fold':
            d = self.r.choice([8, 16, 64, 4096])
            return [f'adrp x{reg}, {sym}-{d}', f'add x{reg}, x{reg}, :lo12:({sym}-{d})', f'add x{reg}, x{reg}, #{d}'
                    if d < 4096 else f'add x{reg}, x{reg}, #1, lsl #12']
        if k == 'negative':
            d = self.r.choice([8, 40, 256])
            return [f'adrp x{t}, {sym}+{d}', f'add x{t}, x{t}, :lo12:({sym}+{d})', f'sub x{reg}, x{t}, #{d}']
        if k == 'anchor':
            a = self.r.choice(['anchor', 'w0'])
            if sym in ('b', 'b+8', 'ro'):
                return [f'adr x{reg}, {sym}']
            return [f'adrp x{t}, {a}', f'add x{t}, x{t}, :lo12:{a}', f'ldr x{reg}, ={sym}-{a}', f'add x{reg}, x{t}, x{reg}']
        if k == 'two':
            return [f'adr x{t}, {sym}', f'mov x{reg}, #{self.r.choice([24, 4096, 65536])}', f'add x{t}, x{t}, x{reg}',
                    f'sub x{reg}, x{t}, x{reg}']
        if k == 'literal':
            here, lit = self.label(), self.label()
            self.literals += ['.balign 8', f'{lit}: .quad {sym} - {here}']
            return [f'{here}: adr x{t}, {here}', f'ldr x{reg}, {lit}', f'add x{reg}, x{reg}, x{t}']
        return [f'movz x{reg}, #:prel_g1:{sym}', f'movk x{reg}, #:prel_g0_nc:{sym}+4', f'adr x{t}, .-8', f'add x{reg}, x{t}, x{reg}']

    def noise(self):
        return [self.r.choice(['nop', 'mov w7, #3', 'ldr x6, [x5, #8]', 'add x6, x6, x5', 'cmp x6, #4', 'str x6, [x5]',
                               'lsl x6, x6, #3', 'clz x6, x6', 'madd x6, x6, x5, x6', 'ldp x6, x7, [x5]'])
                for _ in range(self.r.randrange(3))]

    def travel(self, reg):
        """The value goes from reg to another register; returns that and the instructions."""
        to = self.r.choice([13, 14, 15, 19, 20, 21])
        k = self.r.choice(['move', 'spill', 'call', 'merge', 'branch', 'loop', 'select', 'pairspill', 'local'])
        l1, l2 = self.label(), self.label()
        if k == 'move':
            return to, [f'mov x{to}, x{reg}', *self.noise()]
        if k == 'spill':
            return to, [f'str x{reg}, [sp, #16]', *self.noise(), 'mov x' + str(reg) + ', #0', f'ldr x{to}, [sp, #16]']
        if k == 'pairspill':
            return to, [f'stp x5, x{reg}, [sp, #32]', *self.noise(), f'ldp x6, x{to}, [sp, #32]']
        if k == 'call':
            return 22, [f'mov x22, x{reg}', 'bl external', 'mov x5, x0']
        if k == 'local':
            return to, [f'mov x0, x{reg}', 'bl identity', f'mov x{to}, x0']
        if k == 'merge':
            return to, [f'mov x{to}, x{reg}', f'cbz x4, {l1}', f'adrp x{to}, w', f'add x{to}, x{to}, :lo12:w', f'{l1}:']
        if k == 'branch':
            return to, [f'cbz x4, {l1}', f'mov x{to}, x{reg}', f'b {l2}', f'{l1}: mov x{to}, x{reg}', f'{l2}:']
        if k == 'loop':
            return to, [f'mov x{to}, x{reg}', f'{l1}: subs x4, x4, #1', *self.noise(), f'b.ne {l1}']
        return to, [f'cmp x4, #0', f'csel x{to}, x5, x{reg}, eq']

    def use(self, reg):
        return self.r.choice([[f'ldr x0, [x5, x{reg}]'], [f'add x6, x{reg}, x5', 'ldr x0, [x6]'], [f'str x{reg}, [x5]'],
                              [f'ldr w0, [x{reg}]'], [f'mov x0, x{reg}', 'bl external'], [f'add x6, x5, x{reg}', 'str x4, [x6]'],
                              [f'ldp x0, x1, [x{reg}]']])

    def through_got(self, reg):
        return [f'adrp x{reg}, :got:g', f'ldr x{reg}, [x{reg}, :got_lo12:g]']

    def function(self, name, broken):
        body, reg, self.literals = [], 8, []
        body += self.noise()
        if not broken and self.r.random() < .4:
            body += self.through_got(reg)
        else:
            body += self.make(reg, self.target(broken))
        for _ in range(self.r.randrange(3)):
            body += self.noise()
            reg, more = self.travel(reg)
            body += more
        body += self.noise() + self.use(reg)
        return '\n'.join([f'.globl {name}', f'.type {name}, %function', f'{name}:', 'stp x29, x30, [sp, #-96]!', 'mov x29, sp',
                          'mov x5, x0', 'mov x4, x1', *body, 'ldp x29, x30, [sp], #96', 'ret', f'.size {name}, . - {name}',
                          '.ltorg', *self.literals, '.balign 4', ''])


# What defeats simpler ways: each has to be broken or unsure.
ADVERSARIAL = {
    'a spilled page': 'adrp x8, v\nstr x8, [sp, #8]\nbl external\nldr x9, [sp, #8]\nldr w0, [x9, :lo12:v]',
    'a folded negative addend': 'adrp x8, v+0x3000\nadd x8, x8, :lo12:v\nsub x8, x8, #3, lsl #12\nldr w0, [x8]',
    'an offset in a literal pool': '1: adr x8, lit\nldr x9, lit\nadd x8, x8, x9\nldr w0, [x8]',
    'MOVZ and MOVK': '1: adr x8, 1b\nmovz x9, #:prel_g0:v\nadd x8, x8, x9\nldr w0, [x8]',
    'a page in another function': 'adrp x9, v\nbl completes',
    'a page from another function': 'bl makes\nldr w0, [x9, :lo12:v]',
    'an anchor in data': 'adrp x8, anchor\nadd x8, x8, :lo12:anchor\nldr w0, [x8, #56]',
    'an anchor passed to a function': 'adrp x0, anchor\nadd x0, x0, :lo12:anchor\nbl beyond',
    'the return address': 'bl 1f\n1: movz x9, #:prel_g0:v\nadd x8, x30, x9\nldr w0, [x8]',
    'an offset in data': 'adrp x8, anchor\nadd x8, x8, :lo12:anchor\nadrp x9, off_v\nldr x9, [x9, :lo12:off_v]\nldr w0, [x8, x9]',
    'an offset in writable data': 'adr x8, anchor\nadr x9, woff\nldr x9, [x9]\nldr w0, [x8, x9]',
    'an offset by exclusive or': 'adr x8, anchor\nldr x9, =(v-anchor) ^ 0x55\nmov x10, #0x55\neor x9, x9, x10\nldr w0, [x8, x9]',
    'an offset by bit reversal': 'adr x8, anchor\nmov x9, #0x1c00000000000000\nrbit x9, x9\nldr w0, [x8, x9]',
    'a page joined by OR': 'adrp x8, v\nmov x9, #:lo12_of\norr x8, x8, x9\nldr w0, [x8]'.replace('#:lo12_of', '#0x48'),
    'a page stored to memory': 'adrp x8, v\nstr x8, [x5]\nldr x9, [x5]\nldr w0, [x9, :lo12:v]',
    'through the vector unit': 'adrp x8, v\nfmov d0, x8\nfmov x9, d0\nldr w0, [x9, :lo12:v]',
    'a table of offsets': 'adr x8, table\nldrsw x9, [x8, x4, lsl #2]\nadd x8, x8, x9\nldr w0, [x8]',
    'a computed branch': 'adrp x19, v\nadr x8, 1f\nadd x8, x8, x4, lsl #2\nbr x8\n1: nop\nldr w0, [x19, :lo12:v]',
    'load literal': 'ldr x0, v',
    'an indexed page': 'adrp x8, v\nadd x8, x8, x5\nldr w0, [x8, :lo12:v]',
    'two values merge': 'adrp x8, v\ncbz x4, 1f\nadrp x8, ro\n1: ldr w0, [x8, :lo12:v]',
    'a conditional select': 'adrp x8, v\nadrp x9, ro\ncmp x4, #0\ncsel x8, x8, x9, eq\nldr w0, [x8, :lo12:v]',
    'difference of addresses': 'adr x8, v\nadr x9, anchor\nsub x8, x8, x9\nadr x9, anchor\nldr w0, [x9, x8]',
    'another stack pointer': 'mov x10, sp\nadrp x8, v\nstr x8, [x10, #8]\nldr x9, [sp, #8]\nldr w0, [x9, :lo12:v]',
    'a pointer to a function': 'adr x1, completes\nadrp x9, v\nblr x1',
    'a page from a function known by a pointer': 'blr x5 // fp_leaves\nldr w0, [x9, :lo12:v]',
    'a page from a function called by pointer': 'ldr x1, [x5] // halver\nblr x1\nldr w0, [x0, :lo12:v]',
    'the same, completed by an addition': 'ldr x1, [x5] // halver\nblr x1\nadd x0, x0, :lo12:v\nldr w0, [x0]',
    'the same, in a register for scratch': 'ldr x1, [x5] // halver\nblr x1\nldr w0, [x9, :lo12:v]',
    'the same, by way of a jump': 'bl tail // halver\nldr w0, [x0, :lo12:v]',
    'the same, from a function that calls it': 'ldr x1, [x5] // relays halver\nblr x1\nldr w0, [x0, :lo12:v]',
    'a page kept across a call': 'adrp x9, v\nldr w1, [x9, :lo12:anchor]\nbl identity\nldr w0, [x9, :lo12:v]',
    'an anchor kept across a call': 'adrp x9, anchor\nadd x9, x9, :lo12:anchor\nldr w1, [x9]\nbl identity\nldr w0, [x9, #56]',
    'swapped in memory': 'adr x8, v\nswp x8, x9, [x5]',
    'post-index': 'adrp x8, v-8\nadd x8, x8, :lo12:(v-8)\nldr x1, [x8], #8\nldr x0, [x8]',
}
# Functions and tables that a case needs, when it names them.
EXTRA = {
    'completes': 'completes: ldr w0, [x9, :lo12:v]\nret\n',
    'makes': 'makes: adrp x9, v\nret\n',
    'fp_leaves': 'leaves: adrp x9, v\nldr w1, [x9, :lo12:anchor]\nret\n.data\n.balign 8\nfp_leaves: .quad leaves\n.text\n',
    'beyond': 'beyond: ldr w0, [x0, #56]\nret\n',
    'halver': 'halver: adrp x0, v\nldr w1, [x0, :lo12:w]\nmov x9, x0\nret\n.section .rodata.p,"a"\n.quad halver\n.text\n',
    'relays': 'relays: stp x29, x30, [sp, #-16]!\nbl halver\nldp x29, x30, [sp], #16\nret\n'
              '.section .rodata.q,"a"\n.quad relays\n.text\n',
    'tail': 'tail: ldr x1, [x5]\nbr x1\n',
    'lit': '.balign 8\nlit: .quad v - lit\n',
    'table': '.section .rodata.t,"a"\n.balign 4\ntable: .word ro - table, v - table, ro - table\n',
}
HELPERS = DATA + 'identity: ret\n'


def build(dir, name, text):
    s, o, ko = (os.path.join(dir, name + e) for e in ('.s', '.o', '.ko'))
    script = os.path.join(dir, 'layout.ld')
    open(s, 'w').write(text)
    open(script, 'w').write('SECTIONS { . = 0x10000; .dynsym : {*(.dynsym)} .gnu.hash : {*(.gnu.hash)} .hash : {*(.hash)} '
                            '.dynstr : {*(.dynstr)} .rela.dyn : {*(.rela.dyn)} .rela.plt : {*(.rela.plt)} '
                            '.rodata : {*(.rodata .rodata.*)} . = ALIGN(0x1000); .text : {*(.text)} .plt : {*(.plt)} '
                            '. = ALIGN(0x1000); .dynamic : {*(.dynamic)} .got : {*(.got)} .got.plt : {*(.got.plt)} '
                            '.data : {*(.data)} .bss : {*(.bss)} }\n')
    subprocess.run([cc, '--target=aarch64-unknown-freebsd13.2', '-march=armv8.1-a', '-c', s, '-o', o], check=True)
    subprocess.run([ld, '-shared', '-Bsymbolic', '-znotext', '-znorelro', '--no-relax', '-T', script, o, '-o', ko], check=True)
    m = json.loads(subprocess.run([kldcheck, '--json', ko], capture_output=True, text=True).stdout)
    return m['modules'][0]


def main():
    bad = []
    with tempfile.TemporaryDirectory() as dir:
        for name, body in ADVERSARIAL.items():
            text = (HELPERS + 'f: stp x29, x30, [sp, #-96]!\nmov x29, sp\nmov x5, x0\nmov x4, x1\n' + body +
                    '\nldp x29, x30, [sp], #96\nret\n.ltorg\n' + ''.join(x for k, x in EXTRA.items() if k in body.replace('literal', '')))
            try:
                m = build(dir, 'a', text)
            except subprocess.CalledProcessError:
                bad.append(f'{name}: does not assemble')
                continue
            if m['verdict'] not in ('broken', 'unsure'):
                bad.append(f'{name}: {m["verdict"]}')
            elif os.environ.get('VERBOSE'):
                print('#', name, m['verdict'], [n['why'] for n in m['notes']][:2])
        adversarial = list(bad)
        counts = {'ok': 0, 'broken': 0, 'unsure': 0}
        for n in range((cases + PER - 1) // PER):
            rng = random.Random(seed * 1000003 + n)
            g = Gen(rng)
            which = [n % 2 == 1 and rng.random() < .3 for _ in range(PER)]
            text = HELPERS + ''.join(g.function(f'f{k}', b) for k, b in enumerate(which))
            m = build(dir, 'r', text)
            counts[m['verdict']] += 1
            found = {r['function'] for r in m['references']}
            wrong = [f'f{k}' for k, b in enumerate(which) if b and f'f{k}' not in found]
            wrong += [f'f{k} invented' for k, b in enumerate(which) if not b and f'f{k}' in found]
            if wrong or m['verdict'] != ('broken' if any(which) else 'ok'):
                bad.append(f'module {n}: verdict {m["verdict"]}, {sum(which)} wrong references, {wrong} {m["notes"][:1]}')
                if os.environ.get('KEEP'):
                    shutil.copy(os.path.join(dir, 'r.s'), f'{os.environ["KEEP"]}/{n}.s')
                    shutil.copy(os.path.join(dir, 'r.ko'), f'{os.environ["KEEP"]}/{n}.ko')
    print('1..2')
    for b in bad[:40]:
        print('#', b)
    print('not ok 1' if adversarial else 'ok 1', f'- {len(ADVERSARIAL)} adversarial cases are broken or unsure')
    print('ok 2' if len(bad) == len(adversarial) else 'not ok 2',
          f'- {cases} random functions, seed {seed}: modules {counts}')
    return 0


sys.exit(main())
