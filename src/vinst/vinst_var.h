/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the runtime share, and what vnetcc writes for it. */
#ifndef VINST_VAR_H
#define VINST_VAR_H

#include <stddef.h>
#include <stdint.h>

#include <uvnet/vinst.h>

typedef void (*vinst_fn)(int, char **, char **);

/* Variables as the program was linked, and where among them pointers to virtual variables lie. */
struct vinst_template {
	char *start, *stop;
	size_t align; /* largest of a variable */
	char *const *rebase;
	size_t nrebase;
};

/* Made by cc/image.c: words only, in this order. */
struct vinst_image {
	struct vinst_template vars, threads; /* one an instance; one a thread in each instance */
	const vinst_fn *ctors;		     /* in the order in which they run */
	size_t nctors;
	const vinst_fn *dtors;
	size_t ndtors;
	size_t gs; /* -fvirtual-base=gs: %gs follows vinst_base */
};

extern const struct vinst_image vinst_image __attribute__((visibility("hidden")));

struct at_exit;
struct block;

struct vinst {
	struct vinst *next; /* of all, newest first; or of the free ones */
	char *slot;
	uintptr_t base;
	size_t number;		 /* of the slot */
	uint64_t serial;	 /* no other instance ever has it */
	struct at_exit *at_exit; /* newest first */
	struct block *blocks;	 /* thread.c: its thread-locals */
};

/* Distance from the template to the copy of the instance that the thread is in; vnetcc's code adds it. */
extern _Thread_local uintptr_t vinst_base;
/* The same for thread-locals. */
extern _Thread_local uintptr_t vinst_thread_base;

/* The base in no instance: an offset that no address survives. */
#define VINST_NOWHERE ((uintptr_t)1 << (8 * sizeof(uintptr_t) - 9))

#define VINST_HIDDEN __attribute__((visibility("hidden")))

/* thread.c: at the program's start; when the calling thread enters vi; when vi has ended. */
int vinst_thread_start(void) VINST_HIDDEN;
void vinst_thread_enter(struct vinst *vi) VINST_HIDDEN;
void vinst_thread_end(struct vinst *vi) VINST_HIDDEN;
void vinst_thread_lock(void) VINST_HIDDEN; /* around fork(2) */
void vinst_thread_unlock(void) VINST_HIDDEN;

/* gs_*.c: the calling thread's %gs; NULL is in no instance. */
void vinst_gs_set(const uintptr_t *base) VINST_HIDDEN;

/* Moves the pointers in a copy that lies at `distance` from its template, by the base of vi. */
void vinst_rebase(const struct vinst_template *t, uintptr_t distance, const struct vinst *vi) VINST_HIDDEN;

#endif
