/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets on their way: a queue a stack within a worker, a ring between two.
 *
 * Sending never calls the receiver.  A stack that sends is in the middle of its own work, and the answer would come
 * back into it; so a packet waits until its worker is between stacks, and each round handles only as many as were
 * there when it began.
 *
 * Whose turn is it?  Stacks take turns of at most QUANTUM packets, so one that is flooded delays its neighbours by a
 * turn, not by its flood; and what a turn touches stays in the cache.  A stack that had nothing waiting goes before
 * those that had (as in fq_codel, RFC 8290), so a packet now and then hardly waits at all; but only once a round, or
 * two stacks that play ping-pong would be served for ever.  And where there is no end of new ones, every HUNGRY-th turn
 * is of one that waits, or it would for ever.
 *
 * How long is a turn?  Long ones are cheap, for stacks that all have much to do.  A stack is *quiet* when its last
 * turns were a packet or two each.  Once a round served a quiet one and one that is not, the worker is *shared* for a
 * while.  The others then have a turn of one packet in every fourth round, and halfway between may send a segment
 * (netisr_sendlimit()).  So a quiet stack waits for one or the other, whatever its neighbour does.
 *
 * Who is next?  Where many wait, going round would find everybody's state and packets out of the cache again, and that
 * costs several times what the work does.  So a stack whose turn comes in a *crowd* begins a chain: those that it sends
 * to, and that answer, follow at once, before all others, until CHAIN packets were taken in, some 100 us.  Then they wait
 * behind the others.  Users are a link of the chain: where it would end, callouts that are due run, and with them sockets'
 * upcalls, which take out what came and may send more.  Meanwhile each may send half a turn's segments at a time
 * (netisr_sendlimit()), which the receiver takes in one turn; what nobody reads yet would only lie in memory.  Stacks with
 * a packet now and then are in no chain.
 *
 * Sleeping.  A worker that finds nothing to do says so (`sleeping`), looks once more, and then waits on its
 * eventfd.  Whoever pushed to its ring looks at `sleeping` afterwards.  Both sides put a full fence between their
 * write and their look, so at least one sees the other's (Dekker).  The bell is rung once a round, not once a
 * packet.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include <uvnet/dpcpu.h>

#include "netisr_impl.h"

#define NETISR_BUFS 16384
#define NETISR_RING 1024
#define QUANTUM 32
#define LIGHT 2			/* packets of a turn of a quiet stack */
#define QUIET 32		/* such turns, one after the other, make it one */
#define CROWD 4			/* stacks that wait; with more, chains begin */
#define CHAIN 512		/* packets */
#define HUNGRY 8		/* turns of new ones before one of those that wait */
#define SHARED_MAX 16		/* stacks that wait; with more, a round is long however short their turns are */
#define SHARED_ROUNDS 16384	/* then a few long ones show whether it is still so: less than one in a hundred */

/* Where a stack's queue is: nowhere, and then it is empty; on a list; its turn is running. */
enum { Q_EMPTY, Q_FRESH, Q_BUSY, Q_CHAIN, Q_TURN };

struct worker *netisr_workers;
unsigned netisr_nworkers;
static uint16_t *worker_of_cpu;	/* number + 1; 0: no worker there */

struct worker *
netisr_worker(unsigned cpu)
{
	assert(cpu < mp_ncpus && worker_of_cpu[cpu] != 0);
	return (&netisr_workers[worker_of_cpu[cpu] - 1]);
}

struct ring *
ring_alloc(unsigned size)
{
	/* calloc() of this size is fresh memory: a ring that is never used costs no pages. */
	const size_t bytes = sizeof(struct ring) + size * sizeof(struct pkt *);
	struct ring *r = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

	if (r == NULL)
		return (NULL);
	memset(r, 0, sizeof(*r));
	r->mask = size - 1;
	return (r);
}

static struct vnet_queues *
list_of(struct worker *w, int where)
{
	return (where == Q_FRESH ? &w->fresh : where == Q_CHAIN ? &w->chain : &w->busy);
}

