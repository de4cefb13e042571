/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack's WireGuard: a wg-quick file made into a device (wgquick.c) on a UDP socket of the host (wg.c). */
#ifndef HOST_WG_H
#define HOST_WG_H

#include <uvnet/if_wg.h>
#include "stack.h"
#include "wgquick.h"

/* if_wg.ko's functions; NULL: not loaded. */
extern const struct wg_kpi *wg;

/* Give the stack, which is current, the interface wg0 that the file describes. */
int wg_create(struct stack *st, const char *file, struct uverr *err);
void wg_destroy(struct stack *st);

/*
 * One request of the configuration protocol (if_wg.h) on the stack's tunnel; with all workers stopped.  *reply is malloc(3)ed;
 * NULL, with err, where there is no tunnel or no memory.
 */
int wg_request(struct stack *st, const char *request, size_t len, char **reply, struct uverr *err);

/* Free what the workers' ports shared; after the last wg_destroy(). */
void wg_fini(void);

#endif
