/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callout(9): call a function later, in the stack that asked.
 *
 * A worker has one queue for the callouts of all its stacks, so a stack that waits for nothing costs nothing.
 * A callout belongs to the stack that was current when it was initialised; its function runs on that stack's
 * worker with curvnet set.  The structure is the caller's, commonly a virtual variable or in the stack's heap;
 * vnet_destroy() stops what is left pending.
 */
#ifndef UVNET_CALLOUT_H
#define UVNET_CALLOUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uvnet/vnet.h>

typedef void callout_func_t(void *);

/* Zero-filled is "not initialised".  All fields are src/vnet/callout.c's. */
struct callout {
	struct vnet *c_vnet;
	callout_func_t *c_func;
	void *c_arg;
	int64_t c_time;		/* ns, CLOCK_MONOTONIC */
	struct callout *c_child, *c_next, *c_prev;	/* the pairing heap; c_prev == NULL: not pending */
	LIST_ENTRY(callout) c_le;			/* what is pending of this stack */
};

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t callout_now(void);

/* Initialise in the current stack.  `mpsafe` as on FreeBSD; makes no difference here. */
void callout_init(struct callout *c, int mpsafe);

/*
 * Call func(arg) once, `ns` nanoseconds from now (0: in the worker's next round); a pending one is moved.  Returns
 * whether it was pending.  Cannot fail.  On the stack's worker.
 */
int callout_reset_ns(struct callout *c, int64_t ns, callout_func_t *func, void *arg);

/* Take it back; returns whether it was pending.  It does not run afterwards.  callout_drain() is the same here. */
int callout_stop(struct callout *c);
#define callout_drain(c) callout_stop(c)
#define callout_pending(c) ((c)->c_prev != NULL)

/* ---- The worker's side ---- */

/* When the first callout of that worker is due (ns), or INT64_MAX. */
int64_t callout_next(unsigned cpu);

/* Run what is due at `now`; returns how many ran.  By the worker. */
unsigned callout_process(unsigned cpu, int64_t now);

/* Stop every callout of a stack, which is the current one. */
void callout_purge(void);

/*
 * Stop every callout, of all stacks, whose function or structure lies in a module's image, or whose structure is one of
 * the module's virtual variables (`set`: their template's address).  With all workers stopped.
 */
void callout_purge_module(uintptr_t image, size_t imagesize, uintptr_t set, size_t setsize);

#endif
