/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UDP sockets of tunnels, with an if_wg and a worker that are this test's: what is put in comes out elsewhere as
 * the same datagrams, however the kernel was asked; the address that was asked answers; a port that is shared is one.
 * All on loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "wg.h"
#include "wgoutside.h"
#include "wgport.h"

/* ---- if_wg and the worker ---- */

static const struct wg_port_ops *ops;
static void *ops_arg;
static uint16_t listens;
static char inside;
static struct task *ready;
static struct watch *watched;
static int watched_fd = -1;

static struct {
	size_t len, datagrams;
	unsigned char sum;
	struct wg_endpoint from;
} came;

static int
kpi_create(unsigned cpu, const struct wg_port_ops *o, void *arg, struct wg_port **port)
{
	assert_int_equal(cpu, 7);
	ops = o;
	ops_arg = arg;
	*port = (struct wg_port *)&inside;
	return (0);
}

static void
kpi_destroy(struct wg_port *port)
{
	assert_ptr_equal(port, &inside);
}

static void
kpi_setlisten(struct wg_port *port, uint16_t listen)
{
	(void)port;
	listens = listen;
}

static void
kpi_input(struct wg_port *port, void *data, size_t len, size_t segment, const struct wg_endpoint *from)
{
	(void)port;
	for (size_t i = 0; i < len; i++)
		came.sum = (unsigned char)(came.sum + ((unsigned char *)data)[i]);
	came.len += len;
	came.datagrams += segment != 0 ? (len + segment - 1) / segment : 1;
	came.from = *from;
}

static const struct wg_kpi kpi = {
	.port_create = kpi_create, .port_destroy = kpi_destroy, .port_setlisten = kpi_setlisten, .input = kpi_input
};
const struct wg_kpi *wg = &kpi;

static char workers[2];
#define WORKER ((struct worker *)&workers[0])

unsigned
worker_cpu(const struct worker *w)
{
	return (w == WORKER ? 7 : 8);
}

int
worker_watch(struct worker *w, int fd, uint32_t events, struct watch *watch)
{
	assert_ptr_equal(w, WORKER);
	assert_int_equal(events, EPOLLIN);
	watched = watch;
	watched_fd = fd;
	return (0);
}

int
worker_rewatch(struct worker *w, int fd, uint32_t events, struct watch *watch)
{
	(void)events;
	assert_ptr_equal(w, WORKER);
	assert_int_equal(fd, watched_fd);
	assert_ptr_equal(watch, watched);
	return (0);
}

void
worker_ready(struct worker *w, struct task *t)
{
	assert_ptr_equal(w, WORKER);
	ready = t;
}

void
worker_bury(struct worker *w, struct corpse *c, void *mem)
{
	(void)w;
	(void)c;
	free(mem);
}

/* ---- Ports in stacks, which are not tried here (tests/e2e/wg.py) ---- */

const struct wg_port_ops outside_ops;

int
outside_create(struct stack *in, uint16_t *listen, struct outside **outside)
{
	(void)in;
	(void)listen;
	(void)outside;
	return (-ENOTSUP);
}

void
outside_destroy(struct outside *o)
{
	(void)o;
}

void
outside_setport(struct outside *o, struct wg_port *port)
{
	(void)o;
	(void)port;
}

uint16_t
outside_number(const struct outside *o)
{
	(void)o;
	return (0);
}

/* ---- A host that has not everything: these come before libc's ---- */

static int no_inet6, no_segments, full;	/* how often */

int
socket(int domain, int type, int protocol)
{
	if (domain == AF_INET6 && no_inet6 > 0) {
		no_inet6--;
		errno = EAFNOSUPPORT;
		return (-1);
	}
	return ((int)syscall(SYS_socket, domain, type, protocol));
}

int
sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	struct cmsghdr *c;

	if (full > 0) {
		full--;
		errno = EAGAIN;
		return (-1);
	}
	for (unsigned i = 0; i < n && no_segments > 0; i++)
		for (c = CMSG_FIRSTHDR(&msgs[i].msg_hdr); c != NULL; c = CMSG_NXTHDR(&msgs[i].msg_hdr, c)) {
			if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_SEGMENT)
				continue;
			if (i > 0)	/* those before it go */
				return ((int)syscall(SYS_sendmmsg, fd, msgs, i, flags));
			no_segments--;
			errno = EIO;
			return (-1);
		}
	return ((int)syscall(SYS_sendmmsg, fd, msgs, n, flags));
}

