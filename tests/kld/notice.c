/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FreeBSD-EN-23:08.vnet, shown: one module, three stacks; how many of its references to virtual variables are right
 * when the loader redirects them by GOT, as FreeBSD's does, and when uvnet loads it?
 *
 *	notice [--tap] RELAXED NORELAX
 *
 * Shared objects of the same source, linked with and without relaxation; uvnet gets the first, too.
 * A reference is right when it finds the variable's first value in each new stack, and afterwards what it wrote in
 * that stack.  One that does not even hit memory is caught here; in the kernel it is the notice's panic.
 */
#include <stdio.h>
#include <string.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>

#include "count.h"

static unsigned
by_uvnet(const char *path)
{
	static const char *const name[GOT_STACKS] = { "one", "two", "three" };
	const struct vnet_config config = { .max = 8 };
	struct vnet *stack[GOT_STACKS];
	struct uverr err = { "" };
	linker_file_t file;
	unsigned right;

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    kld_init("program", &err) != 0)
		goto fail;
	for (int k = 0; k < GOT_STACKS; k++)
		if (vnet_alloc(name[k], 0, &stack[k], &err) != 0)
			goto fail;
	if (kld_load(path, &file, &err) != 0)
		goto fail;
	right = count_right((notice_ref_t *)(uintptr_t)kld_lookup(file, "notice_ref"), stack);
	for (int k = 0; k < GOT_STACKS; k++)
		vnet_destroy(stack[k]);
	kld_fini();
	vnet_fini();
	dpcpu_fini();
	return (right);

fail:
	fprintf(stderr, "%s\n", err.text);
	return (0);
}

int
main(int argc, char **argv)
{
	int tap = argc == 4 && strcmp(argv[1], "--tap") == 0;
	/* Without relaxation two stay wrong: the compiler itself addressed the static and the hidden variable. */
	static const struct {
		const char *what;
		unsigned expected;
	} line[] = {
		{ "as FreeBSD does, redirecting the GOT; linked with relaxation", 0 },
		{ "as FreeBSD does; linked with --no-relax, as it now asks", NOTICE_REFS - 2 },
		{ "as uvnet does, in place; the first of these files", NOTICE_REFS },
	};
	unsigned right[3];
	int bad = 0;

	if (argc != 3 + tap) {
		fprintf(stderr, "usage: notice [--tap] RELAXED NORELAX\n");
		return (2);
	}
	count_init();
	right[0] = count_by_got(argv[1 + tap]);
	right[1] = count_by_got(argv[2 + tap]);
	right[2] = by_uvnet(argv[1 + tap]);
	if (tap)
		printf("1..3\n");
	for (int i = 0; i < 3; i++) {
		if (tap)
			printf("%s %d - %s: %u of %d right, expected %u\n", right[i] == line[i].expected ? "ok" : "not ok", i + 1,
			    line[i].what, right[i], NOTICE_REFS, line[i].expected);
		else
			printf("  %-60s references right: %u of %d\n", line[i].what, right[i], NOTICE_REFS);
		bad |= right[i] != line[i].expected;
	}
	return (bad);
}
