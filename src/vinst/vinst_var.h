/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the runtime share, and what vnetcc writes for it. */
#ifndef VINST_VAR_H
#define VINST_VAR_H

#include <stddef.h>
#include <stdint.h>

#include <uvnet/vinst.h>

typedef void (*vinst_fn)(int, char **, char **);

/* Made by cc/image.c: words only, in this order. */
struct vinst_image {
	char *start, *stop;  /* the template */
	size_t align;	     /* largest of a variable */
	char *const *rebase; /* where in the template pointers into it lie */
	size_t nrebase;
	const vinst_fn *ctors; /* in the order in which they run */
	size_t nctors;
	const vinst_fn *dtors;
	size_t ndtors;
	size_t gs; /* -fvirtual-base=gs: %gs follows vinst_base */
};

extern const struct vinst_image vinst_image __attribute__((visibility("hidden")));

/* Distance from the template to the copy of the instance that the thread is in; vnetcc's code adds it. */
extern _Thread_local uintptr_t vinst_base;

/* gs_*.c: the calling thread's %gs; NULL is in no instance. */
void vinst_gs_set(const uintptr_t *base) __attribute__((visibility("hidden")));

#endif
