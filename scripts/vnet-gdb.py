# SPDX-License-Identifier: BSD-2-Clause
"""Virtual variables in gdb:  gdb -x scripts/vnet-gdb.py ...

    vnet list                      the stacks
    vnet print STACK EXPRESSION    as `print`, with STACK's instances of the virtual variables in EXPRESSION
    vnet pcpu CPU EXPRESSION       as `print`, with CPU's instances of the per-CPU variables in EXPRESSION

    vinst list                     the instances of a program that vnetcc has linked
    vinst print N EXPRESSION       as `print`, with instance N's variables; `.` is the one that the thread is in

A debugger finds a virtual variable where its template is.  Here each name in the expression whose variable lies in a
section set_vnet is read where the stack has it, at &x + vnet_base, and gdb does the rest, members, indexes and
assignments included; so it is with the other sets.  VNET_DEFINE(int, ttl) makes vnet_entry_ttl, and is found as `ttl` as well.  A pointer in a
stack points into the stack: it is followed as it is.
"""
import re

import gdb

# Strings and character constants pass; a name behind `.` or `->` is a member, one behind `$` a convenience variable.
TOKEN = re.compile(r'''"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\.|->)\s*\w+|\$\w+|[A-Za-z_]\w*''')


def number(expression):
    return int(gdb.parse_and_eval(expression).cast(gdb.lookup_type('unsigned long')))


def symbol_named(name):
    """The one that the program would mean here, else a global one, else a static one of any file."""
    try:
        found = gdb.lookup_symbol(name)[0]
    except gdb.error:       # no frame is selected: it does not run
        found = None
    return found or gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)


def is_parameter_or_local(name):
    try:
        found = gdb.lookup_symbol(name)[0]
    except gdb.error:
        return False
    return found is not None and found.needs_frame


class Set:
    """An instance of a set: its section, what the macros put before a name, and how far it is from the template."""

    def __init__(self, section, prefix, distance):
        self.section, self.prefix, self.distance = re.compile(r'\bin section %s\b' % section), prefix, distance

    def variable(self, name):
        if is_parameter_or_local(name):
            return None
        for full in (self.prefix + name, name):
            symbol = symbol_named(full)
            if symbol is None or not symbol.is_variable:
                continue
            address = symbol.value().address
            if address is not None and self.section.search(gdb.execute('info symbol %#x' % int(address), to_string=True)):
                return address
        return None


def moved(sets, expression):
    """The expression, its variables replaced by convenience variables that point to instances; and how many."""
    count = 0

    def replace(match):
        nonlocal count
        name = match.group(0)
        if not (name[0].isalpha() or name[0] == '_'):
            return name
        for virtual in sets:
            address = virtual.variable(name)
            if address is None:
                continue
            there = gdb.Value((int(address) + virtual.distance) % (1 << 64)).cast(address.type)
            gdb.set_convenience_variable('vnet_%d' % count, there)
            count += 1
            return '(*$vnet_%d)' % (count - 1)
        return name

    return TOKEN.sub(replace, expression), count


def stacks():
    stack = gdb.parse_and_eval('vnet_head')['tqh_first']
    while int(stack) != 0:
        yield stack
        stack = stack['vnet_le']['tqe_next']


def stack_named(name):
    for stack in stacks():
        if stack['vnet_name'].string() == name:
            return stack
    raise gdb.GdbError('no stack is called %s; `vnet list` shows them' % name)


def two_words(arg, usage):
    words = arg.split(None, 1)
    if len(words) != 2:
        raise gdb.GdbError('usage: ' + usage)
    return words


def show(sets, expression, what):
    replaced, count = moved(sets, expression)
    if count == 0:
        raise gdb.GdbError('%s: no %s variable in it is known here' % (expression, what))
    gdb.execute('print ' + replaced)


class Vnet(gdb.Command):
    """Network stacks and their variables."""

    def __init__(self):
        super().__init__('vnet', gdb.COMMAND_DATA, prefix=True)


