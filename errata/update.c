/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FreeBSD's update metadata, read.  A chain from one fingerprint:
 *
 *	KeyPrint	is the SHA-256 of pub.ssl, an RSA key
 *	latest.ssl	is the tag, signed with it: freebsd-update|arch|release|patch|hash|end of life
 *	t/HASH		is that hash's text: an index a line, NAME|hash
 *	m/HASH.gz	unpacks to that hash's text: a file a line,
 *			component|sub|path|type|uid|gid|mode|flags|hash|link
 *
 * The hashes of m/ are of what is unpacked, so that unpacking is the one thing done to bytes that nobody vouches for
 * yet: in memory, with a limit, by zlib, without any privilege being needed; and nothing is parsed before its hash was
 * compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <zlib.h>
#include "update.h"

#define RSA_MIN 2048
#define RSA_MAX 16384

int
update_tag_verify(struct slice pem, struct slice signature, struct buf *tag, struct uverr *err)
{
	unsigned char out[RSA_MAX / 8];
	size_t n = sizeof(out);
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *key = NULL;
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	int error = 0;

	if (bio == NULL)
		text_oom();
	key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < RSA_MIN ||
	    EVP_PKEY_get_bits(key) > RSA_MAX) {
		error = uverr(err, EBADMSG, "pub.ssl: no RSA public key of %d bits or more", RSA_MIN);
		goto out;
	}
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (ctx == NULL)
		text_oom();
	if (EVP_PKEY_verify_recover_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_verify_recover(ctx, out, &n, (const unsigned char *)signature.p, signature.n) != 1)
		error = uverr(err, EBADMSG, "latest.ssl: BAD signature: it was not made with the key in pub.ssl");
	else
		buf_add(tag, out, n);
out:
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return (error);
}

/* Split at "|" into exactly n parts. */
static bool
split(struct slice s, struct slice *part, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *bar = s.n > 0 ? memchr(s.p, '|', s.n) : NULL;

		if ((bar != NULL) != (i + 1 < n))
			return (false);
		part[i] = (struct slice){ s.p, bar != NULL ? (size_t)(bar - s.p) : s.n };
		if (bar != NULL)
			s = slice_from(s, part[i].n + 1);
	}
	return (true);
}

static bool
only(struct slice s, const char *chars, size_t min, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || strchr(chars, s.p[i]) == NULL)
			return (false);
	return (s.n >= min && s.n <= max);
}

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool
is_hash(struct slice s)
{
	return (only(s, DIGITS "abcdef", 64, 64));
}

static void
copy(char *to, size_t size, struct slice s)
{
	snprintf(to, size, "%.*s", (int)s.n, s.p);
}

int
update_tag_parse(struct slice text, struct update_tag *tag, struct uverr *err)
{
	struct slice part[6];
	char number[16];

	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	if (!split(text, part, 6) || !slice_is(part[0], "freebsd-update") || !only(part[1], DIGITS LOWER "_", 1, 15) ||
	    !only(part[2], DIGITS UPPER ".-", 1, 31) || !only(part[3], DIGITS, 1, 6) || !is_hash(part[4]) ||
	    !only(part[5], DIGITS, 10, 11))
		return (uverr(err, EBADMSG, "latest.ssl: what was signed is no tag of freebsd-update"));
	copy(tag->arch, sizeof(tag->arch), part[1]);
	copy(tag->release, sizeof(tag->release), part[2]);
	copy(number, sizeof(number), part[3]);
	tag->patch = strtol(number, NULL, 10);
	copy(tag->hash, sizeof(tag->hash), part[4]);
	copy(number, sizeof(number), part[5]);
	tag->eol = strtoll(number, NULL, 10);
	return (0);
}

int
update_index_hash(struct slice text, const char *name, char hash[65], struct uverr *err)
{
	struct lines l = lines_of(text);
	struct slice line, part[2];
	bool found = false;

	while (lines_next(&l, &line, NULL)) {
		/* Lines of other names may come to have another form. */
		if (!slice_starts(line, name) || line.n == strlen(name) || line.p[strlen(name)] != '|')
			continue;
		if (!split(line, part, 2) || !is_hash(part[1]))
			return (uverr(err, EBADMSG, "metadata index, line %d: not NAME|hash", l.no));
		if (found)
			return (uverr(err, EBADMSG, "metadata index, line %d: %s a second time", l.no, name));
		found = true;
		copy(hash, 65, part[1]);
	}
	return (found ? 0 : uverr(err, EBADMSG, "metadata index: no %s in it", name));
}

