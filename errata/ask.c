/* SPDX-License-Identifier: BSD-2-Clause */
/* errata affects: the question, asked of many notices. */
#include <stdlib.h>
#include <string.h>
#include "affects.h"
#include "errata.h"
#include "host.h"

struct question {
	struct version kernel, running, user;
	char arch[32];
	struct machine machine;
	size_t count[AFFECTS_YES + 1];
	json_t *answers;		/* or NULL: print */
};

static bool
read_version(const char *option, const char *text, struct version *v, const struct version **to)
{
	if (text == NULL)
		return (true);
	if (!version_parse(text, v)) {
		fprintf(stderr, "errata: %s: \"%s\" is no version such as 13.2-RELEASE-p2 or"
		    " \"13.2-STABLE stable/13-n255888\"\n", option, text);
		return (false);
	}
	*to = v;
	return (true);
}

static int
read_machine(const struct options *opt, struct question *q)
{
	struct uverr err;

	if (opt->host) {
		if (host_versions(&q->kernel, &q->running, &q->user, q->arch, &err) != 0) {
			complain(&err);
			return (EXIT_USAGE);
		}
		q->machine = (struct machine){ &q->kernel, &q->running, &q->user, q->arch };
	}
	if (opt->arch != NULL)
		q->machine.arch = opt->arch;
	if (!read_version("--kernel", opt->kernel, &q->kernel, &q->machine.kernel) ||
	    !read_version("--running", opt->running, &q->running, &q->machine.running) ||
	    !read_version("--user", opt->user, &q->user, &q->machine.user))
		return (EXIT_USAGE);
	if (q->machine.kernel == NULL && q->machine.running == NULL && q->machine.user == NULL) {
		fprintf(stderr, "errata: affects: which FreeBSD?  --kernel, --running and --user say so, or --host\n");
		return (EXIT_USAGE);
	}
	return (EXIT_OK);
}

static void
answer(const struct options *opt, struct question *q, struct notice *n, const struct overlay *overlay)
{
	const struct overlay_fact *fact = overlay_find(overlay, n->id);
	enum affects_answer a;
	char reason[512];
	json_t *o;

	if (opt->nkeyrings > 0 && !verdict_trusted(&n->verdict) && !opt->unsigned_ok) {
		a = AFFECTS_UNKNOWN;
		snprintf(reason, sizeof(reason), "The notice is not to be believed: %.400s.", n->verdict.why);
	} else {
		a = affects_judge(n, &q->machine, fact, reason);
	}
	q->count[a]++;
	if (q->answers != NULL) {
		o = json_pack("{ss ss ss ss ss}", "id", text_utf8(&n->arena, slice_str(n->id)), "topic", n->topic, "answer",
		    affects_name(a), "reason", text_utf8(&n->arena, slice_str(reason)), "verification",
		    verdict_name(n->verdict.status));
		if (fact != NULL && fact->note[0] != '\0' && a >= AFFECTS_FIXED)
			json_object_set_new(o, "note", json_string(fact->note));
		json_array_append_new(q->answers, o);
		return;
	}
	put_text(stdout, n->id);
	printf("%*s%-16s ", (int)(strlen(n->id) < 32 ? 32 - strlen(n->id) : 1), "", affects_name(a));
	put_text(stdout, reason);
	putchar('\n');
	if (fact != NULL && fact->note[0] != '\0' && a >= AFFECTS_FIXED)
		printf("%32s%s\n", "", fact->note);
}

int
affects_main(const struct options *opt)
{
	struct question q = { 0 };
	struct notices all = { 0 };
	struct overlay *overlay = NULL;
	struct keyring *kr = NULL;
	struct uverr err;
	int status;

	if ((status = read_machine(opt, &q)) != EXIT_OK)
		return (status);
	if (options_keyring(opt, &kr, &err) != 0 || overlay_load(&overlay, opt->overlay, &err) != 0) {
		complain(&err);
		status = EXIT_USAGE;
		goto out;
	}
	for (int i = 0; i < opt->nargs; i++)
		if (notices_load(&all, opt->args[i], kr, &err) != 0) {
			complain(&err);
			status = EXIT_USAGE;
		}
	notices_sort(&all);
	if (opt->json)
		q.answers = json_array();
	for (size_t i = 0; i < all.n; i++)
		answer(opt, &q, all.v[i], overlay);
	if (opt->json)
		json_print(q.answers, stdout);
	else if (all.n > 1)
		printf("%zu affected, %zu reboot required, %zu fixed, %zu not affected, %zu unknown\n", q.count[AFFECTS_YES],
		    q.count[AFFECTS_REBOOT], q.count[AFFECTS_FIXED], q.count[AFFECTS_NOT], q.count[AFFECTS_UNKNOWN]);
	if (opt->nkeyrings == 0 && !opt->json)
		fprintf(stderr, "errata: the notices were not verified: give --keyring\n");
	if (status == EXIT_OK && all.failed > 0)
		status = EXIT_USAGE;
	if (status == EXIT_OK && q.count[AFFECTS_YES] + q.count[AFFECTS_REBOOT] > 0)
		status = EXIT_NO;
out:
	notices_free(&all);
	overlay_free(overlay);
	keyring_free(kr);
	return (status);
}
