/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packed files and deltas: zstd, where a delta has the old file for a prefix.  A delta of a small change is a few
 * hundred bytes, however big the file is, as long as the window reaches over old and new.
 *
 * Unpacking is given bytes whose hash is known already, and still trusts none: the output is one buffer of the size that the
 * manifest says, so a stream that would go on for ever ends there; and its hash is compared before it is anything.
 */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <zstd.h>
#include "update.h"

#define LEVEL 19
#define WINDOW_MAX 31			/* log2: what CONTENT_MAX old and new together need */

static int
window_log(size_t n)
{
	int log = 10;

	while (log < WINDOW_MAX && ((size_t)1 << log) < n)
		log++;
	return (log);
}

int
pack(struct slice old, struct slice new, struct buf *out, struct uverr *err)
{
	const size_t bound = ZSTD_compressBound(new.n);
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	char *room = xmalloc(bound);
	size_t n;
	int error = 0;

	if (ctx == NULL)
		text_oom();
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, window_log(old.n + new.n));
	if (old.n > 0) {
		ZSTD_CCtx_setParameter(ctx, ZSTD_c_enableLongDistanceMatching, 1);
		ZSTD_CCtx_refPrefix(ctx, old.p, old.n);
	}
	n = ZSTD_compress2(ctx, room, bound, new.p, new.n);
	if (ZSTD_isError(n))
		error = uverr(err, ENOMEM, "zstd: %s", ZSTD_getErrorName(n));
	else
		buf_add(out, room, n);
	free(room);
	ZSTD_freeCCtx(ctx);
	return (error);
}

int
unpack(struct slice old, struct slice packed, int64_t size, const char *sha256, struct buf *out, struct uverr *err)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	char *room = xmalloc((size_t)size + 1), hash[65];
	size_t n;
	int error = 0;

	if (ctx == NULL)
		text_oom();
	ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_MAX);
	if (old.n > 0)
		ZSTD_DCtx_refPrefix(ctx, old.p, old.n);
	n = ZSTD_decompressDCtx(ctx, room, (size_t)size, packed.p, packed.n);
	if (ZSTD_isError(n)) {
		error = uverr(err, EBADMSG, "it does not unpack to %lld bytes: %s", (long long)size, ZSTD_getErrorName(n));
	} else {
		text_sha256((struct slice){ room, n }, hash);
		if (n != (size_t)size || strcmp(hash, sha256) != 0)
			error = uverr(err, EBADMSG, "it unpacks to something else than the manifest says");
		else
			buf_add(out, room, n);
	}
	free(room);
	ZSTD_freeDCtx(ctx);
	return (error);
}

int
unpack_any(struct slice packed, const char *sha256, struct buf *out, struct uverr *err)
{
	const unsigned long long size = ZSTD_getFrameContentSize(packed.p, packed.n);

	if (size > CONTENT_MAX)
		return (uverr(err, EBADMSG, "files/%s: it does not say its size", sha256));
	return (unpack((struct slice){ "", 0 }, packed, (int64_t)size, sha256, out, err));
}
