/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netisr(9): packets on their way from stack to stack.
 *
 * A packet belongs to no stack: it lies in a buffer of a worker's pool and remembers which.  Sending one is
 * queueing it for the worker of the receiving stack, which calls the packet's input function in that stack in its
 * next round; never at once, for no stack can be entered twice.  Within a worker the queue is a list; between two
 * it is a ring with one producer and one consumer, and a buffer goes home through a second one.  So there is
 * no lock, and a stack can die while its packets live.
 *
 * A worker is named by its CPU.  `cpu` is everywhere the calling worker's own, of which the caller is sure:
 * curvnet->vnet_cpu.
 */
#ifndef UVNET_NETISR_H
#define UVNET_NETISR_H

#include <stddef.h>
#include <stdint.h>
#include <uvnet/vnet.h>

struct pkt;

/* Takes over the packet; curvnet is its p_vnet. */
typedef void netisr_input_t(struct pkt *p);

struct pkt {
	struct pkt *p_next;		/* while it is in a queue */
	struct vnet *p_vnet;		/* the stack it goes to; NULL when that was destroyed meanwhile */
	netisr_input_t *p_input;	/* what to call there */
	void *p_rcvif;			/* for p_input: the interface it comes in by */
	unsigned char *p_data;		/* first byte, within p_buf */
	uint32_t p_len;			/* bytes from p_data on */
	uint16_t p_cpu;			/* the worker whose pool it is of */
	uint16_t p_csum;		/* PKT_CSUM_*: what a sender promises of checksums */
	uint16_t p_scarce;		/* its pool is nearly used up: whoever would hold it for long makes a copy */
	void *p_private[12];		/* for the stack that holds the packet */
	unsigned char p_buf[] __attribute__((aligned(64)));
};

#define PKT_CSUM_VALID 0x1	/* never left this process: checksums were not computed and need no check */

#define PKT_BUFSIZE 2048	/* bytes in p_buf */
#define PKT_HEADROOM 64		/* pkt_alloc() leaves this much in front of p_data, for headers */

/*
 * Make queues and pools for a worker on each of the given CPUs, with at most `bufs` buffers a worker (0: 16,384),
 * and an eventfd each.  `cpu` below is one of them.  After dpcpu_init().  Errors: -EINVAL for a CPU that is not
 * there, -ENOMEM, -EMFILE.  netisr_fini() wants the workers gone; it drops what is queued.
 */
int netisr_init(const unsigned cpus[], unsigned ncpus, unsigned bufs, struct uverr *err);
void netisr_fini(void);

/* A buffer of the worker's pool with p_len 0 and the headroom in front, or NULL when all are in use. */
struct pkt *pkt_alloc(unsigned cpu);

/* Give a packet back, of whichever worker's pool it is. */
void pkt_free(unsigned cpu, struct pkt *p);

/*
 * Send: p_vnet, p_input, p_rcvif, p_data and p_len are set.  Takes the packet over in any case; 0, or -ENOBUFS
 * when the other worker's ring is full and the packet was dropped.
 */
int netisr_queue(unsigned cpu, struct pkt *p);

/* ---- The worker's side ---- */

/* Take buffers home and call the input functions of at most `budget` packets; returns how many ran. */
unsigned netisr_process(unsigned cpu, unsigned budget);

/*
 * How many segments the current stack may send in this round: UINT_MAX; half a turn's when many stacks wait for
 * theirs; 1 or 0 when it has much to do beside quiet neighbours.  Whoever sends on behalf of it goes on in the next
 * round.
 */
unsigned netisr_sendlimit(void);

/* How many packets waited for the stack, of this worker, to which the current one sent its last packet. */
unsigned netisr_ahead(void);

/* Ring the other workers for what was queued to them since the last call: once a round. */
void netisr_kick(unsigned cpu);

/*
 * Before sleeping: 1 when there is work after all; else 0, and from then on others ring the eventfd.
 * After sleeping: netisr_awake() (it drains the eventfd).
 */
int netisr_sleep(unsigned cpu);
void netisr_awake(unsigned cpu);
int netisr_eventfd(unsigned cpu);

/* Wake a worker from any thread. */
void netisr_wakeup(unsigned cpu);

/*
 * Let packets that are under way to a stack go nowhere: those that come in by `rcvif`, or all (NULL).  With all workers
 * stopped.
 */
void netisr_purge(struct vnet *vnet, const void *rcvif);

/*
 * Drop the packets that are under way, to whichever stack, to an input function within a range of addresses (a module
 * that goes).  With all workers stopped.
 */
void netisr_purge_module(uintptr_t image, size_t size);

struct netisr_stats {
	uint64_t queued, processed, dropped, bufs_used, bufs_max;
};
void netisr_getstats(unsigned cpu, struct netisr_stats *stats);

#endif
