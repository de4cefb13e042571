/* SPDX-License-Identifier: BSD-2-Clause */
/* How many of notice.ko's references are right, by whichever loader. */
#ifndef TEST_KLD_COUNT_H
#define TEST_KLD_COUNT_H

#include "gotloader.h"
#include "mod/notice.h"

struct vnet;

/* Once: faults of a reference are caught from now on. */
void count_init(void);

/*
 * Of NOTICE_REFS: those that find the variable's first value in each of GOT_STACKS new stacks, and afterwards what they
 * wrote in that stack.
 */
unsigned count_right(notice_ref_t *ref, struct vnet *stack[GOT_STACKS]);

/* The same for a shared object that the loader which redirects the GOT has loaded. */
unsigned count_by_got(const char *path);

#endif
