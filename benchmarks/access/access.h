/* SPDX-License-Identifier: BSD-2-Clause */
/* Loops over one kind of variable: access.c, once in the program and once in a module. */
#ifndef BENCH_ACCESS_H
#define BENCH_ACCESS_H

#include <stdint.h>

#define ACCESS_VARS 8	/* increments a turn */

/* The thread-local ones are the program's in both cases, as a module's would be refused. */
struct access_tls {
	uint32_t a, b, c, d, e, f, g, h;
};
extern _Thread_local struct access_tls access_tls __attribute__((tls_model("initial-exec")));

struct access_loops {
	void (*plain)(unsigned long turns);
	void (*vnet)(unsigned long turns);
	void (*thread)(unsigned long turns);
};
extern const struct access_loops access_loops;

#endif
