/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A relay: what comes on a connection of the host goes into one of a stack, and back.
 *
 * Each direction moves only what the other side has room for, so a slow reader slows its writer and nothing piles
 * up here.  Host to stack: room in the socket's send buffer is asked first (sospace()), then that much is read into
 * the worker's buffer and copied in.  Stack to host: the received pieces are written from where they lie (sopeek(),
 * sendmsg(2)), and what the host took is consumed, which opens the stack's window.  Neither allocates; only a
 * socket that takes less than it said leaves a rest, which is kept until it takes that too.
 *
 * The host's side is edge-triggered: RELAY_IN and RELAY_OUT say that reading or writing may work, and only the
 * system saying EAGAIN (or a short read or write, which means the same) clears them.  So a relay costs one
 * epoll_ctl(2) in its life.  Both an event and an upcall from inside the stack only mark the relay ready; the work
 * is done in relay_run(), a bounded amount a round, then it queues itself again behind the others.
 *
 * An end of stream on one side is handed on as one, and the other direction goes on: half-close works both ways.
 * A reset is handed on as a reset, and so is a connection that cannot be made: the client of a `forward` whose
 * target refuses is reset after it was accepted, for it had to be accepted to know.  A connection that `egress`
 * carries on is not admitted in the stack before the host's is made (net/egress.c), so there the answer is true.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "relay.h"

#define RELAY_QUANTUM (64U << 10)	/* bytes a direction and round */
#define RELAY_IOV 64

enum {
	RELAY_IN = 0x01,		/* reading from the host may work */
	RELAY_OUT = 0x02,		/* writing to it may */
	RELAY_RDHUP = 0x04,		/* its end of stream, or an error, waits behind the data */
	RELAY_CONNECTING = 0x08,	/* its handshake runs */
	RELAY_HOST_EOF = 0x10,		/* its end of stream was read, */
	RELAY_SO_SHUT = 0x20,		/* and handed on */
	RELAY_HOST_SHUT = 0x40,		/* the stack's end of stream was handed on */
	RELAY_ERROR = 0x80,		/* the host's side reported an error */
	RELAY_DEAD = 0x100
};

struct relay {
	struct watch r_watch;
	struct task r_task;
	LIST_ENTRY(relay) r_le;
	struct corpse r_corpse;
	struct stack *r_stack;
	struct socket *r_so;
	int r_fd;
	unsigned r_flags;
	int r_error;			/* why it ends, for a peer that is not admitted yet */
	unsigned char *r_rest;		/* read, but not taken by the stack: r_restlen bytes from r_restoff on */
	size_t r_restoff, r_restlen;
};

#define RELAY_OF(ptr, member) ((struct relay *)((char *)(ptr) - offsetof(struct relay, member)))

