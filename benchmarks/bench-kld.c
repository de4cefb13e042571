/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What loading a module costs: bench-kld [--json]
 *
 * A module of 170 KB and 600 relocations is loaded and unloaded; the same object, linked as a shared object, goes
 * through dlopen(3) and dlclose(3), once as a linker makes it and once with -Bsymbolic, which leaves nothing to look
 * up by name.  Both ways in turn, the best of several rounds each.
 *
 * Then a module with 1 KB of virtual variables is loaded into 10,000 live stacks; the peer writes the same kilobytes
 * to the same places with memcpy(3), which is the least that it can cost.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

#include "bench.h"

#define ROUNDS 20
#define LOADS 20
#define NSTACKS 10000

static void
die(const char *what)
{
	fprintf(stderr, "bench-kld: %s\n", what);
	exit(1);
}

static double
with_kld(void)
{
	struct uverr err;
	linker_file_t file;
	double start = bench_now();

	for (int i = 0; i < LOADS; i++)
		if (kld_load(BENCH_KLD "bench-kld-big.ko", &file, &err) != 0 || kld_unload(file, &err) != 0)
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
less(double a, double b)
{
	return (a != 0 && a < b ? a : b);
}

/* The set's bytes to where each stack has them. */
static double
copy_to_stacks(struct vnet **stack, const void *from, uintptr_t template, size_t size)
{
	double start = bench_now();

	for (int i = 0; i < NSTACKS; i++)
		memcpy((void *)(template + stack[i]->vnet_base), from, size);
	return ((bench_now() - start) / 1e6);
}

static void
load_into_stacks(struct bench_row *row)
{
	static struct vnet *stack[NSTACKS];
	static char bytes[1024];
	linker_file_t file;
	struct uverr err;
	char name[32];
	double start, took;

	for (int i = 0; i < NSTACKS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		if (vnet_alloc(name, 0, &stack[i], &err) != 0)
			die(err.text);
	}
	for (int round = 0; round < 5; round++) {
		start = bench_now();
		if (kld_load(BENCH_KLD "bench-kld-small.ko", &file, &err) != 0)
			die(err.text);
		took = (bench_now() - start) / 1e6;
		row->ours = round == 0 ? took : row->ours;	/* the first touches the pages; others would be cheaper */
		uintptr_t set = (uintptr_t)kld_lookup(file, "vnet_entry_small_set");
		memcpy(bytes, (void *)set, sizeof(bytes));
		took = copy_to_stacks(stack, bytes, set, sizeof(bytes));
		row->peer = less(row->peer, took);
		CURVNET_SET(stack[NSTACKS - 1]);
		if (((long (*)(void))(uintptr_t)kld_lookup(file, "small_sum"))() != 192)
			die("the last stack has other values");
		CURVNET_RESTORE();
		if (kld_unload(file, &err) != 0)
			die(err.text);
	}
	for (int i = 0; i < NSTACKS; i++)
		vnet_destroy(stack[i]);
}

int
main(int argc, char **argv)
{
	const struct vnet_config config = { .max = NSTACKS, .heap = 1 << 20 };
	struct bench_row rows[] = {
		{ "load+unload 170 KB", "us", 0, 0, "dlopen+dlclose", BENCH_LESS },
		{ "load+unload 170 KB", "us", 0, 0, "dlopen+dlclose, -Bsymbolic", BENCH_LESS },
		{ "load 1 KB into 10000 stacks", "ms", 0, 0, "memcpy to the same places", BENCH_LESS },
	};
	const int json = bench_options(argc, argv);
	struct uverr err = { "" };

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    kld_init("bench-kld", &err) != 0)
		die(err.text);
	for (int i = 0; i < ROUNDS; i++) {
		rows[0].ours = less(rows[0].ours, with_kld());
		rows[0].peer = less(rows[0].peer, with_dlopen(BENCH_KLD "bench-kld-big.so"));
		rows[1].peer = less(rows[1].peer, with_dlopen(BENCH_KLD "bench-kld-bsymbolic.so"));
	}
	rows[1].ours = rows[0].ours;
	load_into_stacks(&rows[2]);
	bench_print("kld", rows, sizeof(rows) / sizeof(rows[0]), json);
	kld_fini();
	vnet_fini();
	dpcpu_fini();
	return (0);
}
