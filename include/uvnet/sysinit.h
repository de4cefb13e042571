/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSINIT and VNET_SYSINIT: constructors that register themselves (FreeBSD's sys/kernel.h, sys/net/vnet.h).
 *
 *	static int
 *	foo_init(const void *arg) { ... return (-ENOMEM); }
 *	VNET_SYSINIT(foo_init, SI_SUB_PROTO_DOMAIN, SI_ORDER_ANY, foo_init, NULL);
 *
 * SYSINIT runs once when its file (the program, a module) is loaded; VNET_SYSINIT once in every stack, with
 * curvnet set, when the stack is made or, in stacks that live, when the module is loaded.  They run in the order
 * of (subsystem, order, load of the file, place in the file); SYSUNINIT and VNET_SYSUNINIT in reverse.
 *
 * What FreeBSD lacks: a constructor may return int, then anything but 0 is a negative errno that fails the load
 * or the making of the stack, and what ran before is undone.  A destructor runs in that case when its place
 * (subsystem, order) is before the failed constructor's; at the same place, when its file comes before.
 * So a constructor and what undoes it belong at one place, and a failed constructor has undone its own part.
 */
#ifndef UVNET_SYSINIT_H
#define UVNET_SYSINIT_H

#include <stddef.h>
#include <uvnet/err.h>

/* FreeBSD's subsystems that make sense here, in its order. */
enum sysinit_sub_id {
	SI_SUB_DUMMY = 0x0000000,
	SI_SUB_CONSTRUCTORS = 0x0100000, /* not FreeBSD's: __attribute__((constructor)) in what vnetcc compiled */
	SI_SUB_TUNABLES = 0x0700000,
	SI_SUB_VM = 0x1000000,
	SI_SUB_KMEM = 0x1800000,
	SI_SUB_LOCK = 0x1B00000,
	SI_SUB_EVENTHANDLER = 0x1C00000,
	SI_SUB_VNET_PRELINK = 0x1E00000,
	SI_SUB_KLD = 0x2000000,
	SI_SUB_CPU = 0x2100000,
	SI_SUB_RANDOM = 0x2160000,
	SI_SUB_VNET = 0x21E0000,
	SI_SUB_DRIVERS = 0x3100000,
	SI_SUB_CONFIGURE = 0x3800000,
	SI_SUB_INIT_IF = 0x6000000,
	SI_SUB_PSEUDO = 0x7000000,
	SI_SUB_PROTO_BEGIN = 0x8000000,
	SI_SUB_PROTO_PFIL = 0x8100000,
	SI_SUB_PROTO_IF = 0x8400000,
	SI_SUB_PROTO_MC = 0x8700000,
	SI_SUB_PROTO_DOMAIN = 0x8800000,
	SI_SUB_PROTO_FIREWALL = 0x8806000,
	SI_SUB_PROTO_IFATTACHDOMAIN = 0x8808000,
	SI_SUB_PROTO_END = 0x8ffffff,
	SI_SUB_SYSCALLS = 0xd800000,
	SI_SUB_VNET_DONE = 0xdc00000,
	SI_SUB_LAST = 0xfffffff
};

enum sysinit_elem_order {
	SI_ORDER_FIRST = 0x0000000,
	SI_ORDER_SECOND = 0x0000001,
	SI_ORDER_THIRD = 0x0000002,
	SI_ORDER_FOURTH = 0x0000003,
	SI_ORDER_FIFTH = 0x0000004,
	SI_ORDER_SIXTH = 0x0000005,
	SI_ORDER_SEVENTH = 0x0000006,
	SI_ORDER_EIGHTH = 0x0000007,
	SI_ORDER_MIDDLE = 0x1000000,
	SI_ORDER_ANY = 0xfffffff
};

/* One constructor or destructor.  `fallible` says that func returns an int that counts. */
struct sysinit {
	unsigned subsystem;
	unsigned order;
	int fallible;
	union {
		void (*func)(const void *);
		int (*func_int)(const void *);
	} u;
	const void *udata;
	const char *name;
};

typedef void (*sysinit_nfunc_t)(void *);
typedef void (*sysinit_cfunc_t)(const void *);

#define SYSINIT_IS_INT(func) _Generic((func), int (*)(void *) : 1, int (*)(const void *) : 1, default : 0)

/* Ask the linker to mark where a section begins and ends (FreeBSD: sys/linker_set.h): src/kld/elf_bare.c has why. */
#define LINKER_SET_MARK(section) __asm__(".globl __start_" section "\n\t.globl __stop_" section)

#define SYSINIT_ENTRY(set, uniq, sub, ord, fn, arg) \
	LINKER_SET_MARK("set_" #set); \
	static const struct sysinit uniq##_##set = { \
		.subsystem = (sub), \
		.order = (ord), \
		.fallible = SYSINIT_IS_INT(fn), \
		.u.func = (sysinit_cfunc_t)(void (*)(void))(fn), \
		.udata = (arg), \
		.name = #uniq, \
	}; \
	static const struct sysinit *const uniq##_##set##_ptr \
	    __attribute__((section("set_" #set), used)) = &uniq##_##set

#define SYSINIT(uniq, sub, ord, fn, arg) SYSINIT_ENTRY(sysinit_set, uniq, sub, ord, fn, arg)
#define SYSUNINIT(uniq, sub, ord, fn, arg) SYSINIT_ENTRY(sysuninit_set, uniq, sub, ord, fn, arg)
#define VNET_SYSINIT(uniq, sub, ord, fn, arg) SYSINIT_ENTRY(vnet_sysinit_set, uniq, sub, ord, fn, arg)
#define VNET_SYSUNINIT(uniq, sub, ord, fn, arg) SYSINIT_ENTRY(vnet_sysuninit_set, uniq, sub, ord, fn, arg)

/* The four sets of one file, as a linker found them: `count` pointers each. */
enum sysinit_kind { SYSINIT_SYS, SYSINIT_SYSUN, SYSINIT_VNET, SYSINIT_VNETUN, SYSINIT_NKIND };
extern const char *const sysinit_sections[SYSINIT_NKIND];	/* "set_sysinit_set", ... */

struct sysinit_file;

/*
 * Register a file's constructors: run its SYSINITs, then its VNET_SYSINITs in every live stack.  All or nothing:
 * when one fails, what ran is undone, in all stacks and for the file, and its error is returned with a sentence
 * that names the constructor, the file and the stack.  The arrays and the name stay the caller's and must live
 * until sysinit_unregister(), which runs the destructors in reverse.  With all workers stopped.
 */
int sysinit_register(const char *name, const struct sysinit *const *const sets[SYSINIT_NKIND],
    const size_t counts[SYSINIT_NKIND], struct sysinit_file **file, struct uverr *err);
void sysinit_unregister(struct sysinit_file *file);

#endif
