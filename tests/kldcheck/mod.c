/* SPDX-License-Identifier: BSD-2-Clause */
/* A module like many: counters, a table, a list, a switch, functions that call each other. */
#include "mod.h"

struct entry {
	struct entry *next;
	int key, value;
};

VNET_DEFINE(int, count) = 7;
VNET_DEFINE(int, limit) = 100;
VNET_DEFINE(long, table[16]);
VNET_DEFINE(struct entry *, head);
DPCPU_DEFINE(long, hits);
DPCPU_DEFINE(char, scratch[100]);

int plain = 3;			/* not virtual: beside the set */
static int hidden_plain[8];
static const int weights[8] = { 3, 1, 4, 1, 5, 9, 2, 6 };

int
mod_count(void)
{
	return (VNET(count)++);
}

int
mod_limited(int n)
{
	if (VNET(count) + n > VNET(limit)) {
		kernel_call("over the limit", VNET(limit));
		return (-1);
	}
	VNET(count) += n;
	DPCPU(hits)++;
	return (0);
}

long
mod_table(unsigned i)
{
	long sum = 0;

	for (unsigned k = 0; k < 16; k++)
		sum += VNET(table)[k] * weights[(k + i) & 7];
	VNET(table)[i & 15] = sum;
	hidden_plain[i & 7]++;
	return (sum + plain);
}

struct entry *
mod_find(int key)
{
	struct entry *e;

	for (e = VNET(head); e != 0; e = e->next)
		if (e->key == key) {
			kernel_call(e, &VNET(head));
			return (e);
		}
	DPCPU(scratch)[key & 63] = 1;
	return (0);
}

int
mod_switch(int op, int n)
{
	switch (op) {
	case 0:
		return (mod_limited(n));
	case 1:
		return (VNET(limit) = n);
	case 2:
		VNET(count) = 0;
		kernel_call(&VNET(count));
		return (VNET(limit));
	case 3:
		return ((int)mod_table((unsigned)n));
	case 4:
		plain = n;
		return (hidden_plain[n & 7]);
	case 5:
		return (DPCPU(scratch)[n & 63]);
	case 6:
		kernel_call(mod_find(n));
		return (VNET(count));
	}
	return (-1);
}

void *mod_ops[] = { (void *)mod_count, (void *)mod_limited, (void *)mod_table, (void *)mod_find, (void *)mod_switch };