int
update_unpack(struct slice packed, size_t max, struct buf *out, struct uverr *err)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n };
	unsigned char part[65536];
	size_t start = out->n;
	int r, error = 0;

	if (packed.n > FILE_MAX)
		return (uverr(err, EFBIG, "more than %u bytes packed", FILE_MAX));
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		text_oom();
	do {
		z.next_out = part;
		z.avail_out = sizeof(part);
		r = inflate(&z, Z_NO_FLUSH);
		if (r != Z_OK && r != Z_STREAM_END) {
			error = uverr(err, EBADMSG, "no whole gzip file: %s", z.msg != NULL ? z.msg : "it ends too early");
			break;
		}
		if (out->n - start + sizeof(part) - z.avail_out > max) {
			error = uverr(err, EFBIG, "unpacks to more than %zu bytes", max);
			break;
		}
		buf_add(out, part, sizeof(part) - z.avail_out);
	} while (r != Z_STREAM_END);
	if (error == 0 && z.avail_in > 0)
		error = uverr(err, EBADMSG, "%u bytes follow the gzip file's end", z.avail_in);
	inflateEnd(&z);
	return (error);
}

/* As freebsd-update's own check: absolute, no "..", and of these characters alone. */
static bool
path_safe(struct slice s)
{
	struct slice rest = s;

	if (s.n == 0 || s.p[0] != '/' || !only(s, DIGITS LOWER UPPER "-+./:=,%@_[~", 1, 1023))
		return (false);
	while (rest.n > 0) {
		const char *slash = memchr(rest.p, '/', rest.n);
		struct slice part = { rest.p, slash != NULL ? (size_t)(slash - rest.p) : rest.n };

		if (slice_is(part, ".."))
			return (false);
		rest = slice_from(rest, part.n + 1);
	}
	return (true);
}

static int
compare_slices(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return (c != 0 ? c : (a.n > b.n) - (a.n < b.n));
}

static int
by_path(const void *a, const void *b)
{
	return (compare_slices(((const struct update_file *)a)->path, ((const struct update_file *)b)->path));
}

static bool
row(struct slice line, struct update_file *f)
{
	struct slice p[10];

	if (!split(line, p, 10) || !only(p[0], LOWER, 1, 32) || !only(p[1], DIGITS LOWER "-", 1, 32) || !path_safe(p[2]) ||
	    p[3].n != 1)
		return (false);
	f->component = (struct slice){ p[0].p, p[0].n + 1 + p[1].n };
	f->path = p[2];
	f->type = p[3].p[0];
	/* Some components name a folder with a slash behind it. */
	if ((f->type == 'd' || f->type == '-') && f->path.n > 1 && f->path.p[f->path.n - 1] == '/')
		f->path.n--;
	f->meta = (struct slice){ p[4].p, (size_t)(p[7].p + p[7].n - p[4].p) };
	f->hash = p[8];
	f->link = p[9];
	for (size_t i = 4; i < 8; i++)
		if (f->type == '-' ? p[i].n != 0 : !only(p[i], DIGITS, 1, 10))
			return (false);
	switch (f->type) {
	case 'f': return (is_hash(p[8]) && (p[9].n == 0 || path_safe(p[9])));
	case 'L': return (only(p[8], DIGITS LOWER UPPER "-+./:=,%@_[~", 0, 1023) && p[9].n == 0);
	case 'd':
	case '-': return (p[8].n == 0 && p[9].n == 0);
	}
	return (false);
}

int
update_index_parse(struct slice text, struct update_index *index, struct uverr *err)
{
	struct lines l = lines_of(text);
	struct slice line;

	*index = (struct update_index){ 0 };
	while (lines_next(&l, &line, NULL))
		if (!row(line, ARRAY_ADD(index->files, index->n))) {
			update_index_free(index);
			return (uverr(err, EBADMSG, "line %d is no row of an index", l.no));
		}
	if (index->n > 1)
		qsort(index->files, index->n, sizeof(index->files[0]), by_path);
	return (0);
}

