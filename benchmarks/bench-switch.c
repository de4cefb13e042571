/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entering a stack and leaving it (CURVNET_SET, one access to a variable of its, CURVNET_RESTORE) against setns(2) into
 * a network namespace and back, which is what a process with many namespaces does for every socket that it opens.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

#include "bench.h"

#define STACKS 16
#define TURNS 2000000
#define SETNS_TURNS 20000
#define TIMES 5

VNET_DEFINE_STATIC(unsigned long, visits);

static double
ours(void)
{
	struct vnet *v[STACKS];
	char name[16];
	double best = 1e300, t;
	struct uverr err;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(NULL, &err) != 0 ||
	    kld_init("bench-switch", &err) != 0) {
		fprintf(stderr, "bench-switch: %s\n", err.text);
		exit(1);
	}
	for (int i = 0; i < STACKS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		if (vnet_alloc(name, 0, &v[i], &err) != 0) {
			fprintf(stderr, "bench-switch: %s\n", err.text);
			exit(1);
		}
	}
	for (int k = 0; k < TIMES; k++) {
		t = bench_now();
		for (int i = 0; i < TURNS; i++) {
			CURVNET_SET(v[i % STACKS]);
			VNET(visits)++;
			CURVNET_RESTORE();
			__asm__ volatile("" ::: "memory");
		}
		t = (bench_now() - t) / TURNS;
		best = t < best ? t : best;
	}
	return (best);
}

static double
peer(void)
{
	const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	double best = 1e300, t;
	int there;

	if ((geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) || unshare(CLONE_NEWNET) != 0 ||
	    (there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
		goto fail;
	for (int k = 0; k < TIMES; k++) {
		t = bench_now();
		for (int i = 0; i < SETNS_TURNS; i++)
			if (setns(there, CLONE_NEWNET) != 0 || (geteuid() == 0 && setns(home, CLONE_NEWNET) != 0))
				goto fail;
		t = (bench_now() - t) / SETNS_TURNS;
		best = t < best ? t : best;
	}
	return (best);
fail:
	fprintf(stderr, "bench-switch: no network namespace: %s\n", strerror(errno));
	return (0);
}

int
main(int argc, char **argv)
{
	const int json = bench_options(argc, argv);
	const struct bench_row rows[] = {
		{ "enter, access, leave", "ns", ours(), peer(), "setns() there and back", BENCH_LESS },
	};

	bench_print("switch", rows, 1, json);
	return (0);
}