/* ---- Making and unmaking ---- */

static int
worker_init(struct worker *w, unsigned cpu, unsigned nworkers, unsigned bufs)
{
	unsigned i, home = 1;

	w->cpu = cpu;
	w->pool.max = bufs;
	w->eventfd = -1;
	w->in = calloc(nworkers, sizeof(*w->in));
	w->home = calloc(nworkers, sizeof(*w->home));
	w->kick = calloc(nworkers, sizeof(*w->kick));
	if (w->in == NULL || w->home == NULL || w->kick == NULL)
		return (-ENOMEM);
	while (home < bufs)
		home *= 2;
	for (i = 0; i < nworkers; i++) {
		if (i == WORKER_NR(w))
			continue;
		w->in[i] = ring_alloc(NETISR_RING);
		w->home[i] = ring_alloc(home);
		if (w->in[i] == NULL || w->home[i] == NULL)
			return (-ENOMEM);
	}
	w->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return (w->eventfd < 0 ? -errno : 0);
}

/* Also of a worker that was initialised in part. */
static void
worker_fini(struct worker *w)
{
	struct vnet *v;
	unsigned i;

	/* Stacks may outlive the queues; the packets are gone with the pools. */
	while ((v = TAILQ_FIRST(&w->fresh)) != NULL || (v = TAILQ_FIRST(&w->busy)) != NULL ||
	    (v = TAILQ_FIRST(&w->chain)) != NULL) {
		TAILQ_REMOVE(list_of(w, v->vnet_queue.q_where), v, vnet_queue.q_le);
		v->vnet_queue = (struct vnet_queue){ .q_head = NULL };
	}
	if (w->eventfd >= 0)
		close(w->eventfd);
	for (i = 0; i < netisr_nworkers; i++) {
		if (w->in != NULL)
			free(w->in[i]);
		if (w->home != NULL)
			free(w->home[i]);
	}
	free(w->kick);
	free(w->home);
	free(w->in);
	pool_fini(w);
}

int
netisr_init(const unsigned cpus[], unsigned ncpus, unsigned bufs, struct uverr *err)
{
	unsigned i;
	int error;

	assert(netisr_workers == NULL && ncpus > 0);
	for (i = 0; i < ncpus; i++)
		if (cpus[i] >= mp_ncpus)
			return (uverr(err, EINVAL, "netisr: there is no CPU %u", cpus[i]));
	worker_of_cpu = calloc(mp_ncpus, sizeof(*worker_of_cpu));
	netisr_workers = aligned_alloc(64, ncpus * sizeof(*netisr_workers));
	if (worker_of_cpu == NULL || netisr_workers == NULL) {
		error = -ENOMEM;
		goto fail;
	}
	memset(netisr_workers, 0, ncpus * sizeof(*netisr_workers));
	netisr_nworkers = ncpus;
	for (i = 0; i < ncpus; i++) {
		netisr_workers[i].eventfd = -1;
		TAILQ_INIT(&netisr_workers[i].fresh);
		TAILQ_INIT(&netisr_workers[i].busy);
		TAILQ_INIT(&netisr_workers[i].chain);
	}
	for (i = 0; i < ncpus; i++) {
		if ((error = worker_init(&netisr_workers[i], cpus[i], ncpus, bufs != 0 ? bufs : NETISR_BUFS)) != 0)
			goto fail_workers;
		worker_of_cpu[cpus[i]] = (uint16_t)(i + 1);
	}
	return (0);

fail_workers:
	for (i = 0; i < ncpus; i++)
		worker_fini(&netisr_workers[i]);
	netisr_nworkers = 0;
fail:
	free(netisr_workers);
	netisr_workers = NULL;
	free(worker_of_cpu);
	worker_of_cpu = NULL;
	return (uverr(err, -error, "netisr: queues for %u workers: %s", ncpus, strerror(-error)));
}

