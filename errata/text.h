/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text: slices of it, buffers that grow, an arena that is freed at once, lines with their numbers, whole files.
 *
 * Out of memory ends the program with a message (text_oom): nothing that errata does may be left half done by that,
 * and the one thing that changes files, `errata patch`, survives being killed at any moment.
 */
#ifndef ERRATA_TEXT_H
#define ERRATA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uvnet/err.h>

/* Bytes that somebody else owns; no NUL at the end. */
struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){ literal, sizeof(literal) - 1 })

struct slice slice_str(const char *s);
bool slice_is(struct slice s, const char *text);	/* equal */
bool slice_isi(struct slice s, const char *text);	/* equal, whatever the case */
bool slice_starts(struct slice s, const char *prefix);
bool slice_has(struct slice s, const char *text);
struct slice slice_trim(struct slice s);		/* without blanks on both ends */
struct slice slice_from(struct slice s, size_t skip);
/* The next word (no blanks in it) of *rest, which is moved behind it; empty at the end. */
struct slice slice_word(struct slice *rest);

/* All of an arena's memory is zeroed, aligned for anything, and freed by arena_free(). */
struct arena {
	struct arena_chunk *chunk;
};
void *arena_alloc(struct arena *a, size_t size);
char *arena_dup(struct arena *a, struct slice s);	/* with a NUL */
void arena_free(struct arena *a);

/* A buffer always has a NUL behind its n bytes once anything was added.  Zeroed is empty. */
struct buf {
	char *p;
	size_t n, cap;
};
void buf_add(struct buf *b, const void *p, size_t n);
void buf_slice(struct buf *b, struct slice s);
void buf_str(struct buf *b, const char *s);
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);
struct slice buf_get(const struct buf *b);

/* Walk over the lines of a text; `no` is the number, from 1, of the line that lines_next() gave last. */
struct lines {
	const char *p, *end;
	int no;
};
struct lines lines_of(struct slice text);
/* The next line without its end, which is "\n", "\r\n" or, in the last line, may be nothing.  `eol` may be NULL. */
bool lines_next(struct lines *l, struct slice *line, struct slice *eol);

/* Grow an array by one, doubling; returns the new element, zeroed. */
void *array_grow(void **array, size_t *count, size_t size);
#define ARRAY_ADD(array, count) ((__typeof__(array))array_grow((void **)&(array), &(count), sizeof(*(array))))

void *xmalloc(size_t size);
char *xstrdup(const char *s);
void text_oom(void) __attribute__((noreturn));

#define FILE_MAX (64u << 20)		/* no notice, patch or key is bigger */

/* Add a whole file (path "-": standard input) to a buffer; -EFBIG beyond `max` bytes. */
int file_read(const char *path, size_t max, struct buf *b, struct uverr *err);
/* Replace or make a file by writing a new one beside it. */
int file_write(const char *path, struct slice text, struct uverr *err);

/*
 * The text as UTF-8: as it is when it is valid already, otherwise taken for Latin-1, which the older notices use.
 * What comes back lies in the arena.
 */
char *text_utf8(struct arena *a, struct slice s);
bool text_is_utf8(struct slice s);

/* SHA-256 in hexadecimal, 64 digits and a NUL. */
void text_sha256(struct slice s, char hex[65]);

#endif
