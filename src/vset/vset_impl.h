/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/vset share.  VSET_WINDOW_SIZE and the like come from meson.build, which also writes them
 * into the linker script.
 */
#ifndef VSET_IMPL_H
#define VSET_IMPL_H

#include <stdint.h>
#include <uvnet/vset.h>

#define VSET_PAGE 4096

/* Where the window starts: what an instance's first byte mirrors. */
uintptr_t vset_window_start(void);

#endif