void
netisr_fini(void)
{
	unsigned i;

	for (i = 0; i < netisr_nworkers; i++)
		worker_fini(&netisr_workers[i]);
	netisr_nworkers = 0;
	free(netisr_workers);
	netisr_workers = NULL;
	free(worker_of_cpu);
	worker_of_cpu = NULL;
}

/* ---- Queues ---- */

static void
list_put(struct worker *w, struct vnet *v, int where)
{
	v->vnet_queue.q_where = where;
	w->nwaiting++;
	TAILQ_INSERT_TAIL(list_of(w, where), v, vnet_queue.q_le);
}

static void
list_remove(struct worker *w, struct vnet *v, int where)
{
	TAILQ_REMOVE(list_of(w, v->vnet_queue.q_where), v, vnet_queue.q_le);
	w->nwaiting--;
	v->vnet_queue.q_where = where;
}

/* A chain ends: its stacks wait behind all others. */
static void
chain_end(struct worker *w)
{
	struct vnet *v;

	TAILQ_FOREACH (v, &w->chain, vnet_queue.q_le)
		v->vnet_queue.q_where = Q_BUSY;
	TAILQ_CONCAT(&w->busy, &w->chain, vnet_queue.q_le);
	w->chain_left = 0;
}

static int
is_quiet(const struct vnet *v)
{
	return (v->vnet_queue.q_light >= QUIET);
}

static void
local_put(struct worker *w, struct pkt *p)
{
	struct vnet *v = p->p_vnet;
	struct vnet_queue *q = &v->vnet_queue;

	p->p_next = NULL;
	if (q->q_head == NULL)
		q->q_tail = &q->q_head;
	*q->q_tail = p;
	q->q_tail = &p->p_next;
	q->q_len++;
	w->len++;
	if (q->q_where == Q_EMPTY)
		list_put(w, v, w->chain_left > 0 && q->q_heavy ? Q_CHAIN :
		    q->q_round != w->round && (w->shared == 0 || is_quiet(v)) ? Q_FRESH : Q_BUSY);
}

static struct pkt *
local_get(struct worker *w, struct vnet_queue *q)
{
	struct pkt *p = q->q_head;

	q->q_head = p->p_next;
	q->q_len--;
	w->len--;
	return (p);
}

/* The stack whose turn it is.  New ones go first; but where there is no end of them, every eighth turn is another's. */
static struct vnet *
local_next(struct worker *w)
{
	const int waits = !TAILQ_EMPTY(&w->busy) || !TAILQ_EMPTY(&w->chain);

	if (waits && (w->hungry >= HUNGRY || TAILQ_EMPTY(&w->fresh))) {
		w->hungry = 0;
		if (!TAILQ_EMPTY(&w->chain))
			return (TAILQ_FIRST(&w->chain));
		w->chain_left = w->shared == 0 && w->nwaiting > CROWD ? CHAIN : 0;
		return (TAILQ_FIRST(&w->busy));
	}
	w->hungry++;
	return (TAILQ_FIRST(&w->fresh));
}

int
netisr_queue(unsigned cpu, struct pkt *p)
{
	struct worker *w = netisr_worker(cpu), *to;

	w->queued++;
	if (p->p_vnet->vnet_cpu == cpu) {
		if (curvnet != NULL)
			curvnet->vnet_queue.q_ahead = p->p_vnet->vnet_queue.q_len;
		local_put(w, p);
		return (0);
	}
	to = netisr_worker(p->p_vnet->vnet_cpu);
	if (!ring_push(to->in[WORKER_NR(w)], p)) {
		w->dropped++;
		pkt_free(cpu, p);
		return (-ENOBUFS);
	}
	w->kick[WORKER_NR(to)] = 1;
	return (0);
}

/* Put what others sent behind what is here; at most a ring from each, or a fast sender would keep us here. */
static void
rings_drain(struct worker *w)
{
	struct pkt *p;
	unsigned i, n;

	for (i = 0; i < netisr_nworkers; i++)
		if (w->in[i] != NULL)
			for (n = 0; n < NETISR_RING && (p = ring_pop(w->in[i])) != NULL; n++) {
				if (p->p_vnet != NULL)
					local_put(w, p);
				else
					pkt_free(w->cpu, p);	/* its stack is gone */
			}
}

