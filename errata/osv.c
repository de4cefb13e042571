/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A notice in OSV's schema.  FreeBSD's ecosystems there are FreeBSD:kernel and FreeBSD:base, with versions as its
 * package database writes them: 13.2-RELEASE-p2 is 13.2_2.  A branch is one range, from X.Y to its fix.
 */
#include <stdlib.h>
#include <string.h>
#include "affects.h"
#include "errata.h"

static json_t *
package(struct notice *n, const struct overlay_fact *fact, const char *ecosystem, const char *name)
{
	json_t *o, *ranges = json_array(), *git = json_array(), *specific;

	for (size_t i = 0; i < n->nfixes; i++) {
		const struct notice_fix *f = &n->fixes[i];
		struct version v;
		char from[32], to[32];

		if (f->hash[0] != '\0')
			json_array_append_new(git, json_pack("{ss ss ss}", "branch", f->branch, "commit", f->hash,
			    "revision", text_utf8(&n->arena, slice_str(f->revision))));
		if (!version_parse(f->version, &v) || v.kind != VERSION_RELEASE || v.patch == 0)
			continue;
		if (v.micro > 0)
			snprintf(from, sizeof(from), "%d.%d.%d", v.major, v.minor, v.micro);
		else
			snprintf(from, sizeof(from), "%d.%d", v.major, v.minor);
		snprintf(to, sizeof(to), "%.20s_%d", from, v.patch);
		json_array_append_new(ranges, json_pack("{ss s[{ss}{ss}]}", "type", "ECOSYSTEM", "events", "introduced", from,
		    "fixed", to));
	}
	specific = json_pack("{ss so}", "affects", n->affects, "commits", git);
	if (fact != NULL && fact->narchs > 0) {
		json_t *archs = json_array();

		for (size_t i = 0; i < fact->narchs; i++)
			json_array_append_new(archs, json_string(fact->archs[i]));
		json_object_set_new(specific, "architectures", archs);
	}
	o = json_pack("{s{ss ss} so so}", "package", "ecosystem", ecosystem, "name", name, "ranges", ranges,
	    "database_specific", specific);
	return (o);
}

json_t *
notice_osv(struct notice *n, const struct overlay_fact *fact)
{
	static const struct { const char *title; } parts[] = { { "Background" }, { "Problem" }, { "Impact" }, { "Workaround" } };
	struct component c = notice_component(n, fact);
	json_t *o = json_object(), *affected = json_array(), *refs = json_array(), *aliases = json_array();
	struct buf details = { 0 };
	char when[32], modified[32];
	const char *date = n->date;
	size_t len = strlen(n->revised);

	snprintf(when, sizeof(when), "%sT00:00:00Z", n->date);
	/* "Revised" is a date, or ends with one. */
	if (len >= 10 && n->revised[4] == '-' && n->revised[7] == '-')
		date = n->revised;
	snprintf(modified, sizeof(modified), "%.10sT00:00:00Z", date);
	json_object_set_new(o, "schema_version", json_string("1.6.0"));
	json_object_set_new(o, "id", json_string(text_utf8(&n->arena, slice_str(n->id))));
	json_object_set_new(o, "modified", json_string(modified));
	json_object_set_new(o, "published", json_string(when));
	for (size_t i = 0; i < n->ncves; i++)
		if (strncmp(n->cves[i], "CVE-", 4) == 0)
			json_array_append_new(aliases, json_string(n->cves[i]));
	/* An errata notice mentions CVEs, but is not one. */
	json_object_set_new(o, strcmp(n->kind, "EN") == 0 ? "related" : json_array_size(aliases) == 1 ? "aliases" : "upstream",
	    aliases);
	json_object_set_new(o, "summary", json_string(n->topic));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct notice_block *b = notice_section(n, parts[i].title);

		if (b != NULL)
			buf_fmt(&details, "%s# %s\n\n%s", details.n > 0 ? "\n" : "", parts[i].title, block_body(n, b));
	}
	json_object_set_new(o, "details", json_string(buf_get(&details).p));
	if (c.kernel)
		json_array_append_new(affected, package(n, fact, "FreeBSD:kernel", "FreeBSD-kernel"));
	if (c.user)
		json_array_append_new(affected, package(n, fact, "FreeBSD:base", "FreeBSD"));
	if (c.ports)
		json_array_append_new(affected, package(n, fact, "FreeBSD:ports", n->slug[0] != '\0' ? n->slug : "ports"));
	json_object_set_new(o, "affected", affected);
	for (size_t i = 0; i < n->nurls; i++) {
		const char *u = n->urls[i];

		json_array_append_new(refs, json_pack("{ss ss}", "type", strstr(u, "/advisories/FreeBSD-") != NULL ? "ADVISORY" :
		    strstr(u, "/patches/") != NULL && strstr(u, ".asc") == NULL ? "FIX" : strstr(u, "bugzilla") != NULL ? "REPORT" :
		    "WEB", "url", u));
	}
	json_object_set_new(o, "references", refs);
	if (n->credits[0] != '\0')
		json_object_set_new(o, "credits", json_pack("[{ss}]", "name", n->credits));
	json_object_set_new(o, "database_specific", json_pack("{ss ss ss sb so}", "category", n->category, "module", n->module,
	    "announced", n->announced, "reboot", n->reboot, "verification", verdict_json(&n->verdict)));
	buf_free(&details);
	return (o);
}

int
osv_main(const struct options *opt)
{
	struct overlay *overlay = NULL;
	struct keyring *kr = NULL;
	struct notice *n = NULL;
	struct uverr err;
	int status = EXIT_NO;

	if (options_keyring(opt, &kr, &err) != 0 || overlay_load(&overlay, opt->overlay, &err) != 0 ||
	    notice_load(&n, opt->args[0], kr, &err) != 0) {
		complain(&err);
	} else if (n->nblocks == 0) {
		fprintf(stderr, "errata: %s: %s\n", opt->args[0], n->verdict.why);
	} else if (n->date[0] == '\0' || n->kind[0] == '\0') {
		fprintf(stderr, "errata: %s: without an id and a date of announcement there is no OSV record\n", opt->args[0]);
	} else {
		json_print(notice_osv(n, overlay_find(overlay, n->id)), stdout);
		status = n->verdict.status > VERDICT_UNSIGNED ? EXIT_NO : EXIT_OK;
	}
	notice_free(n);
	overlay_free(overlay);
	keyring_free(kr);
	return (status);
}
