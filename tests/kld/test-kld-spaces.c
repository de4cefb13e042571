/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Module space under modules that come and go: fragmentation stays within its bound, and at the end nothing is lost.
 *
 * Modules of random sizes, from one page to a sixteenth of module space, are loaded and unloaded in random order,
 * together up to three quarters of module space.  The numbers are the same in every run.
 */
#include <unistd.h>

#include "kld-test.h"

#define NFILES 64
#define STEPS 4000

static char folder[] = "/tmp/test-kld-spaces-XXXXXX";
static linker_file_t loaded[NFILES];
static size_t biggest;

static uint32_t
draw(uint32_t below)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return (x % below);
}

static const char *
file_path(int i)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/m%d", folder, i);
	return (path);
}

/* A copy of room.ko whose .bss has this size. */
static void
make_file(int i, size_t size)
{
	static uint8_t image[1 << 16];
	FILE *f = fopen(module_path("room"), "rb");
	ElfW(Ehdr) *eh = (void *)image;
	ElfW(Shdr) *sh;
	size_t n;

	assert_non_null(f);
	n = fread(image, 1, sizeof(image), f);
	fclose(f);
	sh = (void *)(image + eh->e_shoff);
	for (unsigned k = 0; k < eh->e_shnum; k++)
		if (sh[k].sh_type == SHT_NOBITS && strcmp((char *)image + sh[eh->e_shstrndx].sh_offset + sh[k].sh_name, ".bss") == 0)
			sh[k].sh_size = size;
	f = fopen(module_path(file_path(i)), "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(image, 1, n, f), n);
	fclose(f);
}

/* What the module takes, with its guard page. */
static size_t
space_of(linker_file_t file)
{
	struct kld_info info;

	kld_getinfo(file, &info);
	return (info.size + (size_t)sysconf(_SC_PAGESIZE));
}

static size_t
space_used(void)
{
	size_t used = 0;

	for (int i = 0; i < NFILES; i++)
		used += loaded[i] != NULL ? space_of(loaded[i]) : 0;
	return (used);
}

static void
fragmentation_is_bounded(void **state)
{
	struct vset_spaceinfo info, vnet;
	struct spaces before;
	size_t smallest = SIZE_MAX, most = 0;
	unsigned nloads = 0;

	(void)state;
	spaces_get(&before);
	vset_space_stat(VSET_SPACE_MODULE, &info);
	biggest = info.size / 16;
	for (int i = 0; i < NFILES; i++)
		make_file(i, 1 + draw((uint32_t)biggest >> draw(4)));
	for (int step = 0; step < STEPS; step++) {
		const int i = (int)draw(NFILES);

		vset_space_stat(VSET_SPACE_MODULE, &info);
		if (loaded[i] != NULL) {
			unload(loaded[i]);
			loaded[i] = NULL;
		} else if (info.size - info.avail + biggest <= info.size / 4 * 3) {
			loaded[i] = load(file_path(i));		/* it always fits */
			nloads++;
		}
		vset_space_stat(VSET_SPACE_MODULE, &info);
		assert_int_equal(info.size - info.avail, space_used());
		assert_true(info.largest >= info.avail / (info.pieces + 1));
		/* Far from it: there is always a run for the biggest that comes. */
		assert_true(info.largest >= biggest + 2 * (size_t)sysconf(_SC_PAGESIZE));
		smallest = info.largest < smallest ? info.largest : smallest;
		most = info.size - info.avail > most ? info.size - info.avail : most;
	}
	/* In use was nearly as much as was allowed, and holes there were. */
	assert_true(nloads > STEPS / 4);
	assert_true(most > info.size / 4 * 3 - 2 * biggest);
	assert_true(smallest < info.size - most);
	printf("# %u loads, at the most %zu KiB of %zu in use; largest free run never below %zu KiB\n", nloads, most >> 10,
	    info.size >> 10, smallest >> 10);

	for (int i = NFILES - 1; i >= 0; i--)
		if (loaded[(i * 37) % NFILES] != NULL)
			unload(loaded[(i * 37) % NFILES]);
	assert_same_spaces(&before);
	vset_space_stat(VSET_SPACE_MODULE, &info);
	assert_int_equal(info.avail, info.size);
	assert_int_equal(info.largest, info.size);
	assert_int_equal(info.pieces, 0);
	vset_space_stat(VSET_SPACE_VNET, &vnet);
	assert_int_equal(vnet.pieces, 0);
	assert_int_equal(vnet.largest, vnet.size);
}

static int
setup(void **state)
{
	return (mkdtemp(folder) == NULL ? -1 : kld_test_setup(state));
}

static int
teardown(void **state)
{
	for (int i = 0; i < NFILES; i++)
		unlink(module_path(file_path(i)));
	rmdir(folder);
	return (kld_test_teardown(state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragmentation_is_bounded),
	};

	return (cmocka_run_group_tests_name("kld-spaces", tests, setup, teardown));
}
