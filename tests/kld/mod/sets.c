/* SPDX-License-Identifier: BSD-2-Clause */
/* sets.ko: every way to have and to reach a virtual variable. */
#include "mod.h"

MODULE_VERSION(sets, 3);

VNET_DEFINE(int, s_global) = 1;
VNET_DEFINE_STATIC(int, s_static) = 2;
static int s_plain __attribute__((section("set_vnet"), used)) = 3;
VNET_DEFINE(int, s_array[5]) = { 10, 11, 12, 13, 14 };
VNET_DEFINE_STATIC(char, s_zero[3000]);
VNET_DEFINE_STATIC(struct record, s_first) = { .value = { 4, 5, 6, 7 } };
VNET_DEFINE_STATIC(struct record, s_second) = { .next = &VNET_NAME(s_first) };
VNET_DEFINE_STATIC(struct record *, s_head) = &VNET_NAME(s_second);
VNET_DEFINE_STATIC(int *, s_member) = &VNET_NAME(s_first).value[2];
VNET_DEFINE_STATIC(int *, s_end) = &VNET_NAME(s_array)[5];
#ifndef SHARED	/* which does not say what a pointer outside every variable was meant to point to */
VNET_DEFINE_STATIC(int *, s_before) = (int *)(void *)((char *)&VNET_NAME(s_array) - 4000);
#endif
VNET_DEFINE_STATIC(int *, s_otherp) = &VNET_NAME(s_other);
VNET_DEFINE_STATIC(const char *, s_name) = "shared";

DPCPU_DEFINE(long, s_pcpu) = 5;
DPCPU_DEFINE_STATIC(long, s_pcpu_static);
DPCPU_DEFINE_STATIC(long *, s_pcpu_self) = &DPCPU_NAME(s_pcpu);
DPCPU_DEFINE_STATIC(int *, s_pcpu_vnet) = &VNET_NAME(s_array)[2];

/* Shared data that names a virtual variable: the template's address, an offset (as SYSCTL uses it). */
int *const s_offset = &VNET_NAME(s_global);
static int *s_offset_static[] = { &VNET_NAME(s_static), &s_plain };
static int calls;

#define PLAIN(n) (*(__typeof__(n) *)((uintptr_t)&n + curvnet_base))
#define WRONG(cond) \
	do { \
		if (!(cond)) \
			wrong |= 1ul << __COUNTER__; \
	} while (0)

/* In a stack that is new: a bit for each thing that is wrong. */
unsigned long sets_fresh(void);
unsigned long
sets_fresh(void)
{
	unsigned long wrong = 0;

	WRONG(VNET(s_global) == 1);
	WRONG(VNET(s_static) == 2);
	WRONG(PLAIN(s_plain) == 3);
	for (int i = 0; i < 5; i++)
		WRONG(VNET(s_array)[i] == 10 + i);
	for (unsigned i = 0; i < sizeof(VNET(s_zero)); i++)
		WRONG(VNET(s_zero)[i] == 0);
	WRONG(VNET(s_head) == VNET_PTR(s_second));
	WRONG(VNET(s_head)->next == VNET_PTR(s_first));
	WRONG(VNET(s_member) == &VNET(s_first).value[2] && *VNET(s_member) == 6);
	WRONG(VNET(s_end) == (int *)VNET_PTR(s_array) + 5);
#ifndef SHARED
	WRONG(VNET(s_before) == (int *)VNET_PTR(s_array) - 1000);
#endif
	WRONG(VNET(s_otherp) == VNET_PTR(s_other) && *VNET(s_otherp) == 77);
	WRONG(__builtin_strcmp(VNET(s_name), "shared") == 0);
	WRONG(s_offset == &VNET_NAME(s_global));
	WRONG(*(int *)((uintptr_t)s_offset + curvnet_base) == 1);
	WRONG(*(int *)((uintptr_t)s_offset_static[0] + curvnet_base) == 2);
	WRONG(*(int *)((uintptr_t)s_offset_static[1] + curvnet_base) == 3);
	for (unsigned i = 0; i < mp_ncpus; i++) {
		WRONG(DPCPU_ID_GET(i, s_pcpu) == 5);
		WRONG(DPCPU_ID_GET(i, s_pcpu_static) == 0);
		WRONG(DPCPU_ID_GET(i, s_pcpu_self) == DPCPU_ID_PTR(i, s_pcpu));
		WRONG(DPCPU_ID_GET(i, s_pcpu_vnet) == &VNET_NAME(s_array)[2]);
	}
	return (wrong);
}

void sets_put(int v);
void
sets_put(int v)
{
	calls++;
	VNET(s_global) = v;
	VNET(s_static) = v + 1;
	PLAIN(s_plain) = v + 2;
	for (int i = 0; i < 5; i++)
		VNET(s_array)[i] = v + i;
	VNET(s_zero)[2999] = (char)v;
	*VNET(s_member) = v + 3;
	VNET(s_head)->value[1] = v + 4;
	*VNET(s_otherp) = v + 5;
	VNET(host_var) = v + 6;
}

unsigned long sets_get(int v);
unsigned long
sets_get(int v)
{
	unsigned long wrong = 0;

	WRONG(VNET(s_global) == v);
	WRONG(VNET(s_static) == v + 1);
	WRONG(PLAIN(s_plain) == v + 2);
	for (int i = 0; i < 5; i++)
		WRONG(VNET(s_array)[i] == v + i);
	WRONG(VNET(s_zero)[2999] == (char)v);
	WRONG(VNET(s_first).value[2] == v + 3);
	WRONG(VNET(s_second).value[1] == v + 4);
	WRONG(VNET(s_other) == v + 5);
	WRONG(VNET(host_var) == v + 6 && *VNET(host_ptr) == v + 6);
	WRONG(sets_sum() == v + v + 5);
	WRONG(calls > 0);
	return (wrong);
}

/* Adds on every CPU. */
long sets_percpu(void);
long
sets_percpu(void)
{
	for (unsigned i = 0; i < mp_ncpus; i++)
		DPCPU_ID_SET(i, s_pcpu_static, DPCPU_ID_GET(i, s_pcpu_static) + *DPCPU_ID_GET(i, s_pcpu_self));
	return (DPCPU_SUM(s_pcpu_static));
}
