/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet-update publish: the next version of a repository.
 *
 * It has the files of the last version, with those named added or replaced and those of --remove taken away.  A file is
 * stored once, by its hash; and as deltas from what its path was in the last DELTAS versions that differ, where they are smaller.
 * Without a file, the last version is published anew with a later date of expiry.
 *
 * A notice is text in the format of FreeBSD's (errata(1) reads it).  @BRANCH@, @HASH@, @REVISION@ and @DATE@ in it
 * become the branch, commit and count of the git checkout that it lies in, so that its table of corrections is right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <git2.h>
#include "notice.h"
#include "repo.h"

#define DELTAS 5
#define DAYS 30

struct publish {
	const struct options *opt;
	struct signer signer;
	struct manifest old;
	json_t *files;			/* of the new one, by path: an object */
	json_t *changed;		/* paths */
	json_t *notices;
	long version;
};

/* ---- Files ---- */

/* Pack and store under a name, if it is not there; {"size", "sha256"} of what is stored. */
static int
store(const char *repo, const char *name, struct slice old, struct slice new, json_t **packed, struct uverr *err)
{
	struct buf text = { 0 };
	struct uverr ignored;
	char hash[65];
	int error = repo_read(repo, name, CONTENT_MAX, &text, &ignored);

	if (error != 0) {
		text.n = 0;
		error = pack(old, new, &text, err);
		if (error == 0)
			error = repo_write(repo, name, buf_get(&text), err);
	}
	text_sha256(buf_get(&text), hash);
	if (error == 0)
		*packed = json_pack("{sI ss}", "size", (json_int_t)text.n, "sha256", hash);
	buf_free(&text);
	return (error);
}

/* What a stored file unpacks to. */
static int
load(const char *repo, const char *sha256, struct buf *out, struct uverr *err)
{
	struct buf packed = { 0 };
	char name[80];
	int error;

	snprintf(name, sizeof(name), "files/%s", sha256);
	error = repo_read(repo, name, CONTENT_MAX, &packed, err);
	if (error == 0)
		error = unpack_any(buf_get(&packed), sha256, out, err);
	buf_free(&packed);
	return (error);
}

/* A delta from an older file, when it is worth it. */
static int
add_delta(const char *repo, json_t *deltas, const char *from, const char *to, struct slice new, int64_t packed_size,
    struct uverr *err)
{
	struct buf old = { 0 };
	json_t *d = NULL;
	char name[160];
	int error = load(repo, from, &old, err);

	snprintf(name, sizeof(name), "deltas/%s-%s", from, to);
	if (error == 0)
		error = store(repo, name, buf_get(&old), new, &d, err);
	if (error == 0 && json_integer_value(json_object_get(d, "size")) < packed_size) {
		json_object_set_new(d, "from", json_string(from));
		json_array_append(deltas, d);
	}
	json_decref(d);
	buf_free(&old);
	return (error);
}

/* Deltas from the last file of that path, and from those that it had deltas from. */
static int
add_deltas(struct publish *p, json_t *o, const struct entry *old, const char *hash, struct slice text, int64_t packed_size,
    struct uverr *err)
{
	json_t *deltas = json_array();
	int error = 0;

	if (old != NULL && strcmp(old->sha256, hash) != 0)
		error = add_delta(p->opt->repo, deltas, old->sha256, hash, text, packed_size, err);
	for (size_t i = 0; old != NULL && i < old->ndeltas && i + 1 < DELTAS && error == 0; i++)
		if (strcmp(old->deltas[i].from, hash) != 0)
			error = add_delta(p->opt->repo, deltas, old->deltas[i].from, hash, text, packed_size, err);
	json_object_set_new(o, "deltas", deltas);
	return (error);
}

static int
add_file(struct publish *p, const char *arg, struct uverr *err)
{
	const char *equals = strchr(arg, '='), *file = equals != NULL ? equals + 1 : arg, *slash = strrchr(arg, '/');
	char *path = equals != NULL ? strndup(arg, (size_t)(equals - arg)) : xstrdup(slash != NULL ? slash + 1 : arg);
	struct buf text = { 0 };
	const struct entry *old;
	json_t *packed = NULL, *o = NULL;
	char hash[65], name[80];
	struct stat st;
	bool executable;
	int error;

	if (path == NULL)
		text_oom();
	if (!path_ok(path)) {
		error = uverr(err, EINVAL, "%s: a path in a repository is relative, without \"..\": PATH=FILE", path);
		goto out;
	}
	if (stat(file, &st) == -1 || !S_ISREG(st.st_mode)) {
		error = uverr(err, EINVAL, "%s: it is no file", file);
		goto out;
	}
	if ((error = file_read(file, CONTENT_MAX, &text, err)) != 0)
		goto out;
	executable = (st.st_mode & 0111) != 0;
	text_sha256(buf_get(&text), hash);
	old = manifest_find(&p->old, path);
	if (old != NULL && strcmp(old->sha256, hash) == 0 && old->executable == executable)
		goto out;		/* as it was */
	progress("%s", path);
	snprintf(name, sizeof(name), "files/%s", hash);
	if ((error = store(p->opt->repo, name, (struct slice){ "", 0 }, buf_get(&text), &packed, err)) != 0)
		goto out;
	o = json_pack("{ss sb sI ss sO}", "path", path, "executable", executable, "size", (json_int_t)text.n, "sha256", hash, "packed",
	    packed);
	error = add_deltas(p, o, old, hash, buf_get(&text), json_integer_value(json_object_get(packed, "size")), err);
	if (error == 0) {
		json_object_set(p->files, path, o);
		json_array_append_new(p->changed, json_string(path));
	}
out:
	json_decref(o);
	json_decref(packed);
	buf_free(&text);
	free(path);
	return (error);
}

