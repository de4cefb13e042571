/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack's WireGuard: a wg-quick file made into a device on a UDP socket of the host. */
#ifndef HOST_WG_H
#define HOST_WG_H

#include <uvnet/if_wg.h>
#include <uvnet/module.h>
#include "stack.h"
#include "wgquick.h"

/* if_wg.ko's functions; NULL: not loaded. */
extern const struct wg_kpi *wg;

/* Where if_wg.ko is (the text stays the caller's); load it, if it is not, with all workers stopped meanwhile. */
void wg_init(const char *folder);
int wg_module_load(struct uverr *err);

/*
 * With all workers stopped: if_wg.ko may just have been loaded, and then tunnels that waited for it come back; if they
 * cannot, it is unloaded again.  Unload it, with its tunnels waiting for it to come back.
 */
int wg_module_loaded(struct uverr *err);
int wg_module_unload(linker_file_t file, struct uverr *err);

/* Whether a stack of the configuration has a tunnel. */
int tunnels_wanted(const struct config *cfg);

/* Give the stack, which is current, the interface wg0 that a file describes.  Takes `conf` over when it succeeds. */
int wg_create(struct stack *st, struct wgquick *conf, struct stack *outside, struct uverr *err);
/*
 * Add routes to the allowed IPs of its peers, as wg-quick(8) does unless the file says Table = off: where the stack,
 * which is current, has no route to that very network yet.
 */
int wg_addroutes(struct stack *st, struct uverr *err);
void wg_destroy(struct stack *st);

/* What happened in the stack's tunnel, which it has; the stack is current. */
void wg_getstats(const struct stack *st, struct wg_stats *stats);

/*
 * One request of the configuration protocol (if_wg.h) on the stack's tunnel, by its worker or with all workers stopped.
 * *reply is malloc(3)ed; NULL, with err, where there is no tunnel or no memory.
 */
int wg_request(struct stack *st, const char *request, size_t len, char **reply, struct uverr *err);

/* Free what the workers' ports shared; after the last wg_destroy(). */
void wg_fini(void);

/* ---- The sockets of wg(8) (wgsock.c) ---- */

#define WGSOCK_FOLDER "/var/run/wireguard"	/* where wg(8) looks for them */

/* Make them in that folder from now on; the text stays the caller's. */
void wgsock_init(const char *folder);

/* Have wg(8) show and set the stack's tunnel as interface `name`, at FOLDER/NAME.sock. */
int wgsock_create(struct stack *st, const char *name, struct uverr *err);
void wgsock_destroy(struct stack *st);

#endif
