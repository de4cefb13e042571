/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counter(9): statistics that every CPU adds to and somebody now and then reads.
 *
 * A counter is one word for each CPU; adding touches only the own CPU's, reading adds them up.  An addition is never
 * lost: not under preemption, not when the thread is moved, not in a signal handler.  How it is made safe is
 * chosen at start (dpcpu_path): a restartable sequence, or an atomic addition where there is none.
 *
 * A thread that adds all the time, a worker, takes words of its own with counter_own(): then adding is one plain
 * instruction, on whatever CPU it runs.
 *
 * Counters are dense, 512 to a page and CPU, and a CPU that never counted costs nothing: ten thousand stacks with
 * sixteen counters each take 1.3 MB for each CPU or owner that adds to all of them.  How it works is told in
 * src/dpcpu/counter.c.
 */
#ifndef UVNET_COUNTER_H
#define UVNET_COUNTER_H

#include <stddef.h>
#include <stdint.h>
#include <uvnet/err.h>
#include <uvnet/machine.h>

/* A counter, or NULL.  Not to be dereferenced: a CPU's word is at a distance that only this part knows. */
typedef uint64_t *counter_u64_t;

#define M_NOWAIT 0x0001
#define M_WAITOK 0x0002

/*
 * A new counter, zero.  `flags` is FreeBSD's M_WAITOK or M_NOWAIT and makes no difference here: NULL when all
 * 4 million (fewer where address space is short) are in use.  counter_u64_free(NULL) does nothing.  Any thread; a
 * counter that is being freed is no longer added to.
 */
counter_u64_t counter_u64_alloc(int flags);
void counter_u64_free(counter_u64_t c);

/*
 * Fill an array with n new counters, side by side if possible.  0, or -ENOMEM and all of them NULL (FreeBSD's macro
 * returns nothing).  COUNTER_ARRAY_FREE leaves NULLs, so it may follow a failure.
 */
int counter_array_alloc(counter_u64_t a[], size_t n, int flags);
void counter_array_free(counter_u64_t a[], size_t n);
#define COUNTER_ARRAY_ALLOC(a, n, wait) counter_array_alloc((a), (n), (wait))
#define COUNTER_ARRAY_FREE(a, n) counter_array_free((a), (n))
#define COUNTER_ARRAY_COPY(a, dstp, n) \
	do { \
		for (size_t counter_i = 0; counter_i < (n); counter_i++) \
			((uint64_t *)(dstp))[counter_i] = counter_u64_fetch((a)[counter_i]); \
	} while (0)
#define COUNTER_ARRAY_ZERO(a, n) \
	do { \
		for (size_t counter_i = 0; counter_i < (n); counter_i++) \
			counter_u64_zero((a)[counter_i]); \
	} while (0)

/* The sum of all CPUs; additions that run meanwhile may or may not be in it. */
uint64_t counter_u64_fetch(counter_u64_t c);

/* Make it zero.  Additions that run meanwhile come after it: none is lost, none is undone. */
void counter_u64_zero(counter_u64_t c);

/*
 * Give this thread words of its own in every counter, until it ends.  There are as many owners as CPUs, at least 16;
 * what one added stays when it ends, and another thread can be it.  Errors: -EAGAIN when there is no owner left to
 * be, -EBUSY when this thread is one, -ENOMEM.
 */
int counter_own(struct uverr *err);

/* Bytes of memory that counters take (mincore(2)): for reports. */
size_t counter_resident(void);

/* ---- Adding ---- */

/*
 * The distance to the words of each CPU, 0 until it first adds; before it the two numbers that the rseq area has for
 * a thread without a CPU.  All 0 when additions are not to be made in place.
 */
#define COUNTER_MAXCPU 8192	/* what Linux can be built for */
struct counter_table {
	uintptr_t none[2];
	uintptr_t cpu[COUNTER_MAXCPU];
};
extern struct counter_table counter_percpu;

/*
 * The distance to this thread's own words, or NULL.  It changes once, in counter_own(), and NULL goes on to be right
 * after that.  So it is a constant for whoever adds, and a compiler loads it once for many additions.
 */
extern _Thread_local char *const counter_owned __attribute__((tls_model("initial-exec")));

/* An addition by a thread that owns nothing: by whatever way was chosen at start, the first of a CPU included. */
void counter_u64_add_shared(counter_u64_t c, int64_t inc);
void counter_u64_add_slow(counter_u64_t c, int64_t inc);

/*
 * Add, at any time and from any thread.  Best for threads that own words, as FreeBSD's is for those that
 * called counter_enter(); those that own none may call it as well.
 */
static inline void
counter_u64_add_protected(counter_u64_t c, int64_t inc)
{
	char *const owned = counter_owned;

	if (__builtin_expect(owned != NULL, 1))
		machine_add((uint64_t *)(uintptr_t)(owned + (uintptr_t)c), (uint64_t)inc);
	else
		counter_u64_add_shared(c, inc);
}
#define counter_enter() ((void)0)
#define counter_exit() ((void)0)

/*
 * Add, at any time and from any thread.  In the program itself (UVNET_PROGRAM, which uvnet_dep defines) this is a
 * restartable sequence in place, the best there is for a thread that owns nothing; in a module it is the other.
 */
static inline void
counter_u64_add(counter_u64_t c, int64_t inc)
{
#ifdef MACHINE_PERCPU_ADD
	MACHINE_PERCPU_ADD(counter_percpu.cpu, c, inc, none);
	return;
none:
	counter_u64_add_slow(c, inc);
#else
	counter_u64_add_protected(c, inc);
#endif
}

#endif
