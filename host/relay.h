/* SPDX-License-Identifier: BSD-2-Clause */
/* A relay: a connection of the host and one of a stack, made one (relay.c). */
#ifndef HOST_RELAY_H
#define HOST_RELAY_H

#include "stack.h"

/*
 * Join them; takes both over, and closes them in any case.  `connecting`: the host's side has still to be
 * established.  On the stack's worker, with the stack current.  The return is 0 or -errno: then both were reset.
 */
int relay_create(struct stack *st, int fd, int connecting, struct socket *so);

/* Reset both sides.  With the stack current. */
void relay_destroy(struct relay *r);

/* Close a descriptor so that its peer sees a reset. */
void fd_reset(int fd);

/* Whether an error says that this process or the system has no descriptor or buffer left for now. */
int errno_is_shortage(int error);

#endif
