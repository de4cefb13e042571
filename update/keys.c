/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet-update keygen, root, sign: who may sign.
 *
 * A root names keys by their public halves; those of --key sign it at once, others later (sign).  With no root there,
 * the keys given make the first one, and may sign everything.  Where more than one person publishes, the root should
 * have keys of its own, kept away from the machine that publishes: --manifest-key names those that sign manifests.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "repo.h"

#define ROOT_DAYS 365

/* ---- keygen ---- */

/* The same password twice, or NULL. */
static char *
new_password(char *line, size_t size)
{
	char again[1024] = "";
	const bool same = ask_password("Password for the key", line, size) && ask_password("Once more", again, sizeof(again)) &&
	    line[0] != '\0' && strcmp(line, again) == 0;

	explicit_bzero(again, sizeof(again));
	return (same ? line : NULL);
}

/* A new file: one that is there is somebody's key. */
static int
write_new(const char *path, const char *text, mode_t mode, struct uverr *err)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	const size_t n = strlen(text);
	int error = 0;

	if (fd == -1)
		return (errno == EEXIST ? uverr(err, errno, "%s: there is a key already", path) :
		    uverr(err, errno, "%s: %s", path, strerror(errno)));
	if (write(fd, text, n) != (ssize_t)n || fsync(fd) == -1)
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
	close(fd);
	if (error != 0)
		unlink(path);
	return (error);
}

int
keygen_main(const struct options *opt)
{
	char public_text[MINISIGN_PUBLIC_MAX], secret_text[MINISIGN_SECRET_MAX] = "", line[1024] = "", *password = NULL, *pub = NULL;
	struct minisign_public public;
	struct minisign_secret secret = { 0 };
	struct uverr err;
	int status = EXIT_NO;

	if (!opt->plain && (password = new_password(line, sizeof(line))) == NULL) {
		fprintf(stderr, "vnet-update: keygen: the two passwords are not the same, or empty (--plain makes a key without)\n");
		return (EXIT_NO);
	}
	if (minisign_generate(&secret, &public, &err) != 0 || minisign_write_secret(&secret, password, secret_text, &err) != 0)
		goto fail;
	minisign_write_public(&public, public_text);
	if (asprintf(&pub, "%s.pub", opt->args[0]) == -1)
		text_oom();
	if (write_new(opt->args[0], secret_text, 0600, &err) != 0)
		goto fail;
	if (write_new(pub, public_text, 0644, &err) != 0) {
		unlink(opt->args[0]);
		goto fail;
	}
	printf("%s is the secret key, %s the public one:\n%s", opt->args[0], pub, strchr(public_text, '\n') + 1);
	status = EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	explicit_bzero(secret_text, sizeof(secret_text));
	explicit_bzero(line, sizeof(line));
	minisign_forget(&secret);
	free(pub);
	return (status);
}

/* ---- root ---- */

static json_t *
role_new(json_t *ids, int threshold)
{
	return (json_pack("{si so}", "threshold", threshold, "keys", ids));
}

/* Add a key's text, once; its id to the lists. */
static void
add_key(json_t *keys, json_t *ids, const struct minisign_public *public)
{
	char text[MINISIGN_PUBLIC_MAX], id[17], *line;
	const json_t *j;
	size_t i;
	bool there = false;

	minisign_write_public(public, text);
	line = strchr(text, '\n') + 1;
	line[strcspn(line, "\n")] = '\0';
	minisign_id(public->id, id);
	json_array_foreach(keys, i, j)
		there |= strcmp(json_string_value(j), line) == 0;
	if (!there)
		json_array_append_new(keys, json_string(line));
	there = false;
	json_array_foreach(ids, i, j)
		there |= strcmp(json_string_value(j), id) == 0;
	if (!there)
		json_array_append_new(ids, json_string(id));
}

static int
write_root(const char *repo, long version, json_t *keys, json_t *root_ids, int threshold, json_t *manifest_ids,
    int manifest_threshold, int days, const struct signer *s, struct uverr *err)
{
	json_t *doc = repo_expires(json_pack("{ss sI so so so}", "type", "root", "version", (json_int_t)version, "keys", keys, "root",
	    role_new(root_ids, threshold), "manifest", role_new(manifest_ids, manifest_threshold)), days);
	char *text = json_dumps(doc, JSON_INDENT(2)), name[64];
	struct root check;
	int error;

	if (text == NULL)
		text_oom();
	snprintf(name, sizeof(name), "%ld.root.json", version);
	if ((error = root_parse(slice_str(text), version, &check, err)) == 0) {
		root_free(&check);
		error = repo_write(repo, name, slice_str(text), err);
	}
	if (error == 0)
		error = repo_sign(repo, name, s, err);
	free(text);
	json_decref(doc);
	return (error);
}

