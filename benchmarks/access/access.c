/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Eight variables, incremented in turns.  The barrier makes every turn read the variables, and the stack's distance,
 * anew, as code that calls others must.  Built without vectors, which would add to neighbours at once and not count.
 */
#include <uvnet/vnet.h>

#include "access.h"

#define TURN(VAR) \
	for (unsigned long i = 0; i < turns; i++) { \
		VAR(a)++; VAR(b)++; VAR(c)++; VAR(d)++; VAR(e)++; VAR(f)++; VAR(g)++; VAR(h)++; \
		__asm__ volatile("" ::: "memory"); \
	}

static uint32_t plain_a, plain_b, plain_c, plain_d, plain_e, plain_f, plain_g, plain_h;
VNET_DEFINE_STATIC(uint32_t, a);
VNET_DEFINE_STATIC(uint32_t, b);
VNET_DEFINE_STATIC(uint32_t, c);
VNET_DEFINE_STATIC(uint32_t, d);
VNET_DEFINE_STATIC(uint32_t, e);
VNET_DEFINE_STATIC(uint32_t, f);
VNET_DEFINE_STATIC(uint32_t, g);
VNET_DEFINE_STATIC(uint32_t, h);

#define PLAIN(n) plain_##n
#define THREAD(n) access_tls.n

static void
loop_plain(unsigned long turns)
{
	TURN(PLAIN)
}

static void
loop_vnet(unsigned long turns)
{
	TURN(VNET)
}

static void
loop_thread(unsigned long turns)
{
	TURN(THREAD)
}

const struct access_loops access_loops = { loop_plain, loop_vnet, loop_thread };
