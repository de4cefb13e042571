/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: update metadata, as a tag, an index of indexes, an index of files, and packed.  Paths are safe. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "update.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_change(void *arg, enum update_change c, const struct update_file *f)
{
	(void)arg;
	if (c == UPDATE_NONE || c == UPDATE_LOCAL || f->path.n == 0 || f->path.p[0] != '/' || slice_has(f->path, "/../"))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size }, half = { (const char *)data + size / 2, size - size / 2 };
	struct update_index old, new;
	struct buf unpacked = { 0 };
	struct update_tag tag;
	struct uverr err;
	char hash[65];

	if (update_tag_parse(text, &tag, &err) == 0 && (strlen(tag.hash) != 64 || tag.patch < 0))
		abort();
	update_index_hash(text, "INDEX-NEW", hash, &err);
	if (update_index_parse(text, &new, &err) == 0) {
		if (update_index_parse(half, &old, &err) == 0)
			update_compare(&old, &new, NULL, check_change, NULL);
		update_index_free(&old);
	}
	update_index_free(&new);
	if (update_unpack(text, 1 << 20, &unpacked, &err) == 0 && unpacked.n > 1 << 20)
		abort();
	buf_free(&unpacked);
	return (0);
}
