/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VNET_PCPUSTAT: a structure of statistics of which every stack has one, each member a counter(9) (FreeBSD's
 * sys/net/vnet.h).  A stack's counters cost eight bytes for each CPU that adds to them, and a pointer.
 *
 *	struct foostat { uint64_t foo_in, foo_out; };		only uint64_t
 *	VNET_PCPUSTAT_DEFINE_STATIC(struct foostat, foostat);
 *	VNET_PCPUSTAT_SYSINIT(foostat);
 *	VNET_PCPUSTAT_SYSUNINIT(foostat);
 *
 *	VNET_PCPUSTAT_ADD(struct foostat, foostat, foo_in, 1);	of the current stack
 *
 * Where FreeBSD's waits for memory, the constructor here fails with -ENOMEM, and the stack is not made.
 */
#ifndef UVNET_PCPUSTAT_H
#define UVNET_PCPUSTAT_H

#include <stddef.h>
#include <stdint.h>
#include <uvnet/counter.h>
#include <uvnet/sysinit.h>
#include <uvnet/vnet.h>

#define VNET_PCPUSTAT_LEN(name) (sizeof(VNET_NAME(name)) / sizeof(counter_u64_t))
#define VNET_PCPUSTAT_DECLARE(type, name) extern counter_u64_t VNET_NAME(name)[sizeof(type) / sizeof(uint64_t)]
#define VNET_PCPUSTAT_DEFINE(type, name) VNET_DEFINE(counter_u64_t[sizeof(type) / sizeof(uint64_t)], name)
#define VNET_PCPUSTAT_DEFINE_STATIC(type, name) \
	VNET_DEFINE_STATIC(counter_u64_t[sizeof(type) / sizeof(uint64_t)], name)

/* In the current stack: 0 or -ENOMEM; give back, also what was never there. */
#define VNET_PCPUSTAT_ALLOC(name, wait) COUNTER_ARRAY_ALLOC(VNET(name), VNET_PCPUSTAT_LEN(name), (wait))
#define VNET_PCPUSTAT_FREE(name) COUNTER_ARRAY_FREE(VNET(name), VNET_PCPUSTAT_LEN(name))

#define VNET_PCPUSTAT_ADD(type, name, f, v) counter_u64_add(VNET(name)[offsetof(type, f) / sizeof(uint64_t)], (v))
#define VNET_PCPUSTAT_FETCH(type, name, f) counter_u64_fetch(VNET(name)[offsetof(type, f) / sizeof(uint64_t)])

#define VNET_PCPUSTAT_SYSINIT(name) \
	static int \
	vnet_##name##_init(const void *unused) \
	{ \
		(void)unused; \
		return (VNET_PCPUSTAT_ALLOC(name, M_WAITOK)); \
	} \
	VNET_SYSINIT(vnet_##name##_init, SI_SUB_INIT_IF, SI_ORDER_FIRST, vnet_##name##_init, NULL)
#define VNET_PCPUSTAT_SYSUNINIT(name) \
	static void \
	vnet_##name##_uninit(const void *unused) \
	{ \
		(void)unused; \
		VNET_PCPUSTAT_FREE(name); \
	} \
	VNET_SYSUNINIT(vnet_##name##_uninit, SI_SUB_INIT_IF, SI_ORDER_FIRST, vnet_##name##_uninit, NULL)

#endif
