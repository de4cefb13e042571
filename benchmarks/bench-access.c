/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual variable against a plain global and a thread-local one, in the program and in a module.
 *
 * Times are the best of interleaved runs of the same loops (access/access.c); instructions are callgrind's, as the
 * difference of a long run and a short one.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

#include "access/access.h"
#include "bench.h"

#define TURNS 2000000ul
#define TIMES 15

_Thread_local struct access_tls access_tls;

#define WHERES 3

static const struct access_loops *loops[WHERES];	/* the program's, the modules' */

static char self[PATH_MAX];

static const struct access_loops *
module_loops(const char *name)
{
	char path[PATH_MAX + 64];
	linker_file_t file;
	struct uverr err;

	snprintf(path, sizeof(path), "%.*s/../benchmarks/%s.ko", (int)(strrchr(self, '/') - self), self, name);
	if (kld_load(path, &file, &err) != 0) {
		fprintf(stderr, "bench-access: %s\n", err.text);
		exit(1);
	}
	return (kld_lookup(file, "access_loops"));
}

static void
start(void)
{
	struct uverr err;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(NULL, &err) != 0 ||
	    kld_init("bench", &err) != 0) {
		fprintf(stderr, "bench-access: %s\n", err.text);
		exit(1);
	}
	loops[0] = &access_loops;
	loops[1] = module_loops("bench-access");
	loops[2] = module_loops("bench-access-dyn");
}

static void (*loop_of(int where, int kind))(unsigned long)
{
	const struct access_loops *l = loops[where];

	return (kind == 0 ? l->vnet : kind == 1 ? l->plain : l->thread);
}

/* Instructions of one access, by callgrind. */
static double
instructions(int where, int kind)
{
	char kinds[] = { (char)('0' + where), (char)('0' + kind), '\0' }, one[] = "--one", few[] = "10000", many[] = "30000";
	char *short_run[] = { self, one, kinds, few, NULL }, *long_run[] = { self, one, kinds, many, NULL };
	const double a = bench_instructions(short_run), b = bench_instructions(long_run);

	if (a < 0 || b < 0)
		exit(1);
	return ((b - a) / (20000.0 * ACCESS_VARS));
}

int
main(int argc, char **argv)
{
	static const char *const wheres[] = { "in the program", "in a module (ET_REL)",
	    "in a module (ET_DYN)" };
	double ns[WHERES][3], in[WHERES][3], t;
	struct bench_row rows[4 * WHERES];
	int json, w, k, n = 0;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
		perror("bench-access");
		return (1);
	}
	start();
	CURVNET_SET(vnet0);
	if (argc == 4 && strcmp(argv[1], "--one") == 0) {
		loop_of(argv[2][0] - '0', argv[2][1] - '0')(strtoul(argv[3], NULL, 10));
		return (0);
	}
	json = bench_options(argc, argv);
	for (w = 0; w < WHERES; w++)
		for (k = 0; k < 3; k++) {
			in[w][k] = instructions(w, k);
			ns[w][k] = 1e300;
		}
	for (int i = 0; i < TIMES; i++)
		for (w = 0; w < WHERES; w++)
			for (k = 0; k < 3; k++) {
				t = bench_now();
				loop_of(w, k)(TURNS);
				t = (bench_now() - t) / ((double)TURNS * ACCESS_VARS);
				if (t < ns[w][k])
					ns[w][k] = t;
			}
	CURVNET_RESTORE();
	for (w = 0; w < WHERES; w++) {
		rows[n++] = (struct bench_row){ wheres[w], "ns", ns[w][0], ns[w][1], "a plain global", BENCH_LESS };
		rows[n++] = (struct bench_row){ wheres[w], "ns", ns[w][0], ns[w][2], "__thread", BENCH_LESS };
		rows[n++] = (struct bench_row){ wheres[w], "instructions", in[w][0], in[w][1], "a plain global", BENCH_LESS };
		rows[n++] = (struct bench_row){ wheres[w], "instructions", in[w][0], in[w][2], "__thread", BENCH_LESS };
	}
	bench_print("access", rows, (size_t)n, json);
	return (0);
}
