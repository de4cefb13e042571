/* SPDX-License-Identifier: BSD-2-Clause */
/* What is there, as JSON: stacks and links with their counters (report.c). */
#ifndef HOST_REPORT_H
#define HOST_REPORT_H

#include "json.h"

struct link;
struct stack;

/* {"stacks": [...]}; stops the workers itself, for as short as it can. */
json *report_stacks(void);

/* {"links": [...]}: that one, or all (NULL).  With all workers stopped. */
json *report_links(const struct link *only);

/* {"interfaces": [...]} and {"sockets": [...]} of a stack.  With all workers stopped. */
json *report_interfaces(const struct stack *st);
json *report_sockets(const struct stack *st);

#endif
