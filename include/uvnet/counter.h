/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counter(9): statistics that every CPU adds to and somebody now and then reads.
 *
 * A counter is a word in every CPU's instance of the DPCPU set; adding touches only the own CPU's line, reading
 * adds them up.  Right under preemption and migration: the addition is a relaxed atomic on the line of the CPU
 * that the thread was on, so at worst it lands on a neighbour's line, and is never lost.
 */
#ifndef UVNET_COUNTER_H
#define UVNET_COUNTER_H

#include <stdint.h>

/* A counter, or NULL.  The value is the template's address of its word: counter_u64_add() adds the CPU's delta. */
typedef uint64_t *counter_u64_t;

/*
 * A new counter, zero.  `flags` is FreeBSD's M_WAITOK or M_NOWAIT and makes no difference here: NULL when all
 * counters that the set has room for are in use.  counter_u64_free(NULL) does nothing.  Any thread.
 */
counter_u64_t counter_u64_alloc(int flags);
void counter_u64_free(counter_u64_t c);

/* Add, at any time and from any thread. */
void counter_u64_add(counter_u64_t c, int64_t inc);

/* The sum of all CPUs; additions that run meanwhile may or may not be in it. */
uint64_t counter_u64_fetch(counter_u64_t c);

/* Make it zero; an addition that runs meanwhile may survive on its CPU. */
void counter_u64_zero(counter_u64_t c);

#define M_NOWAIT 0x0001
#define M_WAITOK 0x0002

#endif
