/* SPDX-License-Identifier: BSD-2-Clause */
/* inner.ko: a distance within the set, which is right in every copy. */
#include "mod.h"

__asm__(".pushsection set_vnet,\"aw\"\n\t.globl inner_from\ninner_from:\n\t.long inner_to - .\n\t.popsection\n"
	".pushsection set_vnet,\"aw\"\n\t.globl inner_to\ninner_to:\n\t.long 99\n\t.popsection");
extern int inner_from;
int inner_value(void);
int
inner_value(void)
{
	int *from = (int *)((uintptr_t)&inner_from + curvnet_base);

	return (*(int *)((uintptr_t)from + (uintptr_t)(long)*from));
}
