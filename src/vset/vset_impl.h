/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/vset share.  VSET_WINDOW_SIZE and the like come from meson.build, which also writes them
 * into the linker script.
 */
#ifndef VSET_IMPL_H
#define VSET_IMPL_H

#include <stdint.h>
#include <string.h>
#include <uvnet/asan.h>
#include <uvnet/vset.h>

#define VSET_PAGE 4096

/* Where the window starts: what an instance's first byte mirrors. */
uintptr_t vset_window_start(void);

/* ---- Sanitizers (sanitize.c); nothing in a plain build ---- */

#ifdef UVNET_ASAN
/* memcpy(3) of bytes that may be poisoned. */
void vset_asan_copy(uintptr_t to, uintptr_t from, size_t size);
/* Poison in an instance what is poisoned in a part of the template; let an instance's whole stride be as new. */
void vset_asan_mirror(uintptr_t start, size_t size, uintptr_t delta);
void vset_asan_forget(uintptr_t start, size_t size);
/* What the leak checker scans. */
void vset_root_add(uintptr_t start, size_t size);
void vset_root_remove(uintptr_t start, size_t size);
#else
static inline void
vset_asan_copy(uintptr_t to, uintptr_t from, size_t size)
{
	memcpy((void *)to, (const void *)from, size);
}

#define vset_asan_mirror(start, size, delta) ((void)(start), (void)(size), (void)(delta))
#define vset_asan_forget(start, size) ((void)(start), (void)(size))
#define vset_root_add(start, size) ((void)(start), (void)(size))
#define vset_root_remove(start, size) ((void)(start), (void)(size))
#endif

#endif