/* One stack's turn: at most `max` packets.  Returns how many it took in. */
static unsigned
turn_run(struct worker *w, struct vnet *v, unsigned max)
{
	struct vnet_queue *q = &v->vnet_queue;
	struct pkt *p;
	unsigned n;

	list_remove(w, v, Q_TURN);
	q->q_round = w->round;
	CURVNET_SET(v);
	for (n = 0; n < max && q->q_head != NULL; n++) {
		p = local_get(w, q);
		p->p_input(p);
	}
	CURVNET_RESTORE();
	q->q_where = Q_EMPTY;
	q->q_heavy = n > LIGHT;
	if (w->shared == 0)		/* else every turn is short */
		q->q_light = n <= LIGHT && q->q_head == NULL ? q->q_light + (q->q_light < QUIET) : 0;
	if (q->q_head != NULL)
		list_put(w, v, w->chain_left > n ? Q_CHAIN : Q_BUSY);
	if (w->chain_left > n)
		w->chain_left -= n;
	else
		chain_end(w);
	return (n);
}

/* A round of a shared worker: the quiet stacks', and in every fourth one a packet of each other's. */
static unsigned
process_shared(struct worker *w, unsigned n)
{
	const int contended = !TAILQ_EMPTY(&w->fresh), quiet = contended && w->round % 4 != 2;
	struct vnet *v;
	unsigned done = 0;

	w->mute = contended && w->round % 4 != 0;
	while (done < n && (v = quiet ? TAILQ_FIRST(&w->fresh) : local_next(w)) != NULL) {
		if (v->vnet_queue.q_round == w->round)
			break;		/* it and all behind it had their turn */
		done += turn_run(w, v, is_quiet(v) && n - done > LIGHT ? LIGHT : 1);
	}
	if (w->nwaiting > SHARED_MAX)
		w->shared = 1;
	if (--w->shared == 0)
		w->mute = 0;
	return (done);
}

unsigned
netisr_process(unsigned cpu, unsigned budget)
{
	struct worker *w = netisr_worker(cpu);
	unsigned done = 0, n, quiet = 0, others = 0;
	struct vnet *v;

	w->round++;
	rings_drain(w);
	n = w->len < budget ? w->len : budget;
	if (w->shared > 0)
		done = process_shared(w, n);
	else {
		while (done < n && (v = local_next(w)) != NULL) {
			quiet += is_quiet(v);
			others += !is_quiet(v);
			done += turn_run(w, v, n - done < QUANTUM ? n - done : QUANTUM);
			if (w->chain_left > 0 && TAILQ_EMPTY(&w->chain))
				callout_process(cpu, callout_now());	/* users' upcalls are a link of it */
		}
		if (quiet > 0 && others > 0 && w->nwaiting <= SHARED_MAX)
			w->shared = SHARED_ROUNDS;
	}
	w->processed += done;
	return (done);
}

unsigned
netisr_sendlimit(void)
{
	const struct worker *w = netisr_worker(curvnet->vnet_cpu);

	if (w->shared == 0)
		return (w->nwaiting > CROWD ? QUANTUM / 2 : UINT_MAX);
	return (is_quiet(curvnet) ? UINT_MAX : w->mute ? 0 : 1);
}

unsigned
netisr_ahead(void)
{
	return (curvnet->vnet_queue.q_ahead);
}

/* ---- Sleeping and waking ---- */

static void
worker_ring(struct worker *w)
{
	ssize_t n = write(w->eventfd, &(uint64_t){ 1 }, sizeof(uint64_t));

	(void)n;	/* EAGAIN: its counter is full, so it is awake already */
}

void
netisr_kick(unsigned cpu)
{
	struct worker *w = netisr_worker(cpu);
	unsigned i;

	atomic_thread_fence(memory_order_seq_cst);
	for (i = 0; i < netisr_nworkers; i++) {
		if (!w->kick[i])
			continue;
		w->kick[i] = 0;
		if (atomic_load_explicit(&netisr_workers[i].sleeping, memory_order_relaxed) &&
		    atomic_exchange(&netisr_workers[i].sleeping, 0))
			worker_ring(&netisr_workers[i]);
	}
}

