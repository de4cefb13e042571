/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a patch and, behind a NUL, the file to apply it to.  Names are safe; taken back, the file is as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *nul = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t n = nul != NULL ? (size_t)(nul - (const char *)data) : size;
	struct slice old = { (const char *)data + n + (nul != NULL), size - n - (nul != NULL) };
	struct uverr err;
	struct diff d;
	long moved;

	if (diff_parse((struct slice){ (const char *)data, n }, &d, &err) == 0)
		for (size_t i = 0; i < d.n; i++) {
			struct buf new = { 0 };

			if (!diff_path_safe(slice_str(d.files[i].path)))
				abort();
			diff_apply(&d.files[i], old, false, &new, &moved, &err);
			buf_free(&new);
		}
	diff_free(&d);
	return (0);
}
