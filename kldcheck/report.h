/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdicts as text and as JSON. */
#ifndef KLDCHECK_REPORT_H
#define KLDCHECK_REPORT_H

#include <stdio.h>

#include "check.h"

void kc_report_text(FILE *out, const char *name, const struct kc_result *res, bool explain);
void kc_report_json(FILE *out, const char *name, const struct kc_result *res, bool first);
void kc_json_string(FILE *out, const char *s);

#endif