/* ---- Both ends ---- */

static struct wgport *port;

static int
setup(void **state)
{
	struct uverr err;

	(void)state;
	memset(&came, 0, sizeof(came));
	if (wgport_open(WORKER, 0, &port, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(wgport_number(port), listens);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	wgport_close(port);
	wgport_fini();
	return (0);
}

static void
flush(void)
{
	if (ready != NULL)
		ready->t_func(ready);
	ready = NULL;
}

static void
put(const struct wg_endpoint *to, size_t len, unsigned number)
{
	unsigned char *p = ops->reserve(ops_arg, to, len);

	assert_non_null(p);
	memset(p, (int)number, len);
	memcpy(p, &number, sizeof(number));
	ops->commit(ops_arg, len);
}

/* A socket somewhere else, and the endpoint that it is. */
static int
elsewhere(const char *address, struct wg_endpoint *ep)
{
	const int af = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	socklen_t len = af == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memset(ep, 0, sizeof(*ep));
	ep->remote.sa.sa_family = (sa_family_t)af;
	assert_int_equal(inet_pton(af, address, af == AF_INET ? (void *)&ep->remote.sin.sin_addr :
	    (void *)&ep->remote.sin6.sin6_addr), 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4 << 20 }, sizeof(int));
	if (bind(fd, &ep->remote.sa, len) != 0) {	/* no IPv6 here */
		close(fd);
		return (-1);
	}
	assert_int_equal(getsockname(fd, &ep->remote.sa, &len), 0);
	return (fd);
}

/* The next datagram that came there: its length; whose number it has, from where. */
static size_t
next(int fd, unsigned *number, union wg_sockaddr *from)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	unsigned char buf[65536];
	union wg_sockaddr unused;
	socklen_t len = sizeof(*from);
	ssize_t n;

	assert_int_equal(poll(&pfd, 1, 60000), 1);
	n = recvfrom(fd, buf, sizeof(buf), 0, from != NULL ? &from->sa : &unused.sa, &len);
	assert_true(n >= (ssize_t)sizeof(*number));
	memcpy(number, buf, sizeof(*number));
	for (ssize_t i = sizeof(*number); i < n; i++)
		assert_int_equal(buf[i], *number & 0xff);
	return ((size_t)n);
}

static void
nothing_more(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
}

/* Ask the port from there, at one of our addresses. */
static void
ask(int fd, const char *address, const void *data, size_t len)
{
	struct wg_endpoint to;
	const int probe = elsewhere(address, &to);	/* only for its form */
	struct pollfd pfd = { .fd = watched_fd, .events = POLLIN };

	assert_true(probe >= 0);
	close(probe);
	to.remote.sin.sin_port = htons(wgport_number(port));
	assert_int_equal(sendto(fd, data, len, 0, &to.remote.sa, to.remote.sa.sa_family == AF_INET ?
	    sizeof(to.remote.sin) : sizeof(to.remote.sin6)), (ssize_t)len);
	assert_int_equal(poll(&pfd, 1, 60000), 1);
	watched->w_func(watched, EPOLLIN);
}

/* ---- Tests ---- */

static void
datagrams_come_out_as_they_went_in(void **state)
{
	static const size_t sizes[] = { 1000, 1000, 1000, 500, 1000, 1000, 32, 32, 32, 1400, 1400, 1400, 1400, 8 };
	const unsigned n = sizeof(sizes) / sizeof(sizes[0]);
	struct wg_endpoint to;
	unsigned number;
	int fd;

	(void)state;
	fd = elsewhere("127.0.0.1", &to);
	for (unsigned i = 0; i < n; i++)
		put(&to, sizes[i], i);
	nothing_more(fd);
	flush();
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(next(fd, &number, NULL), sizes[i]);
		assert_int_equal(number, i);
	}
	nothing_more(fd);
	close(fd);
}