int
netisr_sleep(unsigned cpu)
{
	struct worker *w = netisr_worker(cpu);
	int work = w->len > 0;
	unsigned i;

	atomic_store(&w->sleeping, 1);
	atomic_thread_fence(memory_order_seq_cst);
	for (i = 0; i < netisr_nworkers; i++)
		work |= w->in[i] != NULL && !ring_is_empty(w->in[i]);
	if (work)
		atomic_store(&w->sleeping, 0);
	return (work);
}

void
netisr_awake(unsigned cpu)
{
	struct worker *w = netisr_worker(cpu);
	uint64_t count;
	ssize_t n;

	atomic_store(&w->sleeping, 0);
	n = read(w->eventfd, &count, sizeof(count));
	(void)n;	/* EAGAIN: it was woken by something else */
}

int
netisr_eventfd(unsigned cpu)
{
	return (netisr_worker(cpu)->eventfd);
}

void
netisr_wakeup(unsigned cpu)
{
	worker_ring(netisr_worker(cpu));
}

/* ---- From outside, with all workers stopped ---- */

/* What goes: packets of a stack that came in by an interface (NULL: any), or those for code in a range. */
struct purge {
	const struct vnet *vnet;
	const void *rcvif;
	uintptr_t image;
	size_t size;
};

static int
purge_matches(const struct purge *what, const struct pkt *p)
{
	if (what->size != 0)
		return ((uintptr_t)p->p_input - what->image < what->size);
	return (p->p_vnet == what->vnet && (what->rcvif == NULL || p->p_rcvif == what->rcvif));
}

static void
ring_purge(struct ring *r, const struct purge *what)
{
	struct pkt *p;
	unsigned i;

	for (i = atomic_load(&r->tail); i != atomic_load(&r->head); i++) {
		p = r->slots[i & r->mask];
		if (purge_matches(what, p))
			p->p_vnet = NULL;
	}
}

static void
queue_purge(struct vnet *vnet, const struct purge *what)
{
	struct vnet_queue *q = &vnet->vnet_queue;
	struct worker *w;
	struct pkt *p;
	unsigned n;

	if (q->q_where == Q_EMPTY)
		return;
	assert(q->q_where != Q_TURN);
	w = netisr_worker(vnet->vnet_cpu);
	list_remove(w, vnet, Q_EMPTY);
	for (n = q->q_len; n > 0; n--) {
		p = local_get(w, q);
		if (purge_matches(what, p))
			pkt_free(w->cpu, p);
		else
			local_put(w, p);
	}
}

static void
rings_purge(const struct purge *what)
{
	struct worker *w;
	unsigned i;

	for (w = netisr_workers; w < netisr_workers + netisr_nworkers; w++)
		for (i = 0; i < netisr_nworkers; i++)
			if (w->in[i] != NULL)
				ring_purge(w->in[i], what);
}

void
netisr_purge(struct vnet *vnet, const void *rcvif)
{
	const struct purge what = { .vnet = vnet, .rcvif = rcvif };

	queue_purge(vnet, &what);
	rings_purge(&what);
}

void
netisr_purge_module(uintptr_t image, size_t size)
{
	const struct purge what = { .image = image, .size = size };
	struct vnet *v;

	if (size == 0)
		return;
	VNET_FOREACH (v)
		queue_purge(v, &what);
	rings_purge(&what);
}

void
netisr_getstats(unsigned cpu, struct netisr_stats *stats)
{
	struct worker *w = netisr_worker(cpu);

	pool_reclaim(w);
	*stats = (struct netisr_stats){
		.queued = w->queued,
		.processed = w->processed,
		.dropped = w->dropped,
		.bufs_used = w->pool.nbufs - w->pool.nfree,
		.bufs_max = w->pool.max,
	};
}
