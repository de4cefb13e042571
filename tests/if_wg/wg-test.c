/* SPDX-License-Identifier: BSD-2-Clause */
/* See wg-test.h. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wg-test.h"

const struct wg_kpi *wg;
linker_file_t wg_file;
struct datagram wire[1024];
unsigned wire_len;
int64_t clock_offset, clock_step;

static struct wg_port *ports[NPORTS];
static struct datagram outgoing;

/* Two X25519 key pairs; the second is Bob's of RFC 7748, 6.1.  Public halves by wg(8). */
const char key_hex[2][2][65] = {
	{ "77076d0a7318a57d3c16c17251b26645df4d2f8eb8d9e7b06d8b5b1d2f0f1a2a",
	    "78316084ec58a7e3de85635d9c4d5185b8a37923e51311b4867251c4cf6df30a" },
	{ "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
	    "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f" },
};

/* The program's clock comes before libc's, for the runtime and for modules alike. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int64_t last;
	int error = (int)syscall(SYS_clock_gettime, id, ts);
	int64_t ns = ts->tv_sec * SECOND + ts->tv_nsec;

	if (id == CLOCK_MONOTONIC) {
		if (clock_step != 0)
			clock_offset += clock_step - (ns - last);
		last = ns;
	}
	ns = ts->tv_nsec + clock_offset % SECOND;
	ts->tv_sec += clock_offset / SECOND + ns / SECOND;
	ts->tv_nsec = ns % SECOND;
	return (error);
}

/* ---- The wire ---- */

static void
address_of(struct wg_endpoint *ep, unsigned number)
{
	memset(ep, 0, sizeof(*ep));
	ep->remote.sin.sin_family = AF_INET;
	ep->remote.sin.sin_port = htons((uint16_t)(1000 + number));
	ep->remote.sin.sin_addr.s_addr = htonl(0xc0000200 + number);	/* 192.0.2.NUMBER */
}

static void *
wire_reserve(void *arg, const struct wg_endpoint *to, size_t len)
{
	struct node *n = arg;

	assert_in_range(len, 1, WG_DATAGRAM_MAX);
	if (wire_len == sizeof(wire) / sizeof(wire[0]))
		return (NULL);
	address_of(&outgoing.from, n->number);
	outgoing.to = ntohs(to->remote.sin.sin_port) - 1000;
	return (outgoing.data);
}

static void
wire_commit(void *arg, size_t len)
{
	(void)arg;
	outgoing.len = len;
	wire[wire_len++] = outgoing;
}

static int
wire_listen(void *arg, uint16_t *port)
{
	struct node *n = arg;

	if (*port == 13)
		return (-EADDRINUSE);
	*port = (uint16_t)(1000 + n->number);
	return (0);
}

/* Nor is everybody allowed to mark. */
static int
wire_mark(void *arg, uint32_t mark)
{
	struct node *n = arg;

	if (mark == 13)
		return (-EPERM);
	n->mark = mark;
	return (0);
}

static const struct wg_port_ops wire_ops = {
	.reserve = wire_reserve, .commit = wire_commit, .listen = wire_listen, .mark = wire_mark
};

void
wire_deliver(const struct datagram *d)
{
	struct datagram copy = *d;
	uint8_t *exact;

	if (copy.to >= NPORTS || ports[copy.to] == NULL)
		return;
	/* Memory of its own size, so that a reader beyond it is caught. */
	exact = malloc(copy.len > 0 ? copy.len : 1);
	assert_non_null(exact);
	memcpy(exact, copy.data, copy.len);
	wg->input(ports[copy.to], exact, copy.len, 0, &copy.from);
	free(exact);
}

void
wire_run(void)
{
	struct datagram d;

	for (unsigned i = 0; i < 20000; i++) {
		run_idle();
		if (wire_len == 0)
			return;
		while (wire_len > 0) {
			d = wire[0];
			memmove(wire, wire + 1, --wire_len * sizeof(wire[0]));
			wire_deliver(&d);
		}
	}
	fail_msg("the wire does not come to rest");
}

/* ---- Nodes ---- */

void
wg_test_load(void)
{
	char path[4096];
	struct uverr err;

	const char *name = getenv("UVNET_WG");

	snprintf(path, sizeof(path), "%s/%s.ko", getenv("UVNET_MODULES"), name != NULL ? name : "if_wg");
	if (kld_load(path, &wg_file, &err) != 0)
		fail_msg("%s", err.text);
	wg = kld_lookup(wg_file, "wg_kpi");
	assert_non_null(wg);
	assert_int_equal(wg->version, WG_KPI_VERSION);
	assert_int_equal(wg->size, sizeof(*wg));
}

