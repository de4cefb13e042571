/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The base in %gs, for programs linked with -fvirtual-base=gs.
 *
 * glibc leaves %gs alone on x86-64; the kernel keeps it for each thread and hands it on at clone(2).  Where the
 * kernel allows it (HWCAP2), wrgsbase sets it in some nanoseconds; arch_prctl(2) takes some hundred.
 */

#include <asm/prctl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vinst_var.h"

#define FSGSBASE ((unsigned long)1 << 1) /* AT_HWCAP2 */

/*
 * In no instance: the last page that arch_prctl takes.  Added to the address of any variable it gives one that is not
 * canonical, and the access faults.
 */
#define NOWHERE ((uintptr_t)0x7fffffffe000)

void
vinst_gs_set(const uintptr_t *base)
{
	static const char why[] = "vinst: the kernel refuses the base for %gs; link with -fvirtual-base=tls\n";
	uintptr_t gs = base != NULL ? *base : NOWHERE;

	if (getauxval(AT_HWCAP2) & FSGSBASE)
		__asm__ volatile("wrgsbase %0" : : "r"(gs) : "memory");
	else if (syscall(SYS_arch_prctl, ARCH_SET_GS, gs) != 0) {
		if (write(STDERR_FILENO, why, sizeof(why) - 1) < 0)
			_exit(127);
		abort();
	}
}
