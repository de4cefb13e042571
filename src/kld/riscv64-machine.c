/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * riscv64: what the module linker asks of the running machine.  The relocations are in riscv64.c, which runs on any (the fuzz
 * targets are native).
 */
#include <string.h>
#include <ucontext.h>

#include "kld_impl.h"

uintptr_t
kld_arch_thread_pointer(void)
{
	uintptr_t tp;

	__asm__("mv %0, tp" : "=r"(tp));
	return (tp);
}

/* ---- Faults ---- */

uintptr_t
kld_arch_fault_pc(const void *ucontext)
{
	return ((uintptr_t)((const ucontext_t *)ucontext)->uc_mcontext.__gregs[REG_PC]);
}

/* The kernel does not say, so the instruction is asked. */
int
kld_arch_fault_write(const void *ucontext)
{
	const uint8_t *pc = (const void *)kld_arch_fault_pc(ucontext);
	uint32_t word;
	uint16_t low;

	memcpy(&low, pc, sizeof(low));
	switch (low & 3) {
	case 1:
		return (-1);
	case 3:
		break;
	default:	/* compressed loads have 1 to 3 in the upper three bits, stores 5 to 7 */
		return ((low >> 13 & 3) == 0 ? -1 : low >> 15);
	}
	switch (low & 0x7f) {
	case 0x03:	/* loads */
	case 0x07:
		return (0);
	case 0x23:	/* stores */
	case 0x27:
		return (1);
	case 0x2f:	/* atomic: lr reads */
		memcpy(&word, pc, sizeof(word));
		return (word >> 27 != 2);
	default:
		return (-1);
	}
}
