/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: any text as a notice.  Printed from its parse it is the same text; lint and JSON bear it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "affects.h"
#include "errata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ignore(void *arg, int line, enum lint_level level, const char *what)
{
	(void)arg;
	(void)line;
	(void)level;
	(void)what;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notice *n = notice_parse((struct slice){ (const char *)data, size }, "FreeBSD-EN-23:08.vnet.asc");
	struct buf out = { 0 };
	struct version v;
	struct machine m = { &v, NULL, &v, "aarch64" };
	char reason[512];

	notice_print(n, &out);
	if (out.n != size || (size > 0 && memcmp(out.p, data, size) != 0))
		abort();
	notice_lint(n, ignore, NULL);
	json_decref(notice_json(n));
	if (version_parse("13.2-RELEASE-p1", &v))
		affects_judge(n, &m, NULL, reason);
	if (version_parse("13.2-STABLE stable/13-n255800", &v))
		affects_judge(n, &m, NULL, reason);
	buf_free(&out);
	notice_free(n);
	return (0);
}