/* ---- Notices ---- */

struct source {
	char branch[64], hash[16], revision[96], date[16];
};

static int
read_git(const char *dir, struct source *s, struct uverr *err)
{
	git_repository *repo = NULL;
	git_reference *head = NULL;
	git_revwalk *walk = NULL;
	git_oid oid;
	char date[32];
	unsigned long n = 0;
	int error = 0;

	git_libgit2_init();
	if (git_repository_open_ext(&repo, dir, 0, NULL) != 0 || git_repository_head(&head, repo) != 0 ||
	    git_revwalk_new(&walk, repo) != 0 || git_revwalk_push_head(walk) != 0) {
		error = uverr(err, EINVAL, "%s: it lies in no git checkout, so @HASH@ and its like cannot be filled in: %s", dir,
		    git_error_last() != NULL ? git_error_last()->message : "");
		goto out;
	}
	git_revwalk_simplify_first_parent(walk);
	snprintf(s->branch, sizeof(s->branch), "%s", git_reference_shorthand(head));
	while (git_revwalk_next(&oid, walk) == 0)
		n++;
	git_oid_tostr(s->hash, 13, git_reference_target(head));
	snprintf(s->revision, sizeof(s->revision), "%s-n%lu", s->branch, n);
	time_print((int64_t)time(NULL), date);
	snprintf(s->date, sizeof(s->date), "%.10s", date);
out:
	git_revwalk_free(walk);
	git_reference_free(head);
	git_repository_free(repo);
	git_libgit2_shutdown();
	return (error);
}

static void
fill_in(const struct buf *in, const struct source *s, struct buf *out)
{
	const struct { const char *mark, *value; } marks[] = {
		{ "@BRANCH@", s->branch }, { "@HASH@", s->hash }, { "@REVISION@", s->revision }, { "@DATE@", s->date },
	};

	for (size_t i = 0; i < in->n;) {
		size_t k = 0;

		while (k < 4 && strncmp(in->p + i, marks[k].mark, strlen(marks[k].mark)) != 0)
			k++;
		if (k < 4) {
			buf_str(out, marks[k].value);
			i += strlen(marks[k].mark);
		} else {
			buf_add(out, in->p + i++, 1);
		}
	}
}

static int
add_notice(struct publish *p, const char *file, struct uverr *err)
{
	struct buf in = { 0 }, text = { 0 };
	struct source source = { .branch = "" };
	const char *slash = strrchr(file, '/');
	char *dir = p->opt->git != NULL ? xstrdup(p->opt->git) : slash != NULL ? strndup(file, (size_t)(slash - file)) : xstrdup(".");
	struct notice *n = NULL;
	char hash[65], name[80];
	int error = file_read(file, FILE_MAX, &in, err);

	if (error == 0 && (strstr(in.p, "@HASH@") != NULL || strstr(in.p, "@REVISION@") != NULL ||
	    strstr(in.p, "@BRANCH@") != NULL || strstr(in.p, "@DATE@") != NULL))
		error = read_git(dir, &source, err);
	if (error != 0)
		goto out;
	fill_in(&in, &source, &text);
	n = notice_parse(buf_get(&text), file);
	if (n->topic[0] == '\0' || !path_ok(n->id) || strchr(n->id, '/') != NULL) {
		error = uverr(err, EINVAL, "%s: it has no id or no topic: errata lint says what a notice needs", file);
		goto out;
	}
	text_sha256(buf_get(&text), hash);
	snprintf(name, sizeof(name), "notices/%s", hash);
	if ((error = repo_write(p->opt->repo, name, buf_get(&text), err)) != 0)
		goto out;
	json_array_append_new(p->notices, json_pack("{ss ss sI ss sI sO}", "id", n->id, "topic", n->topic, "size", (json_int_t)text.n,
	    "sha256", hash, "since", (json_int_t)p->version, "paths", p->changed));
out:
	if (n != NULL)
		notice_free(n);
	free(dir);
	buf_free(&in);
	buf_free(&text);
	return (error);
}

