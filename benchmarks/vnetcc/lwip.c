/* SPDX-License-Identifier: BSD-2-Clause */
/* lwIP and its driver (../lwip/driver.c) as a program: lwip bulk BYTES, or lwip pingpong ROUNDS. */
#include <stdlib.h>
#include <string.h>

#include "../lwip/driver.h"

int
main(int argc, char **argv)
{
	unsigned long n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (n == 0)
		return (2);
	return (strcmp(argv[1], "bulk") == 0 ? bench_bulk(n) != 0 : bench_pingpong((unsigned)n) != 0);
}
