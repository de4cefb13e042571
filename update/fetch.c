/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet-update fetch: learn what is newest, say what it would change, and put it together beside what is in use.
 *
 * The order is TUF's client workflow (5 of its specification): walk the roots one by one, then the manifest by the keys
 * of the last root; refuse what expired, what is lower than anything seen before, and two manifests of one version.  Then
 * come the files: one that is here is copied (its hash is looked at, too), one that changed is a delta when there is
 * one from what is here, otherwise whole.  The version gets its name when all of it is on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "update.h"

struct fetch {
	struct store store;
	struct transport *net;
	struct root root;
	struct seen seen;
	struct manifest old, new;	/* old: of the version in use, perhaps none */
	struct buf text;		/* of the new manifest */
	size_t ndeltas, nwhole;
};

/* ---- Signed documents ---- */

/* The signatures of a document, as far as the mirror has them. */
static int
get_signatures(struct fetch *f, const char *name, const struct role *role, struct sigs *sigs, struct uverr *err)
{
	struct buf text = { 0 };
	struct uverr ignored;
	char file[128], id[17];
	int error = 0;

	for (size_t i = 0; i < role->n && error == 0; i++) {
		minisign_id(role->keys[i].id, id);
		snprintf(file, sizeof(file), "%s.%s.minisig", name, id);
		text.n = 0;
		error = transport_get(f->net, file, MINISIGN_SIGNATURE_MAX, &text, err);
		if (error == -ENOENT)
			error = 0;
		else if (error == 0 && minisign_read_signature(ARRAY_ADD(sigs->v, sigs->n), text.p, text.n, &ignored) != 0)
			sigs->n--;
	}
	buf_free(&text);
	return (error);
}

static int
get_signed(struct fetch *f, const char *name, const struct role *role, struct buf *text, struct uverr *err)
{
	struct sigs sigs = { 0 };
	int error = transport_get(f->net, name, DOC_MAX, text, err);

	if (error == 0)
		error = get_signatures(f, name, role, &sigs, err);
	if (error == 0)
		error = doc_verify(role, &sigs, buf_get(text), name, err);
	free(sigs.v);
	return (error);
}

/* One more root, when there is one: 1; 0: there is none. */
static int
next_root(struct fetch *f, struct uverr *err)
{
	struct buf text = { 0 };
	struct sigs sigs = { 0 };
	struct root next;
	char name[64];
	int error;

	snprintf(name, sizeof(name), "%ld.root.json", f->root.version + 1);
	error = get_signed(f, name, &f->root.root, &text, err);
	if (error != 0) {
		error = error == -ENOENT ? 0 : error;
		goto out;
	}
	if ((error = root_parse(buf_get(&text), f->root.version + 1, &next, err)) != 0)
		goto out;
	error = get_signatures(f, name, &next.root, &sigs, err);
	if (error == 0)
		error = doc_verify(&next.root, &sigs, buf_get(&text), name, err);
	if (error == 0)
		error = store_write(&f->store, "root.json", buf_get(&text), err);
	root_free(&next);
	if (error == 0) {
		root_free(&f->root);
		error = store_root(&f->store, &f->root, err);
	}
	error = error == 0 ? 1 : error;
out:
	free(sigs.v);
	buf_free(&text);
	return (error);
}

static int
get_roots(struct fetch *f, struct uverr *err)
{
	int error;

	while ((error = next_root(f, err)) == 1)
		progress("root %ld", f->root.version);
	return (error != 0 ? error : doc_fresh(f->root.doc, "root", err));
}

/* From the mirror in use. */
static int
try_manifest(struct fetch *f, struct uverr *err)
{
	struct buf latest = { 0 };
	char name[64], hash[65], *end;
	long version;
	int error;

	if ((error = transport_get(f->net, "latest", 32, &latest, err)) != 0)
		goto out;
	version = latest.p[0] >= '1' && latest.p[0] <= '9' ? strtol(latest.p, &end, 10) : 0;
	if (version <= 0 || version > 1000000000 || strcmp(end, "\n") != 0) {
		error = uverr(err, EBADMSG, "latest: it is no number");
		goto out;
	}
	if (version < f->seen.manifest) {
		error = uverr(err, ESTALE, "the newest is said to be version %ld, but version %ld was seen here: the mirror is out of date,"
		    " or lies", version, f->seen.manifest);
		goto out;
	}
	snprintf(name, sizeof(name), "%ld.manifest.json", version);
	f->text.n = 0;
	if ((error = get_signed(f, name, &f->root.manifest, &f->text, err)) != 0)
		goto out;
	text_sha256(buf_get(&f->text), hash);
	if (version == f->seen.manifest && strcmp(hash, f->seen.sha256) != 0) {
		error = uverr(err, EBADMSG, "%s: another manifest of that version was seen here before: two are signed, one is a lie", name);
		goto out;
	}
	if ((error = manifest_parse(buf_get(&f->text), version, &f->new, err)) != 0)
		goto out;
	if ((error = doc_fresh(f->new.doc, name, err)) != 0) {
		manifest_free(&f->new);
		goto out;
	}
	f->seen = (struct seen){ .root = f->root.version, .manifest = version };
	memcpy(f->seen.sha256, hash, sizeof(hash));
	error = store_see(&f->store, &f->seen, err);
out:
	buf_free(&latest);
	return (error);
}

