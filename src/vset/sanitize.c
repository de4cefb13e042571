/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instances as the sanitizers see them; built only with the address sanitizer.
 *
 * The compiler puts poisoned bytes between the template's variables (gcc: -fsanitize-sections) and the template's
 * shadow says where.  Instances have the same layout, so their shadow is a copy.  Copying a template then means not
 * calling memcpy(3), which looks at the shadow.  An instance that goes back has its shadow forgotten in one call.
 *
 * The leak checker scans what it knows of: globals, stacks of threads, its own heap.  An instance is a root region
 * from its first set to the end of the slice, where an idle stack's blocks are too; so are sets of shared objects,
 * which lie farther up, and the tail once something is in it.
 */
#include <sys/mman.h>
#include <uvnet/asan.h>

#include "vset_impl.h"

#ifdef UVNET_ASAN

/* The barrier keeps the loop one: gcc would make it a call of memcpy(3). */
NO_ASAN static void
copy(unsigned char *to, const unsigned char *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		__asm__ volatile("" ::: "memory");
	}
}

static unsigned char *
shadow_of(uintptr_t addr)
{
	size_t scale, offset;

	__asan_get_shadow_mapping(&scale, &offset);
	return ((unsigned char *)((addr >> scale) + offset));
}

void
vset_asan_copy(uintptr_t to, uintptr_t from, size_t size)
{
	copy((unsigned char *)to, (const unsigned char *)from, size);
}

void
vset_asan_mirror(uintptr_t start, size_t size, uintptr_t delta)
{
	const unsigned char *from = shadow_of(start), *end = shadow_of(start + size - 1) + 1;

	copy(shadow_of(start + delta), from, (size_t)(end - from));
}

void
vset_asan_forget(uintptr_t start, size_t size)
{
	const unsigned char *end = shadow_of(start + size);

	/* Anonymous memory of the sanitizer's own: it comes back as zeros. */
	madvise(shadow_of(start), (size_t)(end - shadow_of(start)), MADV_DONTNEED);
}

void
vset_root_add(uintptr_t start, size_t size)
{
	__lsan_register_root_region((void *)start, size);
}

void
vset_root_remove(uintptr_t start, size_t size)
{
	__lsan_unregister_root_region((void *)start, size);
}

#endif
