/* SPDX-License-Identifier: BSD-2-Clause */
/* What the test modules and the test programs know of each other. */
#ifndef TEST_KLD_MOD_H
#define TEST_KLD_MOD_H

#include <errno.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

struct record {
	char pad[3];
	int value[4];
	struct record *next;
};

/* Of the program. */
VNET_DECLARE(int, host_var);
VNET_DECLARE(int *, host_ptr);
extern int host_quiesce, host_unload_events;
int host_step(const char *what);	/* 0, or the negative errno of the step that is to fail */
void host_undo(const char *what);

/* Of sets.ko. */
VNET_DECLARE(int, s_global);
VNET_DECLARE(int, s_other);		/* in its second object */
int sets_sum(void);

#endif
