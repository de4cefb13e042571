/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the control socket is, and who may be at its other end.
 *
 * In a folder that everybody may write to (/tmp), somebody else could make the socket first, or the folder that it
 * goes into.  So the default's folder must be a real folder, this user's own, closed to others; and both sides
 * look at the other's uid (SO_PEERCRED) before they believe a word.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "control.h"

static int
folder_check(const char *path, struct uverr *err)
{
	struct stat st;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return (uverr(err, errno, "%s: %s", path, strerror(errno)));
	if (lstat(path, &st) != 0)
		return (uverr(err, errno, "%s: %s", path, strerror(errno)));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return (uverr(err, EPERM, "%s: not a folder of this user's own with mode 0700; name another control"
		    " socket with --socket", path));
	return (0);
}

int
control_address(const char *option, const char *config, struct sockaddr_un *sun, struct uverr *err)
{
	const char *path = option, *runtime = getenv("XDG_RUNTIME_DIR");
	char folder[64];
	int n, error;

	if (path == NULL)
		path = config;
	if (path == NULL)
		path = getenv("VNET_SOCKET");
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (path != NULL && *path != '\0') {
		n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", path);
	} else if (runtime != NULL && *runtime == '/') {
		n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/vnet.sock", runtime);
		path = runtime;
	} else {
		snprintf(folder, sizeof(folder), "/tmp/vnet-%u", (unsigned)geteuid());
		error = folder_check(folder, err);
		if (error != 0)
			return (error);
		n = snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/vnet.sock", folder);
	}
	if (n < 0 || (size_t)n >= sizeof(sun->sun_path))
		return (uverr(err, ENAMETOOLONG, "%s: too long for a socket's path (%zu bytes at most)", path,
		    sizeof(sun->sun_path) - 1));
	return (0);
}

int
control_peer_ok(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return (0);
	return (cred.uid == geteuid() || cred.uid == 0);
}
