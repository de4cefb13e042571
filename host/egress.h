/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack's egress: its peers' way out by sockets of the host (egress.c, egress-udp.c). */
#ifndef HOST_EGRESS_H
#define HOST_EGRESS_H

#include "stack.h"

struct egress {
	struct stack *eg_stack;
	struct ifnet *eg_ifp;		/* NULL: suspended, and there are no flows */
	struct config_egress *eg_rules;	/* a copy */
	size_t eg_nrules;
	struct egress_udp *eg_udp;
};

/*
 * wg0 is about to go for a while (wg.c), and with it its connections; it is back: 0 or -errno.  The stack, which is
 * current, has an egress; with all workers stopped.
 */
void egress_suspend(struct stack *st);
int egress_resume(struct stack *st);

/* Whether a rule lets out what is for that address, -EACCES, or another -errno. */
int egress_permit(const struct egress *eg, const union config_addr *to);

/* Datagrams (egress-udp.c). */
int egress_udp_create(struct egress *eg, int idle);
void egress_udp_flush(struct egress *eg);	/* end all flows */
void egress_udp_destroy(struct egress *eg);
int egress_udp_datagram(void *arg, so_addr_t from, so_addr_t to, const struct iovec *iov, int niov);

#endif
