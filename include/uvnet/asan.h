/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the address sanitizer is told of memory that it cannot see into: instances of sets, and stacks' heaps.
 *
 * Its shadow has a byte for every 8 of memory, 0 for bytes that may be touched.  In builds without it all of this is
 * nothing.  Functions that look at poisoned bytes on purpose say NO_ASAN, and do not call memcpy(3) on them.
 */
#ifndef UVNET_ASAN_H
#define UVNET_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define UVNET_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UVNET_ASAN 1
#endif
#endif

#ifdef UVNET_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define NO_ASAN __attribute__((no_sanitize("address")))
#else
#define NO_ASAN
#define ASAN_POISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

#endif
