/* SPDX-License-Identifier: BSD-2-Clause */
/* What stacks cost that have nothing to do. */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

struct idle {
	double seconds;		/* of CPU, utime + stime of all threads */
	double wakeups;		/* how often a thread slept again */
};

/* Of `vnet run` with that many stacks, in `seconds` after it has become quiet.  -1: it could not be run. */
int idle_measure(int stacks, int seconds, struct idle *idle);

#endif