/* The public half is the second half of the secret one. */
static struct minisign_public
public_of(const struct minisign_secret *secret)
{
	struct minisign_public public;

	memcpy(public.id, secret->id, sizeof(public.id));
	memcpy(public.key, secret->key + 32, sizeof(public.key));
	return (public);
}

int
repo_begin(const char *repo, const struct signer *s, const struct options *opt, struct uverr *err)
{
	json_t *keys = json_array(), *root_ids = json_array(), *manifest_ids = json_array();
	struct minisign_public public;

	for (size_t i = 0; i < s->n; i++) {
		public = public_of(&s->v[i]);
		add_key(keys, root_ids, &public);
		add_key(keys, manifest_ids, &public);
	}
	return (write_root(repo, 1, keys, root_ids, opt->threshold > 0 ? opt->threshold : 1, manifest_ids, 1,
	    opt->expires > 0 && opt->nargs == 0 ? opt->expires : ROOT_DAYS, s, err));
}

static int
read_public(const char *file, struct minisign_public *public, struct uverr *err)
{
	struct buf text = { 0 };
	int error = file_read(file, 65536, &text, err);

	if (error == 0 && (error = minisign_read_public(public, text.p, text.n, err)) != 0)
		uverr_prefix(err, "%s", file);
	buf_free(&text);
	return (error);
}

static bool
removed(const struct options *opt, const char id[17])
{
	for (size_t i = 0; i < opt->nremove; i++)
		if (strcasecmp(opt->remove[i], id) == 0)
			return (true);
	return (false);
}

static int
keep_role(const struct options *opt, const struct role *role, json_t *keys, json_t *ids, int *threshold)
{
	char id[17];

	for (size_t i = 0; i < role->n; i++) {
		minisign_id(role->keys[i].id, id);
		if (!removed(opt, id))
			add_key(keys, ids, &role->keys[i]);
	}
	return (*threshold = role->threshold);
}

static int
next_root(const struct options *opt, const struct signer *s, struct uverr *err)
{
	json_t *keys = json_array(), *root_ids = json_array(), *manifest_ids = json_array();
	struct minisign_public public;
	struct root old = { 0 };
	int error, threshold = 1, manifest_threshold = 1;

	if ((error = repo_root(opt->repo, &old, err)) != 0)
		goto fail;
	if (repo_newest(opt->repo, "root") > old.version) {
		error = uverr(err, EBUSY, "%s: root %ld still waits for signatures: vnet-update sign, or remove it", opt->repo,
		    old.version + 1);
		goto fail;
	}
	keep_role(opt, &old.root, keys, root_ids, &threshold);
	keep_role(opt, &old.manifest, keys, manifest_ids, &manifest_threshold);
	for (size_t i = 0; i < opt->nadd && error == 0; i++)
		if ((error = read_public(opt->add[i], &public, err)) == 0)
			add_key(keys, root_ids, &public);
	if (opt->nmanifest_keys > 0)
		json_array_clear(manifest_ids);
	for (size_t i = 0; i < opt->nmanifest_keys && error == 0; i++)
		if ((error = read_public(opt->manifest_keys[i], &public, err)) == 0)
			add_key(keys, manifest_ids, &public);
	if (error != 0)
		goto fail;
	error = write_root(opt->repo, old.version + 1, keys, root_ids, opt->threshold > 0 ? opt->threshold : threshold, manifest_ids,
	    manifest_threshold, opt->expires > 0 ? opt->expires : ROOT_DAYS, s, err);
	root_free(&old);
	return (error);
fail:
	json_decref(keys);
	json_decref(root_ids);
	json_decref(manifest_ids);
	root_free(&old);
	return (error);
}