/* A mirror whose documents are wrong or old is left for the next; when none is better, its fault is the answer. */
static int
get_documents(struct fetch *f, struct uverr *err)
{
	struct uverr why;
	int error;

	for (;;) {
		error = get_roots(f, err);
		if (error == 0)
			error = try_manifest(f, err);
		if (error != -EBADMSG && error != -ESTALE && error != -ENOENT)
			return (error);
		why = *err;
		if (transport_next(f->net, why.text, err) != 0)
			return (error);
	}
}

/* ---- Files ---- */

/* A file of the version in use, if it is as its manifest says. */
static bool
read_old(struct fetch *f, const struct entry *e, struct buf *out)
{
	struct uverr ignored;
	char tree[64], hash[65], part[65536];
	ssize_t n;
	int fd;

	snprintf(tree, sizeof(tree), "versions/%ld/tree", f->old.version);
	fd = store_file(&f->store, tree, e->path, false, false, &ignored);
	if (fd < 0)
		return (false);
	out->n = 0;
	buf_add(out, "", 0);
	while ((n = read(fd, part, sizeof(part))) > 0 && out->n <= (size_t)e->size)
		buf_add(out, part, (size_t)n);
	close(fd);
	text_sha256(buf_get(out), hash);
	return (n == 0 && strcmp(hash, e->sha256) == 0);
}

static const struct delta *
find_delta(const struct entry *new, const struct entry *old)
{
	for (size_t i = 0; i < new->ndeltas && old != NULL; i++)
		if (strcmp(new->deltas[i].from, old->sha256) == 0 && new->deltas[i].size < new->packed_size)
			return (&new->deltas[i]);
	return (NULL);
}

static int
download(struct fetch *f, const char *name, int64_t size, const char *sha256, struct buf *out, struct uverr *err)
{
	char *part;
	int error;

	if (asprintf(&part, "%s/parts/%s", f->store.base, sha256) == -1)
		text_oom();
	error = transport_fetch(f->net, name, size, sha256, part, out, err);
	free(part);
	return (error);
}

/* The content of a file of the new version: from here, by delta, or whole. */
static int
content(struct fetch *f, const struct entry *e, struct buf *out, struct uverr *err)
{
	const struct entry *same = manifest_find(&f->old, e->path);
	const struct delta *delta;
	struct buf old = { 0 }, packed = { 0 };
	char name[160];
	int error;

	for (size_t i = 0; i < f->old.nfiles && (same == NULL || strcmp(same->sha256, e->sha256) != 0); i++)
		if (strcmp(f->old.files[i].sha256, e->sha256) == 0)
			same = &f->old.files[i];	/* it was only moved */
	if (same != NULL && !read_old(f, same, &old)) {
		fprintf(stderr, "vnet-update: %s: it is not as it was installed, so it is fetched whole\n", same->path);
		same = NULL;
	}
	if (same != NULL && strcmp(same->sha256, e->sha256) == 0) {
		*out = old;
		return (0);
	}
	delta = find_delta(e, same);
	if (delta != NULL) {
		snprintf(name, sizeof(name), "deltas/%s-%s", delta->from, e->sha256);
		error = download(f, name, delta->size, delta->sha256, &packed, err);
		if (error == 0)
			error = unpack(buf_get(&old), buf_get(&packed), e->size, e->sha256, out, err);
		if (error == 0) {
			f->ndeltas++;
			goto out;
		}
		fprintf(stderr, "vnet-update: %s: delta: %s; it is fetched whole\n", e->path, err->text);
	}
	packed.n = 0;
	snprintf(name, sizeof(name), "files/%s", e->sha256);
	error = download(f, name, e->packed_size, e->packed_sha256, &packed, err);
	if (error == 0)
		error = unpack((struct slice){ "", 0 }, buf_get(&packed), e->size, e->sha256, out, err);
	if (error != 0)
		uverr_prefix(err, "%s", e->path);
	f->nwhole++;
out:
	buf_free(&old);
	buf_free(&packed);
	return (error);
}

