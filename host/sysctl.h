/* SPDX-License-Identifier: BSD-2-Clause */
/* The variables of a stack, for the control socket (sysctl.c). */
#ifndef HOST_SYSCTL_H
#define HOST_SYSCTL_H

#include <uvnet/err.h>
#include "json.h"
#include "request.h"

/*
 * Do what a `sysctl` request says, and append to `list` what it names (all when it names nothing), with the old values
 * of those that were set.  With all workers stopped, in the stack.  -ENOENT, -EINVAL, -EPERM, -ENOMEM, or what a handler
 * says; then nothing was set.
 */
int sysctl_request(const struct request *req, json *list, struct uverr *err);

#endif
