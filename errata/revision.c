/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errata revision: is the fix in this checkout?  By the commit, when the repository has it: in the history of HEAD or
 * not.  Otherwise by the count of first parents, which the table calls nNNNNNN; local commits raise that, and a
 * shallow clone has lost it, so the commit is asked first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <git2.h>
#include "errata.h"
#include "fix.h"

struct checkout {
	git_repository *repo;
	git_oid head;
	char branch[32];		/* "releng/13.2", or "" */
	bool shallow;
	long count;			/* of HEAD's first parents and itself; 0: shallow */
};

static int
git_failed(struct uverr *err, const char *what)
{
	const git_error *e = git_error_last();

	return (uverr(err, EIO, "%s: %s", what, e != NULL && e->message != NULL ? e->message : "git failed"));
}

static int
count_parents(struct checkout *c)
{
	git_revwalk *walk = NULL;
	git_oid oid;

	if (git_revwalk_new(&walk, c->repo) != 0 || git_revwalk_push(walk, &c->head) != 0 ||
	    git_revwalk_simplify_first_parent(walk) != 0) {
		git_revwalk_free(walk);
		return (-1);
	}
	while (git_revwalk_next(&oid, walk) == 0)
		c->count++;
	git_revwalk_free(walk);
	return (0);
}

static int
checkout_open(struct checkout *c, const struct options *opt, struct uverr *err)
{
	git_reference *head = NULL;
	const char *name;

	*c = (struct checkout){ 0 };
	if (git_repository_open(&c->repo, opt->repo) != 0)
		return (git_failed(err, opt->repo));
	c->shallow = git_repository_is_shallow(c->repo) == 1;
	if (git_reference_name_to_id(&c->head, c->repo, "HEAD") != 0)
		return (git_failed(err, opt->repo));
	if (!c->shallow && count_parents(c) != 0)
		return (git_failed(err, opt->repo));
	if (opt->branch != NULL && !fix_branch(slice_str(opt->branch), c->branch))
		return (uverr(err, EINVAL, "--branch: \"%s\" is no branch such as stable/13 or releng/13.2", opt->branch));
	if (opt->branch == NULL && git_repository_head(&head, c->repo) == 0) {
		name = git_reference_shorthand(head);
		if (!fix_branch(slice_str(name), c->branch))
			c->branch[0] = '\0';
	}
	git_reference_free(head);
	return (0);
}

static int
add_file(const git_diff_delta *delta, float progress, void *list)
{
	(void)progress;
	json_array_append_new(list, json_string(delta->new_file.path));
	return (0);
}

static json_t *
touched(struct checkout *c, git_commit *commit)
{
	git_commit *parent = NULL;
	git_tree *old = NULL, *new = NULL;
	git_diff *diff = NULL;
	json_t *list = json_array();

	if (git_commit_tree(&new, commit) == 0 && git_commit_parent(&parent, commit, 0) == 0 &&
	    git_commit_tree(&old, parent) == 0 && git_diff_tree_to_tree(&diff, c->repo, old, new, NULL) == 0)
		git_diff_foreach(diff, add_file, NULL, NULL, NULL, list);
	git_diff_free(diff);
	git_tree_free(old);
	git_tree_free(new);
	git_commit_free(parent);
	return (list);
}

