/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signed modules: `vnet run --require-signed PUB`.
 *
 * A signature lies at the end of the module's file (uvnet/minisign.h; `vnet-update sign` puts it there), and is checked
 * on the very bytes that are then linked, so nobody can change the file in between; and of each dependency alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uvnet/minisign.h>
#include <uvnet/module.h>
#include "vnet.h"

#define MODULE_MAX (1 << 30)

static struct minisign_public wanted;	/* of the process: who may sign is no matter of a stack's */

static int
read_whole(const char *path, char **data, size_t *len, struct uverr *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n = 0;
	int error = 0;

	*data = NULL;
	*len = 0;
	if (fd == -1 || fstat(fd, &st) == -1)
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > MODULE_MAX)
		error = uverr(err, EFBIG, "%s: it is no file, or one of more than %d bytes", path, MODULE_MAX);
	else if ((*data = malloc((size_t)st.st_size + 1)) == NULL)
		error = uverr(err, ENOMEM, "%s: out of memory", path);
	while (error == 0 && *len < (size_t)st.st_size && (n = read(fd, *data + *len, (size_t)st.st_size - *len)) > 0)
		*len += (size_t)n;
	if (error == 0 && n < 0)
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return (error);
}

static int
read_public(const char *file, struct minisign_public *public, struct uverr *err)
{
	char *text;
	size_t len;
	int error = read_whole(file, &text, &len, err);

	if (error == 0 && (error = minisign_read_public(public, text, len, err)) != 0)
		uverr_prefix(err, "%s", file);
	free(text);
	return (error);
}

/* Is it signed at its end, by that key? */
static int
verify(const struct minisign_public *key, const char *path, const void *data, size_t len, struct minisign_signature *s,
    struct uverr *err)
{
	size_t content;
	int error = minisign_appended(data, len, &content, s, err);

	if (error == 0)
		return (uverr(err, EKEYREJECTED, "%s: it is not signed, and --require-signed wants it to be; vnet-update sign does it",
		    path));
	if (error > 0)
		error = minisign_verify(key, s, data, content, err);
	if (error != 0) {
		uverr_prefix(err, "%s", path);
		return (-EKEYREJECTED);
	}
	return (0);
}

static int
check(void *arg, const char *path, const void *data, size_t len, struct uverr *err)
{
	struct minisign_signature s;

	(void)arg;
	return (verify(&wanted, path, data, len, &s, err));
}

int
signed_require(const char *file, struct uverr *err)
{
	int error = read_public(file, &wanted, err);

	if (error == 0)
		kld_require(check, NULL);
	return (error);
}

int
signed_info(const char *path, const char *key, struct minisign_signature *s, struct uverr *err)
{
	struct minisign_public public;
	char *data = NULL;
	size_t len, content;
	int error;

	if (key != NULL && (error = read_public(key, &public, err)) != 0)
		return (error);
	error = read_whole(path, &data, &len, err);
	if (error == 0 && key != NULL)
		error = verify(&public, path, data, len, s, err);
	else if (error == 0 && (error = minisign_appended(data, len, &content, s, err)) < 0)
		uverr_prefix(err, "%s", path);
	free(data);
	return (error == 0 && key != NULL ? 1 : error);
}
