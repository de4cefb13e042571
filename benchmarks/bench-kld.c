/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What loading a module costs: bench-kld [--json]
 *
 * A module of 170 KB and 600 relocations is loaded and unloaded; the same object, linked as a shared object, goes
 * through dlopen(3) and dlclose(3), once as a linker makes it and once with -Bsymbolic, which leaves nothing to look
 * up by name; and the first of these is a module, too.  All ways in turn, the best of several rounds each.
 *
 * Then a module with 1 KB of virtual variables is loaded into 10,000 live stacks that have nothing else in their memory:
 * most of what it costs is that the system finds, clears and maps a page and a page table for each.  So that it is the
 * first time in every round, a round is a process.  The peer writes the same kilobytes to the same places with
 * memcpy(3) once they are there, which is the least that it can cost.  Both are times of the CPU, for 20 ms are soon
 * shared with others, and nothing here waits.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

#include "bench.h"

#define ROUNDS 20
#define LOADS 20
#define NSTACKS 10000
#define COLD 5			/* processes */

static void
die(const char *what)
{
	fprintf(stderr, "bench-kld: %s\n", what);
	exit(1);
}

static double
with_kld(const char *path)
{
	struct uverr err;
	linker_file_t file;
	double start = bench_now();

	for (int i = 0; i < LOADS; i++)
		if (kld_load(path, &file, &err) != 0 || kld_unload(file, &err) != 0)
			die(err.text);
	return ((bench_now() - start) / LOADS / 1e3);
}

static double
with_dlopen(const char *path)
{
	double start = bench_now();
	void *handle;

	for (int i = 0; i < LOADS; i++) {
		handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (handle == NULL || dlclose(handle) != 0)
			die(dlerror());
	}
	return ((bench_now() - start) / LOADS / 1e3);
}

static double
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return ((double)t.tv_sec * 1e9 + (double)t.tv_nsec);
}

static double
less(double a, double b)
{
	return (a != 0 && a < b ? a : b);
}

/* The set's bytes to where each stack has them. */
static double
copy_to_stacks(struct vnet **stack, const void *from, uintptr_t template, size_t size)
{
	double start = cpu_now();

	for (int i = 0; i < NSTACKS; i++)
		memcpy((void *)(template + stack[i]->vnet_base), from, size);
	return ((cpu_now() - start) / 1e6);
}

static void
init(const struct vnet_config *config)
{
	struct uverr err = { "" };

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(config, &err) != 0 ||
	    kld_init("bench-kld", &err) != 0)
		die(err.text);
}

static void
fini(void)
{
	kld_fini();
	vnet_fini();
	dpcpu_fini();
}

/* The first load, and the peer's copy, in ms. */
static void
load_into_stacks(double took[2])
{
	const struct vnet_config config = { .max = NSTACKS + 1, .heap = 1 << 20 };
	static struct vnet *stack[NSTACKS];
	static char bytes[1024];
	linker_file_t file;
	struct uverr err;
	char name[32];
	double start;

	init(&config);
	for (int i = 0; i < NSTACKS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		if (vnet_alloc(name, 0, &stack[i], &err) != 0)
			die(err.text);
	}
	start = cpu_now();
	if (kld_load(BENCH_KLD "bench-kld-small.ko", &file, &err) != 0)
		die(err.text);
	took[0] = (cpu_now() - start) / 1e6;
	uintptr_t set = (uintptr_t)kld_lookup(file, "vnet_entry_small_set");
	memcpy(bytes, (void *)set, sizeof(bytes));
	took[1] = copy_to_stacks(stack, bytes, set, sizeof(bytes));
	CURVNET_SET(stack[NSTACKS - 1]);
	if (((long (*)(void))(uintptr_t)kld_lookup(file, "small_sum"))() != 192)
		die("the last stack has other values");
	CURVNET_RESTORE();
	if (kld_unload(file, &err) != 0)
		die(err.text);
	for (int i = 0; i < NSTACKS; i++)
		vnet_destroy(stack[i]);
	fini();
}

/* ... in a process of its own. */
static void
load_into_cold_stacks(struct bench_row *row)
{
	double took[2];
	int fd[2];
	pid_t pid;

	if (pipe(fd) != 0 || (pid = fork()) < 0)
		die("no process");
	if (pid == 0) {
		load_into_stacks(took);
		_exit(write(fd[1], took, sizeof(took)) == sizeof(took) ? 0 : 1);
	}
	close(fd[1]);
	if (read(fd[0], took, sizeof(took)) != sizeof(took))
		die("no result");
	close(fd[0]);
	waitpid(pid, NULL, 0);
	row->ours = less(row->ours, took[0]);
	row->peer = less(row->peer, took[1]);
}

int
main(int argc, char **argv)
{
	const struct vnet_config config = { .max = 2, .heap = 1 << 20 };
	struct bench_row rows[] = {
		{ "load+unload 170 KB", "us", 0, 0, "dlopen+dlclose", BENCH_LESS },
		{ "load+unload 170 KB", "us", 0, 0, "dlopen+dlclose, -Bsymbolic", BENCH_LESS },
		{ "the shared object itself", "us", 0, 0, "dlopen+dlclose", BENCH_LESS },
		{ "load 1 KB into 10000 stacks", "ms", 0, 0, "memcpy to the same places", BENCH_LESS },
	};
	const int json = bench_options(argc, argv);

	for (int i = 0; i < COLD; i++)	/* before there is anything that a process would share */
		load_into_cold_stacks(&rows[3]);
	init(&config);
	for (int i = 0; i < ROUNDS; i++) {
		rows[0].ours = less(rows[0].ours, with_kld(BENCH_KLD "bench-kld-big.ko"));
		rows[2].ours = less(rows[2].ours, with_kld(BENCH_KLD "bench-kld-big.so"));
		rows[0].peer = less(rows[0].peer, with_dlopen(BENCH_KLD "bench-kld-big.so"));
		rows[1].peer = less(rows[1].peer, with_dlopen(BENCH_KLD "bench-kld-bsymbolic.so"));
	}
	rows[1].ours = rows[0].ours;
	rows[2].peer = rows[0].peer;
	bench_print("kld", rows, sizeof(rows) / sizeof(rows[0]), json);
	fini();
	return (0);
}
