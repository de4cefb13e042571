/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet buffers: a pool a worker, a list of free buffers that only its worker touches.
 *
 * A buffer that another worker lets go of comes home through a ring with room for all buffers that there are, so
 * sending one home cannot fail.  The pool grows by slabs up to its limit and keeps what it has; slabs go back to
 * the system when the netisr is finished.
 *
 * A pool is shared by all stacks of its worker, and receivers hold packets until somebody reads them.  So the last
 * quarter is kept for packets that only pass: they are marked scarce, and a receiver does not hold those.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "netisr_impl.h"

#define SLAB_BUFS 32

struct slab {
	struct slab *next;
	_Alignas(64) unsigned char bufs[];
};

#define BUF_STRIDE ((offsetof(struct pkt, p_buf) + PKT_BUFSIZE + 63) & ~(size_t)63)

static void
pool_put(struct pool *pool, struct pkt *p)
{
	p->p_next = pool->free;
	pool->free = p;
	pool->nfree++;
}

void
pool_reclaim(struct worker *w)
{
	struct pkt *p;
	unsigned i;

	for (i = 0; i < netisr_nworkers; i++)
		if (w->home[i] != NULL)
			while ((p = ring_pop(w->home[i])) != NULL)
				pool_put(&w->pool, p);
}

static void
pool_grow(struct worker *w)
{
	struct pool *pool = &w->pool;
	struct slab *slab;
	struct pkt *p;
	unsigned i, n;

	n = pool->max - pool->nbufs < SLAB_BUFS ? pool->max - pool->nbufs : SLAB_BUFS;
	if (n == 0 || (slab = aligned_alloc(64, sizeof(*slab) + n * BUF_STRIDE)) == NULL)
		return;
	slab->next = pool->slabs;
	pool->slabs = slab;
	pool->nbufs += n;
	for (i = 0; i < n; i++) {
		p = (struct pkt *)(slab->bufs + i * BUF_STRIDE);
		p->p_cpu = (uint16_t)w->cpu;
		pool_put(pool, p);
	}
}

void
pool_fini(struct worker *w)
{
	struct slab *slab;

	while ((slab = w->pool.slabs) != NULL) {
		w->pool.slabs = slab->next;
		free(slab);
	}
}

/* Whether the last quarter is in use.  What came home and was not taken in yet must not count. */
static int
pool_is_scarce(struct worker *w)
{
	const struct pool *pool = &w->pool;
	const unsigned most = pool->max - pool->max / 4;

	if (pool->nbufs - pool->nfree <= most)
		return (0);
	pool_reclaim(w);
	return (pool->nbufs - pool->nfree > most);
}

struct pkt *
pkt_alloc(unsigned cpu)
{
	struct worker *w = netisr_worker(cpu);
	struct pkt *p;

	if (w->pool.free == NULL)
		pool_reclaim(w);
	if (w->pool.free == NULL)
		pool_grow(w);
	p = w->pool.free;
	if (p == NULL)
		return (NULL);
	w->pool.free = p->p_next;
	w->pool.nfree--;
	p->p_data = p->p_buf + PKT_HEADROOM;
	p->p_len = 0;
	p->p_csum = 0;
	p->p_scarce = (uint16_t)pool_is_scarce(w);
	return (p);
}

void
pkt_free(unsigned cpu, struct pkt *p)
{
	struct worker *w = netisr_worker(cpu), *owner;
	int ok;

	if (p->p_cpu == cpu) {
		pool_put(&w->pool, p);
		return;
	}
	owner = netisr_worker(p->p_cpu);
	ok = ring_push(owner->home[WORKER_NR(w)], p);
	assert(ok);	/* the ring holds as many as the pool has */
	(void)ok;
}
