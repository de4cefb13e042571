/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * -fvirtual-report: what became virtual, what stayed shared and why.
 *
 * Sizes are those of the variables; "uses" counts the addresses computed in
 * code when the base is added, "rebases" the addresses that the initialiser
 * holds and that are moved when an instance is made.
 */

#include <stdio.h>
#include <stdlib.h>

#include "vnetcc.h"

static const char *const fate_names[] = {
	[FATE_SHARED] = "shared",
	[FATE_VIRTUAL] = "virtual",
	[FATE_THREAD] = "virtual in each thread",
};

struct totals {
	size_t n, threads, shared, rebases, promoted;
	uint64_t bytes;
};

static struct totals
sum(const struct program *p)
{
	struct totals t = { 0 };

	for (size_t i = 0; i < p->index.n; i++) {
		const struct var *v = &p->var[i];

		if (v->fate == FATE_SHARED)
			t.shared++;
		if (v->fate == FATE_THREAD)
			t.threads++;
		if (v->fate != FATE_VIRTUAL)
			continue;
		t.n++;
		t.promoted += v->constant && v->defined;
		t.bytes += v->size;
		t.rebases += v->rebases;
	}
	return (t);
}

static void
hidden_text(const char *function, const char *state, LLVMValueRef inst, void *arg)
{
	char *place = instruction_place(inst);

	(void)arg;
	fprintf(stderr, "libc: %s: %s: all instances share %s\n", place, function, state);
	free(place);
}

static void
report_text(const struct program *p)
{
	struct totals t = sum(p);

	for (size_t i = 0; i < p->index.n; i++) {
		const struct var *v = &p->var[i];

		if (v->fate == FATE_CONSTANT)
			continue;
		fprintf(stderr, "%s: %s", fate_names[v->fate], v->name);
		if (v->defined)
			fprintf(stderr, " (%s), %ju bytes", v->place, (uintmax_t)v->size);
		if (v->fate != FATE_SHARED)
			fprintf(stderr, ", %u uses, %u rebases", v->uses, v->rebases);
		if (v->why != NULL)
			fprintf(stderr, ": %s%s%s", v->why, v->why_name != NULL ? " " : "",
			    v->why_name != NULL ? v->why_name : "");
		fputc('\n', stderr);
	}
	hidden_state(p, hidden_text, NULL);
	fprintf(stderr,
	    "%zu virtual variables (%zu of them constants), "
	    "%ju bytes, %zu uses (%zu into PHIs), %zu rebases; %zu thread-locals; %zu shared\n",
	    t.n, t.promoted, (uintmax_t)t.bytes, p->uses, p->phis, t.rebases, t.threads, t.shared);
	fprintf(stderr, "%s\n",
	    p->steady ? "no code here can see the base change: optimised as a plain program is" :
			"the base may change under this code: it is added before optimising");
}

static void
json_string(const char *key, const char *s)
{
	printf("\"%s\": \"", key);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
json_variable(const struct var *v)
{
	putchar('{');
	json_string("name", v->name);
	printf(", \"virtual\": %s, \"thread_local\": %s, ", v->fate != FATE_SHARED ? "true" : "false",
	    v->fate == FATE_THREAD ? "true" : "false");
	json_string("unit", v->unit);
	fputs(", ", stdout);
	json_string("place", v->place);
	printf(", \"size\": %ju, \"align\": %u, \"uses\": %u, "
	       "\"rebases\": %u",
	    (uintmax_t)v->size, v->align, v->uses, v->rebases);
	if (v->why != NULL) {
		fputs(", ", stdout);
		json_string("why", v->why);
	}
	if (v->why_name != NULL) {
		fputs(", ", stdout);
		json_string("why_name", v->why_name);
	}
	putchar('}');
}

static void
hidden_json(const char *function, const char *state, LLVMValueRef inst, void *arg)
{
	const char **sep = arg;
	char *place = instruction_place(inst);

	printf("%s{", *sep);
	json_string("function", function);
	fputs(", ", stdout);
	json_string("shares", state);
	fputs(", ", stdout);
	json_string("place", place);
	putchar('}');
	*sep = ",\n ";
	free(place);
}

static void
report_json(const struct program *p)
{
	struct totals t = sum(p);
	const char *sep = "";

	fputs("{\"variables\": [", stdout);
	for (size_t i = 0; i < p->index.n; i++) {
		if (p->var[i].fate == FATE_CONSTANT)
			continue;
		fputs(sep, stdout);
		json_variable(&p->var[i]);
		sep = ",\n ";
	}
	fputs("],\n \"libc\": [", stdout);
	sep = "";
	hidden_state(p, hidden_json, &sep);
	printf("],\n \"virtual\": %zu, \"constants\": %zu, \"bytes\": %ju, "
	       "\"uses\": %zu, \"phis\": %zu, \"rebases\": %zu, "
	       "\"thread_locals\": %zu, \"shared\": %zu, \"steady\": %s}\n",
	    t.n, t.promoted, (uintmax_t)t.bytes, p->uses, p->phis, t.rebases, t.threads, t.shared,
	    p->steady ? "true" : "false");
}

void
report(const struct program *p)
{
	if (p->opt->report == REPORT_TEXT)
		report_text(p);
	else if (p->opt->report == REPORT_JSON)
		report_json(p);
}
