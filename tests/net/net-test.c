/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tests' host program: see net-test.h.  It knows of lwIP nothing; what it uses is what the `vnet` program uses.
 */
#include <arpa/inet.h>
#include <time.h>

#include "net-test.h"

#define PERIOD 65521		/* prime: the pattern does not fall in step with segments or buffers */

const struct inet_kpi *inet;
linker_file_t inet_file, epair_file;
static unsigned nworkers;
static unsigned char pattern[2 * PERIOD];

/* ---- The program ---- */

static void
check(int error, const struct uverr *err)
{
	if (error != 0) {
		fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

static linker_file_t
load(const char *name)
{
	const char *dir = getenv("UVNET_MODULES");
	char path[4096];
	linker_file_t file;
	struct uverr err;

	snprintf(path, sizeof(path), "%s/%s.ko", dir != NULL ? dir : "build/modules", name);
	check(kld_load(path, &file, &err), &err);
	return (file);
}

void
net_test_load(void)
{
	inet_file = load("inet");
	epair_file = load("if_epair");
	inet = kld_lookup(inet_file, "inet_kpi");
	if (inet == NULL || inet->version != INET_KPI_VERSION || inet->size != sizeof(*inet)) {
		fprintf(stderr, "inet.ko has no inet_kpi of this version\n");
		exit(1);
	}
}

void
net_test_init(unsigned n)
{
	net_test_init_max(n, 64);
}

void
net_test_init_max(unsigned n, unsigned max)
{
	const struct vnet_config config = { .max = max };
	unsigned cpus[64], x = 1;
	struct uverr err;

	check(vset_window_init(&err), &err);
	check(dpcpu_init(&err), &err);
	check(vnet_init(&config, &err), &err);
	check(kld_init("test", &err), &err);
	for (nworkers = 0; nworkers < n; nworkers++)
		cpus[nworkers] = nworkers;
	check(netisr_init(cpus, nworkers, TEST_BUFS, &err), &err);
	net_test_load();
	for (unsigned i = 0; i < PERIOD; i++) {
		x = x * 1103515245 + 12345;
		pattern[i] = pattern[i + PERIOD] = (unsigned char)(x >> 16);
	}
}

void
net_test_fini(void)
{
	kld_fini();
	netisr_fini();
	vnet_fini();
	dpcpu_fini();
}

/* ---- Stacks ---- */

void
end_make_on(struct end *e, unsigned cpu, const char *name, const char *addr, struct ifnet *peer)
{
	const struct epair_params params = { .peer = peer };
	struct in_addr in;
	struct uverr err;

	if (vnet_alloc(name, cpu, &e->v, &err) != 0)
		fail_msg("%s", err.text);
	CURVNET_SET(e->v);
	assert_int_equal(inet->if_clone_create("epair", "ep0", &params, &e->ifp), 0);
	if (addr != NULL) {
		assert_int_equal(inet_pton(AF_INET, addr, &in), 1);
		assert_int_equal(inet->if_addaddr(e->ifp, in, 24), 0);
	}
	CURVNET_RESTORE();
}

void
end_make(struct end *e, const char *name, const char *addr, struct ifnet *peer)
{
	end_make_on(e, 0, name, addr, peer);
}

void
pair_make(struct pair *p, const char *name, unsigned cpu_a, unsigned cpu_b)
{
	char side[VNET_NAMELEN];

	snprintf(side, sizeof(side), "%s-a", name);
	end_make_on(&p->a, cpu_a, side, "10.0.0.1", NULL);
	snprintf(side, sizeof(side), "%s-b", name);
	end_make_on(&p->b, cpu_b, side, "10.0.0.2", p->a.ifp);
}

void
pair_destroy(struct pair *p)
{
	if (p->a.v != NULL)
		vnet_destroy(p->a.v);
	if (p->b.v != NULL)
		vnet_destroy(p->b.v);
	p->a.v = p->b.v = NULL;
}

void
end_carrier(const struct end *e, int link_state)
{
	CURVNET_SET(e->v);
	inet->if_link_state_change(e->ifp, link_state);
	CURVNET_RESTORE();
}

void
end_data(const struct end *e, struct if_data *data)
{
	CURVNET_SET(e->v);
	inet->if_getdata(e->ifp, data);
	CURVNET_RESTORE();
}

unsigned
bufs_used(void)
{
	struct netisr_stats stats;
	unsigned n = 0;

	for (unsigned i = 0; i < nworkers; i++) {
		netisr_getstats(i, &stats);
		n += (unsigned)stats.bufs_used;
	}
	return (n);
}

/* ---- Rounds ---- */

unsigned
round_run(unsigned cpu)
{
	unsigned n = netisr_process(cpu, 256);

	n += callout_process(cpu, callout_now());
	netisr_kick(cpu);
	return (n);
}

int
run_until(int (*done)(void *), void *arg, int ms)
{
	const int64_t end = callout_now() + ms * 1000000LL;
	const struct timespec nap = { .tv_nsec = 200000 };
	unsigned n;

	while (!done(arg)) {
		if (callout_now() > end)
			return (0);
		n = 0;
		for (unsigned i = 0; i < nworkers; i++)
			n += round_run(i);
		if (n == 0)
			nanosleep(&nap, NULL);
	}
	return (1);
}

void
run_idle(void)
{
	unsigned n, quiet = 0;

	/* A callout without delay is due a nanosecond later: one round of silence does not say much. */
	while (quiet < 100) {
		n = 0;
		for (unsigned i = 0; i < nworkers; i++)
			n += round_run(i);
		quiet = n == 0 ? quiet + 1 : 0;
	}
}

/* ---- Streams ---- */

static void
stream_send(struct stream *s)
{
	uint64_t left;
	ssize_t n;
	size_t off;

	/* As relays do: what is not taken whole says that there is no room, and that an upcall will come. */
	while ((left = s->tosend - s->sent) > 0) {
		left = left < PERIOD ? left : PERIOD;
		off = (s->sent + s->txseed) % PERIOD;
		n = inet->sosend(s->so, pattern + off, left);
		if (n > 0)
			s->sent += (uint64_t)n;
		if (n < (ssize_t)left)
			return;
	}
	if (s->shut == 1) {
		s->shut = 2;
		assert_int_equal(inet->soshutdown(s->so), 0);
	}
}

static void
stream_receive(struct stream *s)
{
	struct iovec iov[16];
	size_t done;
	int n;

	while ((n = inet->sopeek(s->so, iov, 16)) > 0) {
		done = 0;
		for (int i = 0; i < n; i++) {
			s->bad |= memcmp(iov[i].iov_base, pattern + (s->rcvd + s->rxseed) % PERIOD, iov[i].iov_len) != 0;
			s->rcvd += iov[i].iov_len;
			done += iov[i].iov_len;
		}
		inet->soconsume(s->so, done);
	}
}

void
stream_pump(struct stream *s)
{
	unsigned state;

	if (!s->hold)
		stream_receive(s);
	state = inet->sostate(s->so);
	if ((state & SO_CONNECTED) != 0) {
		s->connected = 1;
		if ((state & SO_DEAD) == 0)
			stream_send(s);
	}
	if ((state & SO_EOF) != 0)
		s->eof = 1;
	if ((state & SO_DEAD) != 0) {
		s->dead = 1;
		s->error = inet->soerror(s->so);
	}
}

static void
stream_upcall(struct socket *so, void *arg)
{
	struct stream *s = arg;

	assert_ptr_equal(so, s->so);
	assert_ptr_equal(curvnet, s->v);
	s->upcalls++;
	stream_pump(s);
}

/* Of the family that the text is. */
static struct sockaddr_in6
address(const char *addr, uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET6, addr, &sin6.sin6_addr) == 1)
		return (sin6);
	inet_pton(AF_INET, addr, &sin.sin_addr);
	memcpy(&sin6, &sin, sizeof(sin));
	return (sin6);
}

