/* SPDX-License-Identifier: BSD-2-Clause */
/* Lower case of each byte, for libutil/str_util.h: ASCII only, and only where uvnet never asks. */
#include <stddef.h>
#include <string.h>
#include "libutil/str_util.h"

#define ROW(r) \
	(r) + 0, (r) + 1, (r) + 2, (r) + 3, (r) + 4, (r) + 5, (r) + 6, (r) + 7, (r) + 8, (r) + 9, (r) + 10, \
	(r) + 11, (r) + 12, (r) + 13, (r) + 14, (r) + 15
#define LOWER_P(r) \
	(r) + 32, (r) + 33, (r) + 34, (r) + 35, (r) + 36, (r) + 37, (r) + 38, (r) + 39, (r) + 40, (r) + 41, \
	(r) + 42, (r) + 11, (r) + 12, (r) + 13, (r) + 14, (r) + 15
#define LOWER_A(r) \
	(r) + 0, (r) + 33, (r) + 34, (r) + 35, (r) + 36, (r) + 37, (r) + 38, (r) + 39, (r) + 40, (r) + 41, \
	(r) + 42, (r) + 43, (r) + 44, (r) + 45, (r) + 46, (r) + 47

const guchar lc_map[256] = { ROW(0), ROW(16), ROW(32), ROW(48), LOWER_A(64), LOWER_P(80), ROW(96), ROW(112),
	ROW(128), ROW(144), ROW(160), ROW(176), ROW(192), ROW(208), ROW(224), ROW(240) };
