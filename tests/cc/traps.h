/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traps: each is a function that changes global state in one of the ways
 * that make virtualising C hard, and returns what it sees.  What it returns
 * depends only on how often it was called in this instance.
 */

#ifndef TRAPS_H
#define TRAPS_H

#define TRAPS(TRAP)           \
	TRAP(local_static)    \
	TRAP(tentative)       \
	TRAP(weak)            \
	TRAP(extern_other)    \
	TRAP(same_static)     \
	TRAP(volatile_var)    \
	TRAP(atomic_var)      \
	TRAP(over_aligned)    \
	TRAP(bit_field)       \
	TRAP(union_member)    \
	TRAP(struct_array)    \
	TRAP(one_byte)        \
	TRAP(never_written)   \
	TRAP(store_once)      \
	TRAP(string_literal)  \
	TRAP(struct_copy)     \
	TRAP(large)           \
	TRAP(long_double)     \
	TRAP(const_table)     \
	TRAP(table_of_tables) \
	TRAP(initial_address) \
	TRAP(initial_offset)  \
	TRAP(initial_integer) \
	TRAP(initial_cycle)   \
	TRAP(phi_ternary)     \
	TRAP(phi_switch)      \
	TRAP(phi_same_block)  \
	TRAP(constant_expr)   \
	TRAP(compare)         \
	TRAP(function_table)  \
	TRAP(computed_goto)   \
	TRAP(const_attribute) \
	TRAP(pure_call)       \
	TRAP(alias)           \
	TRAP(object_size)     \
	TRAP(asm_operand)     \
	TRAP(varargs)         \
	TRAP(by_value)        \
	TRAP(long_jump)       \
	TRAP(loop)

/*
 * With GS the set is vinst's, whose base is in %gs, too (-fvirtual-base=gs); what changes the base changes both.
 */
#ifdef GS
#define SET_BASE vinst_base
#define SET_START __start_set_vinst
#define SET_STOP __stop_set_vinst
#else
#define SET_BASE curvnet_base
#define SET_START __start_set_vnet
#define SET_STOP __stop_set_vnet
#endif

#define set_base(to) (SET_BASE = (to), set_gs(SET_BASE))

static inline void
set_gs(unsigned long to)
{
#ifdef GS
	/* Every kernel has this one. */
	long nr = 158 /* arch_prctl */;

	__asm__ volatile("syscall" : "+a"(nr) : "D"(0x1001L /* ARCH_SET_GS */), "S"(to) : "rcx", "r11", "memory");
#else
	(void)to;
#endif
}

#define TRAP_DECLARE(name) long trap_##name(int);
TRAPS(TRAP_DECLARE)

/* What the units of the traps share. */
struct node {
	struct node *next;
	int value;
};

extern int other_counter;
extern int *other_pointer;
extern struct node other_node;
long other_same_static(int);
int *other_address(int);

/* Called only by programs with instances. */
void host_enter(void);
void host_leave(void);
long cross_call(long);
long cross_nested(long);
long cross_const(long);
long cross_store(long, unsigned long);
long cross_read(void);

#endif
