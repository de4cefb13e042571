/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket of wg(8): FOLDER/NAME.sock, where the stock tool shows and sets a stack's tunnel as interface NAME.
 *
 * It is the cross-platform protocol (https://www.wireguard.com/xplatform/) as it comes: requests that end with an empty
 * line, each with its reply, any number on a connection.  The stack's own worker serves it between two rounds, so
 * nothing else stops, and a request sees no packet half done.
 *
 * One descriptor is there for each socket that the configuration asks for, a few more while somebody is connected; the
 * next one waits in the queue.  Whoever says nothing for some seconds is hung up on.  The file has mode 0600, and the
 * other side's uid is looked at as well: what is read here is keys.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control.h"
#include "relay.h"
#include "unixsock.h"
#include "wg.h"
#include "wgtext.h"

#define CLIENTS_MAX 4
#define REQUEST_MAX (16U << 20)	/* some hundred thousand peers */
#define READ_SIZE 16384
#define PATIENCE 10000000000	/* ns between two things that a client does */
#define PAUSE 100000000		/* ns without accepting, when descriptors have run out */

struct client {
	LIST_ENTRY(client) le;
	struct watch watch;
	struct delay hangup;
	struct corpse corpse;
	struct wgsock *sock;
	int fd;
	struct wgbuf in;		/* what came and was not answered yet, */
	size_t seen;			/* of which so much has no empty line */
	char *out;			/* the reply that is being written, or NULL */
	size_t out_len, out_at;
};

struct wgsock {
	struct watch watch;
	struct delay pause;
	struct stack *st;
	struct unixsock un;
	unsigned nclients;
	LIST_HEAD(, client) clients;
};

#define CONTAINER(p, type, member) ((struct type *)((char *)(p) - offsetof(struct type, member)))

static const char *folder = WGSOCK_FOLDER;

void
wgsock_init(const char *path)
{
	folder = path;
}

/* ---- Clients ---- */

static void
out_free(struct client *c)
{
	if (c->out != NULL)
		wgquick_wipe(c->out, c->out_len);
	c->out = NULL;
}

static void
client_drop(struct client *c)
{
	struct wgsock *s = c->sock;
	struct worker *w = s->st->st_worker;

	worker_undelay(w, &c->hangup);
	close(c->fd);
	out_free(c);
	wgbuf_free(&c->in);
	LIST_REMOVE(c, le);
	if (s->nclients-- == CLIENTS_MAX && !s->pause.d_queued)
		worker_rewatch(w, s->un.fd, EPOLLIN, &s->watch);
	worker_bury(w, &c->corpse, c);
}

/* Take the first `len` bytes off what came. */
static void
in_take(struct client *c, size_t len)
{
	memmove(c->in.s, c->in.s + len, c->in.len - len);
	explicit_bzero(c->in.s + c->in.len - len, len);
	c->in.len -= len;
	c->in.s[c->in.len] = '\0';
	c->seen = 0;
}

/* The empty line that ends a request, or NULL; what was looked at is not looked at again. */
static char *
request_end(struct client *c)
{
	char *end = c->in.s != NULL ? strstr(c->in.s + c->seen, "\n\n") : NULL;

	if (end == NULL && c->in.len > 0)
		c->seen = c->in.len - 1;
	return (end);
}

/* Whether a whole request came, which is carried out; its reply is to be written then. */
static int
client_request(struct client *c)
{
	struct uverr err;
	char *end;
	size_t len;

	end = request_end(c);
	if (end == NULL)
		return (0);
	len = (size_t)(end - c->in.s) + 2;
	wg_request(c->sock->st, c->in.s, len, &c->out, &err);
	if (c->out == NULL && asprintf(&c->out, "errno=%d\n\n", ENODEV) < 0)
		c->out = NULL;
	in_take(c, len);
	c->out_len = c->out != NULL ? strlen(c->out) : 0;
	c->out_at = 0;
	return (1);
}

/* -1: the client is gone. */
static int
client_write(struct client *c)
{
	ssize_t n;

	n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return (-1);
	c->out_at += n > 0 ? (size_t)n : 0;
	if (c->out_at == c->out_len)
		out_free(c);
	return (0);
}

static int
client_read(struct client *c)
{
	char buf[READ_SIZE];
	ssize_t n;

	n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		return (errno == EAGAIN || errno == EINTR ? 0 : -1);
	if (n == 0 || memchr(buf, '\0', (size_t)n) != NULL)
		return (-1);
	wgbuf_put(&c->in, buf, (size_t)n);
	explicit_bzero(buf, (size_t)n);
	return (c->in.failed || c->in.len > REQUEST_MAX ? -1 : 0);
}

static void
client_event(struct watch *watch, uint32_t events)
{
	struct client *c = CONTAINER(watch, client, watch);
	struct worker *w = c->sock->st->st_worker;
	int error;

	(void)events;
	error = c->out != NULL ? client_write(c) : client_read(c);
	/* A request at a time: the next is looked at when this one's reply is on its way. */
	if (error == 0 && c->out == NULL && client_request(c))
		error = c->out != NULL ? client_write(c) : -1;
	if (error != 0) {
		client_drop(c);
		return;
	}
	worker_undelay(w, &c->hangup);
	worker_delay(w, &c->hangup, PATIENCE);
	/* Another request that is there already comes up when the socket may be written to. */
	worker_rewatch(w, c->fd, c->out != NULL || request_end(c) != NULL ? EPOLLOUT : EPOLLIN, &c->watch);
}

static void
client_hangup(struct delay *d)
{
	client_drop(CONTAINER(d, client, hangup));
}

static void
client_create(struct wgsock *s, int fd)
{
	struct worker *w = s->st->st_worker;
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		goto fail;
	c->sock = s;
	c->fd = fd;
	c->watch.w_func = client_event;
	c->hangup.d_func = client_hangup;
	if (worker_watch(w, fd, EPOLLIN, &c->watch) != 0)
		goto fail_client;
	worker_delay(w, &c->hangup, PATIENCE);
	LIST_INSERT_HEAD(&s->clients, c, le);
	if (++s->nclients == CLIENTS_MAX)
		worker_rewatch(w, s->un.fd, 0, &s->watch);
	return;

fail_client:
	free(c);
fail:
	close(fd);
}

/* ---- The socket ---- */

static void
sock_event(struct watch *watch, uint32_t events)
{
	struct wgsock *s = CONTAINER(watch, wgsock, watch);
	int fd;

	(void)events;
	fd = accept4(s->un.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0 && control_peer_ok(fd)) {
		client_create(s, fd);
	} else if (fd >= 0) {
		close(fd);
	} else if (errno_is_shortage(errno)) {
		worker_rewatch(s->st->st_worker, s->un.fd, 0, &s->watch);
		worker_delay(s->st->st_worker, &s->pause, PAUSE);
	}
}

static void
sock_unpause(struct delay *d)
{
	struct wgsock *s = CONTAINER(d, wgsock, pause);

	if (s->nclients < CLIENTS_MAX)
		worker_rewatch(s->st->st_worker, s->un.fd, EPOLLIN, &s->watch);
}

int
wgsock_create(struct stack *st, const char *name, struct uverr *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct wgsock *s;
	int error;

	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s.sock", folder, name) >= sizeof(sun.sun_path))
		return (uverr(err, ENAMETOOLONG, "uapi: %s/%s.sock: too long for a socket's path (%zu bytes at most)", folder,
		    name, sizeof(sun.sun_path) - 1));
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return (uverr(err, errno, "uapi: %s: %s (`uapi_folder` names another one, where wg(8) does not look)", folder,
		    strerror(errno)));
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	s->st = st;
	s->watch.w_func = sock_event;
	s->pause.d_func = sock_unpause;
	LIST_INIT(&s->clients);
	error = unixsock_listen(&s->un, &sun, CLIENTS_MAX, "another tunnel's, which answers there", err);
	if (error != 0) {
		uverr_prefix(err, "uapi");
		goto fail;
	}
	error = worker_watch(st->st_worker, s->un.fd, EPOLLIN, &s->watch);
	if (error != 0) {
		uverr(err, -error, "uapi: %s: %s", sun.sun_path, strerror(-error));
		goto fail_listen;
	}
	st->st_wgsock = s;
	return (0);

fail_listen:
	unixsock_close(&s->un);
fail:
	free(s);
	return (error);
}

/* With all workers stopped: no batch of events points here. */
void
wgsock_destroy(struct stack *st)
{
	struct wgsock *s = st->st_wgsock;

	if (s == NULL)
		return;
	st->st_wgsock = NULL;
	while (!LIST_EMPTY(&s->clients))
		client_drop(LIST_FIRST(&s->clients));
	worker_undelay(st->st_worker, &s->pause);
	unixsock_close(&s->un);
	free(s);
}
