/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP from stack to stack in one process, against two network namespaces joined by veth.
 *
 * Ours: pairs of stacks on one worker, which this thread is; the sender copies in (sosend), the receiver copies out
 * (soreceive), as a program on sockets does.  The peer: iperf3 over a veth, with the offloads that it comes with and
 * without any, and tcp/peer.c for round trips; the kernel may use every CPU for it.  CPU-seconds are user and
 * system time of everybody who took part, the kernel's part of the peer as iperf3 accounts for it.
 *
 * tcp/veth.sh makes the namespaces, without root where user namespaces are allowed, and takes them down.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvnet/callout.h>

#include "bench.h"
#include "inet.h"

#define MAX 1000
#define PORT 5001
#define SECONDS 2.0
#define BUF (128u << 10)
#define ROUNDS 200000	/* of 64 bytes, of all pairs together */
#define PING 64
#define WARMUP 8	/* a pair's first round trips wait for the others' handshakes */

struct flow {
	struct bench_end a, b;
	struct socket *listener, *tx, *rx;
	double sent_at;		/* a ping's */
	unsigned pings;
	int bulk;		/* it floods, else it plays ping-pong */
};

static struct flow flows[MAX + 1];
static unsigned nflows;
static unsigned char buf[BUF];
static uint64_t received;
static int running;
static float *trips;		/* us */
static size_t ntrips;

static void
die(const char *what, int error)
{
	fprintf(stderr, "bench-tcp: %s: %s\n", what, strerror(-error));
	exit(1);
}

static struct sockaddr_in
address(const char *addr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	inet_pton(AF_INET, addr, &sin.sin_addr);
	return (sin);
}

/* ---- Bulk ---- */

static void
bulk_tx(struct socket *so, void *arg)
{
	(void)arg;
	if (!(inet->sostate(so) & SO_CONNECTED) || !running)
		return;
	while (inet->sosend(so, buf, sizeof(buf)) > 0)
		continue;
}

static void
bulk_rx(struct socket *so, void *arg)
{
	ssize_t n;

	(void)arg;
	while ((n = inet->soreceive(so, buf, sizeof(buf))) > 0)
		received += (uint64_t)n;
}

/* ---- Ping-pong ---- */

static void
ping_send(struct flow *f)
{
	f->sent_at = bench_now();
	inet->sosend(f->tx, buf, PING);
}

static void
ping_tx(struct socket *so, void *arg)
{
	struct flow *f = arg;

	if (inet->soreceive(so, buf, PING) == PING) {
		if (f->pings++ >= WARMUP && ntrips < ROUNDS)
			trips[ntrips++] = (float)((bench_now() - f->sent_at) / 1e3);
		ping_send(f);
	} else if (f->pings++ == 0)
		ping_send(f);
}

static void
ping_rx(struct socket *so, void *arg)
{
	(void)arg;
	if (inet->soreceive(so, buf, PING) == PING)
		inet->sosend(so, buf, PING);
}

/* ---- Pairs ---- */

static void
accepted(struct socket *so, void *arg)
{
	struct flow *f = arg;

	if (inet->soaccept(so, &f->rx, NULL) == 0)
		inet->soupcall_set(f->rx, f->bulk ? bulk_rx : ping_rx, f);
}

static void
flow_open(struct flow *f, unsigned i)
{
	const struct sockaddr_in sin = address("10.0.0.2");
	char name[32];
	int error;

	snprintf(name, sizeof(name), "a%u", i);
	bench_end_make(&f->a, name, 0, "10.0.0.1", 24, NULL);
	snprintf(name, sizeof(name), "b%u", i);
	bench_end_make(&f->b, name, 0, "10.0.0.2", 24, f->a.ifp);
	CURVNET_SET(f->b.v);
	if ((error = inet->socreate(AF_INET, &f->listener, SOCK_STREAM, 0)) != 0 ||
	    (error = inet->sobind(f->listener, &sin)) != 0 || (error = inet->solisten(f->listener, 1)) != 0)
		die("listening", error);
	inet->soupcall_set(f->listener, accepted, f);
	vnet_enter(f->a.v);
	if ((error = inet->socreate(AF_INET, &f->tx, SOCK_STREAM, 0)) != 0)
		die("connecting", error);
	inet->soupcall_set(f->tx, f->bulk ? bulk_tx : ping_tx, f);
	if ((error = inet->soconnect(f->tx, &sin)) != 0)
		die("connecting", error);
	CURVNET_RESTORE();
}

/* That many that flood, and behind them that many that play ping-pong. */
static void
flows_open(unsigned nbulk, unsigned npings)
{
	running = 1;
	for (nflows = 0; nflows < nbulk + npings; nflows++) {
		flows[nflows] = (struct flow){ .bulk = nflows < nbulk };
		flow_open(&flows[nflows], nflows);
	}
}

static void
flows_close(void)
{
	running = 0;
	for (unsigned i = 0; i < nflows; i++) {
		vnet_destroy(flows[i].a.v);
		vnet_destroy(flows[i].b.v);
	}
}

static void
run(double seconds)
{
	const double end = bench_now() + seconds * 1e9;

	while (bench_now() < end)
		bench_round(0);
}

struct bulk {
	double gbits, cpu;	/* Gbit/s; CPU-seconds a gigabit */
};

static struct bulk
ours_bulk(unsigned n)
{
	struct bulk r;
	uint64_t from;
	double t, cpu;

	flows_open(n, 0);
	run(0.5);
	from = received;
	cpu = bench_cpu_seconds();
	t = bench_now();
	run(SECONDS);
	t = (bench_now() - t) / 1e9;
	cpu = bench_cpu_seconds() - cpu;
	r.gbits = (double)(received - from) * 8 / t / 1e9;
	r.cpu = cpu / ((double)(received - from) * 8 / 1e9);
	flows_close();
	return (r);
}