static int
write_file(struct fetch *f, const char *tree, const struct entry *e, struct slice text, struct uverr *err)
{
	const int fd = store_file(&f->store, tree, e->path, true, e->executable, err);
	int error = 0;

	if (fd < 0)
		return (fd);
	while (text.n > 0 && error == 0) {
		const ssize_t n = write(fd, text.p, text.n);

		if (n == -1 && errno != EINTR)
			error = uverr(err, errno, "%s/%s/%s: %s", f->store.base, tree, e->path, strerror(errno));
		else if (n > 0)
			text = slice_from(text, (size_t)n);
	}
	if (error == 0 && (fchmod(fd, e->executable ? 0755 : 0644) == -1 || fsync(fd) == -1))
		error = uverr(err, errno, "%s/%s/%s: %s", f->store.base, tree, e->path, strerror(errno));
	close(fd);
	return (error);
}

static int
get_notices(struct fetch *f, const char *dir, struct uverr *err)
{
	struct buf text = { 0 };
	char name[160];
	int error = 0;

	for (size_t i = 0; i < f->new.nnotices && error == 0; i++) {
		const struct news *n = &f->new.notices[i];

		text.n = 0;
		snprintf(name, sizeof(name), "notices/%s", n->sha256);
		error = download(f, name, n->size, n->sha256, &text, err);
		if (error != 0)
			break;
		snprintf(name, sizeof(name), "%s/%s.asc", dir, n->id);
		error = store_write(&f->store, name, buf_get(&text), err);
	}
	buf_free(&text);
	return (error);
}

static int
assemble(struct fetch *f, struct uverr *err)
{
	char part[64], tree[64], name[64], final[64];
	struct buf text = { 0 };
	int error;

	snprintf(final, sizeof(final), "versions/%ld", f->new.version);
	snprintf(part, sizeof(part), "versions/%ld.part", f->new.version);
	snprintf(tree, sizeof(tree), "versions/%ld.part/tree", f->new.version);
	if ((error = store_remove(&f->store, part, err)) != 0)
		return (error);
	snprintf(name, sizeof(name), "versions/%ld.part/notices", f->new.version);
	if (mkdirat(f->store.fd, part, 0755) == -1 || mkdirat(f->store.fd, tree, 0755) == -1 ||
	    mkdirat(f->store.fd, name, 0755) == -1)
		return (uverr(err, errno, "%s/%s: %s", f->store.base, part, strerror(errno)));
	for (size_t i = 0; i < f->new.nfiles && error == 0; i++) {
		const struct entry *e = &f->new.files[i];

		progress("%zu of %zu: %s", i + 1, f->new.nfiles, e->path);
		text.n = 0;
		if ((error = content(f, e, &text, err)) == 0)
			error = write_file(f, tree, e, buf_get(&text), err);
		buf_free(&text);
	}
	if (error == 0)
		error = get_notices(f, name, err);
	snprintf(name, sizeof(name), "versions/%ld.part/manifest.json", f->new.version);
	if (error == 0)
		error = store_write(&f->store, name, buf_get(&f->text), err);
	/* Files are synced already.  Now their names, before the version has its own. */
	if (error == 0)
		error = store_sync(&f->store, part, true, err);
	if (error == 0 && renameat(f->store.fd, part, f->store.fd, final) == -1)
		error = uverr(err, errno, "%s/%s: %s", f->store.base, final, strerror(errno));
	if (error == 0)
		error = store_sync(&f->store, "versions", false, err);
	return (error);
}

/* ---- What it says ---- */

static json_t *
change(const char *what, const struct entry *e, int64_t bytes)
{
	return (json_pack("{ss ss sI sI}", "change", what, "path", e->path, "size", (json_int_t)e->size, "download",
	    (json_int_t)bytes));
}

