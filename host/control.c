/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket's server, which is the main thread's loop.
 *
 * One request a connection, one answer, close; but for a ping, whose connection goes to a worker (ping.c).  The loop
 * waits for all its clients at once, so one that is slow keeps nobody waiting, and gives up on each after a few seconds.
 * Only a request that is there whole costs the workers anything: they stop for as long as it is carried out
 * (commands.c).
 *
 * While nothing is asked the loop sleeps without a time-out; signals come as a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include "control.h"
#include "relay.h"
#include "unixsock.h"

#define CONTROL_CLIENTS 16
#define CONTROL_PATIENCE 5000000000	/* ns for a client to send its request; again to take its answer */
#define CONTROL_PAUSE 100000000		/* ns without accepting, when descriptors have run out */

struct client {
	int fd;			/* -1: free */
	char *buf;		/* the request, then the answer */
	size_t len, max;	/* of the request: read, room; of the answer: written, in all */
	int answering;
	int64_t deadline;
};

static struct client clients[CONTROL_CLIENTS];
static struct unixsock listener = { .fd = -1 };
static int spare = -1;
static int64_t listener_paused;		/* until when */

/*
 * A descriptor that is kept in reserve and lent to a client: connections may have used up all others, and just then
 * somebody wants to look or to destroy a stack.
 */
static void
spare_open(void)
{
	if (spare < 0)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
spare_close(void)
{
	if (spare >= 0)
		close(spare);
	spare = -1;
}

/* It may have had a tunnel's keys in it. */
static void
buf_free(struct client *c)
{
	if (c->buf != NULL)
		explicit_bzero(c->buf, c->max);
	free(c->buf);
	c->buf = NULL;
}

static void
client_drop(struct client *c)
{
	close(c->fd);
	buf_free(c);
	*c = (struct client){ .fd = -1 };
	spare_open();
}

static void
client_accept(void)
{
	struct client *c;
	int fd;

	fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && errno_is_shortage(errno) && spare >= 0) {
		spare_close();
		fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd < 0) {
		/* The client stays in the queue, and the listener readable: waiting for it would not wait. */
		if (errno_is_shortage(errno))
			listener_paused = callout_now() + CONTROL_PAUSE;
		return;
	}
	for (c = clients; c < clients + CONTROL_CLIENTS; c++)
		if (c->fd < 0)
			break;
	if (c == clients + CONTROL_CLIENTS || !control_peer_ok(fd)) {
		close(fd);
		return;
	}
	*c = (struct client){ .fd = fd, .deadline = callout_now() + CONTROL_PATIENCE };
}

static json *
error_answer(const char *text)
{
	json *answer = json_object();

	json_bool(answer, "ok", 0);
	json_str(answer, "error", text);
	return (answer);
}

/* The request is whole: carry it out, and have the answer ready to be written. */
static void
client_request(struct client *c, size_t len)
{
	struct request req;
	struct uverr err;
	json *answer;

	if (request_parse(c->buf, len, &req, &err) != 0) {
		answer = error_answer(err.text);
	} else {
		answer = command_run(&req, &c->fd);
		request_free(&req);
	}
	buf_free(c);
	if (c->fd < 0) {
		*c = (struct client){ .fd = -1 };
		spare_open();
		return;
	}
	c->buf = json_emit(answer);
	json_free(answer);
	if (c->buf == NULL) {
		client_drop(c);
		return;
	}
	c->len = 0;
	c->max = strlen(c->buf);
	c->buf[c->max++] = '\n';	/* in the place of the NUL */
	c->answering = 1;
	c->deadline = callout_now() + CONTROL_PATIENCE;
}

static void
client_read(struct client *c)
{
	char *grown, *newline;
	ssize_t n;

	if (c->len == c->max) {
		grown = c->max <= REQUEST_MAXSIZE ? realloc(c->buf, c->max > 0 ? 4 * c->max : 4096) : NULL;
		if (grown == NULL) {
			client_request(c, c->len);	/* which says that it is too long */
			return;
		}
		c->buf = grown;
		c->max = c->max > 0 ? 4 * c->max : 4096;
	}
	n = recv(c->fd, c->buf + c->len, c->max - c->len, MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			client_drop(c);
		return;
	}
	newline = n > 0 ? memchr(c->buf + c->len, '\n', (size_t)n) : NULL;
	c->len += (size_t)n;
	if (newline != NULL)
		client_request(c, (size_t)(newline - c->buf));
	else if (n == 0)
		client_request(c, c->len);
}

static void
client_write(struct client *c)
{
	ssize_t n;

	n = send(c->fd, c->buf + c->len, c->max - c->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		c->len += (size_t)n;
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || c->len == c->max)
		client_drop(c);
}

/* What to wait for: signals, new clients while there is room, and the clients; returns until when. */
static int64_t
poll_fill(struct pollfd pfd[CONTROL_CLIENTS + 2], int sigfd, int64_t until)
{
	int room = 0, paused = listener_paused > callout_now();

	pfd[0] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		const struct client *c = &clients[i];

		pfd[i + 2] = (struct pollfd){ .fd = c->fd, .events = c->answering ? POLLOUT : POLLIN };
		if (c->fd >= 0 && c->deadline < until)
			until = c->deadline;
		room |= c->fd < 0;
	}
	pfd[1] = (struct pollfd){ .fd = room && !paused ? listener.fd : -1, .events = POLLIN };
	if (room && paused && listener_paused < until)
		until = listener_paused;
	return (until);
}

void
control_serve(int sigfd, int64_t until)
{
	struct pollfd pfd[CONTROL_CLIENTS + 2];
	struct timespec ts;
	struct client *c;
	int64_t first, now;
	int n;

	for (;;) {
		first = poll_fill(pfd, sigfd, until);
		now = callout_now();
		if (now >= until)
			return;
		ts.tv_sec = first > now ? (first - now) / 1000000000 : 0;
		ts.tv_nsec = first > now ? (first - now) % 1000000000 : 0;
		n = ppoll(pfd, CONTROL_CLIENTS + 2, first == INT64_MAX ? NULL : &ts, NULL);
		if (n > 0 && pfd[0].revents != 0)
			return;
		now = callout_now();
		for (int i = 0; i < CONTROL_CLIENTS; i++) {
			c = &clients[i];
			if (c->fd < 0)
				continue;
			if (n > 0 && pfd[i + 2].revents != 0) {
				if (c->answering)
					client_write(c);
				else
					client_read(c);
			} else if (now >= c->deadline) {
				client_drop(c);
			}
		}
		if (n > 0 && pfd[1].revents != 0)
			client_accept();
	}
}

int
control_open(const struct sockaddr_un *sun, struct uverr *err)
{
	int error;

	for (int i = 0; i < CONTROL_CLIENTS; i++)
		clients[i].fd = -1;
	error = unixsock_listen(&listener, sun, CONTROL_CLIENTS,
	    "a running vnet answers there (see `vnet ls`; --socket names another control socket)", err);
	if (error == 0)
		spare_open();
	return (error);
}

void
control_close(void)
{
	if (listener.fd < 0)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (clients[i].fd >= 0)
			client_drop(&clients[i]);
	unixsock_close(&listener);
	spare_close();
}
