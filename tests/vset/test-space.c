/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces: what is handed out never overlaps, and all of it comes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../src/vset/space.h"

#define START 0x100000ul
#define END 0x180000ul
#define NPIECES 400

static void
pieces_fit_exactly_and_no_more(void **state)
{
	struct space sp;
	uintptr_t a, b;

	(void)state;
	assert_int_equal(space_init(&sp, START, START + 256), 0);
	assert_int_equal(space_alloc(&sp, 128, 64, &a), 0);
	assert_int_equal(space_alloc(&sp, 128, 64, &b), 0);
	assert_int_equal(a, START);
	assert_int_equal(b, START + 128);
	assert_int_equal(space_alloc(&sp, 1, 1, &a), -ENOSPC);
	space_free(&sp, START, 128);
	assert_int_equal(space_avail(&sp, NULL), 128);
	assert_int_equal(space_alloc(&sp, 129, 1, &a), -ENOSPC);
	assert_int_equal(space_alloc(&sp, 128, 1, &a), 0);
	space_fini(&sp);
}

static void
alignment_is_kept_and_its_gap_is_used(void **state)
{
	struct space sp;
	uintptr_t a, b, c;

	(void)state;
	assert_int_equal(space_init(&sp, START, END), 0);
	assert_int_equal(space_alloc(&sp, 8, 8, &a), 0);
	assert_int_equal(space_alloc(&sp, 4096, 4096, &b), 0);
	assert_int_equal(b % 4096, 0);
	assert_int_equal(space_alloc(&sp, 64, 64, &c), 0);
	assert_true(c < b);
	space_fini(&sp);
}

/* Random pieces come and go: none overlap (checked through a map), and at the end one hole is left. */
static void
random_pieces_never_overlap(void **state)
{
	static unsigned char map[END - START];
	struct {
		uintptr_t addr;
		size_t size;
	} piece[NPIECES] = { { 0 } };
	struct space sp;
	size_t largest, j;
	int i, k;

	(void)state;
	srandom(7);
	assert_int_equal(space_init(&sp, START, END), 0);
	for (i = 0; i < 20000; i++) {
		k = (int)(random() % NPIECES);
		if (piece[k].size != 0) {
			for (j = 0; j < piece[k].size; j++)
				map[piece[k].addr - START + j] = 0;
			space_free(&sp, piece[k].addr, piece[k].size);
			piece[k].size = 0;
			continue;
		}
		piece[k].size = (size_t)(random() % 3000 + 1);
		if (space_alloc(&sp, piece[k].size, (size_t)1 << random() % 8, &piece[k].addr) != 0) {
			piece[k].size = 0;
			continue;
		}
		for (j = 0; j < piece[k].size; j++) {
			assert_int_equal(map[piece[k].addr - START + j], 0);
			map[piece[k].addr - START + j] = 1;
		}
	}
	for (k = 0; k < NPIECES; k++)
		if (piece[k].size != 0)
			space_free(&sp, piece[k].addr, piece[k].size);
	assert_int_equal(space_avail(&sp, &largest), END - START);
	assert_int_equal(largest, END - START);
	space_fini(&sp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_fit_exactly_and_no_more),
		cmocka_unit_test(alignment_is_kept_and_its_gap_is_used),
		cmocka_unit_test(random_pieces_never_overlap),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
