/* SPDX-License-Identifier: BSD-2-Clause */
/* percpu.ko: per-CPU variables that many threads update while it comes and goes. */
#include <uvnet/counter.h>
#include <uvnet/percpu.h>

#include "mod.h"

#define NODES 64

struct page {
	char bytes[2 * 4096];
} __attribute__((aligned(4096)));

DPCPU_DEFINE_STATIC(uintptr_t, p_sum) = 5;
DPCPU_DEFINE_STATIC(uintptr_t, p_set);
DPCPU_DEFINE_STATIC(struct dpcpu_list, p_list);
DPCPU_DEFINE_STATIC(struct page, p_page);
static struct dpcpu_node nodes[NODES];

void percpu_start(void), percpu_update(unsigned n, counter_u64_t c);
int percpu_is_fresh(void);
uintptr_t percpu_sum(void), percpu_sets(void);
unsigned percpu_nodes(void);

int
percpu_is_fresh(void)
{
	unsigned i;

	CPU_FOREACH (i)
		if (DPCPU_ID_GET(i, p_sum) != 5 || DPCPU_ID_GET(i, p_set) != 0 || DPCPU_ID_GET(i, p_list).head != NULL ||
		    (uintptr_t)DPCPU_ID_PTR(i, p_page) % 4096 != 0 || DPCPU_ID_PTR(i, p_page)->bytes[4096] != 0)
			return (0);
	return (1);
}

void
percpu_start(void)
{
	for (unsigned i = 0; i < NODES; i++)
		DPCPU_PUSH(p_list, &nodes[i]);
}

/* Each variable n times. */
void
percpu_update(unsigned n, counter_u64_t c)
{
	struct dpcpu_node *node;
	uintptr_t seen;
	unsigned cpu;

	while (n-- > 0) {
		DPCPU_ADD(p_sum, 1);
		counter_u64_add(c, 1);
		do {
			cpu = curcpu;
			seen = *(volatile uintptr_t *)DPCPU_ID_PTR(cpu, p_set);
		} while (DPCPU_CMPSET(cpu, p_set, seen, seen + 1) <= 0);
		node = DPCPU_POP(p_list);
		if (node != NULL)
			DPCPU_PUSH(p_list, node);
	}
}

uintptr_t
percpu_sum(void)
{
	return (DPCPU_SUM(p_sum));
}

uintptr_t
percpu_sets(void)
{
	return (DPCPU_SUM(p_set));
}

unsigned
percpu_nodes(void)
{
	struct dpcpu_node *node;
	unsigned i, n = 0;

	CPU_FOREACH (i) {
		DPCPU_ID_PTR(i, p_page)->bytes[4096] = 1;	/* for the next one that lies here */
		for (node = DPCPU_ID_GET(i, p_list).head; node != NULL && n <= NODES; node = node->next)
			n++;
	}
	return (n);
}
