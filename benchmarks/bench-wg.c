/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What WireGuard in a stack costs: if_wg against the bare libcrypto beneath it, in the same run.
 *
 * Ports are memory here: what one device seals lies in memory until it is given to the other's port, in runs of one size,
 * as a socket with UDP GSO and GRO would.  So all of the module is measured and nothing of the kernel.
 *
 * Data: 1420-byte packets go from a stack's device to another's, routed, sealed, opened, checked against replay and
 * allowed IPs, and handed to the receiving stack, which drops them (they are for an address beyond it).  The peer seals
 * and opens as many bytes with EVP: the key set once, a nonce a packet.
 *
 * Handshakes: complete ones, both sides, as in a rekey after two minutes: initiation, response, the first packet of the new
 * session, and the end of the oldest.  That is two key pairs made and six exchanges (the exchange of both static keys
 * is computed once a peer); the peer makes two key pairs and derives six times from keys that are ready.  Time is moved
 * on between handshakes (wg/nodes.c).
 *
 * The tunnel: iperf3 between two network namespaces through a tunnel process in each, on TUN devices (wg/tunnel.sh), ours
 * and wireguard-go in the same set-up.  What a CPU-second of the two processes carries; as root only; else those rows, the
 * last, are not there.
 *
 * Customers: 10,000 stacks with a port, a device and a peer each.  The other ends are 100 stacks with 100 peers each, in
 * the same process: their memory is counted to the customers, too.  Each sends a packet that arrives.  Then they idle:
 * three minutes in which not one timer may fire, then some with keepalives every 25 seconds (and the rekeys that come
 * with them), in jumps from one timer to the next.
 */
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uvnet/callout.h>

#include "bench.h"
#include "wg/nodes.h"

#define PACKET 1420
#define BATCH 40		/* packets, as a UDP GSO message has them */
#define ROUNDS 100		/* batches a measurement */
#define TIMES 40
#define HANDSHAKES 50
#define TUNNELS 3
#define CUSTOMERS 10000
#define PER_HUB 100
#define HUBS (CUSTOMERS / PER_HUB)
#define LIMIT_KIB 96.0		/* a customer */
#define SPREAD (SECOND / 500)	/* from one customer's handshake to the next's: no flood */
#define KEEPALIVE 25		/* seconds */
#define IDLE 300

static struct node nodes[CUSTOMERS + HUBS];

/* Nanoseconds of CPU time: what else the machine does, counts for neither side. */
static double
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ((double)ts.tv_sec * 1e9 + (double)ts.tv_nsec);
}

/* ---- Data ---- */

/* Nanoseconds that a packet takes from device to device. */
static double
ours_data(struct node *a, struct node *b)
{
	const uint64_t before = node_stats(b).rx_packets;
	double t = cpu_now();

	for (int i = 0; i < ROUNDS; i++) {
		CURVNET_SET(a->v);
		for (int k = 0; k < BATCH; k++)
			node_send(a, 0x0a090001, 0x0a090909, PACKET);
		CURVNET_RESTORE();
		/* Not wire_run(): the wire is no copy here. */
		wg->input(b->port, wire_bytes, wire_len, wire_len / BATCH, &a->at);
		wire_n = 0;
		wire_len = 0;
	}
	t = cpu_now() - t;
	if (node_stats(b).rx_packets - before != ROUNDS * BATCH)
		bench_die("packets were lost");
	return (t / (ROUNDS * BATCH));
}

static void
evp_check(int ok)
{
	if (ok != 1)
		bench_die("libcrypto failed");
}

static double
peer_data(EVP_CIPHER_CTX *seal, EVP_CIPHER_CTX *open, size_t len)
{
	static uint64_t counter[2];
	const size_t step = len + 16;
	static unsigned char in[PACKET], out[PACKET], sealed[BATCH * (PACKET + 16)];
	unsigned char nonce[12] = { 0 }, tag[16];
	double t = cpu_now();
	int n;

	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < BATCH; k++) {
			memcpy(nonce + 4, &counter[0], 8);
			counter[0]++;
			evp_check(EVP_EncryptInit_ex(seal, NULL, NULL, NULL, nonce));
			evp_check(EVP_EncryptUpdate(seal, sealed + (size_t)k * step, &n, in, (int)len));
			evp_check(EVP_EncryptFinal_ex(seal, out, &n));
			evp_check(EVP_CIPHER_CTX_ctrl(seal, EVP_CTRL_AEAD_GET_TAG, 16, sealed + (size_t)k * step + len));
		}
		for (int k = 0; k < BATCH; k++) {
			memcpy(nonce + 4, &counter[1], 8);
			counter[1]++;
			memcpy(tag, sealed + (size_t)k * step + len, 16);
			evp_check(EVP_DecryptInit_ex(open, NULL, NULL, NULL, nonce));
			evp_check(EVP_CIPHER_CTX_ctrl(open, EVP_CTRL_AEAD_SET_TAG, 16, tag));
			evp_check(EVP_DecryptUpdate(open, out, &n, sealed + (size_t)k * step, (int)len));
			evp_check(EVP_DecryptFinal_ex(open, tag, &n));
		}
	}
	return ((cpu_now() - t) / (ROUNDS * BATCH));
}