/* One correction: 1 in, 0 not in, -1 not to be said. */
static int
judge(struct checkout *c, const struct notice_fix *f, char reason[512], json_t **files)
{
	git_commit *commit = NULL;
	git_oid oid;
	int in;

	if (f->hash[0] != '\0' && git_oid_fromstrn(&oid, f->hash, strlen(f->hash)) == 0 &&
	    git_commit_lookup_prefix(&commit, c->repo, &oid, strlen(f->hash)) == 0) {
		oid = *git_commit_id(commit);
		in = git_oid_equal(&oid, &c->head) || git_graph_descendant_of(c->repo, &c->head, &oid) == 1;
		*files = touched(c, commit);
		git_commit_free(commit);
		snprintf(reason, 512, "commit %s is %s the history of HEAD", f->hash, in ? "in" : "not in");
		return (in ? 1 : c->shallow ? -1 : 0);
	}
	if (c->shallow) {
		snprintf(reason, 512, "a shallow clone has neither the commit %s nor its count: git fetch --unshallow", f->hash);
		return (-1);
	}
	if (strcmp(f->branch, c->branch) != 0 || f->count == 0) {
		snprintf(reason, 512, "%s is another branch than that of HEAD (%s)", f->branch,
		    c->branch[0] != '\0' ? c->branch : "not told by its name: --branch");
		return (-1);
	}
	snprintf(reason, 512, "HEAD is n%ld of %s, the fix n%ld", c->count, c->branch, f->count);
	return (c->count >= f->count);
}

/* A notice: in when any branch's commit is; the checkout's own branch decides against. */
static json_t *
answer(struct checkout *c, struct notice *n, int *best)
{
	json_t *rows = json_array(), *o, *files;
	char reason[512];
	int in;

	*best = -1;
	for (size_t i = 0; i < n->nfixes; i++) {
		files = NULL;
		in = judge(c, &n->fixes[i], reason, &files);
		if (in == 1 || (in == 0 && *best == -1 && strcmp(n->fixes[i].branch, c->branch) == 0))
			*best = in;
		o = json_pack("{ss ss ss}", "branch", n->fixes[i].branch, "has", in == 1 ? "yes" : in == 0 ? "no" : "unknown",
		    "reason", reason);
		if (files != NULL)
			json_object_set_new(o, "files", files);
		json_array_append_new(rows, o);
	}
	return (json_pack("{ss ss so}", "id", n->id, "has", *best == 1 ? "yes" : *best == 0 ? "no" : "unknown", "rows", rows));
}

static void
print_answer(json_t *o)
{
	json_t *row, *file;
	size_t i, k;

	printf("%s: %s\n", json_string_value(json_object_get(o, "id")), json_string_value(json_object_get(o, "has")));
	json_array_foreach(json_object_get(o, "rows"), i, row) {
		printf("  %-14s %-8s %s\n", json_string_value(json_object_get(row, "branch")),
		    json_string_value(json_object_get(row, "has")), json_string_value(json_object_get(row, "reason")));
		json_array_foreach(json_object_get(row, "files"), k, file) {
			printf("%25s", "");
			put_text(stdout, json_string_value(file));
			putchar('\n');
		}
	}
}

int
revision_main(const struct options *opt)
{
	struct checkout c = { 0 };
	struct keyring *kr = NULL;
	struct notice *n;
	struct uverr err;
	json_t *all = json_array(), *one;
	int status = EXIT_OK, best;

	git_libgit2_init();
	if (opt->repo == NULL) {
		fprintf(stderr, "errata: revision: which checkout?  --repo DIR\n");
		status = EXIT_USAGE;
		goto out;
	}
	if (options_keyring(opt, &kr, &err) != 0 || checkout_open(&c, opt, &err) != 0) {
		complain(&err);
		status = EXIT_USAGE;
		goto out;
	}
	for (int i = 0; i < opt->nargs; i++) {
		if (notice_load(&n, opt->args[i], kr, &err) != 0) {
			complain(&err);
			status = EXIT_NO;
			continue;
		}
		if (n->nblocks == 0 || (opt->nkeyrings > 0 && !verdict_trusted(&n->verdict))) {
			fprintf(stderr, "errata: %s: %s\n", opt->args[i], n->verdict.why);
			status = EXIT_NO;
		} else {
			one = answer(&c, n, &best);
			if (!opt->json)
				print_answer(one);
			json_array_append_new(all, one);
			if (best != 1)
				status = EXIT_NO;
		}
		notice_free(n);
	}
	if (opt->json)
		json_print(json_incref(all), stdout);
out:
	json_decref(all);
	git_repository_free(c.repo);
	git_libgit2_shutdown();
	keyring_free(kr);
	return (status);
}
