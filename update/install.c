/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnet-update init, install, rollback: from then on, which version is in use is one symbolic link.
 *
 * A version was put together whole by fetch.  install looks at every file's hash once more, notes in the new version what
 * was in use, and renames the link.  rollback renames it back.  Only after that are versions removed that neither names.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "update.h"

/* Count and report what differs. */
static void
differs(void *arg, const char *path, const char *how)
{
	fprintf(stderr, "vnet-update: %s: %s\n", path, how);
	++*(size_t *)arg;
}

/* Is a version whole? */
static int
check(const struct store *s, long version, struct uverr *err)
{
	struct manifest m;
	size_t n = 0;
	int error;

	if ((error = store_manifest(s, version, &m, err)) != 0)
		return (error);
	error = store_check(s, &m, differs, &n, err);
	if (error == 0 && n > 0)
		error = uverr(err, EBADMSG, "%s/versions/%ld: %zu files are not as they were fetched; remove the folder and fetch again",
		    s->base, version, n);
	manifest_free(&m);
	return (error);
}

static int
use(const struct store *s, long version, struct uverr *err)
{
	char target[32];

	snprintf(target, sizeof(target), "versions/%ld", version);
	return (store_link(s, "current", target, err));
}

/* Remove what is neither in use, nor what rollback or install would go to. */
static void
clean(const struct store *s)
{
	const long current = store_version(s, "current"), newest = store_newest(s);
	const int fd = openat(s->fd, "versions", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	struct uverr err;
	char name[300], *end;
	long previous, version;

	snprintf(name, sizeof(name), "versions/%ld/previous", current);
	previous = store_version(s, name);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		version = strtol(d->d_name, &end, 10);
		if (d->d_name[0] == '.' || (version == current || version == previous || version == newest))
			continue;
		snprintf(name, sizeof(name), "versions/%s", d->d_name);
		if (store_remove(s, name, &err) != 0)
			complain(&err);		/* it takes room, and nothing else */
	}
	if (dir != NULL)
		closedir(dir);
}

static void
answer(const struct options *opt, long from, long to, const char *text)
{
	if (opt->json)
		printf("{ \"from\": %ld, \"installed\": %ld }\n", from, to);
	else
		printf("Version %ld %s.\n", to, text);
}

int
install_main(const struct options *opt)
{
	struct store s = { .fd = -1 };
	char link[64], target[32];
	struct uverr err;
	int status = EXIT_NO;
	long now, version;

	if (store_open(&s, opt->base, true, &err) != 0)
		goto fail;
	now = store_version(&s, "current");
	version = store_newest(&s);
	if (version == 0) {
		uverr(&err, ENOENT, "nothing was fetched: vnet-update fetch");
		goto fail;
	}
	if (version == now) {
		answer(opt, now, now, "is in use already");
		status = EXIT_OK;
		goto out;
	}
	if (check(&s, version, &err) != 0)
		goto fail;
	if (now != 0) {
		snprintf(link, sizeof(link), "versions/%ld/previous", version);
		snprintf(target, sizeof(target), "../%ld", now);
		if (store_link(&s, link, target, &err) != 0)
			goto fail;
	}
	if (use(&s, version, &err) != 0)
		goto fail;
	clean(&s);
	answer(opt, now, version, "is in use");
	status = EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	store_close(&s);
	return (status);
}

int
rollback_main(const struct options *opt)
{
	struct store s = { .fd = -1 };
	char link[64];
	struct uverr err;
	int status = EXIT_NO;
	long now, version;

	if (store_open(&s, opt->base, true, &err) != 0)
		goto fail;
	now = store_version(&s, "current");
	snprintf(link, sizeof(link), "versions/%ld/previous", now);
	version = store_version(&s, link);
	snprintf(link, sizeof(link), "versions/%ld/manifest.json", version);
	if (version == 0 || faccessat(s.fd, link, F_OK, 0) == -1) {
		uverr(&err, ENOENT, "there is nothing to go back to");
		goto fail;
	}
	if (check(&s, version, &err) != 0 || use(&s, version, &err) != 0)
		goto fail;
	answer(opt, now, version, "is in use again");
	status = EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	store_close(&s);
	return (status);
}

/* ---- init ---- */

static int
make_folders(const char *base, struct uverr *err)
{
	static const char *const names[] = { "", "/versions", "/parts" };
	char *path;
	int error = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && error == 0; i++) {
		if (asprintf(&path, "%s%s", base, names[i]) == -1)
			text_oom();
		for (char *slash = strchr(path + 1, '/'); i == 0 && slash != NULL; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			if (mkdir(path, 0755) == -1 && errno != EEXIST)
				error = uverr(err, errno, "%s: %s", path, strerror(errno));
			*slash = '/';
		}
		if (mkdir(path, 0755) == -1 && errno != EEXIST)
			error = uverr(err, errno, "%s: %s", path, strerror(errno));
		free(path);
	}
	return (error);
}

int
init_main(const struct options *opt)
{
	const char *const base = opt->base != NULL ? opt->base : store_default();
	struct store s = { .fd = -1 };
	struct buf text = { 0 }, mirrors = { 0 };
	struct root root = { 0 };
	struct uverr err;
	int status = EXIT_NO;

	if (opt->ntrust != 1) {
		fprintf(stderr, "vnet-update: init: --trust FILE names the root.json that you believe\n");
		return (EXIT_USAGE);
	}
	for (int i = 0; i < opt->nargs; i++) {
		if (strpbrk(opt->args[i], "\n\r") != NULL || strstr(opt->args[i], "://") == NULL) {
			fprintf(stderr, "vnet-update: init: %s: a mirror is a URL (http://, https:// or file://)\n", opt->args[i]);
			return (EXIT_USAGE);
		}
		buf_fmt(&mirrors, "%s\n", opt->args[i]);
	}
	if (file_read(opt->trust[0], DOC_MAX, &text, &err) != 0 || root_parse(buf_get(&text), 0, &root, &err) != 0)
		goto fail;
	if (make_folders(base, &err) != 0)
		goto fail;
	s.base = xstrdup(base);
	s.fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.fd == -1) {
		uverr(&err, errno, "%s: %s", base, strerror(errno));
		goto fail;
	}
	if (faccessat(s.fd, "root.json", F_OK, 0) == 0 && !opt->force) {
		uverr(&err, EEXIST, "%s: a repository is known here already; --force forgets whom it trusts", base);
		goto fail;
	}
	if (opt->force)
		unlinkat(s.fd, "seen.json", 0);
	if (store_write(&s, "mirrors", buf_get(&mirrors), &err) != 0 || store_write(&s, "root.json", buf_get(&text), &err) != 0)
		goto fail;
	printf("%s: trusts root %ld. Next: vnet-update fetch\n", base, root.version);
	status = EXIT_OK;
	goto out;
fail:
	complain(&err);
out:
	store_close(&s);
	root_free(&root);
	buf_free(&mirrors);
	buf_free(&text);
	return (status);
}