/* What is different from the version in use; with --json as objects.  The bytes to come. */
static int64_t
changes(const struct fetch *f, json_t *out)
{
	int64_t all = 0;

	for (size_t i = 0; i < f->new.nfiles; i++) {
		const struct entry *e = &f->new.files[i], *old = manifest_find(&f->old, e->path);
		const struct delta *d = find_delta(e, old);
		const int64_t bytes = d != NULL ? d->size : e->packed_size;

		if (old != NULL && strcmp(old->sha256, e->sha256) == 0 && old->executable == e->executable)
			continue;
		all += bytes;
		json_array_append_new(out, change(old == NULL ? "add" : "update", e, bytes));
	}
	for (size_t i = 0; i < f->old.nfiles; i++)
		if (manifest_find(&f->new, f->old.files[i].path) == NULL)
			json_array_append_new(out, change("remove", &f->old.files[i], 0));
	return (all);
}

static void
print_changes(const json_t *list, const char *what, const char *heading)
{
	const json_t *o;
	size_t i;
	bool any = false;

	json_array_foreach(list, i, o) {
		if (strcmp(json_string_value(json_object_get(o, "change")), what) != 0)
			continue;
		if (!any)
			printf("%s\n", heading);
		any = true;
		printf("  %s\n", json_string_value(json_object_get(o, "path")));
	}
}

static void
report(const struct fetch *f, const struct options *opt, const json_t *list, bool fetched)
{
	json_t *o;

	if (opt->json) {
		o = json_pack("{sI sI sb sO sI}", "installed", (json_int_t)f->old.version, "version", (json_int_t)f->new.version, "fetched",
		    fetched, "changes", list, "received", (json_int_t)transport_bytes(f->net));
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
		return;
	}
	if (f->old.version == f->new.version) {
		printf("Version %ld is installed, and is the newest.\n", f->new.version);
		return;
	}
	print_changes(list, "add", "The following files will be added:");
	print_changes(list, "update", "The following files will be updated:");
	print_changes(list, "remove", "The following files will be removed:");
	for (size_t i = 0; i < f->new.nnotices; i++)
		if (f->new.notices[i].since > f->old.version)
			printf("%s: %s\n", f->new.notices[i].id, f->new.notices[i].topic);
	printf("Version %ld is here (%zu by delta, %zu whole, %lld bytes received). To use it: vnet-update install\n", f->new.version,
	    f->ndeltas, f->nwhole, (long long)transport_bytes(f->net));
}

static int
read_mirrors(const struct store *s, const struct options *opt, struct transport **net, struct uverr *err)
{
	const char **mirrors = NULL;
	struct arena arena = { 0 };
	struct buf text = { 0 };
	struct lines lines;
	struct slice line;
	size_t n = 0;
	int error = 0;

	for (size_t i = 0; i < opt->nmirrors; i++)
		*ARRAY_ADD(mirrors, n) = opt->mirrors[i];
	if (n == 0 && (error = store_read(s, "mirrors", DOC_MAX, &text, err)) == 0) {
		lines = lines_of(buf_get(&text));
		while (lines_next(&lines, &line, NULL))
			if (line.n > 0)
				*ARRAY_ADD(mirrors, n) = arena_dup(&arena, line);
	}
	if (error == 0)
		error = transport_open(net, mirrors, n, err);
	arena_free(&arena);
	free(mirrors);
	buf_free(&text);
	return (error);
}

int
fetch_main(const struct options *opt)
{
	struct fetch f = { .store = { .fd = -1 } };
	json_t *list = json_array();
	struct uverr err;
	int status = EXIT_NO;
	long now;

	if (store_open(&f.store, opt->base, true, &err) != 0 || read_mirrors(&f.store, opt, &f.net, &err) != 0 ||
	    store_root(&f.store, &f.root, &err) != 0 || store_seen(&f.store, &f.seen, &err) != 0)
		goto fail;
	now = store_version(&f.store, "current");
	if (now != 0 && store_manifest(&f.store, now, &f.old, &err) != 0)
		goto fail;
	if (f.seen.root > f.root.version) {
		uverr(&err, EBADMSG, "%s/root.json: version %ld, but %ld was seen: it was put back", f.store.base, f.root.version, f.seen.root);
		goto fail;
	}
	if (get_documents(&f, &err) != 0)
		goto fail;
	changes(&f, list);
	if (f.new.version > store_newest(&f.store) && assemble(&f, &err) != 0)
		goto fail;
	progress("%s", "");
	report(&f, opt, list, f.new.version == store_newest(&f.store));
	status = EXIT_OK;
	goto out;
fail:
	progress("%s", "");
	complain(&err);
out:
	json_decref(list);
	manifest_free(&f.new);
	manifest_free(&f.old);
	buf_free(&f.text);
	root_free(&f.root);
	transport_close(f.net);
	store_close(&f.store);
	return (status);
}
