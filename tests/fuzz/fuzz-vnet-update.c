/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Roots, manifests and packed files.  First byte: which.  Of a manifest that is taken, every promise that its users rely on is
 * checked again here.
 */
#include <stdlib.h>
#include <string.h>
#include "update.h"

static void
check_manifest(const struct manifest *m)
{
	for (size_t i = 0; i < m->nfiles; i++) {
		const struct entry *e = &m->files[i];

		if (e->path[0] == '/' || strstr(e->path, "..") == e->path || strstr(e->path, "/../") != NULL || !hash_ok(e->sha256) ||
		    !hash_ok(e->packed_sha256) || e->size < 0 || e->size > CONTENT_MAX || manifest_find(m, e->path) != e)
			abort();
		for (size_t k = 0; k < e->ndeltas; k++)
			if (!hash_ok(e->deltas[k].from) || !hash_ok(e->deltas[k].sha256) || e->deltas[k].size < 0)
				abort();
	}
	for (size_t i = 0; i < m->nnotices; i++)
		if (strchr(m->notices[i].id, '/') != NULL || m->notices[i].id[0] == '\0' || !hash_ok(m->notices[i].sha256))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char zeros[65] = "0000000000000000000000000000000000000000000000000000000000000000";
	const struct slice text = { (const char *)data + 1, len - 1 };
	struct buf out = { 0 };
	struct manifest m;
	struct root root;
	struct uverr err;

	if (len == 0)
		return (0);
	switch (data[0] % 4) {
	case 0:
		if (root_parse(text, 0, &root, &err) == 0) {
			if (root.root.threshold < 1 || (size_t)root.root.threshold > root.root.n || root.nkeys > KEYS_MAX)
				abort();
			root_free(&root);
		}
		break;
	case 1:
		if (manifest_parse(text, 0, &m, &err) == 0) {
			check_manifest(&m);
			manifest_free(&m);
		}
		break;
	case 2:		/* nothing has the hash of zeros */
		if (unpack((struct slice){ "", 0 }, text, 4096, zeros, &out, &err) == 0)
			abort();
		break;
	case 3:		/* a delta against the text's own head */
		if (unpack((struct slice){ text.p, text.n / 2 }, (struct slice){ text.p + text.n / 2, text.n - text.n / 2 }, 4096, zeros, &out,
		    &err) == 0)
			abort();
		break;
	}
	buf_free(&out);
	return (0);
}