static int
trip_cmp(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return ((x > y) - (x < y));
}

struct ping {
	double p50, p99;	/* us */
};

static struct ping
ours_ping(unsigned nbulk, unsigned n)
{
	struct ping r;

	trips = malloc(ROUNDS * sizeof(*trips));
	ntrips = 0;
	flows_open(nbulk, n);
	while (ntrips < ROUNDS)
		bench_round(0);
	qsort(trips, ntrips, sizeof(*trips), trip_cmp);
	r = (struct ping){ trips[ntrips / 2], trips[ntrips * 99 / 100] };
	flows_close();
	free(trips);
	trips = NULL;
	return (r);
}

/* ---- Packets ---- */

/* 64-byte datagrams a second that arrive and are read, in millions. */
static double
ours_packets(void)
{
	const struct sockaddr_in sin = address("10.0.0.2"), any = { .sin_family = AF_INET };
	struct bench_end a, b;
	struct socket *tx, *rx;
	uint64_t n = 0;
	double t;

	bench_end_make(&a, "a", 0, "10.0.0.1", 24, NULL);
	bench_end_make(&b, "b", 0, "10.0.0.2", 24, a.ifp);
	CURVNET_SET(b.v);
	if (inet->socreate(AF_INET, &rx, SOCK_DGRAM, 0) != 0 || inet->sobind(rx, &sin) != 0)
		die("UDP", -EIO);
	vnet_enter(a.v);
	if (inet->socreate(AF_INET, &tx, SOCK_DGRAM, 0) != 0 || inet->sobind(tx, &any) != 0)
		die("UDP", -EIO);
	t = bench_now();
	while (bench_now() - t < SECONDS * 1e9) {
		vnet_enter(a.v);
		for (int i = 0; i < 32; i++)
			inet->sosendto(tx, buf, PING, &sin);
		vnet_enter(NULL);
		bench_round(0);
		vnet_enter(b.v);
		while (inet->soreceivefrom(rx, buf, sizeof(buf), NULL) == PING)
			n++;
	}
	t = bench_now() - t;
	CURVNET_RESTORE();
	vnet_destroy(a.v);
	vnet_destroy(b.v);
	return ((double)n / t * 1e3);
}

/* ---- The peer ---- */

struct peer {
	struct bulk offload, many, none;
	double packets;		/* millions a second */
	struct ping ping;
};

/* Nine numbers on a line: bulk with offloads, of many flows, without offloads; packets; round trips. */
static struct peer
peer(void)
{
	static char sh[] = "sh", script[PATH_MAX + 64], program[PATH_MAX + 64];
	char self[PATH_MAX], *argv[] = { sh, script, program, NULL }, *out;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct peer p = { 0 };

	self[n > 0 ? n : 0] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(program, sizeof(program), "%s/tcp-peer", self);
	snprintf(script, sizeof(script), "%s/../benchmarks/veth.sh", self);
	out = bench_run(argv);
	if (out == NULL || sscanf(out, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &p.offload.gbits, &p.offload.cpu,
	    &p.many.gbits, &p.many.cpu, &p.none.gbits, &p.none.cpu, &p.packets, &p.ping.p50,
	    &p.ping.p99) != 9)
		fprintf(stderr, "bench-tcp: no peer: %s\n", out != NULL ? out : "");
	free(out);
	return (p);
}

int
main(int argc, char **argv)
{
	static const char on[] = "veth with offloads", off[] = "veth without offloads", one[] = "veth, one flow";
	static const char many[] = "veth with offloads, 100 flows";
	const int json = bench_options(argc, argv);
	struct bulk b1, bn;
	struct ping p1, pn, pf;
	struct peer p;
	double packets;

	bench_inet_start(1, 2 * MAX + 1, 0);
	b1 = ours_bulk(1);
	p1 = ours_ping(0, 1);
	pf = ours_ping(1, 1);
	bn = ours_bulk(MAX);
	pn = ours_ping(0, MAX);
	packets = ours_packets();
	p = peer();

	const struct bench_row rows[] = {
		{ "one pair", "Gbit/s", b1.gbits, p.offload.gbits, on, BENCH_MORE },
		{ "one pair", "Gbit/s", b1.gbits, p.none.gbits, off, BENCH_MORE },
		{ "one pair", "CPU-s/Gbit", b1.cpu, p.offload.cpu, on, BENCH_LESS },
		{ "one pair", "CPU-s/Gbit", b1.cpu, p.none.cpu, off, BENCH_LESS },
		{ "1,000 pairs", "Gbit/s", bn.gbits, p.many.gbits, many, BENCH_MORE },
		{ "1,000 pairs", "CPU-s/Gbit", bn.cpu, p.many.cpu, many, BENCH_LESS },
		{ "64-byte datagrams", "million/s", packets, p.packets, "veth, iperf3 -u -l 64", BENCH_MORE },
		{ "64 bytes there and back, p50", "us", p1.p50, p.ping.p50, "veth", BENCH_LESS },
		{ "64 bytes there and back, p99", "us", p1.p99, p.ping.p99, "veth", BENCH_LESS },
		{ "p99 beside a flood", "us", pf.p99, p1.p99, "the same without the flood", BENCH_LESS },
		{ "round trips, 1,000 pairs", "million/s", MAX / pn.p50, 1 / p.ping.p50, one, BENCH_MORE },
		{ "p99, 1,000 pairs at once", "us", pn.p99, pn.p50, "the p50 of the same run", BENCH_LESS },
	};
	bench_print("tcp", rows, sizeof(rows) / sizeof(rows[0]), json);
	return (0);
}
