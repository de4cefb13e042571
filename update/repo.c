/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A repository's folder as its publisher sees it.  Documents are written first, signatures beside them, and `latest`, which
 * is what clients look at, last of all, when there are signatures enough.  So several people can sign, one after the other,
 * each on his own machine with minisign(1) or vnet-update sign.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "repo.h"

/* ---- Keys ---- */

bool
ask_password(const char *prompt, char *line, size_t size)
{
	struct termios old, quiet;
	const bool tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &old) == 0;
	bool got;

	if (tty) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
		fprintf(stderr, "%s: ", prompt);
	}
	got = fgets(line, (int)size, stdin) != NULL;
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', stderr);
	}
	if (got)
		line[strcspn(line, "\r\n")] = '\0';
	return (got);
}

static int
read_key(const char *file, struct minisign_secret *secret, struct uverr *err)
{
	char password[1024] = "", prompt[512];
	struct buf text = { 0 };
	int error = file_read(file, 65536, &text, err);

	if (error == 0)
		error = minisign_read_secret(secret, text.p, text.n, NULL, err);
	snprintf(prompt, sizeof(prompt), "Password of %.400s", file);
	if (error == -ENOKEY && ask_password(prompt, password, sizeof(password)))
		error = minisign_read_secret(secret, text.p, text.n, password, err);
	if (error != 0 && error != -ENOENT)
		uverr_prefix(err, "%s", file);
	explicit_bzero(password, sizeof(password));
	if (text.p != NULL)
		explicit_bzero(text.p, text.n);
	buf_free(&text);
	return (error);
}

int
signer_open(struct signer *s, const struct options *opt, struct uverr *err)
{
	int error = 0;

	*s = (struct signer){ .v = xmalloc((opt->nkeys + 1) * sizeof(*s->v)) };
	if (opt->nkeys == 0)
		error = uverr(err, EINVAL, "--key FILE names the secret key to sign with");
	for (size_t i = 0; i < opt->nkeys && error == 0; i++)
		if ((error = read_key(opt->keys[i], &s->v[s->n], err)) == 0)
			s->n++;
	if (error != 0)
		signer_close(s);
	return (error);
}

void
signer_close(struct signer *s)
{
	for (size_t i = 0; i < s->n; i++)
		minisign_forget(&s->v[i]);
	free(s->v);
	*s = (struct signer){ 0 };
}

/* ---- Files ---- */

int
repo_read(const char *repo, const char *name, size_t max, struct buf *out, struct uverr *err)
{
	char *path;
	int error;

	if (asprintf(&path, "%s/%s", repo, name) == -1)
		text_oom();
	error = file_read(path, max, out, err);
	free(path);
	return (error);
}

int
repo_write(const char *repo, const char *name, struct slice text, struct uverr *err)
{
	char *path, *slash;
	int error = 0;

	if (asprintf(&path, "%s/%s", repo, name) == -1)
		text_oom();
	slash = strrchr(path, '/');
	*slash = '\0';
	if (mkdir(path, 0755) == -1 && errno != EEXIST)
		error = uverr(err, errno, "%s: %s", path, strerror(errno));
	*slash = '/';
	if (error == 0)
		error = file_write(path, text, err);
	free(path);
	return (error);
}

long
repo_newest(const char *repo, const char *type)
{
	char suffix[32], *end;
	const struct dirent *d;
	DIR *dir = opendir(repo);
	long newest = 0;

	snprintf(suffix, sizeof(suffix), ".%s.json", type);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		const long n = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? strtol(d->d_name, &end, 10) : 0;

		if (n > newest && strcmp(end, suffix) == 0)
			newest = n;
	}
	if (dir != NULL)
		closedir(dir);
	return (newest);
}

