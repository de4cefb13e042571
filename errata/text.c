/* SPDX-License-Identifier: BSD-2-Clause */
/* Text: slices, buffers, arenas, lines.  See text.h. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <openssl/evp.h>
#include "text.h"

#define CHUNK 16384

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	max_align_t data[];
};

void
text_oom(void)
{
	fputs("errata: out of memory\n", stderr);
	exit(1);
}

void *
xmalloc(size_t size)
{
	void *p = calloc(1, size > 0 ? size : 1);

	if (p == NULL)
		text_oom();
	return (p);
}

char *
xstrdup(const char *s)
{
	char *p = strdup(s);

	if (p == NULL)
		text_oom();
	return (p);
}

struct slice
slice_str(const char *s)
{
	return ((struct slice){ s, strlen(s) });
}

bool
slice_is(struct slice s, const char *text)
{
	return (s.n == strlen(text) && memcmp(s.p, text, s.n) == 0);
}

bool
slice_isi(struct slice s, const char *text)
{
	return (s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0);
}

bool
slice_starts(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return (s.n >= n && memcmp(s.p, prefix, n) == 0);
}

bool
slice_has(struct slice s, const char *text)
{
	return (s.n > 0 && memmem(s.p, s.n, text, strlen(text)) != NULL);
}

static bool
blank(char c)
{
	return (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v');
}

struct slice
slice_trim(struct slice s)
{
	while (s.n > 0 && blank(s.p[0]))
		s.p++, s.n--;
	while (s.n > 0 && blank(s.p[s.n - 1]))
		s.n--;
	return (s);
}

struct slice
slice_from(struct slice s, size_t skip)
{
	if (skip > s.n)
		skip = s.n;
	return ((struct slice){ s.p + skip, s.n - skip });
}

struct slice
slice_word(struct slice *rest)
{
	struct slice w;

	while (rest->n > 0 && blank(rest->p[0]))
		rest->p++, rest->n--;
	w = (struct slice){ rest->p, 0 };
	while (w.n < rest->n && !blank(rest->p[w.n]))
		w.n++;
	*rest = slice_from(*rest, w.n);
	return (w);
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunk;
	size_t want = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	void *p;

	if (want < size)
		text_oom();
	if (c == NULL || c->size - c->used < want) {
		c = xmalloc(sizeof(*c) + (want > CHUNK ? want : CHUNK));
		c->size = want > CHUNK ? want : CHUNK;
		c->next = a->chunk;
		a->chunk = c;
	}
	p = (char *)c->data + c->used;
	c->used += want;
	return (p);
}

char *
arena_dup(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (p);
}

void
arena_free(struct arena *a)
{
	struct arena_chunk *c;

	while ((c = a->chunk) != NULL) {
		a->chunk = c->next;
		free(c);
	}
}

static void
buf_room(struct buf *b, size_t n)
{
	size_t cap = b->cap;

	if (n >= SIZE_MAX / 2 - b->n)
		text_oom();
	if (b->n + n + 1 <= cap)
		return;
	cap = cap * 2 > b->n + n + 1 ? cap * 2 : b->n + n + 64;
	b->p = realloc(b->p, cap);
	if (b->p == NULL)
		text_oom();
	b->cap = cap;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	buf_room(b, n);
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
buf_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.n);
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		text_oom();
	buf_add(b, text, (size_t)n);
	free(text);
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

struct slice
buf_get(const struct buf *b)
{
	return ((struct slice){ b->p != NULL ? b->p : "", b->n });
}

struct lines
lines_of(struct slice text)
{
	const char *p = text.n > 0 ? text.p : "";

	return ((struct lines){ p, p + text.n, 0 });
}

bool
lines_next(struct lines *l, struct slice *line, struct slice *eol)
{
	const char *nl;
	struct slice e;

	if (l->p == l->end)
		return (false);
	nl = memchr(l->p, '\n', (size_t)(l->end - l->p));
	*line = (struct slice){ l->p, (size_t)((nl != NULL ? nl : l->end) - l->p) };
	e = (struct slice){ line->p + line->n, nl != NULL };
	l->p = line->p + line->n + e.n;
	if (e.n > 0 && line->n > 0 && line->p[line->n - 1] == '\r') {
		line->n--;
		e = (struct slice){ e.p - 1, 2 };
	}
	l->no++;
	if (eol != NULL)
		*eol = e;
	return (true);
}

void *
array_grow(void **array, size_t *count, size_t size)
{
	void *p;

	if ((*count & (*count - 1)) == 0) {	/* 0 or a power of two: full */
		p = reallocarray(*array, *count == 0 ? 1 : *count * 2, size);
		if (p == NULL)
			text_oom();
		*array = p;
	}
	p = (char *)*array + *count * size;
	memset(p, 0, size);
	(*count)++;
	return (p);
}

bool
text_is_utf8(struct slice s)
{
	const unsigned char *p = (const unsigned char *)(s.n > 0 ? s.p : ""), *end = p + s.n;
	uint32_t c;
	int more;

	while (p < end) {
		if (*p < 0x80) {
			p++;
			continue;
		}
		more = *p >= 0xf0 && *p < 0xf5 ? 3 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xc2 && *p < 0xe0 ? 1 : 0;
		if (more == 0 || end - p <= more)
			return (false);
		c = *p & (0x3f >> more);
		for (int i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return (false);
			c = c << 6 | (p[i] & 0x3f);
		}
		if ((more == 2 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
		    (more == 3 && (c < 0x10000 || c > 0x10ffff)))
			return (false);
		p += more + 1;
	}
	return (true);
}

char *
text_utf8(struct arena *a, struct slice s)
{
	char *out, *o;

	if (text_is_utf8(s))
		return (arena_dup(a, s));
	o = out = arena_alloc(a, 2 * s.n + 1);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x80) {
			*o++ = (char)c;
		} else {
			*o++ = (char)(0xc0 | c >> 6);
			*o++ = (char)(0x80 | (c & 0x3f));
		}
	}
	return (out);
}

void
text_sha256(struct slice s, char hex[65])
{
	unsigned char md[32];
	unsigned len = 0;

	if (EVP_Digest(s.p, s.n, md, &len, EVP_sha256(), NULL) != 1 || len != sizeof(md))
		text_oom();
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(hex + 2 * i, 3, "%02x", md[i]);
}
