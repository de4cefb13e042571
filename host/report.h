/* SPDX-License-Identifier: BSD-2-Clause */
/* What is there, as JSON: stacks and links with their counters (report.c). */
#ifndef HOST_REPORT_H
#define HOST_REPORT_H

#include "json.h"

struct link;

/* {"stacks": [...]}; stops the workers itself, for as short as it can. */
json *report_stacks(void);

/* {"links": [...]}: that one, or all (NULL).  With all workers stopped. */
json *report_links(const struct link *only);

#endif