int
repo_sign(const char *repo, const char *name, const struct signer *s, struct uverr *err)
{
	char signature[MINISIGN_SIGNATURE_MAX], file[128], comment[MINISIGN_COMMENT_MAX], when[32], id[17];
	struct buf text = { 0 };
	int error = repo_read(repo, name, DOC_MAX, &text, err);

	time_print((int64_t)time(NULL), when);
	snprintf(comment, sizeof(comment), "file:%s\ttime:%s", name, when);
	for (size_t i = 0; i < s->n && error == 0; i++) {
		error = minisign_sign(&s->v[i], text.p, text.n, comment, signature, err);
		minisign_id(s->v[i].id, id);
		snprintf(file, sizeof(file), "%s.%s.minisig", name, id);
		if (error == 0)
			error = repo_write(repo, file, slice_str(signature), err);
	}
	buf_free(&text);
	return (error);
}

int
repo_verify(const char *repo, const char *name, const struct role *role, struct slice text, struct uverr *err)
{
	struct sigs sigs = { 0 };
	struct buf sig = { 0 };
	struct uverr ignored;
	char file[128], id[17];
	int error;

	for (size_t i = 0; i < role->n; i++) {
		minisign_id(role->keys[i].id, id);
		snprintf(file, sizeof(file), "%s.%s.minisig", name, id);
		sig.n = 0;
		if (repo_read(repo, file, MINISIGN_SIGNATURE_MAX, &sig, &ignored) == 0 &&
		    minisign_read_signature(ARRAY_ADD(sigs.v, sigs.n), sig.p, sig.n, &ignored) != 0)
			sigs.n--;
	}
	error = doc_verify(role, &sigs, text, name, err);
	free(sigs.v);
	buf_free(&sig);
	return (error);
}

/* The newest root that is signed well enough, also by the one before it. */
int
repo_root(const char *repo, struct root *root, struct uverr *err)
{
	struct root next, last = { 0 };
	struct buf text = { 0 };
	struct uverr why;
	char name[64];
	int error = 0;

	*root = (struct root){ 0 };
	for (long v = 1; v <= repo_newest(repo, "root"); v++) {
		snprintf(name, sizeof(name), "%ld.root.json", v);
		text.n = 0;
		if ((error = repo_read(repo, name, DOC_MAX, &text, err)) != 0 || (error = root_parse(buf_get(&text), v, &next, err)) != 0)
			break;
		if ((v > 1 && repo_verify(repo, name, &last.root, buf_get(&text), &why) != 0) ||
		    repo_verify(repo, name, &next.root, buf_get(&text), &why) != 0) {
			root_free(&next);
			break;		/* it waits for signatures */
		}
		root_free(&last);
		last = next;
	}
	if (error == 0 && last.doc == NULL)
		error = uverr(err, ENOENT, "%s: there is no root that is signed: vnet-update root, or publish, makes one", repo);
	if (error == 0)
		*root = last;
	else
		root_free(&last);
	buf_free(&text);
	return (error);
}

int
repo_release(const char *repo, struct uverr *err)
{
	const long version = repo_newest(repo, "manifest");
	struct buf text = { 0 };
	struct root root;
	char name[64];
	int error;

	if ((error = repo_root(repo, &root, err)) != 0)
		return (error);
	snprintf(name, sizeof(name), "%ld.manifest.json", version);
	if (version == 0 || (error = repo_read(repo, name, DOC_MAX, &text, err)) != 0)
		goto out;
	if (repo_verify(repo, name, &root.manifest, buf_get(&text), err) == 0) {
		snprintf(name, sizeof(name), "%ld\n", version);
		error = repo_write(repo, "latest", slice_str(name), err);
		error = error == 0 ? 1 : error;
	}
out:
	root_free(&root);
	buf_free(&text);
	return (error);
}

json_t *
repo_expires(json_t *doc, int days)
{
	char when[32];

	time_print((int64_t)time(NULL) + (int64_t)days * 86400, when);
	json_object_set_new(doc, "expires", json_string(when));
	return (doc);
}
