/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Updates of per-CPU variables without restartable sequences.
 *
 * The thread finds its CPU and updates that CPU's instance atomically; when it was moved in between, the instance is
 * another CPU's, and that does no harm because everybody's updates are atomic.  Taking from a list is not one
 * word's update (the list may change and change back): lists have a lock, held with all signals blocked so that a
 * handler cannot wait for the thread that it interrupted.  Slow, and not meant to be fast.
 *
 * These functions are also where sequences go that find no CPU number in the thread's rseq area.  Then an atomic
 * update would not be safe from the others' plain ones: such a thread is told so.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "dpcpu_impl.h"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

unsigned
dpcpu_getcpu(void)
{
	const int cpu = sched_getcpu();

	return (cpu >= 0 && (unsigned)cpu < mp_ncpus ? (unsigned)cpu : 0);
}

void
dpcpu_stranger(void)
{
	static const char text[] = "dpcpu: this thread has no rseq area, or a CPU that was not there at start; "
	    "run with UVNET_RSEQ=off\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	abort();
}

static void *
here(void *template, unsigned cpu)
{
	if (dpcpu_path != DPCPU_PATH_ATOMIC)
		dpcpu_stranger();
	return ((void *)((uintptr_t)template + dpcpu_off[cpu]));
}

void
dpcpu_add_atomic(uintptr_t *word, uintptr_t inc)
{
	__atomic_fetch_add((uintptr_t *)here(word, dpcpu_getcpu()), inc, __ATOMIC_RELAXED);
}

void
dpcpu_store_atomic(uintptr_t *word, uintptr_t value)
{
	__atomic_store_n((uintptr_t *)here(word, dpcpu_getcpu()), value, __ATOMIC_RELAXED);
}

int
dpcpu_cmpset_atomic(unsigned cpu, uintptr_t *word, uintptr_t expect, uintptr_t value)
{
	if (dpcpu_getcpu() != cpu)
		return (-EAGAIN);
	return (__atomic_compare_exchange_n((uintptr_t *)here(word, cpu), &expect, value, 0, __ATOMIC_RELAXED,
	    __ATOMIC_RELAXED));
}

static void
lock(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, saved);
	pthread_mutex_lock(&list_lock);
}

static void
unlock(const sigset_t *saved)
{
	pthread_mutex_unlock(&list_lock);
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

void
dpcpu_push_atomic(struct dpcpu_list *list, struct dpcpu_node *node)
{
	sigset_t saved;

	lock(&saved);
	list = here(list, dpcpu_getcpu());
	node->next = list->head;
	list->head = node;
	unlock(&saved);
}

struct dpcpu_node *
dpcpu_pop_atomic(struct dpcpu_list *list)
{
	struct dpcpu_node *node;
	sigset_t saved;

	lock(&saved);
	list = here(list, dpcpu_getcpu());
	node = list->head;
	if (node != NULL)
		list->head = node->next;
	unlock(&saved);
	return (node);
}
