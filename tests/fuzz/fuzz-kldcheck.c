/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a module: a verdict, and a repair that checks ok or is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct kc_change *c;
	struct kc_result r;
	char why[400];
	void *copy;

	if (null == NULL && (null = fopen("/dev/null", "w")) == NULL)
		abort();
	if (kc_check(data, size, &r) == 0) {
		kc_report_text(null, "x", &r, true);
		kc_report_json(null, "x", &r, true);
	}
	kc_result_free(&r);
	if ((copy = malloc(size + 1)) == NULL)
		return (0);
	memcpy(copy, data, size);
	if (kc_repair(copy, size, &c, why, sizeof(why)) > 0) {
		if (kc_check(copy, size, &r) != 0 || r.verdict != KC_OK)
			abort();
		kc_result_free(&r);
		free(c);
	}
	free(copy);
	return (0);
}
