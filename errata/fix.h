/* SPDX-License-Identifier: BSD-2-Clause */
/* Corrections: which branch was mended when, in which version and revision. */
#ifndef ERRATA_FIX_H
#define ERRATA_FIX_H

#include "notice.h"

/* Fill fixes and files of a notice from its field Corrected and its table of section "Correction details". */
void fix_read(struct notice *n);

/*
 * A branch by its own name: "RELENG_13_2", "releng/13.2/" -> "releng/13.2"; "RELENG_4" -> "stable/4"; "HEAD", "head"
 * -> "main".  False when it is none.
 */
bool fix_branch(struct slice name, char out[32]);

#endif
