/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of net/ and modules/if_epair begin with: a host program with both modules loaded, pairs of stacks
 * on the same addresses (10.0.0.1 and 10.0.0.2 in every pair), and byte streams that check themselves.
 */
#ifndef NET_TEST_H
#define NET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <uvnet/callout.h>
#include <uvnet/dpcpu.h>
#include <uvnet/if_epair.h>
#include <uvnet/module.h>
#include <uvnet/net.h>
#include <uvnet/netisr.h>
#include <uvnet/vnet.h>
#include <cmocka.h>

#define MB (1024u * 1024u)
#define TEST_BUFS 4096		/* packets in a worker's pool */

/* inet.ko's functions, once net_test_init() has loaded it. */
extern const struct inet_kpi *inet;
extern linker_file_t inet_file, epair_file;

/* The program's CPUs 0 to n-1 get a worker; the test itself runs their rounds.  There is room for 64 stacks, or `max`. */
void net_test_init(unsigned nworkers);
void net_test_init_max(unsigned nworkers, unsigned max);
void net_test_load(void);
void net_test_fini(void);

/* ---- Stacks ---- */

struct end {
	struct vnet *v;
	struct ifnet *ifp;
};

struct pair {
	struct end a, b;	/* 10.0.0.1 and 10.0.0.2 */
};

/* A stack with the interface ep0 on a link to `peer` (NULL: to nobody yet), and an address (NULL: none). */
void end_make_on(struct end *e, unsigned cpu, const char *name, const char *addr, struct ifnet *peer);
void end_make(struct end *e, const char *name, const char *addr, struct ifnet *peer);	/* on CPU 0 */
void pair_make(struct pair *p, const char *name, unsigned cpu_a, unsigned cpu_b);
void pair_destroy(struct pair *p);
void end_carrier(const struct end *e, int link_state);
void end_data(const struct end *e, struct if_data *data);

/* Packets of all pools that are in use. */
unsigned bufs_used(void);

/* ---- Rounds ---- */

/* One round of a worker; returns what it did. */
unsigned round_run(unsigned cpu);

/* Rounds of all workers, by this thread, until done(arg), at most `ms`; returns whether it came. */
int run_until(int (*done)(void *), void *arg, int ms);

/* Rounds until nothing is to be done at once. */
void run_idle(void);

/* ---- Streams ---- */

/* One side of a connection: sends `tosend` bytes of its pattern, checks what comes against the peer's. */
struct stream {
	struct vnet *v;
	struct socket *so;
	uint64_t tosend, sent, rcvd;
	unsigned txseed, rxseed;
	int shut;		/* soshutdown() when all is sent */
	int hold;		/* do not consume */
	int connected, eof, dead, bad;
	int error;		/* soerror() when dead */
	unsigned upcalls;
};

struct listener {
	struct vnet *v;
	struct socket *so;
	struct stream conn;	/* the latest accepted; its fields but v and so are the test's to set before */
	unsigned accepted;
};

void stream_connect(struct stream *s, const struct end *from, const char *to, uint16_t port);
void stream_close(struct stream *s, int reset);
void stream_pump(struct stream *s);
size_t stream_unread(struct stream *s);
void listener_open(struct listener *l, const struct end *at, const char *addr, uint16_t port);
void listener_close(struct listener *l);

/* Conditions for run_until(). */
int stream_finished(void *s);		/* end of stream received, or dead */
int stream_connected(void *s);		/* or dead */

#endif
