/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signed modules: `vnet run --require-signed PUB`.
 *
 * A signature lies at the end of the module's file (uvnet/minisign.h; `vnet-update sign` puts it there), and is checked
 * on the very bytes that are then linked, so nobody can change the file in between; and of each dependency alike.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <uvnet/minisign.h>
#include <uvnet/module.h>
#include "vnet.h"

/* Of the process: who may sign is no matter of a stack's. */
static struct minisign_public wanted;
static bool strict;			/* wanted counts */
static struct minisign_signature last;	/* of the last module that was read, if it has one */
static bool last_is_signed;

static int
read_public(const char *file, struct minisign_public *public, struct uverr *err)
{
	char text[4096];		/* a key has one line, and a comment before it */
	FILE *f = fopen(file, "re");
	size_t len;
	int error;

	if (f == NULL)
		return (uverr(err, errno, "%s: %s", file, strerror(errno)));
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	if ((error = minisign_read_public(public, text, len, err)) != 0)
		uverr_prefix(err, "%s", file);
	return (error);
}

/* Is it signed at its end, and by that key, where one is wanted? */
static int
check(void *arg, const char *path, const void *data, size_t len, struct uverr *err)
{
	size_t content;
	int error = minisign_appended(data, len, &content, &last, err);

	(void)arg;
	last_is_signed = error > 0;
	if (error == 0 && strict)
		return (uverr(err, EKEYREJECTED, "%s: it is not signed, and --require-signed wants it to be; vnet-update sign does it",
		    path));
	if (error > 0)
		error = strict ? minisign_verify(&wanted, &last, data, content, err) : 0;
	if (error != 0) {
		uverr_prefix(err, "%s", path);
		return (-EKEYREJECTED);
	}
	return (0);
}

int
signed_require(const char *file, struct uverr *err)
{
	int error = file != NULL ? read_public(file, &wanted, err) : 0;

	if (error == 0) {
		strict = file != NULL;
		kld_require(check, NULL);
	}
	return (error);
}

const struct minisign_signature *
signed_last(void)
{
	return (last_is_signed ? &last : NULL);
}