static void
many_places_are_served_at_once(void **state)
{
	struct wg_endpoint to[5];
	unsigned number;
	int fd[5];

	(void)state;
	for (int k = 0; k < 5; k++)
		fd[k] = elsewhere("127.0.0.1", &to[k]);
	/* More messages than one call takes, then more bytes than the buffer has. */
	for (unsigned i = 0; i < 100; i++)
		for (int k = 0; k < 5; k++)
			put(&to[k], 100 + (size_t)k, i);
	flush();
	for (unsigned i = 0; i < 100; i++)
		for (int k = 0; k < 5; k++) {
			assert_int_equal(next(fd[k], &number, NULL), 100 + k);
			assert_int_equal(number, i);
		}
	for (unsigned i = 0, k = 0; i < 2000; i += 50, k = (k + 1) % 5) {
		for (unsigned j = 0; j < 50; j++)
			put(&to[k], 1452, i + j);
		flush();
		for (unsigned j = 0; j < 50; j++) {
			assert_int_equal(next(fd[k], &number, NULL), 1452);
			assert_int_equal(number, i + j);
		}
	}
	for (unsigned i = 0; i < 150; i++)
		put(&to[0], 1452, i);
	flush();
	for (unsigned i = 0; i < 150; i++) {
		assert_int_equal(next(fd[0], &number, NULL), 1452);
		assert_int_equal(number, i);
	}
	for (int k = 0; k < 5; k++)
		close(fd[k]);
}

static void
the_address_that_was_asked_answers(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", "127.0.0.3", "::1" };
	struct wg_endpoint client;
	union wg_sockaddr from;
	unsigned number = 1;
	int fd;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		fd = elsewhere(addresses[i], &client);
		if (fd < 0)
			continue;
		ask(fd, addresses[i], &number, sizeof(number));
		assert_memory_equal(&came.from.remote, &client.remote, sizeof(client.remote));
		put(&came.from, 64, 9);
		put(&came.from, 64, 9);
		flush();
		for (int k = 0; k < 2; k++) {
			assert_int_equal(next(fd, &number, &from), 64);
			if (from.sa.sa_family == AF_INET)
				assert_int_equal(from.sin.sin_addr.s_addr, inet_addr(addresses[i]));
			assert_int_equal(ntohs(from.sin.sin_port), wgport_number(port));
		}
		close(fd);
	}
}

static void
an_address_that_is_gone_is_forgotten(void **state)
{
	struct wg_endpoint to;
	union wg_sockaddr from;
	unsigned number;
	int fd;

	(void)state;
	fd = elsewhere("127.0.0.1", &to);
	to.local4.s_addr = inet_addr("192.0.2.77");
	for (unsigned i = 0; i < 3; i++)
		put(&to, 64, i);
	flush();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(next(fd, &number, &from), 64);
		assert_int_equal(number, i);
		assert_int_equal(from.sin.sin_addr.s_addr, inet_addr("127.0.0.1"));
	}
	close(fd);
}

/* What cannot be sent is lost, and nothing else is. */
static void
a_place_that_cannot_be_reached_holds_up_nobody(void **state)
{
	struct wg_endpoint to, nowhere;
	unsigned number;
	int fd;

	(void)state;
	fd = elsewhere("127.0.0.1", &to);
	nowhere = to;
	nowhere.remote.sin.sin_addr.s_addr = inet_addr("255.255.255.255");	/* -EACCES without SO_BROADCAST */
	for (unsigned i = 0; i < 20; i++) {
		put(&nowhere, 64, i);
		put(&nowhere, 64, i);
		put(&to, 64, i);
	}
	flush();
	for (unsigned i = 0; i < 20; i++) {
		next(fd, &number, NULL);
		assert_int_equal(number, i);
	}
	close(fd);
}

static void
what_comes_in_is_counted_once(void **state)
{
	unsigned char data[32000], sum = 0;
	struct wg_endpoint client;
	uint16_t segment = 1000;
	int fd, gso;

	(void)state;
	fd = elsewhere("127.0.0.1", &client);
	for (size_t i = 0; i < sizeof(data); i++)
		sum = (unsigned char)(sum + (data[i] = (unsigned char)(i * 7)));
	gso = setsockopt(fd, SOL_UDP, UDP_SEGMENT, &(int){ segment }, sizeof(int)) == 0;
	ask(fd, "127.0.0.1", data, sizeof(data));
	for (int i = 0; came.len < sizeof(data) && i < 60000; i++) {
		usleep(1000);
		watched->w_func(watched, EPOLLIN);
	}
	assert_int_equal(came.len, sizeof(data));
	assert_int_equal(came.sum, sum);
	assert_int_equal(came.datagrams, gso ? 32 : 1);
	close(fd);
}

