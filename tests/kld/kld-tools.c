/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host for debuggers and profilers to look at: kld-tools MODULE [ROUNDS]
 *
 * Loads debug.ko, adds 100, 101, 102 in the stacks red, green, blue, ROUNDS times, unloads it and loads it once more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/vnet.h>

/* What mod.h declares; debug.ko uses none of it. */
VNET_DEFINE(int, host_var) = 7;

static const char *const names[] = { "red", "green", "blue" };

static void
add(linker_file_t file, long rounds)
{
	int (*debug_add)(int) = (int (*)(int))(uintptr_t)kld_lookup(file, "debug_add");
	struct vnet *v;

	for (long round = 0; round < rounds; round++)
		for (int i = 0; i < 3; i++) {
			v = vnet_find(names[i]);
			CURVNET_SET(v);
			debug_add(100 + i);
			CURVNET_RESTORE();
		}
}

int
main(int argc, char **argv)
{
	struct uverr err = { "" };
	linker_file_t file;
	struct vnet *v;

	if (argc < 2 || vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(NULL, &err) != 0)
		goto fail;
	for (int i = 0; i < 3; i++)
		if (vnet_alloc(names[i], 0, &v, &err) != 0)
			goto fail;
	if (kld_init("kld-tools", &err) != 0)
		goto fail;
	for (int i = 0; i < 2; i++) {
		if (kld_load(argv[1], &file, &err) != 0)
			goto fail;
		add(file, argc > 2 ? atol(argv[2]) : 1);
		if (kld_unload(file, &err) != 0)
			goto fail;
	}
	printf("done\n");
	for (int i = 0; i < 3; i++)
		vnet_destroy(vnet_find(names[i]));
	kld_fini();
	vnet_fini();
	dpcpu_fini();
	return (0);

fail:
	fprintf(stderr, "%s\n", err.text);
	return (1);
}