void
stream_connect(struct stream *s, const struct end *from, const char *to, uint16_t port)
{
	const struct sockaddr_in6 sa = address(to, port);

	s->v = from->v;
	CURVNET_SET(s->v);
	assert_int_equal(inet->socreate(sa.sin6_family, &s->so, SOCK_STREAM, 0), 0);
	inet->soupcall_set(s->so, stream_upcall, s);
	assert_int_equal(inet->soconnect(s->so, &sa), 0);
	CURVNET_RESTORE();
}

void
stream_close(struct stream *s, int reset)
{
	CURVNET_SET(s->v);
	if (reset)
		inet->soabort(s->so);
	else
		inet->soclose(s->so);
	s->so = NULL;
	CURVNET_RESTORE();
}

size_t
stream_unread(struct stream *s)
{
	struct iovec iov[1024];
	size_t len = 0;
	int n;

	CURVNET_SET(s->v);
	n = inet->sopeek(s->so, iov, 1024);
	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	CURVNET_RESTORE();
	return (len);
}

static void
listener_upcall(struct socket *so, void *arg)
{
	struct listener *l = arg;
	struct sockaddr_in6 peer;

	while (inet->soaccept(so, &l->conn.so, &peer) == 0) {
		assert_true(peer.sin6_family == AF_INET || peer.sin6_family == AF_INET6);
		l->accepted++;
		l->conn.v = curvnet;
		inet->soupcall_set(l->conn.so, stream_upcall, &l->conn);
	}
}

void
listener_open(struct listener *l, const struct end *at, const char *addr, uint16_t port)
{
	const struct sockaddr_in6 sa = address(addr, port);

	l->v = at->v;
	CURVNET_SET(l->v);
	assert_int_equal(inet->socreate(sa.sin6_family, &l->so, SOCK_STREAM, 0), 0);
	assert_int_equal(inet->sobind(l->so, &sa), 0);
	assert_int_equal(inet->solisten(l->so, 16), 0);
	inet->soupcall_set(l->so, listener_upcall, l);
	CURVNET_RESTORE();
}

void
listener_close(struct listener *l)
{
	CURVNET_SET(l->v);
	inet->soclose(l->so);
	CURVNET_RESTORE();
}

int
stream_finished(void *arg)
{
	struct stream *s = arg;

	return (s->eof || s->dead);
}

int
stream_connected(void *arg)
{
	struct stream *s = arg;

	return (s->connected || s->dead);
}
