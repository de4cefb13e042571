/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/dpcpu share.
 */
#ifndef DPCPU_IMPL_H
#define DPCPU_IMPL_H

#include <uvnet/counter.h>
#include <uvnet/err.h>
#include <uvnet/percpu.h>

/* Counters for mp_ncpus CPUs, by dpcpu_path; give them all back. */
int counter_init(struct uverr *err);
void counter_fini(void);

/* ---- The architecture's: x86_64.S, aarch64.S, or norseq.c ---- */

/*
 * 1 when its dpcpu_add() and so on are restartable sequences.  They are on CPUs below dpcpu_nrseq, and else go on
 * as dpcpu_add_atomic() and so on.  dpcpu_nrseq: mp_ncpus, or 0 without rseq.
 */
extern const int dpcpu_machine_rseq;
extern unsigned dpcpu_nrseq;

/*
 * Add to the words that the table has for the number which lies at `field` in the rseq area.
 * 0, or -1 when the table has none.
 */
#define RSEQ_FIELD_CPU_ID 4
#define RSEQ_FIELD_MM_CID 24
int counter_rseq_add(counter_u64_t c, int64_t inc, const uintptr_t table[], uintptr_t field);

/* ---- atomic.c: the same without rseq ---- */

void dpcpu_add_atomic(uintptr_t *word, uintptr_t inc);
void dpcpu_store_atomic(uintptr_t *word, uintptr_t value);
int dpcpu_cmpset_atomic(unsigned cpu, uintptr_t *word, uintptr_t expect, uintptr_t value);
void dpcpu_push_atomic(struct dpcpu_list *list, struct dpcpu_node *node);
struct dpcpu_node *dpcpu_pop_atomic(struct dpcpu_list *list);

/* Say that this thread has no rseq area while others use theirs, and abort. */
void dpcpu_stranger(void) __attribute__((noreturn));

#endif
