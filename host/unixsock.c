/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making a Unix socket to listen on, in place of one that a process left behind which is no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "unixsock.h"

/* A socket in the way: remove it when nobody answers. */
static int
stale_remove(const struct sockaddr_un *sun, const char *taken, struct uverr *err)
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
		return (uverr(err, EADDRINUSE, "%s: %s", sun->sun_path, taken));
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
listener_open(struct unixsock *s, const struct sockaddr_un *sun, int backlog, const char *taken, struct uverr *err)
{
	mode_t mask;
	int error;

	error = stale_remove(sun, taken, err);
	if (error != 0)
		return (error);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return (uverr(err, errno, "socket: %s", strerror(errno)));
	mask = umask(0177);
	error = bind(s->fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ? 0 : errno;
	umask(mask);
	if (error == 0 && listen(s->fd, backlog) != 0)
		error = errno;
	if (error != 0) {
		close(s->fd);
		s->fd = -1;
		return (uverr(err, error, "%s: %s", sun->sun_path, strerror(error)));
	}
	return (0);
}

int
unixsock_listen(struct unixsock *s, const struct sockaddr_un *sun, int backlog, const char *taken, struct uverr *err)
{
	int error, lock;

	s->fd = -1;
	lock = folder_lock(sun, err);
	if (lock < 0)
		return (lock);
	error = listener_open(s, sun, backlog, taken, err);
	close(lock);
	if (error != 0)
		return (error);
	s->sun = *sun;
	if (lstat(sun->sun_path, &s->stat) != 0)
		memset(&s->stat, 0, sizeof(s->stat));
	return (0);
}

void
unixsock_close(struct unixsock *s)
{
	struct stat st;

	/* Only our own: another may have taken the name meanwhile. */
	if (lstat(s->sun.sun_path, &st) == 0 && st.st_ino == s->stat.st_ino && st.st_dev == s->stat.st_dev)
		unlink(s->sun.sun_path);
	close(s->fd);
	s->fd = -1;
}