/* Ours and the peer are measured in turns; of these pairs, that with the median ratio counts. */
struct turn {
	double ours, peer;		/* what less of is better */
	double ours_rate, peer_rate;	/* what came with it */
};

static int
turn_cmp(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	const double d = x->peer / x->ours - y->peer / y->ours;

	return ((d > 0) - (d < 0));
}

static struct turn
turn_median(struct turn *turns, size_t n)
{
	qsort(turns, n, sizeof(*turns), turn_cmp);
	return (turns[n / 2]);
}

static struct turn
data(struct node *a, struct node *b, double *empty)
{
	static const unsigned char key[32] = { 1, 2, 3 };
	EVP_CIPHER *aead = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	EVP_CIPHER_CTX *seal = EVP_CIPHER_CTX_new(), *open = EVP_CIPHER_CTX_new();
	struct turn turns[TIMES];
	double x;

	if (aead == NULL || seal == NULL || open == NULL)
		bench_die("libcrypto has no ChaCha20-Poly1305");
	evp_check(EVP_EncryptInit_ex(seal, aead, NULL, key, key));
	evp_check(EVP_DecryptInit_ex(open, aead, NULL, key, key));
	*empty = 1e300;
	for (int i = 0; i < TIMES; i++) {
		turns[i].ours = ours_data(a, b);
		turns[i].peer = peer_data(seal, open, PACKET);
		x = peer_data(seal, open, 0);
		*empty = x < *empty ? x : *empty;
	}
	EVP_CIPHER_CTX_free(open);
	EVP_CIPHER_CTX_free(seal);
	EVP_CIPHER_free(aead);
	return (turn_median(turns, TIMES));
}

/* ---- Handshakes ---- */

/* Nanoseconds of one, both sides' work. */
static double
ours_handshake(struct node *a, struct node *b)
{
	const uint64_t before = node_stats(a).handshakes + node_stats(b).handshakes;
	double t, sum = 0;

	for (int i = 0; i < HANDSHAKES; i++) {
		clock_offset += 125 * SECOND;
		t = cpu_now();
		CURVNET_SET(a->v);
		node_send(a, 0x0a090001, 0x0a090909, 60);
		CURVNET_RESTORE();
		wire_run();
		sum += cpu_now() - t;
	}
	if (node_stats(a).handshakes + node_stats(b).handshakes - before != 2 * HANDSHAKES)
		bench_die("not each packet made a handshake");
	return (sum / HANDSHAKES);
}

static double
peer_handshake(void)
{
	unsigned char private[WG_KEY_SIZE], public[WG_KEY_SIZE], out[WG_KEY_SIZE];
	EVP_PKEY *key = key_make(private, public), *his = key_make(private, public);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t len;
	double t;

	if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer_ex(ctx, his, 0) != 1)
		bench_die("libcrypto derives nothing");
	t = cpu_now();
	for (int i = 0; i < HANDSHAKES; i++) {
		for (int k = 0; k < 2; k++)
			EVP_PKEY_free(key_make(private, public));
		for (int k = 0; k < 6; k++) {
			len = sizeof(out);
			evp_check(EVP_PKEY_derive(ctx, out, &len));
		}
	}
	t = (cpu_now() - t) / HANDSHAKES;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(his);
	EVP_PKEY_free(key);
	return (t);
}

static struct turn
handshakes(struct node *a, struct node *b)
{
	struct turn turns[TIMES];

	for (int i = 0; i < TIMES; i++) {
		turns[i].ours = ours_handshake(a, b);
		turns[i].peer = peer_handshake();
	}
	return (turn_median(turns, TIMES));
}

