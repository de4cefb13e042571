/* SPDX-License-Identifier: BSD-2-Clause */
/* What lwIP and its driver (../lwip/driver.c) want of their host: a clock and a heap. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <uvnet/callout.h>
#include <uvnet/vnet.h>

int64_t
callout_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

/* The heap of a stack, here the program's. */
void *
vnet_malloc(size_t size)
{
	return (malloc(size));
}

void *
vnet_calloc(size_t n, size_t size)
{
	return (calloc(n, size));
}

void
vnet_free(void *p)
{
	free(p);
}
