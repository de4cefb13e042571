/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 32-bit ARM: what the module linker asks of the running machine.  The relocations are in arm.c, which runs on any (the fuzz
 * targets are native).
 */
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
	return ((uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.arm_pc);
}

/* Bit 11 of the fault status; a status of 0 is no fault's: qemu-user does not tell. */
int
kld_arch_fault_write(const void *ucontext)
{
	const unsigned long status = ((const ucontext_t *)ucontext)->uc_mcontext.error_code;

	return (status == 0 ? -1 : (int)(status >> 11 & 1));
}
