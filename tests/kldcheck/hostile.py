#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Damaged modules: a sentence and a status, never a crash, a hang or much memory. And code written by hand to hide a
reference from the checker: never "ok".

usage: hostile.py KLDCHECK SOURCE-DIR
"""
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile

kldcheck, src = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
cc, ld = shutil.which('clang'), shutil.which('ld.lld')
if not cc or not ld:
    print('1..0 # SKIP no clang or no lld')
    sys.exit(0)
sanitized = b'__asan_init' in open(kldcheck, 'rb').read()


# The set and the plain data beside it share a page. The code finds v without a word that the kernel redirects.
DATA = '''
.data
.balign 4096
w: .quad 1, 2
.globl __start_set_vnet
__start_set_vnet: .quad 3
v: .quad 4
.globl __stop_set_vnet
__stop_set_vnet:
.text
.globl f
.type f, %function
f:
'''
HIDDEN = {
    'half an address, used, then passed on by a call': ''' adrp x0, w; ldr x1, [x0, :lo12:w]; ldr x2, [x9]; blr x2; ret
        .globl g; .type g, %function; g: add x0, x0, :lo12:v; ldr x1, [x0]; ret''',
    'half an address, used, then passed on by a jump': ''' adrp x3, w; ldr x1, [x3, :lo12:w]; ldr x2, [x9]; br x2
        .globl g; .type g, %function; g: ldr x1, [x3, :lo12:v]; ret''',
    'the same to a function whose address is in data': 'adrp x0, w; ldr x1, [x0, :lo12:w]; ldr x2, [x9]; blr x2; ret; '
        '.type g, %function; g: add x0, x0, :lo12:v; ldr x1, [x0]; ret; .data; .quad g',
    'a neighbour and a load of vectors that moves it': 'adrp x0, w; add x0, x0, :lo12:w; mov x1, 24; ld1 {v0.16b}, [x0], x1; '
        'ldr x2, [x0]; ret',
    'a neighbour and bits that are set in it': 'adrp x0, w; add x0, x0, :lo12:w; orr x0, x0, 16; ldr x1, [x0, 8]; ret',
    'an address in a system register': 'adrp x0, v; add x0, x0, :lo12:v; msr tpidr_el0, x0; mrs x1, tpidr_el0; ldr x2, [x1]; ret',
}


def limits():
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    if not sanitized:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def check(dir):
    return subprocess.run([kldcheck, dir], capture_output=True, preexec_fn=limits)


def hide(dir):
    bad = []
    for name, code in HIDDEN.items():
        s, o, ko = (os.path.join(dir, 'h' + x) for x in ('.s', '.o', '.ko'))
        open(s, 'w').write(DATA + code.replace(';', '\n') + '\n')
        subprocess.run([cc, '--target=aarch64-unknown-freebsd13.2', '-c', s, '-o', o], check=True)
        subprocess.run([ld, '-shared', '-Bsymbolic', '-znotext', o, '-o', ko], check=True)
        p = check(ko)
        if p.returncode not in (1, 2) or b': ok' in p.stdout:
            bad.append(name + ': ' + p.stdout.decode())
    return bad


def main():
    rng = random.Random(8)
    bad = []
    with tempfile.TemporaryDirectory() as dir:
        o, ko = os.path.join(dir, 'm.o'), os.path.join(dir, 'm')
        subprocess.run([cc, '--target=aarch64-unknown-freebsd13.2', '-ffreestanding', '-fPIC', '-O2', '-mcpu=cortex-a72', '-c',
                        os.path.join(src, 'mod.c'), '-o', o], check=True)
        subprocess.run([ld, '-shared', '-Bsymbolic', '-znotext', o, '-o', ko], check=True)
        shared, obj = open(ko, 'rb').read(), open(o, 'rb').read()
        shutil.rmtree(os.path.join(dir, 'x'), ignore_errors=True)
        os.mkdir(os.path.join(dir, 'x'))
        n = 0

        def put(data):
            nonlocal n
            open(os.path.join(dir, 'x', f'{n:05}.ko'), 'wb').write(data)
            n += 1

        for whole in (shared, obj):
            for size in list(range(0, 200, 7)) + [len(whole) * k // 40 for k in range(40)]:
                put(whole[:size])
            for _ in range(400):
                data = bytearray(whole)
                lo = rng.choice([0, 0, rng.randrange(len(data))])
                for _ in range(rng.choice([1, 1, 2, 8, 64])):
                    at = min(len(data) - 1, lo + rng.randrange(rng.choice([64, 512, len(data)])))
                    data[at] = rng.choice([0, 255, 127, 128, rng.randrange(256)])
                put(bytes(data))
        p = check(os.path.join(dir, 'x'))
        lines = [line for line in p.stdout.decode(errors='replace').splitlines() if not line.startswith(' ')]
        if p.returncode not in (1, 2) or len(lines) != n:
            bad.append(f'status {p.returncode}, {len(lines)} verdicts of {n}: {p.stderr[-2000:]}')
        hidden = hide(dir)
    print('1..2')
    for b in bad:
        print('#', b.replace('\n', '\n# '))
    print('not ok 1' if bad else 'ok 1', f'- {n} damaged files give a verdict each')
    for h in hidden:
        print('#', h.replace('\n', '\n# '))
    print('not ok 2' if hidden else 'ok 2', f'- {len(HIDDEN)} hidden references are not called ok')


main()
