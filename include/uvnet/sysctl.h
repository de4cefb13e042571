/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Named values of a stack that can be read and set while it runs (FreeBSD's sysctl(9), sys/sysctl.h).
 *
 *	VNET_DEFINE_STATIC(int, foo_limit) = 10;
 *	SYSCTL_DECL(_net_inet);
 *	SYSCTL_NODE(_net_inet, OID_AUTO, foo, CTLFLAG_RW, NULL, "Foo");
 *	SYSCTL_INT(_net_inet_foo, OID_AUTO, limit, CTLFLAG_VNET | CTLFLAG_RW, &VNET_NAME(foo_limit), 0, "Foos at the most");
 *
 * There is one tree of names; with CTLFLAG_VNET each stack has a value of its own behind a name.  A file's names come
 * with its load and go when it is unloaded; they are entries of its SYSINIT set.  A name that is taken, and a virtual
 * variable without CTLFLAG_VNET or the other way round, fail the load.
 *
 * What differs from FreeBSD: a value that is not of a stack cannot be set through one.  CTLFLAG_TUN without CTLFLAG_WR: it
 * can be set in the stack's section of vnet.conf(5), and not later.  No SYSCTL_ADD_*, no sysctl_ctx, no numbers but OID_AUTO.
 *
 * Threads: as a stack's own variables; names come and go with all workers stopped.
 */
#ifndef UVNET_SYSCTL_H
#define UVNET_SYSCTL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uvnet/counter.h>
#include <uvnet/err.h>
#include <uvnet/sysinit.h>

#define CTLTYPE 0xf
#define CTLTYPE_NODE 1
#define CTLTYPE_INT 2
#define CTLTYPE_STRING 3
#define CTLTYPE_S64 4
#define CTLTYPE_UINT 6
#define CTLTYPE_LONG 7
#define CTLTYPE_ULONG 8
#define CTLTYPE_U64 9
#define CTLTYPE_U8 0xa
#define CTLTYPE_U16 0xb
#define CTLTYPE_S8 0xc
#define CTLTYPE_S16 0xd
#define CTLTYPE_S32 0xe
#define CTLTYPE_U32 0xf

#define CTLFLAG_RD 0x80000000u
#define CTLFLAG_WR 0x40000000u
#define CTLFLAG_RW (CTLFLAG_RD | CTLFLAG_WR)
#define CTLFLAG_SKIP 0x01000000u	/* not in listings, only by its whole name */
#define CTLFLAG_TUN 0x00080000u
#define CTLFLAG_RDTUN (CTLFLAG_RD | CTLFLAG_TUN)
#define CTLFLAG_RWTUN (CTLFLAG_RW | CTLFLAG_TUN)
#define CTLFLAG_VNET 0x00020000u
#define CTLFLAG_STATS 0x00002000u	/* a statistic */
/* Of FreeBSD's; they make no difference here. */
#define CTLFLAG_ANYBODY 0
#define CTLFLAG_PRISON 0
#define CTLFLAG_MPSAFE 0
#define CTLFLAG_NEEDGIANT 0
#define CTLFLAG_CAPRD 0
#define CTLFLAG_CAPWR 0
#define CTLFLAG_CAPRW 0
#define CTLFLAG_NOFETCH 0

#define OID_AUTO (-1)

struct sysctl_oid;

/* A request: copy out with SYSCTL_OUT(); a new value, where there is one (newptr), in with SYSCTL_IN(). */
struct sysctl_req {
	void *oldptr;
	size_t oldlen, oldidx;
	const void *newptr;
	size_t newlen, newidx;
};

/* 0 or a positive errno, as on FreeBSD.  arg1 is the current stack's where the name has CTLFLAG_VNET. */
#define SYSCTL_HANDLER_ARGS struct sysctl_oid *oidp, void *arg1, intmax_t arg2, struct sysctl_req *req
typedef int sysctl_handler_t(SYSCTL_HANDLER_ARGS);

int sysctl_copyout(struct sysctl_req *req, const void *p, size_t len);
int sysctl_copyin(struct sysctl_req *req, void *p, size_t len);
#define SYSCTL_OUT(req, p, len) sysctl_copyout((req), (p), (len))
#define SYSCTL_IN(req, p, len) sysctl_copyin((req), (p), (len))

/* Handlers of the plain types; others call them on a copy, check it and store it.  arg1 NULL: the constant arg2. */
sysctl_handler_t sysctl_handle_int, sysctl_handle_long, sysctl_handle_64, sysctl_handle_8, sysctl_handle_16, sysctl_handle_32,
    sysctl_handle_bool, sysctl_handle_string, sysctl_handle_counter_u64;

SLIST_HEAD(sysctl_oid_list, sysctl_oid);

/* A name.  All fields are src/vnet/sysctl.c's once it is registered. */
struct sysctl_oid {
	struct sysctl_oid_list oid_children;	/* of a node, by name */
	struct sysctl_oid *oid_parent;		/* NULL: of the root */
	SLIST_ENTRY(sysctl_oid) oid_link;
	unsigned oid_kind;
	void *oid_arg1;
	intmax_t oid_arg2;
	const char *oid_name;
	sysctl_handler_t *oid_handler;
	const char *oid_fmt, *oid_descr;
};

/* The root, and the nodes that this program has: net, net.link, net.inet, net.inet6, kern, vm. */
extern struct sysctl_oid sysctl__, sysctl___net, sysctl___net_link, sysctl___net_inet, sysctl___net_inet6, sysctl___kern,
    sysctl___vm;

/* What the macros leave to the SYSINIT set.  -EEXIST, -EINVAL. */
int sysctl_register_oid(const void *oid);
void sysctl_unregister_oid(const void *oid);

#define SYSCTL_DECL(name) extern struct sysctl_oid sysctl__##name

/* Where they are; by it one sees that a module has no other variables that its stacks share. */
#define SYSCTL_SECTION "sysctl_oids"

#define SYSCTL_ENTRY(link, parent, name, kind, a1, a2, handler, fmt, descr) \
	link struct sysctl_oid sysctl__##parent##_##name __attribute__((section(SYSCTL_SECTION))) = { \
		.oid_parent = &sysctl__##parent, \
		.oid_kind = (kind), \
		.oid_arg1 = (void *)(uintptr_t)(a1), \
		.oid_arg2 = (a2), \
		.oid_name = #name, \
		.oid_handler = (handler), \
		.oid_fmt = (fmt), \
		.oid_descr = (descr), \
	}; \
	SYSINIT(sysctl__##parent##_##name, SI_SUB_KMEM, SI_ORDER_FIRST, sysctl_register_oid, &sysctl__##parent##_##name); \
	SYSUNINIT(sysctl__##parent##_##name, SI_SUB_KMEM, SI_ORDER_FIRST, sysctl_unregister_oid, &sysctl__##parent##_##name)

#define SYSCTL_OID(parent, nbr, name, kind, a1, a2, handler, fmt, descr) \
	SYSCTL_ENTRY(static, parent, name, kind, a1, a2, handler, fmt, descr)
#define SYSCTL_PROC(parent, nbr, name, access, ptr, arg, handler, fmt, descr) \
	SYSCTL_ENTRY(static, parent, name, access, ptr, arg, handler, fmt, descr)
#define SYSCTL_NODE(parent, nbr, name, access, handler, descr) \
	SYSCTL_ENTRY(, parent, name, CTLTYPE_NODE | (access), NULL, 0, handler, "N", descr)

#define SYSCTL_NULL_INT_PTR ((int *)NULL)
#define SYSCTL_NULL_UINT_PTR ((unsigned *)NULL)
#define SYSCTL_NULL_LONG_PTR ((long *)NULL)
#define SYSCTL_NULL_ULONG_PTR ((unsigned long *)NULL)
#define SYSCTL_NULL_U64_PTR ((uint64_t *)NULL)
#define SYSCTL_NULL_BOOL_PTR ((bool *)NULL)

/* The variable has the type that the macro names; NULL stands for a constant. */
#define SYSCTL_TYPED(parent, name, access, ptr, val, type, kind, handler, fmt, descr) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(*(ptr)), type) || \
	    __builtin_types_compatible_p(__typeof__(ptr), void *), #name ": the variable's type is not " #type); \
	SYSCTL_ENTRY(static, parent, name, (kind) | (access), ptr, val, handler, fmt, descr)

#define SYSCTL_INT(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, int, CTLTYPE_INT, sysctl_handle_int, "I", descr)
#define SYSCTL_UINT(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, unsigned, CTLTYPE_UINT, sysctl_handle_int, "IU", descr)
#define SYSCTL_LONG(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, long, CTLTYPE_LONG, sysctl_handle_long, "L", descr)
#define SYSCTL_ULONG(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, unsigned long, CTLTYPE_ULONG, sysctl_handle_long, "LU", descr)
#define SYSCTL_S64(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, int64_t, CTLTYPE_S64, sysctl_handle_64, "Q", descr)
#define SYSCTL_U64(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, uint64_t, CTLTYPE_U64, sysctl_handle_64, "QU", descr)
#define SYSCTL_S8(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, int8_t, CTLTYPE_S8, sysctl_handle_8, "C", descr)
#define SYSCTL_U8(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, uint8_t, CTLTYPE_U8, sysctl_handle_8, "CU", descr)
#define SYSCTL_S16(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, int16_t, CTLTYPE_S16, sysctl_handle_16, "S", descr)
#define SYSCTL_U16(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, uint16_t, CTLTYPE_U16, sysctl_handle_16, "SU", descr)
#define SYSCTL_S32(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, int32_t, CTLTYPE_S32, sysctl_handle_32, "I", descr)
#define SYSCTL_U32(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, uint32_t, CTLTYPE_U32, sysctl_handle_32, "IU", descr)
#define SYSCTL_BOOL(parent, nbr, name, access, ptr, val, descr) \
	SYSCTL_TYPED(parent, name, access, ptr, val, bool, CTLTYPE_U8, sysctl_handle_bool, "CU", descr)
/* `len`: the array's size, NUL included. */
#define SYSCTL_STRING(parent, nbr, name, access, ptr, len, descr) \
	SYSCTL_ENTRY(static, parent, name, CTLTYPE_STRING | (access), ptr, len, sysctl_handle_string, "A", descr)
/* A counter_u64_t, which is zeroed by setting it to anything. */
#define SYSCTL_COUNTER_U64(parent, nbr, name, access, ptr, descr) \
	SYSCTL_TYPED(parent, name, (access) | CTLFLAG_STATS, ptr, 0, counter_u64_t, CTLTYPE_U64, sysctl_handle_counter_u64, "QU", \
	    descr)

/* ---- The program's side ---- */

#define SYSCTL_NAMELEN 256	/* of a whole name, NUL included */
#define SYSCTL_TEXTLEN 1024	/* of a value as text */

/* The oid of a whole name, or NULL. */
struct sysctl_oid *sysctl_find(const char *name);

/* "int", "unsigned long", "string", ...; "node". */
const char *sysctl_type(const struct sysctl_oid *oid);

/* Visit what is below a node, and itself if it is none, in the order of the names; NULL: all. */
typedef void sysctl_visit_t(struct sysctl_oid *oid, const char *name, void *arg);
void sysctl_walk(struct sysctl_oid *oid, sysctl_visit_t *visit, void *arg);

/*
 * A value of the current stack as text: a decimal number, or the string.  Length, or a negative errno: -EISDIR for a node,
 * -EPERM for what may not be read, or what its handler says.
 */
int sysctl_get(struct sysctl_oid *oid, char text[SYSCTL_TEXTLEN]);

/*
 * Set it in the current stack.  `making`: the stack is being made, tunables may be set.  The sentence names the variable.
 * -ENOENT, -EISDIR, -EPERM (not to be set, or not the stack's), -EINVAL (not a number, not a string for it), -ERANGE (does
 * not fit its type), or what its handler says.  The value is set, or is what it was.
 */
int sysctl_set(const char *name, const char *text, int making, struct uverr *err);

/* Whether sysctl_set() would get as far as the handler: 0 or the same errors. */
int sysctl_check(const char *name, const char *text, int making, struct uverr *err);

#endif
