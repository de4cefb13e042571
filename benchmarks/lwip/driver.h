/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the three modules of bench-lwip offer.  Both return 0, or -1 when lwIP refused something.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdint.h>

/* Send so many bytes over one TCP connection. */
int bench_bulk(uint64_t bytes);

/* So many times 64 bytes there and 64 bytes back. */
int bench_pingpong(unsigned rounds);

#endif
