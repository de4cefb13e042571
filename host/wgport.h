/* SPDX-License-Identifier: BSD-2-Clause */
/* The outside of tunnels: UDP sockets of the host (wgport.c), or of another stack (wgoutside.c). */
#ifndef HOST_WGPORT_H
#define HOST_WGPORT_H

#include <uvnet/if_wg.h>
#include "worker.h"

struct stack;
struct wgport;

/*
 * The port that listens at that number (0: a new one, at any), for one more tunnel: one that is there, and then its
 * worker must be `w`, or a new one.  Errors: the sentence names the number.  wgport_close() when the tunnel is gone.
 */
int wgport_open(struct worker *w, uint16_t listen, struct wgport **port, struct uverr *err);

/* A port in another stack, for one tunnel. */
int wgport_open_in(struct stack *in, uint16_t listen, struct wgport **port, struct uverr *err);
void wgport_close(struct wgport *port);

/* Whose tunnels the port of that number carries: its worker, or NULL: nobody listens there. */
struct worker *wgport_worker(uint16_t listen);

/* Whether others have it, too; its number. */
int wgport_isshared(const struct wgport *port);
uint16_t wgport_number(const struct wgport *port);

/*
 * if_wg's side of it (if_wg.h), which is there while that is loaded: NULL until wgport_attach(), and after
 * wgport_detach(); both may come several times.  What comes in meanwhile waits.  -ENOMEM, -ENOTSUP.
 */
struct wg_port *wgport_kpi(const struct wgport *port);
int wgport_attach(struct wgport *port);
void wgport_detach(struct wgport *port);

/* Free what the workers' ports shared; after the last wgport_close(). */
void wgport_fini(void);

#endif
