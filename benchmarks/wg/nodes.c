/* SPDX-License-Identifier: BSD-2-Clause */
/* See nodes.h. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodes.h"

#define WIRE_MAX 2048

void
bench_die(const char *what)
{
	fprintf(stderr, "bench-wg: %s\n", what);
	exit(1);
}

/* ---- The clock ---- */

int64_t clock_offset;
static bool frozen;
static struct timespec frozen_at[CLOCK_MONOTONIC + 1];	/* CLOCK_REALTIME is 0 */

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*next)(clockid_t, struct timespec *);
	int error = 0;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
	if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC)
		return (next(id, ts));
	if (frozen)
		*ts = frozen_at[id];
	else
		error = next(id, ts);
	ts->tv_sec += clock_offset / SECOND;
	ts->tv_nsec += clock_offset % SECOND;
	if (ts->tv_nsec >= SECOND) {
		ts->tv_nsec -= SECOND;
		ts->tv_sec++;
	}
	return (error);
}

void
clock_freeze(void)
{
	const int64_t offset = clock_offset;

	clock_offset = 0;
	clock_gettime(CLOCK_REALTIME, &frozen_at[CLOCK_REALTIME]);
	clock_gettime(CLOCK_MONOTONIC, &frozen_at[CLOCK_MONOTONIC]);
	clock_offset = offset;
	frozen = true;
}

/* ---- The wire ---- */

const struct wg_kpi *wg;
unsigned char wire_bytes[WIRE_MAX * WG_DATAGRAM_MAX];
size_t wire_len;
uint64_t wire_datagrams;
static struct node *all;
static struct {
	unsigned from, to;
	size_t at, len;
} wire[WIRE_MAX];
unsigned wire_n;

/* The outer address is the number of the port. */
static unsigned
number_of(const struct wg_endpoint *ep)
{
	return (ntohl(ep->remote.sin.sin_addr.s_addr) & 0xffffff);
}

static void *
wire_reserve(void *arg, const struct wg_endpoint *to, size_t len)
{
	const struct node *n = arg;

	(void)len;
	if (wire_n == WIRE_MAX)
		return (NULL);
	wire[wire_n].from = (unsigned)(n - all);
	wire[wire_n].to = number_of(to);
	wire[wire_n].at = wire_len;
	return (wire_bytes + wire_len);
}

static void
wire_commit(void *arg, size_t len)
{
	(void)arg;
	wire[wire_n++].len = len;
	wire_len += len;
	wire_datagrams++;
}

static int
wire_listen(void *arg, uint16_t *port)
{
	(void)arg;
	*port = 1;
	return (0);
}

static const struct wg_port_ops wire_ops = {
	.reserve = wire_reserve, .commit = wire_commit, .listen = wire_listen
};

/* Deliver all that is under way, runs of one size together, and what that causes. */
void
wire_run(void)
{
	static unsigned char copy[sizeof(wire_bytes)];
	static typeof(wire[0]) list[WIRE_MAX];
	unsigned n, i, k;

	while (wire_n > 0) {
		n = wire_n;
		memcpy(list, wire, n * sizeof(wire[0]));
		memcpy(copy, wire_bytes, wire_len);
		wire_n = 0;
		wire_len = 0;
		for (i = 0; i < n; i = k) {
			for (k = i + 1; k < n && list[k].from == list[i].from && list[k].to == list[i].to &&
			    list[k].len == list[i].len; k++)
				continue;
			wg->input(all[list[i].to].port, copy + list[i].at, (k - i) * list[i].len, list[i].len,
			    &all[list[i].from].at);
		}
	}
}

/* ---- Stacks ---- */

EVP_PKEY *
key_make(unsigned char private[WG_KEY_SIZE], unsigned char public[WG_KEY_SIZE])
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	size_t len = WG_KEY_SIZE;

	if (key == NULL || EVP_PKEY_get_raw_private_key(key, private, &len) != 1 ||
	    EVP_PKEY_get_raw_public_key(key, public, &len) != 1)
		bench_die("libcrypto makes no key");
	return (key);
}

