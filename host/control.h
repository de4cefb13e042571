/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: its place, the server's side, and what it does. */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include <stdint.h>
#include <sys/un.h>
#include "request.h"

/*
 * The address of the control socket: `option`, else `config`, else $VNET_SOCKET, else the user's default, whose
 * folder is made (mode 0700) and must be the user's own.
 */
int control_address(const char *option, const char *config, struct sockaddr_un *sun, struct uverr *err);

/* The peer of a connection is this user or root. */
int control_peer_ok(int fd);

/* Listen; a socket that nobody answers is replaced.  -EADDRINUSE: a running vnet answers it. */
int control_open(const struct sockaddr_un *sun, struct uverr *err);
void control_close(void);

/* The main thread's loop: serve requests until `sigfd` is readable or `until` (ns; INT64_MAX: never). */
void control_serve(int sigfd, int64_t until);

/*
 * Carry a request out (commands.c); the answer is json_free()d by the caller.  A command that goes on takes the client's
 * connection over: then *fd is -1, and there is no answer.
 */
json *command_run(const struct request *req, int *fd);

#endif
