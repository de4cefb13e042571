/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `publish`: a port of a stack that leads to an address of the host.
 *
 * The stack says that a connection waits by an upcall, which only marks the listener ready.  A round then takes a
 * bounded number of them; for each the host's socket is made first, so that when there is none to be had the
 * connection stays in the stack's queue and is tried again a little later; so does one that is more than the stack's
 * `connections`.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay.h"

#define PUBLISH_BATCH 32
#define PUBLISH_BACKLOG 128
#define PUBLISH_PAUSE 100000000		/* ns */

struct publish {
	struct task p_task;
	struct delay p_pause;
	LIST_ENTRY(publish) p_le;
	struct stack *p_stack;
	struct socket *p_so;
	union config_addr p_to;
};

#define PUBLISH_OF(ptr, member) ((struct publish *)((char *)(ptr) - offsetof(struct publish, member)))

/* Join one waiting connection to the host.  0, -EAGAIN when none waits, or the shortage that stops us. */
static int
publish_accept(struct publish *p)
{
	struct stack *st = p->p_stack;
	struct socket *conn;
	int fd, error, connecting;

	if (!(inet->sostate(p->p_so) & SO_READABLE))
		return (-EAGAIN);
	if (stack_hasnoroom(st))
		return (-ENOBUFS);
	fd = socket(p->p_to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	error = inet->soaccept(p->p_so, &conn, NULL);
	if (error != 0) {
		close(fd);
		return (error);
	}
	connecting = connect(fd, &p->p_to.sa, config_addrlen(&p->p_to)) != 0;
	if (!connecting || errno == EINPROGRESS) {
		relay_create(st, fd, connecting, conn);
	} else {
		inet->soabort(conn);
		close(fd);
		st->st_failed++;
	}
	return (0);
}

static void
publish_run(struct task *t)
{
	struct publish *p = PUBLISH_OF(t, p_task);
	int error = 0;

	CURVNET_SET(p->p_stack->st_vnet);
	for (int i = 0; i < PUBLISH_BATCH && error == 0; i++)
		error = publish_accept(p);
	CURVNET_RESTORE();
	if (error == 0)
		worker_ready(p->p_stack->st_worker, &p->p_task);
	else if (errno_is_shortage(-error))
		worker_delay(p->p_stack->st_worker, &p->p_pause, PUBLISH_PAUSE);
}

static void
publish_unpause(struct delay *d)
{
	struct publish *p = PUBLISH_OF(d, p_pause);

	worker_ready(p->p_stack->st_worker, &p->p_task);
}

/* In the stack's round. */
static void
publish_upcall(struct socket *so, void *arg)
{
	struct publish *p = arg;

	(void)so;
	worker_ready(p->p_stack->st_worker, &p->p_task);
}

int
publish_create(struct stack *st, const struct config_port *port, struct uverr *err)
{
	struct publish *p;
	char addr[CONFIG_ADDRSTRLEN];
	int error;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	p->p_task.t_func = publish_run;
	p->p_pause.d_func = publish_unpause;
	p->p_stack = st;
	p->p_to = port->to;
	error = inet->socreate(port->listen.sa.sa_family, &p->p_so, SOCK_STREAM, 0);
	if (error != 0)
		goto fail;
	error = inet->sobind(p->p_so, &port->listen.sa);
	if (error == 0)
		error = inet->solisten(p->p_so, PUBLISH_BACKLOG);
	if (error != 0)
		goto fail_so;
	inet->soupcall_set(p->p_so, publish_upcall, p);
	LIST_INSERT_HEAD(&st->st_publishes, p, p_le);
	return (0);
fail_so:
	inet->soclose(p->p_so);
fail:
	free(p);
	return (uverr(err, -error, "publish: %s: %s", config_addrstr(&port->listen, addr), strerror(-error)));
}

void
publish_destroy(struct publish *p)
{
	inet->soclose(p->p_so);
	worker_undelay(p->p_stack->st_worker, &p->p_pause);
	worker_unready(p->p_stack->st_worker, &p->p_task);
	LIST_REMOVE(p, p_le);
	free(p);
}