int
node_uapi(struct node *n, const char *request, char **reply)
{
	char *text = NULL;
	struct uverr err;
	int error;

	CURVNET_SET(n->v);
	error = wg->uapi(n->ifp, request, strlen(request), &text, &err);
	CURVNET_RESTORE();
	assert_non_null(text);
	if (reply != NULL)
		*reply = text;
	else
		free(text);
	return (error);
}

struct wg_stats
node_stats(struct node *n)
{
	struct wg_stats s;

	CURVNET_SET(n->v);
	wg->getstats(n->ifp, &s);
	CURVNET_RESTORE();
	return (s);
}

static void
node_make(struct node *n, const char *name, int side, unsigned number, struct wg_port *port)
{
	struct wg_params params = { 0 };
	char text[VNET_NAMELEN];
	struct in_addr in = { .s_addr = htonl(0x0a090001 + (unsigned)side) };
	struct uverr err;

	n->number = number;
	snprintf(text, sizeof(text), "%s-%d", name, side);
	assert_int_equal(vnet_alloc(text, 0, &n->v, &err), 0);
	if (port == NULL) {
		assert_int_equal(wg->port_create(0, &wire_ops, n, &n->port), 0);
		ports[number] = n->port;
	}
	params.port = port != NULL ? port : n->port;
	CURVNET_SET(n->v);
	assert_int_equal(inet->if_clone_create("wg", "wg0", &params, &n->ifp), 0);
	assert_int_equal(inet->if_addaddr(n->ifp, in, 24), 0);
	CURVNET_RESTORE();
}

void
nodes_make(struct node n[2], const char *name, unsigned first_port)
{
	char text[1024];

	memset(n, 0, 2 * sizeof(*n));
	for (int side = 0; side < 2; side++)
		node_make(&n[side], name, side, first_port + (unsigned)side, NULL);
	for (int side = 0; side < 2; side++) {
		snprintf(text, sizeof(text), "set=1\nprivate_key=%s\npublic_key=%s\nendpoint=192.0.2.%u:%u\nallowed_ip="
		    "10.9.0.%d/32\nallowed_ip=fd09::%d/128\n\n", key_hex[side][0], key_hex[!side][1],
		    n[!side].number, 1000 + n[!side].number, !side + 1, !side + 1);
		assert_int_equal(node_uapi(&n[side], text, NULL), 0);
	}
}

void
nodes_destroy(struct node n[2])
{
	for (int side = 0; side < 2; side++) {
		if (n[side].v != NULL)
			vnet_destroy(n[side].v);
		if (n[side].port != NULL) {
			ports[n[side].number] = NULL;
			wg->port_destroy(n[side].port);
		}
	}
	wire_len = 0;
	memset(n, 0, 2 * sizeof(*n));
}

void
node_send(struct node *n, const char *src, const char *dst, size_t len)
{
	struct pkt *p = pkt_alloc(0);
	const int af = strchr(dst, ':') != NULL ? AF_INET6 : AF_INET;

	assert_non_null(p);
	p->p_len = (uint32_t)len;
	memset(p->p_data, 0x5a, len);
	if (af == AF_INET) {
		memcpy(p->p_data, "\x45\x00\x00\x00\x00\x00\x00\x00\x40\xfd\x00\x00", 12);
		p->p_data[2] = (uint8_t)(len >> 8);
		p->p_data[3] = (uint8_t)len;
	} else {
		memcpy(p->p_data, "\x60\x00\x00\x00\x00\x00\xfd\x40", 8);
		p->p_data[4] = (uint8_t)((len - 40) >> 8);
		p->p_data[5] = (uint8_t)(len - 40);
	}
	inet_pton(af, src, p->p_data + (af == AF_INET ? 12 : 8));
	inet_pton(af, dst, p->p_data + (af == AF_INET ? 16 : 24));
	CURVNET_SET(n->v);
	wg->transmit(n->ifp, p);
	CURVNET_RESTORE();
}

void
time_pass(int64_t ns, int64_t step)
{
	for (; ns > 0; ns -= step) {
		clock_offset += step;
		wire_run();
	}
}

int
wg_test_run_all(const struct CMUnitTest *tests, size_t n)
{
	int failed;

	net_test_init(1);
	wg_test_load();
	failed = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
	net_test_fini();
	return (failed);
}
