/* SPDX-License-Identifier: BSD-2-Clause */
/* linger.ko: leaves callouts and packets behind, for it has no destructor. */
#include <uvnet/callout.h>
#include <uvnet/netisr.h>

#include "mod.h"

VNET_DEFINE_STATIC(struct callout, l_callout);
static struct callout l_image;		/* of one stack */
int linger_runs;

void linger_arm(void), linger_arm_image(callout_func_t *func), linger_tick(void *arg);
void linger_input(struct pkt *p);
int linger_call(int (*func)(void *), void *arg);

void
linger_tick(void *arg)
{
	(void)arg;
	linger_runs++;
}

void
linger_arm(void)
{
	callout_init(&VNET(l_callout), 1);
	callout_reset_ns(&VNET(l_callout), 0, linger_tick, NULL);
}

void
linger_arm_image(callout_func_t *func)
{
	callout_init(&l_image, 1);
	callout_reset_ns(&l_image, 0, func, NULL);
}

void
linger_input(struct pkt *p)
{
	linger_runs++;
	pkt_free(curvnet->vnet_cpu, p);
}

int
linger_call(int (*func)(void *), void *arg)
{
	return (func(arg) + 1);		/* not a jump: the frame stays */
}