/* ---- The tunnel ---- */

struct tunnel {
	double gbits, cpu;		/* Gbit/s, CPU-seconds a gigabit */
};

static struct tunnel
tunnel_run(const char *kind)
{
	static char sh[] = "sh";
	char self[PATH_MAX], script[PATH_MAX + 64], name[32], *argv[] = { sh, script, name, self, NULL }, *out, *last;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct tunnel t = { 0, 0 };

	self[n > 0 ? n : 0] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(script, sizeof(script), "%s/../benchmarks/tunnel.sh", self);
	snprintf(name, sizeof(name), "%s", kind);
	out = bench_run(argv);
	if (out != NULL && *out != '\0') {
		out[strlen(out) - 1] = '\0';
		last = strrchr(out, '\n');
		sscanf(last != NULL ? last : out, "%lf %lf", &t.gbits, &t.cpu);
	}
	if (t.cpu == 0)
		fprintf(stderr, "bench-wg: no tunnel by %s: %s\n", kind, out != NULL ? out : "");
	free(out);
	return (t);
}

static struct turn
tunnels(void)
{
	struct turn turns[TUNNELS] = { 0 };
	struct tunnel t;

	if (geteuid() != 0) {
		fprintf(stderr, "bench-wg: no tunnel between namespaces: it takes root\n");
		return (turns[0]);
	}
	for (int i = 0; i < TUNNELS; i++) {
		t = tunnel_run("vnet");
		turns[i].ours = t.cpu;
		turns[i].ours_rate = t.gbits;
		t = tunnel_run("wireguard-go");
		turns[i].peer = t.cpu;
		turns[i].peer_rate = t.gbits;
	}
	return (turn_median(turns, TUNNELS));
}

/* ---- Customers ---- */

static char hub_hex[2][2 * WG_KEY_SIZE + 1];	/* private, public: all hubs have one key */

static long
memory_kib(void)
{
	return (bench_proc_kib("/proc/self/status", "VmRSS:") + bench_proc_kib("/proc/self/status", "VmPTE:"));
}

/* Let time pass, from timer to timer; returns how many timers fired. */
static uint64_t
idle(int64_t ns)
{
	const int64_t end = callout_now() + ns;
	uint64_t timers = 0;
	int64_t next;

	while ((next = callout_next(0)) < end) {
		if (next > callout_now())
			clock_offset += next - callout_now();
		timers += callout_process(0, callout_now());
		do {
			wire_run();
		} while (bench_round(0) > 0);
	}
	if (end > callout_now())
		clock_offset += end - callout_now();
	return (timers);
}

/* He sends a packet, which arrives. */
static void
customer_send(unsigned i, uint64_t handshakes)
{
	struct node *n = &nodes[HUBS + i], *hub = &nodes[i / PER_HUB];
	const uint64_t before = node_stats(hub).rx_packets;

	CURVNET_SET(n->v);
	node_send(n, 0x0a090100 + i % PER_HUB, 0x0a090001, 60);
	CURVNET_RESTORE();
	wire_run();
	if (node_stats(n).handshakes != handshakes || node_stats(hub).rx_packets != before + 1)
bench_die("a customer's tunnel is not up");
}

/* A customer and his hub know each other; the session comes with the first packet. */
static void
customer_make(unsigned i)
{
	struct node *n = &nodes[HUBS + i], *hub = &nodes[i / PER_HUB];
	unsigned char private[WG_KEY_SIZE], public[WG_KEY_SIZE];
	char text[512], h[2][2 * WG_KEY_SIZE + 1], ip[INET_ADDRSTRLEN];

	if (i % PER_HUB == 0) {
		node_make(hub, "10.9.0.1");
		snprintf(text, sizeof(text), "set=1\nprivate_key=%s\n\n", hub_hex[0]);
		node_set(hub, text);
	}
	node_make(n, "10.9.1.1");
	EVP_PKEY_free(key_make(private, public));
	inet_ntop(AF_INET, &hub->at.remote.sin.sin_addr, ip, sizeof(ip));
	snprintf(text, sizeof(text), "set=1\nprivate_key=%s\npublic_key=%s\nendpoint=%s:1\nallowed_ip=10.9.0.1/32\n\n",
	    key_hex(private, h[0]), hub_hex[1], ip);
	node_set(n, text);
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\nallowed_ip=10.9.1.%u/32\n\n", key_hex(public, h[1]), i % PER_HUB);
	node_set(hub, text);
	idle(SPREAD);
	customer_send(i, 1);
}

