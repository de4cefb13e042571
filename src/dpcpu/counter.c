/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counter(9): words in the DPCPU set that are handed out at run time.
 *
 * A stretch of the set's addresses is kept for counters; no template lies there, so in every instance it is zero
 * until the CPU counts something.  A counter is the address of its word in that stretch, and CPU i's word is
 * dpcpu_off[i] further.  Free words are a stack of indices.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <uvnet/counter.h>
#include <uvnet/dpcpu.h>

#include "dpcpu_impl.h"

#define COUNTERS 8192	/* 64 KiB of each instance's addresses */

static pthread_mutex_t counter_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t counter_base;
static uint16_t *counter_freed;
static unsigned counter_nfreed, counter_next;

int
counter_init(struct uverr *err)
{
	int error;

	counter_freed = malloc(COUNTERS * sizeof(*counter_freed));
	if (counter_freed == NULL)
		return (uverr(err, ENOMEM, "counters: out of memory"));
	error = vset_space_alloc(VSET_SPACE_PCPU, COUNTERS * sizeof(uint64_t), 64, &counter_base, err);
	if (error != 0) {
		free(counter_freed);
		counter_freed = NULL;
		return (error);
	}
	counter_nfreed = counter_next = 0;
	return (0);
}

void
counter_fini(void)
{
	vset_space_free(VSET_SPACE_PCPU, counter_base, COUNTERS * sizeof(uint64_t));
	free(counter_freed);
	counter_freed = NULL;
}

static uint64_t *
counter_word(counter_u64_t c, unsigned cpu)
{
	return ((uint64_t *)((uintptr_t)c + dpcpu_off[cpu]));
}

counter_u64_t
counter_u64_alloc(int flags)
{
	counter_u64_t c = NULL;
	unsigned i = COUNTERS;

	(void)flags;
	pthread_mutex_lock(&counter_lock);
	if (counter_nfreed > 0)
		i = counter_freed[--counter_nfreed];
	else if (counter_next < COUNTERS)
		i = counter_next++;
	if (i < COUNTERS)
		c = (counter_u64_t)(counter_base + i * sizeof(uint64_t));
	pthread_mutex_unlock(&counter_lock);
	return (c);
}

void
counter_u64_free(counter_u64_t c)
{
	if (c == NULL)
		return;
	assert((uintptr_t)c - counter_base < COUNTERS * sizeof(uint64_t));
	counter_u64_zero(c);	/* the next owner starts from nothing */
	pthread_mutex_lock(&counter_lock);
	counter_freed[counter_nfreed++] = (uint16_t)(((uintptr_t)c - counter_base) / sizeof(uint64_t));
	pthread_mutex_unlock(&counter_lock);
}

void
counter_u64_add(counter_u64_t c, int64_t inc)
{
	__atomic_fetch_add(counter_word(c, curcpu), (uint64_t)inc, __ATOMIC_RELAXED);
}

uint64_t
counter_u64_fetch(counter_u64_t c)
{
	uint64_t sum = 0;
	unsigned i;

	CPU_FOREACH (i)
		sum += __atomic_load_n(counter_word(c, i), __ATOMIC_RELAXED);
	return (sum);
}

void
counter_u64_zero(counter_u64_t c)
{
	unsigned i;

	CPU_FOREACH (i)
		if (__atomic_load_n(counter_word(c, i), __ATOMIC_RELAXED) != 0)
			__atomic_store_n(counter_word(c, i), 0, __ATOMIC_RELAXED);
}
