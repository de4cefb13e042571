/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where long-term keys lie: one slab a worker, locked into memory (mlock(2)) and left out of core dumps.
 *
 * Not in the stacks: their arena is one mapping, which mlock() would cut into pieces.  So a key that outlives a
 * session (a private key, a pre-shared key, the secret of two static keys) is a slot of its worker's slab; a
 * slot is wiped when it is given back.  The slab is addresses from the start, and grows by locking pages of them;
 * a system that locks no more (RLIMIT_MEMLOCK) is told about once, and the keys work without.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <uvnet/dpcpu.h>

#include "wg.h"

#define SLAB_SIZE (64U << 20)	/* addresses: a million keys a worker */
#define SLAB_STEP (64U << 10)

union slot {
	struct wg_secret secret;
	union slot *next;
};

struct slab {
	union slot *base, *free;
	size_t used, ready;	/* bytes handed out ever, bytes that are memory */
};

DPCPU_DEFINE_STATIC(struct slab, wg_slab);

static int
slab_grow(struct slab *s)
{
	static int told;
	char *at;

	if (s->base == NULL) {
		s->base = mmap(NULL, SLAB_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (s->base == MAP_FAILED) {
			s->base = NULL;
			return (-ENOMEM);
		}
	}
	at = (char *)s->base + s->ready;
	if (s->ready == SLAB_SIZE || mprotect(at, SLAB_STEP, PROT_READ | PROT_WRITE) != 0)
		return (-ENOMEM);
	madvise(at, SLAB_STEP, MADV_DONTDUMP);
	madvise(at, SLAB_STEP, MADV_DONTFORK);
	if (mlock(at, SLAB_STEP) != 0 && !told) {
		told = 1;
		fprintf(stderr, "if_wg: keys may be swapped out: mlock: %s (see `ulimit -l`)\n", strerror(errno));
	}
	s->ready += SLAB_STEP;
	return (0);
}

struct wg_secret *
wg_secret_alloc(unsigned cpu)
{
	struct slab *s = DPCPU_ID_PTR(cpu, wg_slab);
	union slot *slot = s->free;

	if (slot != NULL) {
		s->free = slot->next;
	} else {
		if (s->used + sizeof(*slot) > s->ready && slab_grow(s) != 0)
			return (NULL);
		slot = (union slot *)((char *)s->base + s->used);
		s->used += sizeof(*slot);
	}
	memset(slot, 0, sizeof(*slot));
	return (&slot->secret);
}

void
wg_secret_free(unsigned cpu, struct wg_secret *secret)
{
	struct slab *s = DPCPU_ID_PTR(cpu, wg_slab);
	union slot *slot = (union slot *)secret;

	wg_wipe(slot, sizeof(*slot));
	slot->next = s->free;
	s->free = slot;
}

void
wg_secret_fini(void)
{
	struct slab *s;
	unsigned i;

	CPU_FOREACH(i) {
		s = DPCPU_ID_PTR(i, wg_slab);
		if (s->base != NULL) {
			wg_wipe(s->base, s->ready);
			munmap(s->base, SLAB_SIZE);
		}
		*s = (struct slab){ 0 };
	}
}
