/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arm64: what the module linker asks of the running machine.  The relocations are in aarch64.c, which runs on any (the fuzz
 * targets are native).
 */
#include <string.h>
#include <ucontext.h>

#include "kld_impl.h"

uintptr_t
kld_arch_thread_pointer(void)
{
	return ((uintptr_t)__builtin_thread_pointer());
}

/* ---- Faults ---- */

uintptr_t
kld_arch_fault_pc(const void *ucontext)
{
	return ((uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.pc);
}

/* The kernel's record of the syndrome is optional, so the instruction itself is asked. */
int
kld_arch_fault_write(const void *ucontext)
{
	uint32_t i;

	memcpy(&i, (const void *)kld_arch_fault_pc(ucontext), sizeof(i));
	if ((i & 0x0a000000) != 0x08000000)
		return (-1);			/* no load, no store */
	if ((i & 0x3b200c00) == 0x38200000)
		return (1);			/* an atomic operation */
	if ((i & 0x38000000) == 0x38000000)	/* one register: opc 0, and 2 for a vector's 16 bytes */
		return ((i & 0x00c00000) == 0 || (i & 0xc4c00000) == 0x04800000);
	return ((i & 0x00400000) == 0);		/* pairs, and exclusive ones */
}
