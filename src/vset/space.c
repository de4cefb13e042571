/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First fit; see space.h.  Between two holes lies at least one piece, so there is at most one hole more than
 * pieces; the array has room for that many from when a piece is handed out: so giving back cannot fail.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "space.h"

int
space_init(struct space *sp, uintptr_t start, uintptr_t end)
{
	sp->room = 16;
	sp->holes = calloc(sp->room, sizeof(*sp->holes));
	if (sp->holes == NULL)
		return (-ENOMEM);
	sp->start = start;
	sp->end = end;
	sp->nholes = start < end;
	sp->holes[0] = (struct space_hole){ start, end };
	return (0);
}

void
space_fini(struct space *sp)
{
	free(sp->holes);
	memset(sp, 0, sizeof(*sp));
}

static void
hole_insert(struct space *sp, size_t i, uintptr_t start, uintptr_t end)
{
	assert(sp->nholes < sp->room);
	memmove(&sp->holes[i + 1], &sp->holes[i], (sp->nholes - i) * sizeof(*sp->holes));
	sp->holes[i] = (struct space_hole){ start, end };
	sp->nholes++;
}

static void
hole_remove(struct space *sp, size_t i)
{
	sp->nholes--;
	memmove(&sp->holes[i], &sp->holes[i + 1], (sp->nholes - i) * sizeof(*sp->holes));
}

/* Room for the holes that there may be when one more piece is out. */
static int
hole_reserve(struct space *sp)
{
	struct space_hole *p;

	if (sp->npieces + 2 <= sp->room)
		return (0);
	p = realloc(sp->holes, 2 * sp->room * sizeof(*p));
	if (p == NULL)
		return (-ENOMEM);
	sp->holes = p;
	sp->room *= 2;
	return (0);
}

int
space_alloc(struct space *sp, size_t size, size_t align, uintptr_t *addr)
{
	uintptr_t start;
	size_t i;

	assert(size != 0 && align != 0 && (align & (align - 1)) == 0);
	if (hole_reserve(sp) != 0)
		return (-ENOMEM);
	for (i = 0; i < sp->nholes; i++) {
		struct space_hole *h = &sp->holes[i];

		start = (h->start + align - 1) & ~(uintptr_t)(align - 1);
		if (start < h->start || start > h->end || h->end - start < size)
			continue;
		*addr = start;
		sp->npieces++;
		if (start + size < h->end && start > h->start) {
			hole_insert(sp, i + 1, start + size, h->end);
			sp->holes[i].end = start;
		} else if (start > h->start)
			h->end = start;
		else if (start + size < h->end)
			h->start = start + size;
		else
			hole_remove(sp, i);
		return (0);
	}
	return (-ENOSPC);
}

void
space_free(struct space *sp, uintptr_t addr, size_t size)
{
	uintptr_t end = addr + size;
	size_t i;

	assert(sp->npieces > 0);
	sp->npieces--;
	for (i = 0; i < sp->nholes && sp->holes[i].end < addr; i++)
		continue;
	/* Hole i is the first that touches the piece or lies behind it. */
	if (i < sp->nholes && sp->holes[i].end == addr) {
		sp->holes[i].end = end;
		if (i + 1 < sp->nholes && sp->holes[i + 1].start == end) {
			sp->holes[i].end = sp->holes[i + 1].end;
			hole_remove(sp, i + 1);
		}
	} else if (i < sp->nholes && sp->holes[i].start == end)
		sp->holes[i].start = addr;
	else
		hole_insert(sp, i, addr, end);
}

size_t
space_avail(const struct space *sp, size_t *largest)
{
	size_t i, sum = 0, max = 0, n;

	for (i = 0; i < sp->nholes; i++) {
		n = sp->holes[i].end - sp->holes[i].start;
		sum += n;
		if (n > max)
			max = n;
	}
	if (largest != NULL)
		*largest = max;
	return (sum);
}
