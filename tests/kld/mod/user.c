/* SPDX-License-Identifier: BSD-2-Clause */
/* user.ko: needs sets.ko, the program and libraries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mod.h"

MODULE_VERSION(user, 1);
MODULE_DEPEND(user, sets, 2, 3, 4);

VNET_DEFINE_STATIC(int *, u_theirs) = &VNET_NAME(s_global);
VNET_DEFINE_STATIC(int *, u_hosts) = &VNET_NAME(host_var);
int (*const u_compare)(const char *, const char *) = strcmp;
extern int u_nowhere(void) __attribute__((weak));
static int constructed;

__attribute__((constructor(200))) static void
second(void)
{
	constructed = constructed == 1 ? 2 : -1;
}

__attribute__((constructor(150))) static void
first(void)
{
	constructed = constructed == 0 ? 1 : -1;
}

__attribute__((constructor)) static void
third(void)
{
	constructed = constructed == 2 ? 3 : -1;
}

/* 0, or the line of what is wrong. */
int user_check(int v);
int
user_check(int v)
{
	char text[40];

	if (VNET(s_global) != v || VNET(host_var) != v + 6)
		return (__LINE__);
	if (VNET(u_theirs) != VNET_PTR(s_global) || VNET(u_hosts) != VNET_PTR(host_var))
		return (__LINE__);
	if (sets_sum() != v + v + 5)
		return (__LINE__);
	snprintf(text, sizeof(text), "%d", v);
	if (atoi(text) != v || u_compare(text, text) != 0 || stdout == NULL)
		return (__LINE__);
	if (u_nowhere != NULL)
		return (__LINE__);
	if (constructed != 3)
		return (__LINE__);
	return (0);
}
