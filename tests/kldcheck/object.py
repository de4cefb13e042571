#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Relocatable modules: FreeBSD's for amd64 as its compilers make them, uvnet's own and those of the module linker's
tests, and made ones that reach a set through a neighbour or by a relocation that no loader applies.

usage: object.py KLDCHECK SOURCE-DIR
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

kldcheck, src = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
top = os.path.realpath(os.path.join(src, '../..'))
AMD64, ARM64 = 'x86_64-unknown-freebsd13.2', 'aarch64-unknown-freebsd13.2'
cc = shutil.which('clang')
if not cc:
    print('1..0 # SKIP no clang')
    sys.exit(0)

# Sections as ld lays them out: data, then the set. All displacements are from the end of the instruction.
SETS = '''
.section set_vnet,"aw",@progbits
.balign 64
v0: .quad 1
v: .quad 2
  .fill 48
.data
.balign 64
w: .fill 64
'''
SETS = '.data\n.section set_vnet,"aw",@progbits\n' + SETS + '.text\n'
ASM = [     # name, target, code, expected
    ('the neighbour itself', AMD64, 'mov w(%rip), %rax\n movl $1, w+60(%rip)\n movw $1, w(%rip)\n cmpb $1, w+63(%rip)', 0),
    ('the end of the neighbour', AMD64, 'lea w+64(%rip), %rax\n mov $w+64, %rax', 0),
    ('before the neighbour, but in no set', AMD64, 'lea w-8(%rip), %rax', 0),
    ('a distance from the set\'s own symbol', AMD64, 'mov $v+800, %rax\n mov $v0-8, %rax', 0),
    ('a set through the section beside it', AMD64, 'lea w+72(%rip), %rax', 2),
    ('its first word, behind a constant', AMD64, 'movl $1, w+65(%rip)', 2),
    ('by an absolute address', AMD64, 'mov $w+72, %rax', 2),
    ('by a word of data', AMD64, 'ret\n.data\n.quad w+136', 2),
    ('by a GOT slot, which FreeBSD\'s loader has not', AMD64, 'mov v@GOTPCREL(%rip), %rax', 2),
    ('32 bits without sign, which FreeBSD\'s loader has not', AMD64, 'mov $v, %eax', 2),
    ('a GOT slot, for uvnet', 'x86_64-unknown-linux-gnu', 'mov v@GOTPCREL(%rip), %rax', 0),
    ('a GOT page, which FreeBSD\'s loader has not', ARM64, 'adrp x0, :got:v\n ldr x0, [x0, :got_lo12:v]', 2),
    ('an address in data', ARM64, 'ret\n.data\n.quad v', 0),
]
ok = True
count = 0


def report(good, name, what=''):
    global ok, count
    count += 1
    ok &= good
    print('ok' if good else 'not ok', count, '-', name)
    if not good:
        print('#', what.replace('\n', '\n# '))


def check(path):
    p = subprocess.run([kldcheck, path], capture_output=True, text=True)
    return p.returncode, p.stdout + p.stderr


def run(*args):
    return subprocess.run(args, capture_output=True, text=True)


def main():
    with tempfile.TemporaryDirectory() as dir:
        ko = os.path.join(dir, 'm.ko')
        for name, target, code, want in ASM:
            s = os.path.join(dir, 'm.s')
            open(s, 'w').write(SETS + code + '\n')
            p = run(cc, '--target=' + target, '-c', s, '-o', ko)
            status, text = check(ko) if p.returncode == 0 else (-1, p.stderr)
            report(status == want, ('ok: ' if want == 0 else 'unsure: ') + name, text)

        kernel = ['-mcmodel=kernel', '-fno-pic', '-mno-red-zone', '-mno-sse', '-ffreestanding', '-fno-common']
        bad, n = '', 0
        for opt in (['-O0'], ['-O1'], ['-O2'], ['-Os'], ['-O3'], ['-O2', '-DSTATIC'], ['-O2', '-ffunction-sections', '-fdata-sections']):
            for source in ('mod.c', 'runs.c'):
                if run(cc, '--target=' + AMD64, *kernel, *opt, '-c', os.path.join(src, source), '-o', ko).returncode:
                    continue
                status, text = check(ko)
                n += 1
                bad += text if status else ''
        report(not bad and n >= 10, f'{n} modules by FreeBSD\'s flags for amd64 are ok', bad)

        bad, n = '', 0
        for source in sorted(glob.glob(os.path.join(top, 'tests/kld/mod/*.c'))):
            for flags in (['-fPIC'], ['-fno-pic', '-fno-pie'], ['-fPIC', '-O0']):
                if run('cc', '-std=gnu17', '-D_GNU_SOURCE', '-O2', *flags, '-I', os.path.join(top, 'include'), '-c', source, '-o',
                       ko).returncode:
                    continue
                status, text = check(ko)
                n += 1
                bad += f'{source} {flags}: {text}' if status else ''
        if os.uname().machine == 'x86_64':
            report(not bad and n > 40, f'{n} modules of the module linker\'s tests are ok', bad)
    print(f'1..{count}')
    return not ok


sys.exit(main())
