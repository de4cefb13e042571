/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What bench-wg measures with: stacks with a device each, on ports whose datagrams lie in memory, and a clock that is
 * moved (the program's clock_gettime() comes before libc's, for modules too).  Failures end the program with a sentence.
 */
#ifndef BENCH_WG_NODES_H
#define BENCH_WG_NODES_H

#include <openssl/evp.h>
#include <uvnet/if_wg.h>

#include "../inet.h"

#define SECOND INT64_C(1000000000)

struct node {
	struct vnet *v;
	struct ifnet *ifp;
	struct wg_port *port;
	struct wg_endpoint at;		/* the port's address: its number in the array of all nodes */
};

extern const struct wg_kpi *wg;
extern int64_t clock_offset;		/* ns, added to CLOCK_REALTIME and CLOCK_MONOTONIC */
void clock_freeze(void);		/* from now on only clock_offset moves them */

/* What is under way: so many datagrams, one behind the other; and how many there ever were. */
extern unsigned wire_n;
extern unsigned char wire_bytes[];
extern size_t wire_len;
extern uint64_t wire_datagrams;

_Noreturn void bench_die(const char *what);

/* Load if_wg.ko.  `nodes`: the array that all nodes are of. */
void nodes_init(struct node *nodes);

/* A stack with a device and that address in a /16; a request on its device. */
void node_make(struct node *n, const char *inner);
void node_destroy(struct node *n);
void node_set(struct node *n, const char *request);
struct wg_stats node_stats(struct node *n);

/* Hand an inner packet of `len` bytes to the node's device; its stack is current. */
void node_send(struct node *n, uint32_t src, uint32_t dst, size_t len);

/* Two nodes that are each other's peers, 10.9.0.1 and 10.9.0.2, with a session. */
void pair_make(struct node *a, struct node *b);

/* Deliver all that is under way, runs of one size together, and what that causes. */
void wire_run(void);

/* A key pair, to be freed; a key as the UAPI has it. */
EVP_PKEY *key_make(unsigned char private[WG_KEY_SIZE], unsigned char public[WG_KEY_SIZE]);
const char *key_hex(const unsigned char key[WG_KEY_SIZE], char text[2 * WG_KEY_SIZE + 1]);

#endif
