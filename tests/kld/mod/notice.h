/* SPDX-License-Identifier: BSD-2-Clause */
/* What notice.ko and the program that loads it know of each other. */
#ifndef TEST_KLD_NOTICE_H
#define TEST_KLD_NOTICE_H

#include <uvnet/vnet.h>

#define NOTICE_REFS 6

struct n_pair {
	int first, second;
};
VNET_DECLARE(int, n_other);

/* Of the current stack: the value of variable i, which becomes v. */
int notice_ref(unsigned i, int v);
typedef int notice_ref_t(unsigned i, int v);

#endif