static uint64_t
customers_handshakes(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < CUSTOMERS; i++)
		n += node_stats(&nodes[HUBS + i]).handshakes;
	return (n);
}

/* CPU-seconds of some minutes with keepalives; and of libcrypto for that many of them, and of handshakes. */
static void
customers_idle(double handshake, double empty, double *ours, double *peer)
{
	char text[128];
	uint64_t before, shaken;

	before = wire_datagrams;
	shaken = customers_handshakes();
	*ours = cpu_now() / 1e9;
	snprintf(text, sizeof(text), "set=1\npublic_key=%s\npersistent_keepalive_interval=%d\n\n", hub_hex[1], KEEPALIVE);
	for (unsigned i = 0; i < CUSTOMERS; i++) {
		idle(SPREAD);
		node_set(&nodes[HUBS + i], text);
	}
	idle(IDLE * SECOND);
	*ours = cpu_now() / 1e9 - *ours;
	shaken = customers_handshakes() - shaken;
	*peer = (double)shaken * handshake + (double)(wire_datagrams - before - 2 * shaken) * empty;
}

static double
customers_kib(void)
{
	unsigned char private[WG_KEY_SIZE], public[WG_KEY_SIZE];
	long kib;

	EVP_PKEY_free(key_make(private, public));
	key_hex(private, hub_hex[0]);
	key_hex(public, hub_hex[1]);
	kib = memory_kib();
	for (unsigned i = 0; i < CUSTOMERS; i++)
		customer_make(i);
	idle(0);
	for (unsigned i = 0; i < CUSTOMERS; i++)
		customer_send(i, 1);
	return ((double)(memory_kib() - kib) / CUSTOMERS);
}

int
main(int argc, char **argv)
{
	const int json = bench_options(argc, argv);
	double empty, kib, idle_ours, idle_peer;
	struct turn d, h, t;

	bench_inet_start(1, CUSTOMERS + HUBS, 0);
	nodes_init(nodes);

	pair_make(&nodes[0], &nodes[1]);
	d = data(&nodes[0], &nodes[1], &empty);
	h = handshakes(&nodes[0], &nodes[1]);
	for (int i = 0; i < 2; i++)
		node_destroy(&nodes[i]);

	t = tunnels();

	clock_freeze();		/* however slow the machine is, they have so many seconds */
	kib = customers_kib();
	idle(60 * SECOND);	/* the keepalives that answer the first packets */
	if (idle(3 * 60 * SECOND) != 0)
		bench_die("idle customers without keepalives have timers");
	customers_idle(h.peer / 1e9, empty / 1e9, &idle_ours, &idle_peer);
	for (unsigned i = 0; i < HUBS + CUSTOMERS; i++)
		node_destroy(&nodes[i]);

	const struct bench_row rows[] = {
		{ "seal and open, 1420 bytes", "Gbit/CPU-s", PACKET * 8 / d.ours, PACKET * 8 / d.peer,
		    "bare libcrypto, a nonce a packet", BENCH_MORE },
		{ "handshakes, both sides", "1/CPU-s", 1e9 / h.ours, 1e9 / h.peer,
		    "bare libcrypto: 2 key pairs, 6 exchanges", BENCH_MORE },
		{ "memory, one of 10,000", "KiB", kib, LIMIT_KIB, "the limit that was set", BENCH_LESS },
		{ "10,000 idle, keepalive 25 s", "CPU-s/minute", idle_ours * 60 / (IDLE + CUSTOMERS * SPREAD / 1e9),
		    idle_peer * 60 / (IDLE + CUSTOMERS * SPREAD / 1e9), "libcrypto for their keepalives and rekeys", BENCH_LESS },
		{ "iperf3 through a tunnel", "Gbit/CPU-s", t.ours > 0 ? 1 / t.ours : 0, t.peer > 0 ? 1 / t.peer : 0,
		    "wireguard-go, both ends' processes", BENCH_MORE },
		{ "iperf3 through a tunnel", "Gbit/s", t.ours_rate, t.peer_rate, "wireguard-go", BENCH_MORE },
	};
	bench_print("wg", rows, sizeof(rows) / sizeof(rows[0]) - (t.ours > 0 && t.peer > 0 ? 0 : 2), json);
	return (0);
}
