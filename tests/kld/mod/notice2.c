/* SPDX-License-Identifier: BSD-2-Clause */
/* The second object of notice.ko. */
#include "notice.h"

VNET_DEFINE(int, n_other) = 1003;
