/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Callouts: a pairing heap a worker, made of the callouts themselves.
 *
 * Nothing is allocated, so arming a timer cannot fail; arming is O(1), and taking the first, or one from the
 * middle, O(log n) amortised (Fredman et al., "The pairing heap", 1986).  The roots are DPCPU variables: a worker
 * touches its own only.  A callout's memory is inside its stack; so each stack also chains what it has pending,
 * and when it is destroyed every link into its memory is cut.
 *
 * Links: c_child is the first of the children, c_next the next sibling, c_prev the sibling before or, for a first
 * child, the parent; the root's c_prev is the root itself, so that "pending" is c_prev != NULL.
 */
#include <assert.h>
#include <stddef.h>
#include <time.h>
#include <uvnet/callout.h>
#include <uvnet/dpcpu.h>

DPCPU_DEFINE_STATIC(struct callout *, callout_root);
VNET_DEFINE_STATIC(LIST_HEAD(, callout), callout_pending);
#define V_callout_pending VNET(callout_pending)

int64_t
callout_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

/* ---- The heap ---- */

static struct callout *
heap_meld(struct callout *a, struct callout *b)
{
	struct callout *tmp;

	if (a == NULL)
		return (b);
	if (b == NULL)
		return (a);
	if (b->c_time < a->c_time) {
		tmp = a;
		a = b;
		b = tmp;
	}
	b->c_prev = a;
	b->c_next = a->c_child;
	if (b->c_next != NULL)
		b->c_next->c_prev = b;
	a->c_child = b;
	return (a);
}

/* Make one heap of a list of siblings: in pairs from the left, then together from the right. */
static struct callout *
heap_merge_siblings(struct callout *first)
{
	struct callout *a, *b, *rest, *pairs = NULL, *root = NULL;

	for (a = first; a != NULL; a = rest) {
		b = a->c_next;
		rest = b != NULL ? b->c_next : NULL;
		a->c_next = NULL;
		if (b != NULL)
			b->c_next = NULL;
		a = heap_meld(a, b);
		a->c_next = pairs;
		pairs = a;
	}
	for (a = pairs; a != NULL; a = rest) {
		rest = a->c_next;
		a->c_next = NULL;
		root = heap_meld(root, a);
	}
	return (root);
}

static void
heap_setroot(struct callout **rootp, struct callout *root)
{
	*rootp = root;
	if (root != NULL) {
		root->c_prev = root;
		root->c_next = NULL;
	}
}

static void
heap_remove(struct callout **rootp, struct callout *c)
{
	struct callout *children;

	if (*rootp != c) {
		if (c->c_prev->c_child == c)
			c->c_prev->c_child = c->c_next;
		else
			c->c_prev->c_next = c->c_next;
		if (c->c_next != NULL)
			c->c_next->c_prev = c->c_prev;
	}
	children = heap_merge_siblings(c->c_child);
	heap_setroot(rootp, *rootp != c ? heap_meld(*rootp, children) : children);
	c->c_child = c->c_next = c->c_prev = NULL;
}

/* ---- callout(9) ---- */

static void
callout_unlink(struct callout *c)
{
	heap_remove(DPCPU_ID_PTR(c->c_vnet->vnet_cpu, callout_root), c);
	LIST_REMOVE(c, c_le);
}

void
callout_init(struct callout *c, int mpsafe)
{
	(void)mpsafe;
	assert(curvnet != NULL);
	*c = (struct callout){ .c_vnet = curvnet };
}

int
callout_reset_ns(struct callout *c, int64_t ns, callout_func_t *func, void *arg)
{
	struct callout **rootp;
	const int was = callout_pending(c);

	assert(c->c_vnet != NULL && c->c_vnet == curvnet);
	if (was)
		callout_unlink(c);
	c->c_func = func;
	c->c_arg = arg;
	/* Never due in the round that arms it; what is beyond the clock is never. */
	if (__builtin_add_overflow(callout_now(), ns > 0 ? ns : 1, &c->c_time))
		c->c_time = INT64_MAX;
	c->c_child = c->c_next = NULL;
	rootp = DPCPU_ID_PTR(c->c_vnet->vnet_cpu, callout_root);
	heap_setroot(rootp, heap_meld(*rootp, c));
	LIST_INSERT_HEAD(&V_callout_pending, c, c_le);
	return (was);
}

int
callout_stop(struct callout *c)
{
	if (!callout_pending(c))
		return (0);
	callout_unlink(c);
	return (1);
}

/* ---- The worker's side ---- */

int64_t
callout_next(unsigned cpu)
{
	const struct callout *root = DPCPU_ID_GET(cpu, callout_root);

	return (root != NULL ? root->c_time : INT64_MAX);
}

unsigned
callout_process(unsigned cpu, int64_t now)
{
	struct callout **rootp = DPCPU_ID_PTR(cpu, callout_root);
	struct callout *c;
	unsigned n = 0;

	while ((c = *rootp) != NULL && c->c_time <= now) {
		CURVNET_SET(c->c_vnet);
		callout_unlink(c);
		c->c_func(c->c_arg);	/* may free or arm c */
		CURVNET_RESTORE();
		n++;
	}
	return (n);
}

void
callout_purge(void)
{
	struct callout *c;

	while ((c = LIST_FIRST(&V_callout_pending)) != NULL)
		callout_unlink(c);
}

void
callout_purge_module(uintptr_t image, size_t imagesize, uintptr_t set, size_t setsize)
{
	struct callout *c, *next;
	struct vnet *v;

	VNET_FOREACH (v)
		for (c = LIST_FIRST(VNET_VNET_PTR(v, callout_pending)); c != NULL; c = next) {
			next = LIST_NEXT(c, c_le);
			if ((uintptr_t)c->c_func - image < imagesize || (uintptr_t)c - image < imagesize ||
			    (uintptr_t)c - v->vnet_base - set < setsize)
				callout_unlink(c);
		}
}
