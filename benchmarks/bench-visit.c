/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One hot variable in each of many stacks, visited in an order that no prefetcher guesses.
 *
 * Ours: real stacks, which src/vset/vset.c shifts against each other by pages and lines.  The peer: the same number of
 * instances at the same stride without a shift, so that all hot lines are of one set of the caches and the TLB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

#include "bench.h"

#define MAX 10000
#define VISITS 4000000
#define TIMES 7

VNET_DEFINE_STATIC(unsigned long, hot);

static unsigned long *placed[MAX], *plain[MAX], *order[MAX];

static void
make(void)
{
	struct vnet *v[2];
	char name[16], *arena;
	struct uverr err;
	size_t stride;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 ||
	    vnet_init(&(struct vnet_config){ .max = MAX + 1 }, &err) != 0 || kld_init("bench-visit", &err) != 0)
		goto fail;
	for (int i = 0; i < MAX; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		if (vnet_alloc(name, 0, &v[i > 0], &err) != 0)
			goto fail;
		placed[i] = VNET_VNET_PTR(v[i > 0], hot);
	}
	stride = ((uintptr_t)placed[1] - (uintptr_t)placed[0]) & ~(((size_t)2 << 20) - 1);
	arena = mmap(NULL, MAX * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED) {
		perror("bench-visit");
		exit(1);
	}
	madvise(arena, MAX * stride, MADV_NOHUGEPAGE);
	for (int i = 0; i < MAX; i++)
		plain[i] = (unsigned long *)(void *)(arena + (size_t)i * stride);
	return;
fail:
	fprintf(stderr, "bench-visit: %s\n", err.text);
	exit(1);
}

/* ns of a visit to the first n, in a random order of them. */
static double
visit(unsigned long *const *vars, int n)
{
	unsigned x = 1;
	double t;

	for (int i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		int k = (int)((x >> 8) % (unsigned)(i + 1));

		order[i] = order[k];
		order[k] = vars[i];
	}
	for (int i = 0; i < n; i++)
		++*order[i];
	t = bench_now();
	for (int i = 0, at = 0; i < VISITS; i++) {
		++*order[at];
		at = at + 1 == n ? 0 : at + 1;
	}
	return ((bench_now() - t) / VISITS);
}

int
main(int argc, char **argv)
{
	static const int counts[] = { 1000, 2000, 5000, MAX };
	const int json = bench_options(argc, argv);
	struct bench_row rows[4];
	char names[4][32];
	double a, b, t;

	make();
	for (int i = 0; i < 4; i++) {
		a = b = 1e300;
		for (int k = 0; k < TIMES; k++) {
			t = visit(placed, counts[i]);
			a = t < a ? t : a;
			t = visit(plain, counts[i]);
			b = t < b ? t : b;
		}
		snprintf(names[i], sizeof(names[i]), "visit, %d stacks", counts[i]);
		rows[i] = (struct bench_row){ names[i], "ns", a, b, "equal strides", BENCH_LESS };
	}
	bench_print("visit", rows, 4, json);
	return (0);
}
