/* SPDX-License-Identifier: BSD-2-Clause */
/* errata patch: verify, apply, and say what to rebuild. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "apply.h"
#include "errata.h"

extern char **environ;

/* What a changed file of FreeBSD's source makes necessary: the row whose prefix fits first. */
static const struct { const char *prefix, *what; } rebuild[] = {
	{ "sys/conf/kmod.mk", "every kernel module, those of ports and your own too: make buildkernel installkernel, reboot" },
	{ "sys/", "the kernel and its modules: make buildkernel installkernel, reboot" },
	{ "stand/", "the boot loader: make buildworld installworld, then install it where the machine boots from" },
	{ "lib/", "libraries and what links them statically: make buildworld installworld, restart what uses them" },
	{ "contrib/", "the world: make buildworld installworld, restart what uses it" },
	{ "crypto/", "the world: make buildworld installworld, restart what uses it" },
	{ "modules/", "uvnet's modules: scripts/build, then reload them" },
	{ "", "the world: make buildworld installworld" },
};

static const char *
rebuild_of(const char *path)
{
	size_t i = 0;

	while (strncmp(path, rebuild[i].prefix, strlen(rebuild[i].prefix)) != 0)
		i++;
	return (rebuild[i].what);
}

/* scripts/build of a tree of uvnet, without a shell of ours in between. */
static int
build(const char *root, struct uverr *err)
{
	char *path = NULL, *header = NULL, *argv[2] = { 0 };
	posix_spawn_file_actions_t fa;
	int status = 0, error;
	pid_t pid;

	if (asprintf(&path, "%s/scripts/build", root) == -1 || asprintf(&header, "%s/include/uvnet/module.h", root) == -1)
		text_oom();
	if (access(path, X_OK) == -1 || access(header, R_OK) == -1) {
		error = uverr(err, EINVAL, "--build: %s is no tree of uvnet", root);
		goto out;
	}
	argv[0] = path;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, STDERR_FILENO, STDOUT_FILENO);
	error = posix_spawn(&pid, path, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (error != 0) {
		error = uverr(err, error, "%s: %s", path, strerror(error));
		goto out;
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		error = uverr(err, EIO, "%s failed; the patch is applied", path);
out:
	free(path);
	free(header);
	return (error);
}

static void
report(const struct options *opt, const struct apply *a, const struct verdict *v, bool applied)
{
	json_t *files = json_array(), *todo = json_array();
	const char *said[sizeof(rebuild) / sizeof(rebuild[0])];
	size_t nsaid = 0, k;
	char text[900];

	if (!opt->json)
		put_text(stdout, verdict_sentence(v, text, sizeof(text)));
	for (size_t i = 0; i < a->n; i++) {
		const struct apply_file *f = &a->files[i];
		const char *what = rebuild_of(f->path), *did = !f->exists ? "create" : !f->remains ? "delete" : "change";

		for (k = 0; k < nsaid && said[k] != what; k++)
			;
		if (k == nsaid) {
			said[nsaid++] = what;
			json_array_append_new(todo, json_string(what));
		}
		json_array_append_new(files, json_pack("{ss ss si}", "path", f->path, "action", did, "moved", (int)f->moved));
		if (opt->json)
			continue;
		printf("%s%s %s", i == 0 ? "\n" : "", did, f->path);
		printf(f->moved != 0 ? " (moved by %ld lines)\n" : "\n", f->moved);
	}
	if (opt->json) {
		json_print(json_pack("{sb so so so}", "applied", applied, "files", files, "rebuild", todo, "verification",
		    verdict_json(v)), stdout);
		return;
	}
	json_decref(files);
	json_decref(todo);
	printf("%s\n", applied ? "applied; now rebuild:" : "fits; nothing was changed (--dry-run); to be rebuilt then:");
	for (k = 0; k < nsaid; k++)
		printf("  %s\n", said[k]);
}

/* The patch's own signature: the same bytes are verified and parsed. */
static int
load(const struct options *opt, struct buf *patch, struct verdict *v, struct uverr *err)
{
	struct keyring *kr = NULL;
	struct buf sig = { 0 };
	char *beside = NULL;
	int error;

	if (asprintf(&beside, "%s.asc", opt->args[0]) == -1)
		text_oom();
	if ((error = options_keyring(opt, &kr, err)) != 0 ||
	    (error = file_read(opt->args[0], FILE_MAX, patch, err)) != 0 ||
	    (error = file_read(opt->signature != NULL ? opt->signature : beside, FILE_MAX, &sig, err)) != 0)
		goto out;
	verify_detached(kr, buf_get(patch), buf_get(&sig), v);
	if (!verdict_trusted(v))
		error = uverr(err, EACCES, "%s: not applied: %.400s", opt->args[0], v->why);
out:
	keyring_free(kr);
	buf_free(&sig);
	free(beside);
	return (error);
}

int
patch_main(const struct options *opt)
{
	struct apply a = { .root = -1 };
	struct diff d = { 0 };
	struct buf patch = { 0 };
	struct verdict v;
	struct uverr err;
	int status = EXIT_NO;

	if (opt->root == NULL || (opt->nargs == 1 && opt->nkeyrings == 0)) {
		fprintf(stderr, "errata: patch: --root DIR names the tree%s\n", opt->nargs == 1 ?
		    ", --keyring FILE the keys that are trusted" : "");
		return (EXIT_USAGE);
	}
	if (opt->nargs == 1 && load(opt, &patch, &v, &err) != 0)
		goto failed;
	if (opt->nargs == 1 && diff_parse(buf_get(&patch), &d, &err) != 0) {
		uverr_prefix(&err, "%s: ", opt->args[0]);
		goto failed;
	}
	if (apply_open(&a, opt->root, &err) != 0)
		goto failed;
	if (a.recovered)
		fprintf(stderr, "errata: %s: an interrupted patch was finished\n", opt->root);
	if (opt->nargs == 1) {
		if (apply_plan(&a, &d, opt->reverse, &err) != 0 || (!opt->dry_run && apply_commit(&a, &err) != 0))
			goto failed;
		report(opt, &a, &v, !opt->dry_run);
		fflush(stdout);
		if (opt->build && !opt->dry_run && build(opt->root, &err) != 0)
			goto failed;
	}
	status = EXIT_OK;
	goto out;
failed:
	complain(&err);
out:
	apply_close(&a);
	diff_free(&d);
	buf_free(&patch);
	return (status);
}
