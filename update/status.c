/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet-update status and ids: what is in use, against the manifests that were fetched.  Both ask nothing of the network.
 *
 * A notice concerns what is in use when one of its files is there; it is fixed from the version on that it came with.
 * Which notices there are is what the newest manifest here says: fetch first to know the newest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "update.h"

/* ---- ids ---- */

struct ids {
	json_t *list;			/* or NULL: print */
	size_t n;
};

static void
differs(void *arg, const char *path, const char *how)
{
	struct ids *ids = arg;

	ids->n++;
	if (ids->list != NULL)
		json_array_append_new(ids->list, json_pack("{ss ss}", "path", path, "differs", how));
	else
		printf("%s: %s\n", path, how);
}

int
ids_main(const struct options *opt)
{
	struct ids ids = { .list = opt->json ? json_array() : NULL };
	struct store s = { .fd = -1 };
	struct manifest m = { 0 };
	struct uverr err;
	int status = EXIT_USAGE;
	long now;

	if (store_open(&s, opt->base, false, &err) != 0)
		goto fail;
	now = store_version(&s, "current");
	if (now == 0) {
		uverr(&err, ENOENT, "nothing is installed");
		goto fail;
	}
	if (store_manifest(&s, now, &m, &err) != 0 || store_check(&s, &m, differs, &ids, &err) != 0)
		goto fail;
	if (opt->json) {
		json_dumpf(ids.list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (ids.n == 0) {
		printf("%zu files, all as in version %ld.\n", m.nfiles, now);
	}
	status = ids.n == 0 ? EXIT_OK : EXIT_NO;
	goto out;
fail:
	complain(&err);
out:
	json_decref(ids.list);
	manifest_free(&m);
	store_close(&s);
	return (status);
}

/* ---- status ---- */

static const char *
answer(const struct news *n, const struct manifest *now)
{
	if (now->version >= n->since)
		return ("fixed");
	for (size_t i = 0; i < n->npaths; i++)
		if (manifest_find(now, n->paths[i]) != NULL)
			return ("affected");
	return ("not affected");
}

static void
print_text(const struct store *s, const struct manifest *now, const struct manifest *newest, bool expired)
{
	const char *expires = json_string_value(json_object_get(newest->doc, "expires"));

	printf("In use     %s%ld\n", now->version == 0 ? "nothing " : "version ", now->version);
	printf("Fetched    version %ld, %s %s\n", newest->version, expired ? "EXPIRED since" : "good until", expires);
	if (now->version < newest->version)
		printf("Waiting    version %ld: vnet-update install\n", newest->version);
	if (newest->nnotices == 0)
		return;
	printf("\n%-14s %-28s %s\n", "", "NOTICE", "TOPIC");
	for (size_t i = newest->nnotices; i-- > 0;)
		printf("%-14s %-28s %s\n", answer(&newest->notices[i], now), newest->notices[i].id, newest->notices[i].topic);
	printf("\nTheir texts: errata show %s/versions/%ld/notices/NOTICE.asc\n", s->base, newest->version);
}

static void
print_json(const struct manifest *now, const struct manifest *newest, bool expired)
{
	json_t *list = json_array(), *o;

	for (size_t i = 0; i < newest->nnotices; i++) {
		const struct news *n = &newest->notices[i];

		json_array_append_new(list, json_pack("{ss ss sI ss}", "id", n->id, "topic", n->topic, "since", (json_int_t)n->since,
		    "answer", answer(n, now)));
	}
	o = json_pack("{sI sI sb ss so}", "installed", (json_int_t)now->version, "version", (json_int_t)newest->version, "expired",
	    expired, "expires", json_string_value(json_object_get(newest->doc, "expires")), "notices", list);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

int
status_main(const struct options *opt)
{
	struct manifest now = { 0 }, newest = { 0 };
	struct store s = { .fd = -1 };
	struct uverr err;
	int status = EXIT_USAGE;
	long version, last;
	bool expired;

	if (store_open(&s, opt->base, false, &err) != 0)
		goto fail;
	version = store_version(&s, "current");
	last = store_newest(&s);
	if (last == 0) {
		uverr(&err, ENOENT, "nothing was fetched yet: vnet-update fetch");
		goto fail;
	}
	if ((version != 0 && store_manifest(&s, version, &now, &err) != 0) || store_manifest(&s, last, &newest, &err) != 0)
		goto fail;
	expired = doc_fresh(newest.doc, "manifest", &err) != 0;
	if (opt->json)
		print_json(&now, &newest, expired);
	else
		print_text(&s, &now, &newest, expired);
	status = version < last ? EXIT_NO : EXIT_OK;
	if (expired)
		status = EXIT_USAGE;
	for (size_t i = 0; i < newest.nnotices; i++)
		if (status == EXIT_OK && strcmp(answer(&newest.notices[i], &now), "affected") == 0)
			status = EXIT_NO;
	goto out;
fail:
	complain(&err);
out:
	manifest_free(&now);
	manifest_free(&newest);
	store_close(&s);
	return (status);
}
