/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPCPU: a global variable with an instance for each CPU (FreeBSD's sys/pcpu.h, pcpu(9)).
 *
 *	DPCPU_DEFINE_STATIC(uint64_t, drops);
 *	DPCPU_SET(drops, DPCPU_GET(drops) + 1);		on the CPU of a pinned worker
 *	total = DPCPU_SUM(drops);
 *
 * Accesses without an ID are to the CPU that the thread runs on now.  Nothing here stops the thread from being
 * moved between finding its CPU and using the address: that is right for a pinned worker that is alone with the
 * variable.  Updates that are right for everybody are in uvnet/percpu.h; statistics are in uvnet/counter.h.
 *
 * A variable may have any type, and an alignment of up to a page.  Instances exist for every CPU that the system may
 * ever have, so a CPU may come and go while the program runs, and affinities may change; the pages of an instance
 * come into being when they are first written to (initial values that are not zero are written at the load).
 */
#ifndef UVNET_DPCPU_H
#define UVNET_DPCPU_H

#include <stdint.h>
#include <string.h>
#include <uvnet/machine.h>
#include <uvnet/vset.h>

/* Instances there are: one more than the largest number of a CPU that the system may ever have. */
extern unsigned mp_ncpus;

/* How updates are made safe (uvnet/percpu.h, uvnet/counter.h): chosen by dpcpu_init(). */
enum dpcpu_path {
	DPCPU_PATH_ATOMIC,	/* atomic instructions: there is no rseq (old kernels, qemu-user, valgrind) */
	DPCPU_PATH_RSEQ,	/* restartable sequences */
	DPCPU_PATH_MM_CID	/* the same, and counters go by numbers that are small when threads are few */
};
extern enum dpcpu_path dpcpu_path;
const char *dpcpu_path_name(void);	/* "atomic", "rseq", "mm_cid" */

/* The distance of each CPU's instance; NULL before dpcpu_init(). */
extern uintptr_t *dpcpu_off;

/* The CPU that this thread runs on: from the rseq area when glibc registered one, else sched_getcpu(3). */
unsigned dpcpu_getcpu(void);
static inline unsigned
dpcpu_curcpu(void)
{
	const int cpu = dpcpu_path != DPCPU_PATH_ATOMIC ? machine_cpu_id() : -1;

	return (__builtin_expect(cpu >= 0, 1) ? (unsigned)cpu : dpcpu_getcpu());
}
#define curcpu dpcpu_curcpu()

/*
 * The distance that code compiled by vnetcc -fvirtual-set=pcpu adds: of the CPU that this thread has taken, wherever it
 * runs.  A thread begins with none, and every access faults.
 *
 * dpcpu_enter(): the calling thread takes the part of `cpu` (< mp_ncpus), until it takes another.  Workers have taken
 * that of their CPU.  Two threads with one CPU's part share its variables as two threads of any program do.
 */
extern _Thread_local uintptr_t curcpu_base __attribute__((tls_model("initial-exec")));
static inline void
dpcpu_enter(unsigned cpu)
{
	curcpu_base = dpcpu_off[cpu];
}

/* The set itself, for the linker. */
extern struct vset *dpcpu_vset;

/*
 * Make the set and an instance for each possible CPU, and choose the path; after vset_window_init(), before any
 * access.  Regions that are added later reach all instances.
 *
 * The environment variable UVNET_RSEQ forces the path: `off`, `on`, or `mm_cid` (Linux 6.3: best for many CPUs and
 * few threads that are not pinned).  Without it, rseq where the kernel and the C library have it.  UVNET_NCPU=n
 * asks for n instances at least.  Errors: -ENOMEM; -EINVAL for another value; -ENOTSUP when what is forced is not
 * there.
 */
int dpcpu_init(struct uverr *err);
void dpcpu_fini(void);

/* CPUs with an instance: CPU_FOREACH(i) { ... DPCPU_ID_GET(i, n) ... } */
#define CPU_FOREACH(i) for ((i) = 0; (i) < mp_ncpus; (i)++)

#define DPCPU_SETNAME "set_pcpu"
#define DPCPU_NAME(n) pcpu_entry_##n
#define DPCPU_DECLARE(t, n) extern t DPCPU_NAME(n)
/* The type is named once only, for it may be an unnamed structure: DPCPU_DEFINE(LIST_HEAD(, x), xs). */
#define DPCPU_DEFINE(t, n) __typeof__(t) DPCPU_NAME(n) __attribute__((section(DPCPU_SETNAME), used))
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