const char *
key_hex(const unsigned char key[WG_KEY_SIZE], char text[2 * WG_KEY_SIZE + 1])
{
	for (int i = 0; i < WG_KEY_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	return (text);
}

void
node_make(struct node *n, const char *inner)
{
	struct wg_params params = { 0 };
	char name[16];
	struct in_addr in;
	struct uverr err;

	n->at.remote.sin.sin_family = AF_INET;
	n->at.remote.sin.sin_port = htons(1);
	n->at.remote.sin.sin_addr.s_addr = htonl(10U << 24 | (unsigned)(n - all));
	snprintf(name, sizeof(name), "n%u", (unsigned)(n - all));
	inet_pton(AF_INET, inner, &in);
	if (vnet_alloc(name, 0, &n->v, &err) != 0)
		bench_die(err.text);
	if (wg->port_create(0, &wire_ops, n, &n->port) != 0)
		bench_die("no port");
	params.port = n->port;
	CURVNET_SET(n->v);
	if (inet->if_clone_create("wg", "wg0", &params, &n->ifp) != 0 || inet->if_addaddr(n->ifp, in, 16) != 0)
		bench_die("no device");
	CURVNET_RESTORE();
}

void
node_destroy(struct node *n)
{
	vnet_destroy(n->v);
	wg->port_destroy(n->port);
}

void
node_set(struct node *n, const char *request)
{
	char *reply;
	struct uverr err;

	CURVNET_SET(n->v);
	if (wg->uapi(n->ifp, request, strlen(request), &reply, &err) != 0)
		bench_die(err.text);
	CURVNET_RESTORE();
	free(reply);
}

/* An inner packet of `len` wire_bytes from 10.9.0.1 to an address, handed to the stack's device. */
void
node_send(struct node *n, uint32_t src, uint32_t dst, size_t len)
{
	struct pkt *p = pkt_alloc(0);
	struct in_addr in[2] = { { htonl(src) }, { htonl(dst) } };

	if (p == NULL)
		bench_die("no packet");
	p->p_len = (uint32_t)len;
	memcpy(p->p_data, "\x45\x00\x00\x00\x00\x00\x00\x00\x40\xfd\x00\x00", 12);
	p->p_data[2] = (uint8_t)(len >> 8);
	p->p_data[3] = (uint8_t)len;
	memcpy(p->p_data + 12, in, sizeof(in));
	wg->transmit(n->ifp, p);
}

/* Two nodes that are each other's peers, 10.9.0.1 and 10.9.0.2, with a session. */
void
pair_make(struct node *a, struct node *b)
{
	unsigned char private[2][WG_KEY_SIZE], public[2][WG_KEY_SIZE];
	char text[512], h[2][2 * WG_KEY_SIZE + 1], ip[INET_ADDRSTRLEN];
	struct node *n[] = { a, b };

	for (int i = 0; i < 2; i++) {
		node_make(n[i], i == 0 ? "10.9.0.1" : "10.9.0.2");
		EVP_PKEY_free(key_make(private[i], public[i]));
	}
	for (int i = 0; i < 2; i++) {
		inet_ntop(AF_INET, &n[!i]->at.remote.sin.sin_addr, ip, sizeof(ip));
		snprintf(text, sizeof(text), "set=1\nprivate_key=%s\npublic_key=%s\nendpoint=%s:1\nallowed_ip=10.9.0.0/16\n\n",
		    key_hex(private[i], h[0]), key_hex(public[!i], h[1]), ip);
		node_set(n[i], text);
	}
	CURVNET_SET(a->v);
	node_send(a, 0x0a090001, 0x0a090909, 60);
	CURVNET_RESTORE();
	wire_run();
}

struct wg_stats
node_stats(struct node *n)
{
	struct wg_stats stats;

	CURVNET_SET(n->v);
	wg->getstats(n->ifp, &stats);
	CURVNET_RESTORE();
	return (stats);
}

void
nodes_init(struct node *nodes)
{
	all = nodes;
	wg = kld_lookup(bench_load("if_wg"), "wg_kpi");
	if (wg == NULL || wg->version != WG_KPI_VERSION || wg->size != sizeof(*wg))
		bench_die("if_wg.ko is not of this build");
}
