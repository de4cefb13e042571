/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What virtual variables cost lwIP.
 *
 * Three builds of the same lwIP and the same driver (lwip/driver.c), loaded by the module linker one at a time, each
 * in a process of its own: virtual; plain, through the same pipeline; and plain as an ordinary compiler makes it,
 * unit by unit with -fPIC.  Instructions by callgrind, as the difference of a long run and a short one, so that
 * start and end cancel out; throughput as the best of interleaved runs.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

#include "bench.h"
#include "lwip/driver.h"

#define COUNT_BULK (4ul << 20)
#define COUNT_PINGS 1000ul
#define TIME_BULK (256ul << 20)
#define TIME_PINGS 100000ul
#define TIMES 5

enum build { VIRTUAL, PLAIN, UNITS, NBUILD };
static char build_names[NBUILD][8] = { "virtual", "plain", "units" };

/* ---- The measured process: bench-lwip --one MODULE bulk|pingpong AMOUNT ---- */

static int
one(const char *module, const char *what, unsigned long amount)
{
	const struct vnet_config config = { .max = 16, .heap = 16 << 20 };
	linker_file_t file;
	struct uverr err;
	double start;
	void *f;
	int error;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    kld_init("bench-lwip", &err) != 0 || kld_load(module, &file, &err) != 0) {
		fprintf(stderr, "bench-lwip: %s\n", err.text);
		return (1);
	}
	f = kld_lookup(file, strcmp(what, "bulk") == 0 ? "bench_bulk" : "bench_pingpong");
	CURVNET_SET(vnet0);
	start = bench_now();
	if (strcmp(what, "bulk") == 0)
		error = ((__typeof__(&bench_bulk))f)(amount);
	else
		error = ((__typeof__(&bench_pingpong))f)((unsigned)amount);
	printf("%.0f\n", bench_now() - start);
	CURVNET_RESTORE();
	return (error != 0);
}

/* ---- The measuring one ---- */

static char self[PATH_MAX];

/* Nanoseconds of one run, or instructions with `callgrind`. */
static double
run(enum build build, char *what, unsigned long amount, int callgrind)
{
	static char flag[] = "--one";
	char module[PATH_MAX + 64], number[32], *argv[] = { self, flag, module, what, number, NULL }, *out;
	double value;

	snprintf(module, sizeof(module), "%.*s/../benchmarks/bench-lwip-%s.ko", (int)(strrchr(self, '/') - self), self,
	    build_names[build]);
	snprintf(number, sizeof(number), "%lu", amount);
	if (callgrind)
		value = bench_instructions(argv);
	else {
		out = bench_run(argv);
		value = out != NULL ? strtod(out, NULL) : -1;
		free(out);
	}
	if (value <= 0)
		exit(1);
	return (value);
}

static void
measure(char *what, unsigned long count, unsigned long amount, double instructions[NBUILD], double ns[NBUILD])
{
	double t;
	int b, i;

	for (b = 0; b < NBUILD; b++) {
		instructions[b] = (run(b, what, 3 * count, 1) - run(b, what, count, 1)) / (2.0 * (double)count);
		ns[b] = 1e300;
	}
	for (i = 0; i < TIMES; i++)
		for (b = 0; b < NBUILD; b++) {
			t = run(b, what, amount, 0) / (double)amount;
			if (t < ns[b])
				ns[b] = t;
		}
}

int
main(int argc, char **argv)
{
	static char bulk[] = "bulk", pingpong[] = "pingpong";
	static const char same[] = "lwIP not virtual, same pipeline", units[] = "lwIP plain -O2 -fPIC, unit by unit";
	double bi[NBUILD], bn[NBUILD], pi[NBUILD], pn[NBUILD];
	int json;

	if (argc == 5 && strcmp(argv[1], "--one") == 0)
		return (one(argv[2], argv[3], strtoul(argv[4], NULL, 10)));
	json = bench_options(argc, argv);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
		perror("bench-lwip");
		return (1);
	}
	measure(bulk, COUNT_BULK, TIME_BULK, bi, bn);
	measure(pingpong, COUNT_PINGS, TIME_PINGS, pi, pn);

	const struct bench_row rows[] = {
		{ "bulk", "instructions/byte", bi[VIRTUAL], bi[PLAIN], same, BENCH_LESS },
		{ "bulk", "instructions/byte", bi[VIRTUAL], bi[UNITS], units, BENCH_LESS },
		{ "ping-pong", "instructions/round", pi[VIRTUAL], pi[PLAIN], same, BENCH_LESS },
		{ "ping-pong", "instructions/round", pi[VIRTUAL], pi[UNITS], units, BENCH_LESS },
		{ "bulk", "Gbit/s", 8 / bn[VIRTUAL], 8 / bn[PLAIN], same, BENCH_MORE },
		{ "bulk", "Gbit/s", 8 / bn[VIRTUAL], 8 / bn[UNITS], units, BENCH_MORE },
		{ "ping-pong", "us/round", pn[VIRTUAL] / 1e3, pn[PLAIN] / 1e3, same, BENCH_LESS },
		{ "ping-pong", "us/round", pn[VIRTUAL] / 1e3, pn[UNITS] / 1e3, units, BENCH_LESS },
	};
	bench_print("lwip", rows, sizeof(rows) / sizeof(rows[0]), json);
	return (0);
}
