/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `forward`: a port of the host that leads into a stack.
 *
 * The listening socket is bound when the stack is made, so that "port in use" is an answer to whoever asked for
 * the stack, and it is watched by the stack's worker.  Each connection is accepted, one is begun inside the stack, and
 * a relay joins the two.  The watch is level-triggered and a call accepts a bounded number: a flood of connections
 * takes turns with everything else.
 *
 * When descriptors run out, the connection that cannot be accepted stays in the queue, and the socket would be
 * ready for ever; so it is not watched for a while.  They have run out for a `forward` when half of what listeners
 * leave is in use: its connections commonly end in a `publish` of the same process (publish.c), which needs as many;
 * if forwards took all, each would wait for a descriptor at its other end, for ever.  A stack that has as many
 * connections as it may have waits in the same way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay.h"

#define FORWARD_BATCH 32
#define FORWARD_PAUSE 100000000		/* ns */

struct forward {
	struct watch f_watch;
	struct delay f_pause;
	LIST_ENTRY(forward) f_le;
	struct stack *f_stack;
	int f_fd;
	union config_addr f_to;
};

/* Of the process: descriptors that it may have, and listeners, which are made while no worker runs. */
static unsigned forwards_maxfd, forwards_count;

void
forwards_init(void)
{
	struct rlimit rl;

	forwards_maxfd = getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < INT_MAX ? (unsigned)rl.rlim_cur : INT_MAX;
}

#define FORWARD_OF(ptr, member) ((struct forward *)((char *)(ptr) - offsetof(struct forward, member)))

/* A client is here: connect on, inside the stack. */
static void
forward_connect(struct forward *f, int fd)
{
	struct stack *st = f->f_stack;
	struct socket *so;
	int error;

	CURVNET_SET(st->st_vnet);
	error = inet->socreate(f->f_to.sa.sa_family, &so, SOCK_STREAM, 0);
	if (error == 0) {
		error = inet->soconnect(so, &f->f_to.sa);
		if (error == 0)
			relay_create(st, fd, 0, so);
		else
			inet->soabort(so);
	}
	if (error != 0) {
		fd_reset(fd);
		st->st_failed++;
	}
	CURVNET_RESTORE();
}

int
forward_hasroom(int fd)
{
	return ((unsigned)fd < forwards_count + (forwards_maxfd - forwards_count) / 2);
}

/* Accept, unless it would take a descriptor of the other half; the lowest that is free shows how many are in use. */
static int
forward_next(const struct forward *f)
{
	int fd;

	if (stack_hasnoroom(f->f_stack)) {
		errno = EMFILE;
		return (-1);
	}
	fd = fcntl(f->f_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return (-1);
	close(fd);
	if (!forward_hasroom(fd)) {
		errno = EMFILE;
		return (-1);
	}
	return (accept4(f->f_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

static void
forward_accept(struct watch *watch, uint32_t events)
{
	struct forward *f = FORWARD_OF(watch, f_watch);
	int fd;

	(void)events;
	for (int i = 0; i < FORWARD_BATCH; i++) {
		fd = forward_next(f);
		if (fd >= 0) {
			forward_connect(f, fd);
		} else if (errno_is_shortage(errno)) {
			worker_rewatch(f->f_stack->st_worker, f->f_fd, 0, &f->f_watch);
			worker_delay(f->f_stack->st_worker, &f->f_pause, FORWARD_PAUSE);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
		/* Else that one connection failed before it was accepted: the next. */
	}
}

static void
forward_unpause(struct delay *d)
{
	struct forward *f = FORWARD_OF(d, f_pause);

	worker_rewatch(f->f_stack->st_worker, f->f_fd, EPOLLIN, &f->f_watch);
}

int
forward_create(struct stack *st, const struct config_port *port, struct uverr *err)
{
	struct forward *f;
	char addr[CONFIG_ADDRSTRLEN];
	int error, on = 1;

	config_addrstr(&port->listen, addr);
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	f->f_watch.w_func = forward_accept;
	f->f_pause.d_func = forward_unpause;
	f->f_stack = st;
	f->f_to = port->to;
	f->f_fd = socket(port->listen.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->f_fd < 0) {
		error = uverr(err, errno, "forward: %s: %s", addr, strerror(errno));
		goto fail;
	}
	setsockopt(f->f_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (port->listen.sa.sa_family == AF_INET6)
		setsockopt(f->f_fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));	/* the other family is another `forward` */
	if (bind(f->f_fd, &port->listen.sa, config_addrlen(&port->listen)) != 0 ||
	    listen(f->f_fd, SOMAXCONN) != 0) {
		if (errno == EADDRINUSE)
			error = uverr(err, errno, "forward: %s: port in use (by another process?)", addr);
		else
			error = uverr(err, errno, "forward: %s: %s", addr, strerror(errno));
		goto fail_fd;
	}
	error = worker_watch(st->st_worker, f->f_fd, EPOLLIN, &f->f_watch);
	if (error != 0) {
		uverr(err, -error, "forward: %s: %s", addr, strerror(-error));
		goto fail_fd;
	}
	LIST_INSERT_HEAD(&st->st_forwards, f, f_le);
	forwards_count++;
	return (0);
fail_fd:
	close(f->f_fd);
fail:
	free(f);
	return (error);
}

/* With all workers stopped: no batch of events points here. */
void
forward_destroy(struct forward *f)
{
	worker_undelay(f->f_stack->st_worker, &f->f_pause);
	LIST_REMOVE(f, f_le);
	forwards_count--;
	close(f->f_fd);
	free(f);
}
