/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A module loader that does what FreeBSD's kernel linker does about virtual variables, fault included.  For showing
 * the fault only; x86-64 only; it believes what it reads.
 */
#ifndef TEST_KLD_GOTLOADER_H
#define TEST_KLD_GOTLOADER_H

#include <stddef.h>
#include <stdint.h>

#define GOT_STACKS 3

/* Load a shared object.  base[i]: what stack i adds to an address.  Exits when it cannot. */
void *got_load(const char *path, uintptr_t base[GOT_STACKS]);
void got_unload(void *module);
/* The address of a symbol, or NULL. */
void *got_lookup(void *module, const char *name);

#endif
