/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every benchmark prints: rows of "ours against a peer, in the same run".
 *
 * A ratio above 1 means that ours is better, whichever way the unit counts.  As a table for people, or with --json
 * as one object on one line for programs.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

enum bench_better { BENCH_LESS, BENCH_MORE };

struct bench_row {
	const char *name, *unit;
	double ours, peer;
	const char *peer_name;
	enum bench_better better;	/* whether less or more of the unit is better */
};

/* Nanoseconds of CLOCK_MONOTONIC. */
double bench_now(void);

/* 1 for --json, 0 for nothing; anything else prints the usage and exits. */
int bench_options(int argc, char **argv);

void bench_print(const char *bench, const struct bench_row *rows, size_t n, int json);

/*
 * Run argv[0] (searched for in PATH) to its end and return what it wrote to standard output and standard error, to
 * be freed.  NULL, with a message, when it cannot be run or fails.
 */
char *bench_run(char *const argv[]);

/* Instructions that argv executes under callgrind (argv[0] is a path), or -1 with a message. */
double bench_instructions(char *const argv[]);

#endif
