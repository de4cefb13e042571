/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An architecture whose restartable sequences nobody has written yet: everything goes on as in atomic.c.
 */
#include "dpcpu_impl.h"

const int dpcpu_machine_rseq = 0;

void
dpcpu_add(uintptr_t *word, uintptr_t inc)
{
	dpcpu_add_atomic(word, inc);
}

void
dpcpu_store(uintptr_t *word, uintptr_t value)
{
	dpcpu_store_atomic(word, value);
}

int
dpcpu_cmpset(unsigned cpu, uintptr_t *word, uintptr_t expect, uintptr_t value)
{
	return (dpcpu_cmpset_atomic(cpu, word, expect, value));
}

void
dpcpu_push(struct dpcpu_list *list, struct dpcpu_node *node)
{
	dpcpu_push_atomic(list, node);
}

struct dpcpu_node *
dpcpu_pop(struct dpcpu_list *list)
{
	return (dpcpu_pop_atomic(list));
}

int
counter_rseq_add(counter_u64_t c, int64_t inc, const uintptr_t table[], uintptr_t field)
{
	(void)c;
	(void)inc;
	(void)table;
	(void)field;
	return (-1);
}

void
counter_u64_add_shared(counter_u64_t c, int64_t inc)
{
	counter_u64_add_slow(c, inc);
}