void
update_index_free(struct update_index *index)
{
	free(index->files);
	*index = (struct update_index){ 0 };
}

/* Is what lies at the path what the row says?  Its contents count, and whether it is there; owner and mode do not. */
static bool
is_there(const struct update_file *f, const char *path)
{
	struct buf text = { 0 };
	struct stat st;
	char hex[65], to[1024];
	ssize_t n;
	bool same;

	if (lstat(path, &st) == -1)
		return (f->type == '-');
	switch (f->type) {
	case 'd':
		return (S_ISDIR(st.st_mode));
	case 'L':
		n = S_ISLNK(st.st_mode) ? readlink(path, to, sizeof(to)) : -1;
		return (n >= 0 && (size_t)n == f->hash.n && memcmp(to, f->hash.p, f->hash.n) == 0);
	case 'f':
		if (!S_ISREG(st.st_mode) || file_read(path, (size_t)1 << 30, &text, NULL) != 0)
			return (false);
		text_sha256(buf_get(&text), hex);
		same = memcmp(hex, f->hash.p, 64) == 0;
		buf_free(&text);
		return (same);
	}
	return (false);
}

static bool
same_row(const struct update_file *a, const struct update_file *b)
{
	return (a->type == b->type && compare_slices(a->meta, b->meta) == 0 && compare_slices(a->hash, b->hash) == 0 &&
	    compare_slices(a->link, b->link) == 0);
}

/* The first row of a path, and how many it has: one for each of its states. */
static size_t
rows(const struct update_index *index, struct slice path, const struct update_file **first)
{
	size_t low = 0, high = index->n, mid, end;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (compare_slices(index->files[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < index->n && compare_slices(index->files[end].path, path) == 0; end++)
		continue;
	*first = index->files + low;
	return (end - low);
}

/* Of a path with rows before (old) and after (new): what would be done, on a system below `root` or as old says. */
static enum update_change
judge(const struct update_file *old, size_t nold, const struct update_file *new, size_t nnew, const char *root)
{
	bool stays = nnew > 0 && new->type != '-', there = false, known = false, same = false;
	struct stat st;
	char *path;

	if (root == NULL) {
		for (size_t i = 0; i < nold; i++) {
			there |= old[i].type != '-';
			for (size_t k = 0; k < nnew; k++)
				same |= nold == 1 && same_row(&old[i], &new[k]);
		}
		known = true;
	} else {
		const struct update_file *any = nold > 0 ? old : new;

		if (asprintf(&path, "%s%.*s", root, (int)any->path.n, any->path.p) == -1)
			text_oom();
		there = lstat(path, &st) == 0;
		for (size_t i = 0; i < nnew; i++)
			same |= is_there(&new[i], path);
		for (size_t i = 0; i < nold && !same; i++)
			known |= is_there(&old[i], path);
		free(path);
	}
	if (same || (!there && !stays))
		return (UPDATE_NONE);
	if (there && !known)
		return (UPDATE_LOCAL);
	return (!stays ? UPDATE_REMOVE : there ? UPDATE_REPLACE : UPDATE_ADD);
}

void
update_compare(const struct update_index *old, const struct update_index *new, const char *root, update_report *report,
    void *arg)
{
	const struct update_file *o, *n;
	size_t i = 0, k = 0, no, nn;
	enum update_change c;
	int order;

	while (i < old->n || k < new->n) {
		order = i == old->n ? 1 : k == new->n ? -1 : compare_slices(old->files[i].path, new->files[k].path);
		no = rows(old, order <= 0 ? old->files[i].path : new->files[k].path, &o);
		nn = rows(new, order <= 0 ? old->files[i].path : new->files[k].path, &n);
		c = judge(o, no, n, nn, root);
		if (c != UPDATE_NONE)
			report(arg, c, nn > 0 ? n : o);
		i += no;
		k += nn;
	}
}

const char *
update_change_name(enum update_change c)
{
	static const char *const names[] = { "none", "add", "replace", "remove", "local" };

	return (names[c]);
}
