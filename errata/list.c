/* SPDX-License-Identifier: BSD-2-Clause */
/* errata list: notices of a folder, newest first, picked by what they say. */
#include <string.h>
#include "errata.h"
#include "fix.h"

/* Does it correct the branch?  "13.2" means releng/13.2, "13" stable/13. */
static bool
corrects(const struct notice *n, const char *branch)
{
	char name[32], other[40];

	if (!fix_branch(slice_str(branch), name)) {
		snprintf(other, sizeof(other), "%s/%.30s", strchr(branch, '.') != NULL ? "releng" : "stable", branch);
		if (!fix_branch(slice_str(other), name))
			return (false);
	}
	for (size_t i = 0; i < n->nfixes; i++)
		if (strcmp(n->fixes[i].branch, name) == 0)
			return (true);
	return (false);
}

static bool
wanted(const struct options *opt, const struct notice *n)
{
	if (opt->since != NULL && strcmp(n->date, opt->since) < 0)
		return (false);
	if (opt->category != NULL && strcasecmp(n->category, opt->category) != 0)
		return (false);
	if (opt->module != NULL && strcasestr(n->module, opt->module) == NULL && strcasecmp(n->slug, opt->module) != 0)
		return (false);
	if (opt->unfixed)
		return (opt->branch != NULL ? !corrects(n, opt->branch) : n->nfixes == 0);
	return (opt->branch == NULL || corrects(n, opt->branch));
}

int
list_main(const struct options *opt)
{
	struct notices all = { 0 };
	struct keyring *kr = NULL;
	struct uverr err;
	json_t *out = NULL;
	int status = EXIT_OK;

	if (options_keyring(opt, &kr, &err) != 0) {
		complain(&err);
		return (EXIT_USAGE);
	}
	for (int i = 0; i < opt->nargs; i++)
		if (notices_load(&all, opt->args[i], kr, &err) != 0) {
			complain(&err);
			status = EXIT_NO;
		}
	notices_sort(&all);
	if (opt->json)
		out = json_array();
	for (size_t i = 0; i < all.n; i++) {
		struct notice *n = all.v[i];

		if (!wanted(opt, n))
			continue;
		if (opt->json) {
			json_array_append_new(out, json_pack("{ss ss ss ss ss ss}", "id", text_utf8(&n->arena,
			    slice_str(n->id)), "announced", n->date, "category", n->category, "module", n->module, "topic",
			    n->topic, "verification", verdict_name(n->verdict.status)));
			continue;
		}
		printf("%-10s  ", n->date);
		put_text(stdout, n->id);
		printf("%*s", (int)(strlen(n->id) < 32 ? 32 - strlen(n->id) : 1), "");
		if (opt->nkeyrings > 0)
			printf("%-12s ", verdict_name(n->verdict.status));
		put_text(stdout, n->topic);
		putchar('\n');
	}
	if (opt->json)
		json_print(out, stdout);
	if (all.failed > 0)
		status = EXIT_NO;
	notices_free(&all);
	keyring_free(kr);
	return (status);
}
