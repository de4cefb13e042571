/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of src/kld begin with: a program with stacks, and what its modules ask of it. */
#ifndef KLD_TEST_H
#define KLD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "machine.h"
#include "mod/mod.h"

#define NSTACKS 3
extern struct vnet *stacks[NSTACKS];

/* A group's setup and teardown: window, CPUs, three stacks, kld_init(). */
int kld_test_setup(void **state);
int kld_test_teardown(void **state);

/* The file of a test module (or any, by its whole path without .ko); loaded, or the test fails; refused with that error and that in its sentence. */
const char *module_path(const char *name);
linker_file_t load(const char *name);
void unload(linker_file_t file);
void assert_refused(const char *path, int error, const char *sentence);
#define function(file, type, name) ((type)(uintptr_t)lookup(file, name))
void *lookup(linker_file_t file, const char *name);

/* mod/sets.c, however it was linked: right in all stacks and in a new one, unloaded without a trace, three times. */
void sets_of(const char *name);
void check_values(linker_file_t file, int step);	/* after sets_put(100 + step * number of the stack) */

/* Every space of the window and every file: to compare before and after. */
struct spaces {
	size_t avail[VSET_NSPACE], largest[VSET_NSPACE];
	unsigned files;
};
void spaces_get(struct spaces *now);
void assert_same_spaces(const struct spaces *before);

/* What the process has mapped between two addresses, as rights: "r-x r-- rw- ---"; no page is both w and x. */
void rights(uintptr_t from, uintptr_t to, char *text);
#ifdef EMULATED			/* qemu-user shows pages as the host has them, which executes none of them */
#define MODULE_RIGHTS "r-x rw- ---"
#else
#define MODULE_RIGHTS "r-x r-- rw- ---"
#endif

/* host_step() counts; the step of that number fails with EPROTO.  -1: none. */
extern int steps_taken, step_to_fail;
extern int steps_done;		/* constructors that succeeded less destructors that ran */

/* What relax.ko looks for. */
extern int host_near_value;
extern _Thread_local int host_tls;
int host_near(void);

#endif
