/* SPDX-License-Identifier: BSD-2-Clause */
/* errata verify: signatures of notices, and detached ones. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "errata.h"

/* A notice carries its signature; any other file has it beside it. */
static void
verify_file(const struct options *opt, struct keyring *kr, const char *path, struct buf *file, struct verdict *v)
{
	struct buf text = { 0 }, sig = { 0 };
	struct uverr err;
	char *beside = NULL;

	if (opt->signature == NULL && slice_has(buf_get(file), "-----BEGIN PGP SIGNED MESSAGE-----")) {
		verify_message(kr, buf_get(file), v, &text);
	} else {
		if (asprintf(&beside, "%s.asc", path) == -1)
			text_oom();
		if (opt->signature == NULL && access(beside, R_OK) == -1) {
			verify_message(kr, buf_get(file), v, &text);
		} else if (file_read(opt->signature != NULL ? opt->signature : beside, FILE_MAX, &sig, &err) != 0) {
			*v = (struct verdict){ .status = VERDICT_UNSIGNED };
			snprintf(v->why, sizeof(v->why), "%s", err.text);
		} else {
			verify_detached(kr, buf_get(file), buf_get(&sig), v);
		}
	}
	free(beside);
	buf_free(&sig);
	buf_free(&text);
}

int
verify_main(const struct options *opt)
{
	struct keyring *kr = NULL;
	struct uverr err;
	struct verdict v;
	json_t *all = json_array(), *one;
	char text[900];
	int status = EXIT_OK;

	if (opt->nkeyrings == 0) {
		fprintf(stderr, "errata: verify: which keys are to be trusted?  --keyring FILE names them\n");
		json_decref(all);
		return (EXIT_USAGE);
	}
	if (options_keyring(opt, &kr, &err) != 0) {
		complain(&err);
		json_decref(all);
		return (EXIT_NO);
	}
	for (int i = 0; i < opt->nargs; i++) {
		struct buf file = { 0 };

		if (file_read(opt->args[i], FILE_MAX, &file, &err) != 0) {
			complain(&err);
			status = EXIT_NO;
		} else {
			verify_file(opt, kr, opt->args[i], &file, &v);
			if (!verdict_trusted(&v))
				status = EXIT_NO;
			if (opt->json) {
				one = verdict_json(&v);
				if (text_is_utf8(slice_str(opt->args[i])))
					json_object_set_new(one, "file", json_string(opt->args[i]));
				json_array_append_new(all, one);
			} else {
				printf("%s: ", opt->args[i]);
				put_text(stdout, verdict_sentence(&v, text, sizeof(text)));
				putchar('\n');
			}
		}
		buf_free(&file);
	}
	if (opt->json)
		json_print(all, stdout);
	else
		json_decref(all);
	keyring_free(kr);
	return (status);
}
