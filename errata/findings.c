/* SPDX-License-Identifier: BSD-2-Clause */
/* errata lint: the findings of lint.c, printed. */
#include <stdlib.h>
#include "errata.h"

struct printing {
	const struct notice *n;
	json_t *list;
	size_t count;
};

static void
print_finding(void *arg, int line, enum lint_level level, const char *what)
{
	struct printing *p = arg;
	const char *name = level == LINT_WARNING ? "warning" : "note";
	struct arena a = { 0 };

	p->count++;
	if (p->list != NULL) {
		json_array_append_new(p->list, json_pack("{ss si ss ss}", "file", text_utf8(&a, slice_str(p->n->path)), "line",
		    line, "level", name, "what", text_utf8(&a, slice_str(what))));
		arena_free(&a);
		return;
	}
	printf("%s:", p->n->path);
	if (line > 0)
		printf("%d:", line);
	printf(" %s: ", name);
	put_text(stdout, what);
	putchar('\n');
}

int
lint_main(const struct options *opt)
{
	struct printing p = { .list = opt->json ? json_array() : NULL };
	struct notices all = { 0 };
	struct keyring *kr = NULL;
	struct uverr err;
	int status = EXIT_OK;

	if (options_keyring(opt, &kr, &err) != 0) {
		complain(&err);
		json_decref(p.list);
		return (EXIT_USAGE);
	}
	for (int i = 0; i < opt->nargs; i++)
		if (notices_load(&all, opt->args[i], kr, &err) != 0) {
			complain(&err);
			status = EXIT_NO;
		}
	notices_sort(&all);
	for (size_t i = 0; i < all.n; i++) {
		p.n = all.v[i];
		notice_lint(all.v[i], print_finding, &p);
	}
	if (p.list != NULL)
		json_print(p.list, stdout);
	else if (p.count > 0)
		printf("%zu findings in %zu notices (lines are those of the signed text: errata show --text)\n", p.count, all.n);
	if (all.failed > 0)
		status = EXIT_NO;
	notices_free(&all);
	keyring_free(kr);
	return (status);
}
