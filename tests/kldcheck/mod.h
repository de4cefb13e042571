/* SPDX-License-Identifier: BSD-2-Clause */
/* What FreeBSD's headers give a module, as far as addresses go: sets, and the access through an instance's base. */
#ifndef MOD_H
#define MOD_H

typedef unsigned long uintptr_t;

struct vnet {
	uintptr_t vnet_data_base;
};
extern struct vnet *curvnet;
extern uintptr_t dpcpu_base;
void kernel_call(void *, ...);

__asm__(".globl __start_set_vnet\n.globl __stop_set_vnet\n.globl __start_set_pcpu\n.globl __stop_set_pcpu");

#ifdef STATIC
#define SCOPE	static
#else
#define SCOPE
#endif
#define VNET_DEFINE(t, n)	SCOPE t vnet_entry_##n __attribute__((__section__("set_vnet"), __used__))
#define VNET(n)			(*(__typeof__(vnet_entry_##n) *)(curvnet->vnet_data_base + (uintptr_t)&vnet_entry_##n))
#define DPCPU_DEFINE(t, n)	SCOPE t pcpu_entry_##n __attribute__((__section__("set_pcpu"), __used__))
#define DPCPU(n)		(*(__typeof__(pcpu_entry_##n) *)(dpcpu_base + (uintptr_t)&pcpu_entry_##n))

#endif
