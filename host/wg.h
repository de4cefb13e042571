/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack's WireGuard: a wg-quick file made into a device (wgquick.c) on a UDP socket of the host (wg.c). */
#ifndef HOST_WG_H
#define HOST_WG_H

#include <uvnet/if_wg.h>
#include "stack.h"

#define WGQUICK_MAXSIZE (1U << 20)
#define WGQUICK_ADDRESSES 8

/* What a wg-quick file says. */
struct wgquick {
	char *uapi;			/* "set=1\n...\n\n", to be freed */
	uint16_t listen;
	unsigned mtu;			/* 0: not said */
	struct in_addr addr;		/* the first IPv4 one, or 0.0.0.0 */
	unsigned prefixlen;
	struct config_addr6 addr6[CONFIG_MAXADDR6];
	int naddr6;
};

/*
 * Read a wg-quick(8) file's text.  Commands (PreUp, PostUp, PreDown, PostDown) and SaveConfig are refused.  Pure.  -EINVAL
 * with the line; wgquick_free() wipes.
 */
int wgquick_parse(const char *file, const char *text, size_t len, struct wgquick *q, struct uverr *err);
void wgquick_free(struct wgquick *q);

/* if_wg.ko's functions; NULL: not loaded. */
extern const struct wg_kpi *wg;

/* Give the stack, which is current, the interface wg0 that the file describes. */
int wg_create(struct stack *st, const char *file, struct uverr *err);
void wg_destroy(struct stack *st);

/* Free what the workers' ports shared; after the last wg_destroy(). */
void wg_fini(void);

#endif
