/* SPDX-License-Identifier: BSD-2-Clause */
/* What every stack has in the sysctl tree, whatever modules there are: its name and its memory. */
#include <string.h>
#include <uvnet/sysctl.h>
#include <uvnet/vnet.h>

static int
hostname(SYSCTL_HANDLER_ARGS)
{
	(void)oidp, (void)arg1, (void)arg2;
	return (SYSCTL_OUT(req, curvnet->vnet_name, strlen(curvnet->vnet_name)));
}
SYSCTL_PROC(_kern, OID_AUTO, hostname, CTLTYPE_STRING | CTLFLAG_VNET | CTLFLAG_RD, NULL, 0, hostname, "A",
    "The stack's name");

SYSCTL_NODE(_vm, OID_AUTO, heap, CTLFLAG_RW, NULL, "The stack's heap");

/* arg2: where in the statistics. */
static int
heap_stat(SYSCTL_HANDLER_ARGS)
{
	struct vnet_heap_stats stats;
	uint64_t n;

	(void)oidp, (void)arg1;
	vnet_heap_stat(&stats);
	n = arg2 == offsetof(struct vnet_heap_stats, failures) ? stats.failures : *(size_t *)((char *)&stats + arg2);
	return (SYSCTL_OUT(req, &n, sizeof(n)));
}
#define HEAP(name, descr) \
	SYSCTL_PROC(_vm_heap, OID_AUTO, name, CTLTYPE_U64 | CTLFLAG_VNET | CTLFLAG_RD | CTLFLAG_STATS, NULL, \
	    offsetof(struct vnet_heap_stats, name), heap_stat, "QU", descr)
HEAP(carved, "Bytes taken from its pages so far");
HEAP(failures, "How often the limit was met");
HEAP(limit, "Bytes that it may ever take");
HEAP(used, "Bytes handed out now");
