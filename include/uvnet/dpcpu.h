/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPCPU: a global variable with an instance for each CPU (FreeBSD's sys/pcpu.h, pcpu(9)).
 *
 *	DPCPU_DEFINE_STATIC(uint64_t, drops);
 *	DPCPU_SET(drops, DPCPU_GET(drops) + 1);		on the CPU of a pinned worker
 *	total = DPCPU_SUM(drops);
 *
 * Accesses without an ID are to the CPU that the thread runs on now.  Nothing here stops the thread from being
 * moved between finding its CPU and using the address: that is right for a pinned worker, and for everybody
 * else only with atomic accesses (counter(9) in uvnet/counter.h does them).
 */
#ifndef UVNET_DPCPU_H
#define UVNET_DPCPU_H

#include <stdint.h>
#include <string.h>
#include <uvnet/vset.h>

/* Instances there are: every CPU that the system may ever have (sysconf(_SC_NPROCESSORS_CONF)). */
extern unsigned mp_ncpus;

/* The distance of each CPU's instance; NULL before dpcpu_init(). */
extern uintptr_t *dpcpu_off;

/* The CPU that this thread runs on: from the rseq area when glibc registered one, else sched_getcpu(3). */
unsigned dpcpu_curcpu(void);
#define curcpu dpcpu_curcpu()

/* The set itself, for the linker. */
extern struct vset *dpcpu_vset;

/*
 * Make the set and an instance for each possible CPU; after vset_window_init(), before any access.
 * Regions that are added later reach all instances.  Errors: -ENOMEM.
 */
int dpcpu_init(struct uverr *err);
void dpcpu_fini(void);

/* CPUs with an instance: CPU_FOREACH(i) { ... DPCPU_ID_GET(i, n) ... } */
#define CPU_FOREACH(i) for ((i) = 0; (i) < mp_ncpus; (i)++)

#define DPCPU_SETNAME "set_pcpu"
#define DPCPU_NAME(n) pcpu_entry_##n
#define DPCPU_DECLARE(t, n) extern t DPCPU_NAME(n)
#define DPCPU_DEFINE(t, n) \
	extern __typeof__(t) DPCPU_NAME(n); \
	__typeof__(t) DPCPU_NAME(n) __attribute__((section(DPCPU_SETNAME), used))
/* `static` is kept: the fault that FreeBSD's modules must drop it for does not exist here. */
#define DPCPU_DEFINE_STATIC(t, n) static __typeof__(t) DPCPU_NAME(n) __attribute__((section(DPCPU_SETNAME), used))

#define DPCPU_ID_PTR(i, n) ((__typeof__(DPCPU_NAME(n)) *)((uintptr_t)&DPCPU_NAME(n) + dpcpu_off[(i)]))
#define DPCPU_ID_GET(i, n) (*DPCPU_ID_PTR(i, n))
#define DPCPU_ID_SET(i, n, v) (*DPCPU_ID_PTR(i, n) = (v))
#define DPCPU_PTR(n) DPCPU_ID_PTR(curcpu, n)
#define DPCPU_GET(n) (*DPCPU_PTR(n))
#define DPCPU_SET(n, v) (*DPCPU_PTR(n) = (v))

/* The sum of all instances of a variable, of a member of it; make every instance zero. */
#define DPCPU_SUM(n) \
	__extension__({ \
		__typeof__(DPCPU_NAME(n)) dpcpu_sum = 0; \
		for (unsigned dpcpu_i = 0; dpcpu_i < mp_ncpus; dpcpu_i++) \
			dpcpu_sum += DPCPU_ID_GET(dpcpu_i, n); \
		dpcpu_sum; \
	})
#define DPCPU_VARSUM(n, var) \
	__extension__({ \
		__typeof__(DPCPU_NAME(n).var) dpcpu_sum = 0; \
		for (unsigned dpcpu_i = 0; dpcpu_i < mp_ncpus; dpcpu_i++) \
			dpcpu_sum += DPCPU_ID_PTR(dpcpu_i, n)->var; \
		dpcpu_sum; \
	})
#define DPCPU_ZERO(n) \
	do { \
		for (unsigned dpcpu_i = 0; dpcpu_i < mp_ncpus; dpcpu_i++) \
			memset(DPCPU_ID_PTR(dpcpu_i, n), 0, sizeof(DPCPU_NAME(n))); \
	} while (0)

#endif
