/* SPDX-License-Identifier: BSD-2-Clause */
/* Does a notice concern a machine? */
#ifndef ERRATA_AFFECTS_H
#define ERRATA_AFFECTS_H

#include "notice.h"
#include "overlay.h"
#include "version.h"

enum affects_answer { AFFECTS_NOT, AFFECTS_FIXED, AFFECTS_UNKNOWN, AFFECTS_REBOOT, AFFECTS_YES };	/* worse is greater */

/* A machine; what is not known is NULL. */
struct machine {
	const struct version *kernel, *running, *user;	/* installed kernel, running kernel, userland */
	const char *arch;
};

/* The answer, and its reason in one sentence.  `fact` may be NULL. */
enum affects_answer affects_judge(struct notice *n, const struct machine *m, const struct overlay_fact *fact,
    char reason[512]);
const char *affects_name(enum affects_answer a);	/* "affected", "reboot required", ... */

/* What of FreeBSD a notice mends; neither is: not known. */
struct component {
	bool kernel, user, ports;
};
struct component notice_component(struct notice *n, const struct overlay_fact *fact);

/* Is a release within the words of Affects?  1 yes, 0 no, -1: its words do not say; *all: "all supported versions". */
int affects_covers(const char *affects, int major, int minor, bool *all);

#endif
