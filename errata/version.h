/* SPDX-License-Identifier: BSD-2-Clause */
/* A version of FreeBSD as freebsd-version(1) and uname(1) give it. */
#ifndef ERRATA_VERSION_H
#define ERRATA_VERSION_H

#include "text.h"

struct version {
	int major, minor, micro;	/* 13.2; 4.6.2 */
	enum { VERSION_RELEASE, VERSION_STABLE, VERSION_CURRENT, VERSION_BEFORE } kind;	/* BEFORE: RC, BETA, ... */
	int patch;			/* the 2 of -p2 */
	long count;			/* n255888, or 0 */
	char count_branch[32];		/* the branch that the count was said to be of, or "" */
	char branch[32];		/* "releng/13.2", "stable/13", "main" */
	char text[64];			/* as given, without the count */
};

/* "13.2-RELEASE-p2", "13.2-STABLE stable/13-n255888", "FreeBSD 13.2-STABLE stable/13-n255888-98e7f836e65e ..." */
bool version_parse(const char *text, struct version *v);

#endif
