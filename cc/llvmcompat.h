/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What differs between LLVM 14 and 19.
 *
 * Pointers: with typed pointers (14) an address must be cast before it is
 * moved by bytes and back afterwards; with opaque ones (15 and later) both
 * casts fold to nothing, so the code has no condition.
 *
 * Memory attributes: 14 and 15 have one attribute a property (readnone,
 * argmemonly, ...), 16 and later have memory(...), two bits a place.
 */

#ifndef LLVMCOMPAT_H
#define LLVMCOMPAT_H

#include <string.h>

#include <llvm-c/Core.h>
#include <llvm/Config/llvm-config.h>

static inline unsigned
attribute_kind(const char *name)
{
	return (LLVMGetEnumAttributeKindForName(name, strlen(name)));
}

#if LLVM_VERSION_MAJOR < 16
/* Attributes that deny reading a thread-local. */
static const char *const denying_attributes[] = { "readnone", "argmemonly", "inaccessiblememonly",
	"inaccessiblemem_or_argmemonly" };
#else
/* In memory(...): may read what is neither an argument nor inaccessible. */
#define MEMORY_OTHER_REF (UINT64_C(1) << 4)
#endif

/* The address sanitizer's part for functions. */
#if LLVM_VERSION_MAJOR >= 15
#define ASAN_PASSES "asan"
#else
#define ASAN_PASSES "require<asan-globals-md>,function(asan)"
#endif

#endif /* LLVMCOMPAT_H */