void
fd_reset(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

int
errno_is_shortage(int error)
{
	return (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM);
}

/* Unlink it; its memory stays until the end of the round, for a batch of events may point to it. */
static void
relay_bury(struct relay *r)
{
	r->r_flags |= RELAY_DEAD;
	worker_unready(r->r_stack->st_worker, &r->r_task);
	LIST_REMOVE(r, r_le);
	r->r_stack->st_nrelays--;
	free(r->r_rest);
	worker_bury(r->r_stack->st_worker, &r->r_corpse, r);
}

void
relay_destroy(struct relay *r)
{
	if (inet->sostate(r->r_so) & SO_PENDING)
		inet->sorefuse(r->r_so, r->r_error != 0 ? r->r_error : ECONNABORTED);
	else
		inet->soabort(r->r_so);
	fd_reset(r->r_fd);
	r->r_stack->st_failed++;
	relay_bury(r);
}

/* Both directions have ended: the stack still delivers what it has, and so does the host. */
static void
relay_finish(struct relay *r)
{
	inet->soclose(r->r_so);
	close(r->r_fd);
	relay_bury(r);
}

/* Hand `len` bytes to the stack.  0, or -errno when the connection is dead. */
static int
so_put(struct relay *r, const unsigned char *buf, size_t len)
{
	ssize_t n;

	n = inet->sosend(r->r_so, buf, len);
	if (n < 0 && n != -EAGAIN)
		return ((int)n);
	if (n < 0)
		n = 0;
	r->r_stack->st_rx += (size_t)n;
	if ((size_t)n == len)
		return (0);
	r->r_restlen = len - (size_t)n;
	r->r_restoff = 0;
	r->r_rest = malloc(r->r_restlen);
	if (r->r_rest == NULL)
		return (-ENOMEM);
	memcpy(r->r_rest, buf + n, r->r_restlen);
	return (0);
}

static int
so_put_rest(struct relay *r)
{
	ssize_t n;

	n = inet->sosend(r->r_so, r->r_rest + r->r_restoff, r->r_restlen);
	if (n == -EAGAIN)
		return (0);
	if (n < 0)
		return ((int)n);
	r->r_stack->st_rx += (size_t)n;
	r->r_restoff += (size_t)n;
	r->r_restlen -= (size_t)n;
	if (r->r_restlen == 0) {
		free(r->r_rest);
		r->r_rest = NULL;
	}
	return (0);
}

/* Host to stack.  0: nothing more to do now; 1: the round's share is used up; -errno: dead. */
static int
relay_in(struct relay *r)
{
	unsigned char *buf = worker_buf(r->r_stack->st_worker);
	size_t space, done = 0;
	ssize_t n;
	int error;

	if (r->r_rest != NULL) {
		error = so_put_rest(r);
		if (error != 0 || r->r_rest != NULL)
			return (error);
	}
	while ((r->r_flags & (RELAY_IN | RELAY_HOST_EOF)) == RELAY_IN) {
		if (done >= RELAY_QUANTUM)
			return (1);
		space = inet->sospace(r->r_so);
		if (space == 0)
			return (0);	/* the upcall comes when there is room */
		if (space > WORKER_BUFSIZE)
			space = WORKER_BUFSIZE;
		n = recv(r->r_fd, buf, space, MSG_DONTWAIT);
		if (n > 0) {
			/* Short: drained, and a new edge will come; but not for an end that is there already. */
			if ((size_t)n < space && !(r->r_flags & RELAY_RDHUP))
				r->r_flags &= ~(unsigned)RELAY_IN;
			done += (size_t)n;
			error = so_put(r, buf, (size_t)n);
			if (error != 0 || r->r_rest != NULL)
				return (error);
		} else if (n == 0) {
			r->r_flags |= RELAY_HOST_EOF;
		} else if (errno == EAGAIN) {
			r->r_flags &= ~(unsigned)RELAY_IN;
		} else if (errno != EINTR) {
			return (-errno);
		}
	}
	return (0);
}

/* Stack to host.  As relay_in(). */
static int
relay_out(struct relay *r)
{
	struct iovec iov[RELAY_IOV];
	struct msghdr msg = { .msg_iov = iov };
	size_t want, done = 0;
	ssize_t n;
	int niov;

	while ((r->r_flags & (RELAY_OUT | RELAY_HOST_SHUT)) == RELAY_OUT) {
		if (done >= RELAY_QUANTUM)
			return (1);
		niov = inet->sopeek(r->r_so, iov, RELAY_IOV);
		if (niov <= 0)
			return (0);
		want = 0;
		for (int i = 0; i < niov; i++)
			want += iov[i].iov_len;
		msg.msg_iovlen = (size_t)niov;
		n = sendmsg(r->r_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			inet->soconsume(r->r_so, (size_t)n);
			r->r_stack->st_tx += (size_t)n;
			done += (size_t)n;
			if ((size_t)n < want)
				r->r_flags &= ~(unsigned)RELAY_OUT;
		} else if (errno == EAGAIN) {
			r->r_flags &= ~(unsigned)RELAY_OUT;
		} else if (errno != EINTR) {
			return (-errno);
		}
	}
	return (0);
}

/* What the host says of its side: 0 or -errno. */
static int
relay_error(const struct relay *r)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(r->r_fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return (-errno);
	return (-error);
}

/* Whether the host's handshake is through; -errno when it failed. */
static int
relay_connected(struct relay *r)
{
	int error;

	if (!(r->r_flags & RELAY_OUT))
		return (0);
	error = relay_error(r);
	if (error != 0)
		return (error);
	r->r_flags &= ~(unsigned)RELAY_CONNECTING;
	if (inet->sostate(r->r_so) & SO_PENDING)
		error = inet->soadmit(r->r_so);
	return (error != 0 ? error : 1);
}

/* One round's work.  0: done for now; 1: more to do; -errno: dead. */
static int
relay_work(struct relay *r)
{
	unsigned state;
	int more, n;

	if (r->r_flags & RELAY_ERROR) {
		n = relay_error(r);
		return (n != 0 ? n : -ECONNRESET);
	}
	state = inet->sostate(r->r_so);
	if (state & SO_DEAD)
		return (-ECONNRESET);
	if (r->r_flags & RELAY_CONNECTING) {
		n = relay_connected(r);
		if (n <= 0)
			return (n);
	}
	if (!(state & SO_CONNECTED))
		return (0);
	more = relay_in(r);
	if (more < 0)
		return (more);
	n = relay_out(r);
	if (n < 0)
		return (n);
	more |= n;
	if ((r->r_flags & (RELAY_HOST_EOF | RELAY_SO_SHUT)) == RELAY_HOST_EOF && r->r_rest == NULL) {
		n = inet->soshutdown(r->r_so);
		if (n != 0 && n != -ENOTCONN)
			return (n);
		r->r_flags |= RELAY_SO_SHUT;
	}
	state = inet->sostate(r->r_so);
	if (state & SO_DEAD)
		return (-ECONNRESET);
	if ((state & SO_EOF) && !(r->r_flags & RELAY_HOST_SHUT)) {
		shutdown(r->r_fd, SHUT_WR);
		r->r_flags |= RELAY_HOST_SHUT;
	}
	return (more);
}

static void
relay_run(struct task *t)
{
	struct relay *r = RELAY_OF(t, r_task);
	struct worker *w = r->r_stack->st_worker;
	int more;

	CURVNET_SET(r->r_stack->st_vnet);
	more = relay_work(r);
	if (more < 0) {
		r->r_error = -more;
		relay_destroy(r);
	} else if ((r->r_flags & RELAY_SO_SHUT) && (r->r_flags & RELAY_HOST_SHUT)) {
		relay_finish(r);
	} else if (more > 0) {
		worker_ready(w, &r->r_task);
	}
	CURVNET_RESTORE();
}

static void
relay_event(struct watch *watch, uint32_t events)
{
	struct relay *r = RELAY_OF(watch, r_watch);

	if (r->r_flags & RELAY_DEAD)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		r->r_flags |= RELAY_IN;
	if (events & (EPOLLOUT | EPOLLHUP))
		r->r_flags |= RELAY_OUT;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		r->r_flags |= RELAY_RDHUP;
	if (events & EPOLLERR)
		r->r_flags |= RELAY_ERROR;
	worker_ready(r->r_stack->st_worker, &r->r_task);
}

/* In the stack's round; the work waits for its turn among the tasks. */
static void
relay_upcall(struct socket *so, void *arg)
{
	struct relay *r = arg;

	(void)so;
	worker_ready(r->r_stack->st_worker, &r->r_task);
}

int
relay_create(struct stack *st, int fd, int connecting, struct socket *so)
{
	struct relay *r;
	int error, on = 1;

	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		error = -ENOMEM;
		goto fail;
	}
	r->r_watch.w_func = relay_event;
	r->r_task.t_func = relay_run;
	r->r_stack = st;
	r->r_so = so;
	r->r_fd = fd;
	r->r_flags = connecting ? RELAY_CONNECTING : RELAY_IN | RELAY_OUT;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));	/* a peer that vanished is noticed some day */
	error = worker_watch(st->st_worker, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &r->r_watch);
	if (error != 0)
		goto fail_relay;
	LIST_INSERT_HEAD(&st->st_relays, r, r_le);
	st->st_nrelays++;
	st->st_accepted++;
	inet->soupcall_set(so, relay_upcall, r);
	worker_ready(st->st_worker, &r->r_task);
	return (0);
fail_relay:
	free(r);
fail:
	inet->soabort(so);
	fd_reset(fd);
	st->st_failed++;
	return (error);
}
