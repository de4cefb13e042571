/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What netisr.c (queues) and pkt.c (buffers) share: the worker, and the ring between two of them.
 */
#ifndef NETISR_IMPL_H
#define NETISR_IMPL_H

#include <stdatomic.h>
#include <uvnet/netisr.h>

/*
 * A ring with one producer and one consumer (Lamport 1983, each side keeping the other's index as it saw it last).
 * Indices count up and wrap; the producer's and the consumer's lie on lines of their own.
 */
struct ring {
	_Alignas(64) atomic_uint head;	/* the producer's: where the next one goes */
	unsigned tail_seen;
	_Alignas(64) atomic_uint tail;	/* the consumer's: where the next one is */
	unsigned head_seen;
	_Alignas(64) unsigned mask;
	struct pkt *slots[];
};

/* `size` is a power of two. */
struct ring *ring_alloc(unsigned size);

/* 0 when it is full. */
static inline int
ring_push(struct ring *r, struct pkt *p)
{
	const unsigned head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head - r->tail_seen > r->mask) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head - r->tail_seen > r->mask)
			return (0);
	}
	r->slots[head & r->mask] = p;
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return (1);
}

/* NULL when it is empty. */
static inline struct pkt *
ring_pop(struct ring *r)
{
	const unsigned tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	struct pkt *p;

	if (tail == r->head_seen) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail == r->head_seen)
			return (NULL);
	}
	p = r->slots[tail & r->mask];
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return (p);
}

static inline int
ring_is_empty(struct ring *r)
{
	return (atomic_load_explicit(&r->head, memory_order_acquire) ==
	    atomic_load_explicit(&r->tail, memory_order_relaxed));
}

/* A worker's buffers.  Only the worker itself touches this; others send buffers home through rings. */
struct pool {
	struct pkt *free;
	unsigned nfree, nbufs, max;
	struct slab *slabs;
};

struct worker {
	_Alignas(64) unsigned cpu;
	TAILQ_HEAD(vnet_queues, vnet) fresh, chain, busy;	/* stacks of this worker that packets wait for */
	unsigned chain_left;		/* packets that the chain may still take in; 0: there is none */
	unsigned len;			/* packets in all their queues */
	unsigned nwaiting;		/* stacks on the lists */
	unsigned round;
	unsigned shared;		/* rounds for which turns stay short */
	unsigned hungry;		/* turns since one of `busy` had one */
	int mute;			/* in this round, those that are not quiet send nothing */
	struct pool pool;
	uint64_t queued, processed, dropped;
	struct ring **in;	/* [source]: packets to this worker */
	struct ring **home;	/* [source]: this worker's buffers, coming back */
	unsigned char *kick;	/* [destination]: something was queued since the last kick */
	int eventfd;
	_Alignas(64) atomic_int sleeping;
};

extern struct worker *netisr_workers;
extern unsigned netisr_nworkers;

/* The worker of a CPU, and its number in the arrays above. */
struct worker *netisr_worker(unsigned cpu);
#define WORKER_NR(w) ((unsigned)((w) - netisr_workers))

/* Take in all buffers of this worker that came home. */
void pool_reclaim(struct worker *w);
void pool_fini(struct worker *w);

#endif