/* A way out that takes no segments is noticed once; nothing is lost by it. */
static void
a_way_without_segments_gets_them_one_by_one(void **state)
{
	struct wg_endpoint to[2];
	unsigned number;
	int fd[2];

	(void)state;
	for (int k = 0; k < 2; k++)
		fd[k] = elsewhere("127.0.0.1", &to[k]);
	no_segments = 1000;
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 10; i++)
			put(&to[0], 700, i);
		put(&to[1], 64, 77);
		for (unsigned i = 10; i < 20; i++)
			put(&to[0], 700, i);
		flush();
		for (unsigned i = 0; i < 20; i++) {
			assert_int_equal(next(fd[0], &number, NULL), 700);
			assert_int_equal(number, i);
		}
		assert_int_equal(next(fd[1], &number, NULL), 64);
		assert_int_equal(no_segments, 998);	/* both messages of the first round, and never again */
	}
	no_segments = 0;
	close(fd[0]);
	close(fd[1]);
}

/* UDP may lose, but what comes later is as good as ever. */
static void
what_a_full_socket_does_not_take_is_lost(void **state)
{
	struct wg_endpoint to[2];
	unsigned number;
	int fd[2];

	(void)state;
	for (int k = 0; k < 2; k++)
		fd[k] = elsewhere("127.0.0.1", &to[k]);
	full = 1;
	for (unsigned i = 0; i < 10; i++)
		put(&to[i & 1], 100, i);
	flush();
	assert_int_equal(full, 0);
	nothing_more(fd[0]);
	nothing_more(fd[1]);
	put(&to[1], 100, 11);
	flush();
	next(fd[1], &number, NULL);
	assert_int_equal(number, 11);
	close(fd[0]);
	close(fd[1]);
}

static void
a_host_without_ipv6_has_tunnels_too(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", "127.0.0.3" };
	struct wg_endpoint client, six = { .remote.sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) } };
	union wg_sockaddr from;
	unsigned number = 1;
	uint16_t moved = 0;
	int fd;

	(void)state;
	no_inet6 = 1;
	assert_int_equal(ops->listen(ops_arg, &moved), 0);
	assert_int_equal(no_inet6, 0);
	assert_null(ops->reserve(ops_arg, &six, 100));
	for (size_t i = 0; i < 2; i++) {
		fd = elsewhere(addresses[i], &client);
		ask(fd, addresses[i], &number, sizeof(number));
		assert_memory_equal(&came.from.remote, &client.remote, sizeof(client.remote));
		put(&came.from, 64, 9);
		put(&came.from, 64, 9);
		flush();
		for (int k = 0; k < 2; k++) {
			assert_int_equal(next(fd, &number, &from), 64);
			assert_int_equal(from.sin.sin_addr.s_addr, inet_addr(addresses[i]));
		}
		close(fd);
	}
}

static void
a_port_moves_and_is_shared(void **state)
{
	struct worker *other = (struct worker *)&workers[1];
	const uint16_t number = wgport_number(port);
	struct wgport *second;
	struct uverr err;
	uint16_t moved = 0;

	(void)state;
	assert_ptr_equal(wgport_worker(number), WORKER);
	assert_int_equal(wgport_open(WORKER, number, &second, &err), 0);
	assert_ptr_equal(second, port);
	assert_true(wgport_isshared(port));
	assert_int_equal(wgport_open(other, number, &second, &err), -22);
	assert_non_null(strstr(err.text, "share their CPU"));
	wgport_close(port);
	assert_false(wgport_isshared(port));
	assert_int_equal(ops->listen(ops_arg, &moved), 0);
	assert_true(moved != 0 && moved != number);
	assert_null(wgport_worker(number));
	assert_ptr_equal(wgport_worker(moved), WORKER);
	/* Where it is, nobody else can be. */
	assert_int_equal(ops->listen(ops_arg, &(uint16_t){ moved }), -98);
	assert_int_equal(wgport_number(port), moved);
	wgport_detach(port);
	assert_null(wgport_kpi(port));
	assert_int_equal(wgport_attach(port), 0);
	assert_int_equal(listens, moved);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(datagrams_come_out_as_they_went_in, setup, teardown),
		cmocka_unit_test_setup_teardown(many_places_are_served_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_address_that_was_asked_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_that_is_gone_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_that_cannot_be_reached_holds_up_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_in_is_counted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_way_without_segments_gets_them_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_full_socket_does_not_take_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_host_without_ipv6_has_tunnels_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_moves_and_is_shared, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
