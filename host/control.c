/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket's server, which is the main thread's loop.
 *
 * One request a connection, one answer, close; but for a ping, whose connection goes to a worker (ping.c).  The loop waits for all its clients at once, so one that is slow
 * keeps nobody waiting, and gives up on each after a few seconds.  Only a request that is there whole costs the
 * workers anything: they stop for as long as it is carried out (commands.c).
 *
 * While nothing is asked the loop sleeps without a time-out; signals come as a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include "control.h"
#include "relay.h"

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
static int listener = -1, spare = -1;
static int64_t listener_paused;		/* until when */
static struct sockaddr_un listener_sun;
static struct stat listener_stat;

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

static void
client_drop(struct client *c)
{
	close(c->fd);
	free(c->buf);
	*c = (struct client){ .fd = -1 };
	spare_open();
}

static void
client_accept(void)
{
	struct client *c;
	int fd;

	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && errno_is_shortage(errno) && spare >= 0) {
		spare_close();
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
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
	free(c->buf);
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
	pfd[1] = (struct pollfd){ .fd = room && !paused ? listener : -1, .events = POLLIN };
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

/* A socket in the way: remove it when nobody answers. */
static int
stale_remove(const struct sockaddr_un *sun, struct uverr *err)
{
	struct stat st;
	int fd, error;

	if (lstat(sun->sun_path, &st) != 0)
		return (0);	/* bind(2) says what is wrong */
	if (!S_ISSOCK(st.st_mode))
		return (uverr(err, EEXIST, "%s: there is a file of that name, which is not a socket", sun->sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return (uverr(err, errno, "socket: %s", strerror(errno)));
	error = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ? 0 : errno;
	close(fd);
	if (error != ECONNREFUSED && error != ENOENT)
		return (uverr(err, EADDRINUSE, "%s: a running vnet answers there (see `vnet ls`; --socket names another"
		    " control socket)", sun->sun_path));
	unlink(sun->sun_path);
	return (0);
}

/*
 * Two that start at the same time may both find a stale socket, and the slower one would remove what the faster one
 * just made.  So the folder is locked meanwhile.  Where it belongs to somebody else, who could hold that lock for
 * ever, it is not waited for for long.  A descriptor to close, or -errno.
 */
static int
folder_lock(const struct sockaddr_un *sun, struct uverr *err)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	char folder[sizeof(sun->sun_path)];
	int fd;

	snprintf(folder, sizeof(folder), "%s", sun->sun_path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return (uverr(err, errno, "%s: its folder: %s", sun->sun_path, strerror(errno)));
	for (int i = 0; i < 100 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
		nanosleep(&pause, NULL);
	return (fd);
}

static int
listener_open(const struct sockaddr_un *sun, struct uverr *err)
{
	mode_t mask;
	int error;

	error = stale_remove(sun, err);
	if (error != 0)
		return (error);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0)
		return (uverr(err, errno, "socket: %s", strerror(errno)));
	mask = umask(0177);
	error = bind(listener, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ? 0 : errno;
	umask(mask);
	if (error == 0 && listen(listener, CONTROL_CLIENTS) != 0)
		error = errno;
	if (error != 0) {
		close(listener);
		listener = -1;
		return (uverr(err, error, "%s: %s", sun->sun_path, strerror(error)));
	}
	return (0);
}

int
control_open(const struct sockaddr_un *sun, struct uverr *err)
{
	int error, lock;

	for (int i = 0; i < CONTROL_CLIENTS; i++)
		clients[i].fd = -1;
	lock = folder_lock(sun, err);
	if (lock < 0)
		return (lock);
	error = listener_open(sun, err);
	close(lock);
	if (error != 0)
		return (error);
	spare_open();
	listener_sun = *sun;
	if (lstat(sun->sun_path, &listener_stat) != 0)
		memset(&listener_stat, 0, sizeof(listener_stat));
	return (0);
}

void
control_close(void)
{
	struct stat st;

	if (listener < 0)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (clients[i].fd >= 0)
			client_drop(&clients[i]);
	/* Only our own: another may have taken the name meanwhile. */
	if (lstat(listener_sun.sun_path, &st) == 0 && st.st_ino == listener_stat.st_ino &&
	    st.st_dev == listener_stat.st_dev)
		unlink(listener_sun.sun_path);
	close(listener);
	listener = -1;
	spare_close();
}
