/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts which references of notice.ko are right.  One that hits no memory is caught: in the kernel it is a panic.
 */
#include <setjmp.h>
#include <signal.h>
#include <uvnet/vnet.h>

#include "count.h"

static sigjmp_buf caught;

static void
on_fault(int sig)
{
	siglongjmp(caught, sig);
}

void
count_init(void)
{
	const struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* A reference, used in a stack: what it found there, or -1 when it hit no memory. */
static int
use(notice_ref_t *ref, struct vnet *stack, unsigned i, int v)
{
	volatile int old = -1;

	CURVNET_SET(stack);
	if (sigsetjmp(caught, 1) == 0)
		old = ref(i, v);
	CURVNET_RESTORE();
	return (old);
}

unsigned
count_right(notice_ref_t *ref, struct vnet *stack[GOT_STACKS])
{
	unsigned right = 0;

	for (unsigned i = 0; i < NOTICE_REFS; i++) {
		int good = 1;

		for (int k = 0; k < GOT_STACKS; k++)
			good &= use(ref, stack[k], i, 100 * k + (int)i) == 1000 + (int)i;
		for (int k = 0; k < GOT_STACKS; k++)
			good &= use(ref, stack[k], i, 0) == 100 * k + (int)i;
		right += good;
	}
	return (right);
}

unsigned
count_by_got(const char *path)
{
	struct vnet stack[GOT_STACKS] = { 0 }, *p[GOT_STACKS];
	uintptr_t base[GOT_STACKS];
	void *module = got_load(path, base);
	unsigned right;

	for (int k = 0; k < GOT_STACKS; k++) {
		stack[k].vnet_base = base[k];
		p[k] = &stack[k];
	}
	right = count_right((notice_ref_t *)(uintptr_t)got_lookup(module, "notice_ref"), p);
	got_unload(module);
	return (right);
}
