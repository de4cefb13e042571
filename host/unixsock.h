/* SPDX-License-Identifier: BSD-2-Clause */
/* Unix sockets that this process listens on, for its own user (unixsock.c). */
#ifndef HOST_UNIXSOCK_H
#define HOST_UNIXSOCK_H

#include <sys/stat.h>
#include <sys/un.h>
#include <uvnet/err.h>

struct unixsock {
	int fd;
	struct sockaddr_un sun;
	struct stat stat;	/* of the socket's file when it was made */
};

/*
 * Listen at sun's path, with mode 0600; a socket that nobody answers is replaced.  -EADDRINUSE: somebody answers it,
 * and `taken` says what that means; -EEXIST: there is another file.  By the main thread: the umask is changed meanwhile.
 */
int unixsock_listen(struct unixsock *s, const struct sockaddr_un *sun, int backlog, const char *taken,
    struct uverr *err);

/* Close it and remove its file, if it is still ours. */
void unixsock_close(struct unixsock *s);

#endif