/* ---- The manifest ---- */

static int
by_name(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

/* The files as a list, by path. */
static json_t *
sorted_files(json_t *files)
{
	const size_t n = json_object_size(files);
	const char **names = xmalloc((n + 1) * sizeof(*names)), *name;
	json_t *list = json_array(), *o;
	size_t i = 0;

	json_object_foreach(files, name, o)
		names[i++] = name;
	qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++)
		json_array_append(list, json_object_get(files, names[i]));
	free(names);
	return (list);
}

static int
write_manifest(struct publish *p, struct uverr *err)
{
	char published[32], name[64], *text;
	struct manifest check;
	json_t *doc;
	int error;

	time_print((int64_t)time(NULL), published);
	doc = repo_expires(json_pack("{ss sI ss so sO}", "type", "manifest", "version", (json_int_t)p->version, "published", published,
	    "files", sorted_files(p->files), "notices", p->notices), p->opt->expires > 0 ? p->opt->expires : DAYS);
	text = json_dumps(doc, JSON_INDENT(1));
	if (text == NULL)
		text_oom();
	snprintf(name, sizeof(name), "%ld.manifest.json", p->version);
	if ((error = manifest_parse(slice_str(text), p->version, &check, err)) == 0) {
		manifest_free(&check);
		error = repo_write(p->opt->repo, name, slice_str(text), err);
	}
	if (error == 0)
		error = repo_sign(p->opt->repo, name, &p->signer, err);
	free(text);
	json_decref(doc);
	return (error);
}

/* Start with what the last version had. */
static int
begin(struct publish *p, struct uverr *err)
{
	const char *repo = p->opt->repo;
	struct buf text = { 0 };
	const json_t *list, *o;
	char name[64];
	size_t i;
	long last;
	int error = 0;

	if (mkdir(repo, 0755) == -1 && errno != EEXIST)
		return (uverr(err, errno, "%s: %s", repo, strerror(errno)));
	if (repo_newest(repo, "root") == 0 && (error = repo_begin(repo, &p->signer, p->opt, err)) != 0)
		return (error);
	last = repo_newest(repo, "manifest");
	p->version = last + 1;
	p->files = json_object();
	p->changed = json_array();
	p->notices = json_array();
	if (last == 0)
		return (0);
	snprintf(name, sizeof(name), "%ld.manifest.json", last);
	error = repo_read(repo, name, DOC_MAX, &text, err);
	if (error == 0)
		error = manifest_parse(buf_get(&text), last, &p->old, err);
	if (error == 0) {
		list = json_object_get(p->old.doc, "files");
		json_array_foreach(list, i, o)
			json_object_set(p->files, p->old.files[i].path, json_array_get(list, i));
		json_array_extend(p->notices, json_object_get(p->old.doc, "notices"));
	}
	buf_free(&text);
	return (error);
}

int
publish_main(const struct options *opt)
{
	struct publish p = { .opt = opt };
	struct uverr err;
	int error = 0, status = EXIT_NO;

	if (opt->repo == NULL) {
		fprintf(stderr, "vnet-update: publish: --repo DIR names the repository\n");
		return (EXIT_USAGE);
	}
	if (signer_open(&p.signer, opt, &err) != 0 || begin(&p, &err) != 0)
		goto fail;
	for (int i = 0; i < opt->nargs && error == 0; i++)
		error = add_file(&p, opt->args[i], &err);
	for (size_t i = 0; i < opt->nremove && error == 0; i++) {
		if (json_object_del(p.files, opt->remove[i]) == 0)
			json_array_append_new(p.changed, json_string(opt->remove[i]));
		else
			error = uverr(&err, ENOENT, "%s: the last version has no such file", opt->remove[i]);
	}
	if (error != 0 || (opt->notice != NULL && add_notice(&p, opt->notice, &err) != 0) || write_manifest(&p, &err) != 0)
		goto fail;
	progress("%s", "");
	error = repo_release(opt->repo, &err);
	if (error < 0)
		goto fail;
	printf("Version %ld: %zu files, %zu changed. %s\n", p.version, json_object_size(p.files), json_array_size(p.changed),
	    error == 1 ? "It is published." : "It waits for signatures: vnet-update sign");
	status = EXIT_OK;
	goto out;
fail:
	progress("%s", "");
	complain(&err);
out:
	json_decref(p.files);
	json_decref(p.changed);
	json_decref(p.notices);
	manifest_free(&p.old);
	signer_close(&p.signer);
	return (status);
}
