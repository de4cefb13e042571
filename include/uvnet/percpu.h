/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Updates of per-CPU variables that are right although the thread may be preempted or moved at any instruction.
 *
 *	DPCPU_DEFINE_STATIC(uintptr_t, hits);
 *	DPCPU_DEFINE_STATIC(struct dpcpu_list, spare);
 *
 *	DPCPU_ADD(hits, 1);
 *	DPCPU_PUSH(spare, &buf->node);
 *
 * Each is a restartable sequence (rseq(2)): instructions of which the last one commits, and which the kernel starts
 * over when the thread was interrupted before it.  So the CPU that an update is made on is the one that the thread
 * runs on at that moment, and all updates of one CPU's instance happen one after the other, without a locked
 * instruction.  A signal handler may use them.
 *
 * Without rseq (dpcpu_path says so) the same functions use atomic instructions, and lists a lock: right as well, but a
 * thread may have left the CPU when its update is made there.
 *
 * The variables are words: uintptr_t, or anything of that size but floating point.  What these functions
 * update must not be written in another way meanwhile, except by a thread that is the only one on its CPU; reading,
 * also of other CPUs' instances, is free (DPCPU_SUM).
 */
#ifndef UVNET_PERCPU_H
#define UVNET_PERCPU_H

#include <stdint.h>
#include <uvnet/dpcpu.h>

/* A list of a CPU's own, last in first out.  An element's memory must stay readable while it may be popped. */
struct dpcpu_node {
	struct dpcpu_node *next;
};
struct dpcpu_list {
	struct dpcpu_node *head;
};

/* `word` and `list` are addresses of templates, as of all DPCPU variables: &DPCPU_NAME(n). */
void dpcpu_add(uintptr_t *word, uintptr_t inc);
void dpcpu_store(uintptr_t *word, uintptr_t value);

/*
 * Store `value` in the instance of `cpu` if the thread still runs there and the instance is still `expect`.
 * Returns 1 when it did, 0 when the instance was another value, -EAGAIN when the thread is on another CPU: then
 * begin with curcpu again.
 */
int dpcpu_cmpset(unsigned cpu, uintptr_t *word, uintptr_t expect, uintptr_t value);

/* Put an element on the list of this CPU; take one from it, or NULL.  The element belongs to whoever took it. */
void dpcpu_push(struct dpcpu_list *list, struct dpcpu_node *node);
struct dpcpu_node *dpcpu_pop(struct dpcpu_list *list);

#define DPCPU_WORD(n) \
	__extension__({ \
		_Static_assert(sizeof(DPCPU_NAME(n)) == sizeof(uintptr_t), "not a word"); \
		(uintptr_t *)(uintptr_t)&DPCPU_NAME(n); \
	})
#define DPCPU_ADD(n, inc) dpcpu_add(DPCPU_WORD(n), (uintptr_t)(inc))
#define DPCPU_STORE(n, v) dpcpu_store(DPCPU_WORD(n), (uintptr_t)(v))
#define DPCPU_CMPSET(i, n, expect, v) dpcpu_cmpset((i), DPCPU_WORD(n), (uintptr_t)(expect), (uintptr_t)(v))
#define DPCPU_PUSH(n, node) dpcpu_push(&DPCPU_NAME(n), (node))
#define DPCPU_POP(n) dpcpu_pop(&DPCPU_NAME(n))

#endif
