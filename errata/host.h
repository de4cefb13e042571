/* SPDX-License-Identifier: BSD-2-Clause */
/* What FreeBSD runs here? */
#ifndef ERRATA_HOST_H
#define ERRATA_HOST_H

#include "version.h"

/* Ask freebsd-version(1) and uname(3).  -ENOSYS where this is no FreeBSD. */
int host_versions(struct version *kernel, struct version *running, struct version *user, char arch[32],
    struct uverr *err);

/* Run a program without a shell and keep what it prints (64 KiB at most).  -EIO when it fails. */
int host_run(const char *const argv[], struct buf *out, struct uverr *err);

#endif