class VnetList(gdb.Command):
    """List the stacks: vnet list"""

    def __init__(self):
        super().__init__('vnet list', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        current = int(gdb.parse_and_eval('curvnet'))
        print('   %6s %4s %18s  %s' % ('id', 'cpu', 'distance', 'name'))
        for stack in stacks():
            print(' %s %6d %4d %#18x  %s' % ('*' if int(stack) == current else ' ', stack['vnet_id'], stack['vnet_cpu'],
                stack['vnet_base'], stack['vnet_name'].string()))


class VnetPrint(gdb.Command):
    """Print an expression with a stack's virtual variables: vnet print STACK EXPRESSION"""

    def __init__(self):
        super().__init__('vnet print', gdb.COMMAND_DATA, gdb.COMPLETE_SYMBOL)

    def invoke(self, arg, from_tty):
        name, expression = two_words(arg, 'vnet print STACK EXPRESSION')
        stack = stack_named(name)
        show([Set('set_vnet', 'vnet_entry_', int(stack['vnet_base']))], expression, 'virtual')


class VnetPcpu(gdb.Command):
    """Print an expression with a CPU's per-CPU variables: vnet pcpu CPU EXPRESSION"""

    def __init__(self):
        super().__init__('vnet pcpu', gdb.COMMAND_DATA, gdb.COMPLETE_SYMBOL)

    def invoke(self, arg, from_tty):
        cpu, expression = two_words(arg, 'vnet pcpu CPU EXPRESSION')
        if not cpu.isdigit() or int(cpu) >= number('mp_ncpus'):
            raise gdb.GdbError('CPU %s: there are %d' % (cpu, number('mp_ncpus')))
        show([Set('set_pcpu', 'pcpu_entry_', number('dpcpu_off[%s]' % cpu))], expression, 'per-CPU')


def instances():
    """Those of a program (src/vinst/vinst.c), oldest first."""
    found, vi = [], gdb.parse_and_eval("'vinst.c'::live")
    while int(vi) != 0:
        found.insert(0, vi)
        vi = vi['next']
    return found


def thread_distance(vi):
    """How far the selected thread's thread-locals are there (src/vinst/thread.c); None if it has never been there."""
    table = gdb.parse_and_eval("'thread.c'::table")
    if int(vi['number']) >= int(table['n']):
        return None
    entry = table['entry'][int(vi['number'])]
    return int(entry['base']) if int(entry['serial']) == int(vi['serial']) else None


class Vinst(gdb.Command):
    """Instances of a program that vnetcc has linked, and their variables."""

    def __init__(self):
        super().__init__('vinst', gdb.COMMAND_DATA, prefix=True)


class VinstList(gdb.Command):
    """List the instances, and which one the selected thread is in: vinst list"""

    def __init__(self):
        super().__init__('vinst list', gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        current = int(gdb.parse_and_eval("'vinst.c'::self"))
        print('   %6s %18s' % ('number', 'distance'))
        for vi in instances():
            print(' %s %6d %#18x' % ('*' if int(vi) == current else ' ', vi['number'], vi['base']))


class VinstPrint(gdb.Command):
    """Print an expression with an instance's variables: vinst print NUMBER|. EXPRESSION"""

    def __init__(self):
        super().__init__('vinst print', gdb.COMMAND_DATA, gdb.COMPLETE_SYMBOL)

    def invoke(self, arg, from_tty):
        which, expression = two_words(arg, 'vinst print NUMBER|. EXPRESSION')
        current = int(gdb.parse_and_eval("'vinst.c'::self"))
        for vi in instances():
            if (which == '.' and int(vi) == current) or which == str(int(vi['number'])):
                break
        else:
            raise gdb.GdbError('the thread is in no instance' if which == '.' else
                'no instance has the number %s; `vinst list` shows them' % which)
        sets = [Set('set_vinst', '', int(vi['base']))]
        distance = thread_distance(vi)
        if distance is not None:
            sets.append(Set('set_vinst_thread', '', distance))
        show(sets, expression, 'virtual')


Vnet()
VnetList()
VnetPrint()
VnetPcpu()
Vinst()
VinstList()
VinstPrint()
