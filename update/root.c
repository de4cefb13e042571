/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The root: who may sign what.
 *
 *	{ "type": "root", "version": 2, "expires": "2027-11-24T10:00:00Z",
 *	  "keys": [ "RWQ...", "RWR..." ],				minisign's public keys
 *	  "root": { "threshold": 2, "keys": [ "KEYID", ... ] },		who signs roots
 *	  "manifest": { "threshold": 1, "keys": [ "KEYID" ] } }		who signs manifests
 *
 * A root is believed when a threshold of the *last* root's keys and of its own signed it (5.3 of TUF): so keys change
 * hands one version at a time, and whoever comes late walks the whole way, N.root.json by N.root.json.  The first one a user
 * gets with the program, or takes from where he believes it (vnet-update init).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "update.h"

static int
parse_role(const json_t *o, const struct root *root, const char *name, struct role *role, struct uverr *err)
{
	const json_t *list = json_object_get(o, "keys"), *j;
	const json_int_t threshold = json_integer_value(json_object_get(o, "threshold"));
	char id[17];
	size_t i, k;

	*role = (struct role){ 0 };
	json_array_foreach(list, i, j) {
		const char *want = json_string_value(j);

		for (k = 0; k < root->nkeys && want != NULL; k++) {
			minisign_id(root->keys[k].id, id);
			if (strcmp(id, want) == 0)
				break;
		}
		if (want == NULL || k == root->nkeys)
			return (uverr(err, EBADMSG, "root: %s: key %zu is none of its keys", name, i + 1));
		for (size_t m = 0; m < role->n; m++)
			if (memcmp(role->keys[m].id, root->keys[k].id, 8) == 0)
				return (uverr(err, EBADMSG, "root: %s: key %s is there twice", name, want));
		role->keys[role->n++] = root->keys[k];		/* nkeys <= KEYS_MAX, each once */
	}
	if (threshold < 1 || (size_t)threshold > role->n)
		return (uverr(err, EBADMSG, "root: %s: %lld of %zu keys can never sign", name, (long long)threshold, role->n));
	role->threshold = (int)threshold;
	return (0);
}

int
root_parse(struct slice text, long version, struct root *root, struct uverr *err)
{
	const json_t *list, *j;
	const char *key;
	size_t i;
	int error;

	*root = (struct root){ 0 };
	if ((error = doc_parse(text, "root", version, "root", &root->doc, err)) != 0)
		return (error);
	root->version = doc_version(root->doc);
	list = json_object_get(root->doc, "keys");
	if (json_array_size(list) > KEYS_MAX)
		error = uverr(err, EBADMSG, "root: it has more than %d keys", KEYS_MAX);
	json_array_foreach(list, i, j) {
		key = json_string_value(j);
		if (error != 0)
			break;
		error = key == NULL ? uverr(err, EBADMSG, "root: key %zu is no text", i + 1) :
		    minisign_read_public(&root->keys[root->nkeys], key, strlen(key), err);
		for (size_t k = 0; k < root->nkeys && error == 0; k++)
			if (memcmp(root->keys[k].id, root->keys[root->nkeys].id, 8) == 0 ||
			    memcmp(root->keys[k].key, root->keys[root->nkeys].key, 32) == 0)
				error = uverr(err, EBADMSG, "root: key %zu is there twice", i + 1);
		root->nkeys += error == 0;
	}
	if (error == 0)
		error = parse_role(json_object_get(root->doc, "root"), root, "root", &root->root, err);
	if (error == 0)
		error = parse_role(json_object_get(root->doc, "manifest"), root, "manifest", &root->manifest, err);
	if (error != 0)
		root_free(root);
	return (error);
}

void
root_free(struct root *root)
{
	json_decref(root->doc);
	*root = (struct root){ 0 };
}
