/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notice.ko: six references to virtual variables, for showing the fault of FreeBSD-EN-23:08.vnet.  Variable i begins
 * with 1000 + i; notice_ref() reads it and writes it.  Nothing but macros that FreeBSD has, too.
 */
#include "notice.h"

VNET_DEFINE(int, n_global) = 1000;
VNET_DEFINE(int, n_array[4]) = { 0, 0, 1001, 0 };
VNET_DEFINE(struct n_pair, n_struct) = { .second = 1002 };
VNET_DEFINE_STATIC(int, n_static) = 1004;
VNET_DEFINE(int, n_hidden) __attribute__((visibility("hidden"))) = 1005;

#define REF(name, what) \
	static int \
	name(int v) \
	{ \
		int old = what; \
		what = v; \
		return (old); \
	}
REF(ref_global, VNET(n_global))
REF(ref_array, VNET(n_array)[2])
REF(ref_struct, VNET(n_struct).second)
REF(ref_other, VNET(n_other))
REF(ref_static, VNET(n_static))
REF(ref_hidden, VNET(n_hidden))

int
notice_ref(unsigned i, int v)
{
	switch (i) {
	case 0:
		return (ref_global(v));
	case 1:
		return (ref_array(v));
	case 2:
		return (ref_struct(v));
	case 3:
		return (ref_other(v));
	case 4:
		return (ref_static(v));
	default:
		return (ref_hidden(v));
	}
}
