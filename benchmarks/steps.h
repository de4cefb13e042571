/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_STEPS_H
#define BENCH_STEPS_H

/*
 * Instructions that one turn of the loop in way() executes, calls included; counted in a child.  `prepare` (or NULL)
 * runs there first, uncounted.  -1 with a message where that cannot be had.
 */
double bench_steps(void (*prepare)(void), void (*way)(void));

#endif
