/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of if_wg begin with: stacks with a device each on ports whose datagrams lie in an array between them,
 * where a test may lose, repeat, change and reorder them; and a clock that a test moves.
 */
#ifndef WG_TEST_H
#define WG_TEST_H

#include <arpa/inet.h>
#include "../net/net-test.h"
#include <uvnet/if_wg.h>

#define SECOND INT64_C(1000000000)
#define NPORTS 8

struct datagram {
	struct wg_endpoint from;	/* of the sender's port, as the receiver sees it */
	unsigned to;			/* the receiving port */
	size_t len;
	uint8_t data[WG_DATAGRAM_MAX];
};

/* A port with one device, in a stack of its own: 10.9.0.NUMBER of the pair, public key and all. */
struct node {
	struct vnet *v;
	struct ifnet *ifp;
	struct wg_port *port;
	unsigned number;		/* of the port, and the last part of its outer address */
	uint32_t mark;			/* what it was marked with */
};

extern const struct wg_kpi *wg;
extern linker_file_t wg_file;
extern struct datagram wire[1024];	/* what is under way, in order */
extern unsigned wire_len;
extern int64_t clock_offset;		/* ns, added to every clock */
extern int64_t clock_step;		/* ns that a reading of the monotonic one takes; 0: it runs */

void wg_test_load(void);

/* What main() of each of them does: the network and the module are there, the tests run, nothing stays. */
#define wg_test_run(tests) wg_test_run_all(tests, sizeof(tests) / sizeof((tests)[0]))
int wg_test_run_all(const struct CMUnitTest *tests, size_t n);

/* Two stacks with each other as peers; inner addresses 10.9.0.1 and 10.9.0.2. */
void nodes_make(struct node n[2], const char *name, unsigned first_port);
void nodes_destroy(struct node n[2]);

/* Deliver all that is under way, and what that causes, until nothing is; deliver one. */
void wire_run(void);
void wire_deliver(const struct datagram *d);

/* A set or get request on a node's device; returns its result.  *reply may be NULL. */
int node_uapi(struct node *n, const char *request, char **reply);
struct wg_stats node_stats(struct node *n);

/* An inner IPv4 packet of n's to an address, with a source that may be false; handed to the stack's interface. */
void node_send(struct node *n, const char *src, const char *dst, size_t len);

/* Let time pass, with all that happens in it, in steps. */
void time_pass(int64_t ns, int64_t step);

extern const char key_hex[2][2][65];	/* [side][private, public] */

#endif