/* What is there now, and what it waits for. */
static int
say(const char *repo, struct uverr *err)
{
	struct root root;
	const long newest = repo_newest(repo, "root");
	int error;

	if ((error = repo_root(repo, &root, err)) != 0 && error != -ENOENT)
		return (error);
	if (error == 0)
		printf("root %ld: %d of %zu keys sign it, %d of %zu a manifest\n", root.version, root.root.threshold, root.root.n,
		    root.manifest.threshold, root.manifest.n);
	if (error != 0 || newest > root.version)
		printf("root %ld waits for signatures: vnet-update sign --repo %s --key FILE\n", newest, repo);
	root_free(&root);
	return (0);
}

int
root_main(const struct options *opt)
{
	struct signer s = { 0 };
	struct uverr err;
	int error, status = EXIT_NO;

	if (opt->repo == NULL) {
		fprintf(stderr, "vnet-update: root: --repo DIR names the repository\n");
		return (EXIT_USAGE);
	}
	if (mkdir(opt->repo, 0755) == -1 && errno != EEXIST) {
		uverr(&err, errno, "%s: %s", opt->repo, strerror(errno));
		goto fail;
	}
	if (signer_open(&s, opt, &err) != 0)
		goto fail;
	error = repo_newest(opt->repo, "root") == 0 ? repo_begin(opt->repo, &s, opt, &err) : next_root(opt, &s, &err);
	if (error != 0 || say(opt->repo, &err) != 0)
		goto fail;
	status = EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	signer_close(&s);
	return (status);
}

/* ---- sign ---- */

/* Sign what waits for signatures: the newest root and the newest manifest; or files of their own, at their end. */
static int
sign_repo(const struct options *opt, const struct signer *s, struct uverr *err)
{
	static const char *const types[] = { "root", "manifest" };
	char name[64];
	int error = 0;

	for (size_t i = 0; i < 2 && error == 0; i++) {
		const long version = repo_newest(opt->repo, types[i]);

		snprintf(name, sizeof(name), "%ld.%s.json", version, types[i]);
		if (version > 0)
			error = repo_sign(opt->repo, name, s, err);
	}
	if (error == 0)
		error = say(opt->repo, err);
	if (error == 0 && repo_newest(opt->repo, "manifest") > 0) {
		error = repo_release(opt->repo, err);
		if (error >= 0)
			printf("manifest %ld %s\n", repo_newest(opt->repo, "manifest"), error == 1 ? "is published" : "waits for signatures");
		error = error > 0 ? 0 : error;
	}
	return (error);
}

/* Put a signature at a file's end, in place of one that is there. */
static int
sign_file(const char *file, const struct signer *s, struct uverr *err)
{
	uint8_t tail[MINISIGN_SIGNATURE_MAX + 64];
	char signature[MINISIGN_SIGNATURE_MAX], comment[MINISIGN_COMMENT_MAX];
	const char *base = strrchr(file, '/');
	struct minisign_signature old;
	struct buf text = { 0 };
	struct uverr ignored;
	struct stat st;
	size_t n;
	int error = file_read(file, CONTENT_MAX, &text, err);

	if (error != 0)
		goto out;
	minisign_appended(text.p, text.n, &n, &old, &ignored);
	text.n = n;
	snprintf(comment, sizeof(comment), "file:%.200s", base != NULL ? base + 1 : file);
	if ((error = minisign_sign(&s->v[0], text.p, text.n, comment, signature, err)) != 0)
		goto out;
	buf_add(&text, tail, minisign_append(signature, tail));
	if (stat(file, &st) == -1)
		error = uverr(err, errno, "%s: %s", file, strerror(errno));
	else if ((error = file_write(file, buf_get(&text), err)) == 0 && chmod(file, st.st_mode & 07777) == -1)
		error = uverr(err, errno, "%s: %s", file, strerror(errno));
out:
	buf_free(&text);
	return (error);
}

int
sign_main(const struct options *opt)
{
	struct signer s = { 0 };
	struct uverr err;
	int status = EXIT_NO;

	if ((opt->repo == NULL) == (opt->nargs == 0)) {
		fprintf(stderr, "vnet-update: sign: either --repo DIR, or modules to sign\n");
		return (EXIT_USAGE);
	}
	if (signer_open(&s, opt, &err) != 0)
		goto fail;
	if (opt->repo != NULL && sign_repo(opt, &s, &err) != 0)
		goto fail;
	for (int i = 0; i < opt->nargs; i++)
		if (sign_file(opt->args[i], &s, &err) != 0)
			goto fail;
	status = EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	signer_close(&s);
	return (status);
}
