/* SPDX-License-Identifier: BSD-2-Clause */
/* Pings from within a stack (ping.c). */
#ifndef HOST_PING_H
#define HOST_PING_H

#include "request.h"
#include "stack.h"

/*
 * Begin: with all workers stopped, the stack current.  The connection `fd` is taken over when it returns 0; on its worker
 * the ping goes on until it has `count` answers, until all were waited for, or until the client shuts its side down.
 * Errors: -EINVAL or -ENXIO (the address), -EMFILE (too many of the stack), -ENOMEM.
 */
int ping_create(struct stack *st, const struct request *req, int fd, struct uverr *err);

/* The stack goes: the client is told. */
struct ping;
void ping_destroy(struct ping *pg);

#endif
