/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the keys of a configuration stand.
 *
 * libucl keeps no line numbers, and an error without one is of little use.  So the text is read a second time,
 * lightly: quotes, comments, braces and separators are enough to see which words are keys and of which section.
 * What a key *means* is libucl's business alone; the two readings meet in config.c, which takes libucl's keys in
 * their order and asks here for the line of each.
 *
 * They check each other, too.  A key that is here and that libucl never showed was lost by it (it drops a section
 * that follows a list of the same name), and then the file is refused instead of half understood.
 *
 * And this reading comes first, for libucl has no limit on nesting and frees its tree by recursion: a text of ten
 * thousand open braces would end the process with a stack overflow.  What is nested too deep never gets to it.
 *
 * Marks are a tree in an array: children of a section are a list in the order of the text.  A list of sections
 * (`forward = [ {...}, {...} ]`) counts as the same key written several times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

#define SCAN_MAXDEPTH 32

struct mark {
	const char *key;
	int len, line;
	int first, last, next;		/* children; siblings */
	int cursor;			/* the child that was asked for last */
	int seen;
};

struct scan {
	struct mark *v;
	int n, max;
	const char *p, *end;
	int line;
	int failed;			/* out of memory, or too deep: marks are incomplete */
	int deep;			/* the line where it got too deep, or 0 */
};

static int
mark_add(struct scan *s, int parent, const char *key, size_t len, int line)
{
	struct mark *grown;
	int i = s->n;

	if (i == s->max) {
		grown = realloc(s->v, (size_t)s->max * 2 * sizeof(*s->v));
		if (grown == NULL) {
			s->failed = 1;
			return (parent);
		}
		s->v = grown;
		s->max *= 2;
	}
	s->v[i] = (struct mark){ .key = key, .len = (int)len, .line = line, .first = -1, .last = -1,
		.next = -1, .cursor = -1 };
	s->n++;
	if (parent >= 0) {
		if (s->v[parent].last >= 0)
			s->v[s->v[parent].last].next = i;
		else
			s->v[parent].first = i;
		s->v[parent].last = i;
	}
	return (i);
}

static int
peek(const struct scan *s)
{
	return (s->p < s->end ? (unsigned char)*s->p : -1);
}

static void
advance(struct scan *s)
{
	if (*s->p++ == '\n')
		s->line++;
}

/* Pass space and comments, of which those with a star nest. */
static void
skip_space(struct scan *s)
{
	int depth;

	while (s->p < s->end) {
		if (*s->p == '#') {
			while (s->p < s->end && *s->p != '\n')
				advance(s);
		} else if (s->end - s->p > 1 && s->p[0] == '/' && s->p[1] == '*') {
			depth = 0;
			do {
				if (s->end - s->p > 1 && s->p[0] == '/' && s->p[1] == '*') {
					depth++;
					advance(s);
				} else if (s->end - s->p > 1 && s->p[0] == '*' && s->p[1] == '/') {
					depth--;
					advance(s);
				}
				advance(s);
			} while (depth > 0 && s->p < s->end);
		} else if (strchr(" \t\r\n\f\v", *s->p) != NULL && *s->p != '\0') {
			advance(s);
		} else {
			return;
		}
	}
}

/* Take a word, quoted or up to one of `stop`; *key and *len are what is inside the quotes. */
static void
take_word(struct scan *s, const char *stop, const char **key, size_t *len)
{
	int quote = peek(s);

	if (quote == '"' || quote == '\'') {
		advance(s);
		*key = s->p;
		while (s->p < s->end && *s->p != quote) {
			if (*s->p == '\\' && s->end - s->p > 1)
				advance(s);
			advance(s);
		}
		*len = (size_t)(s->p - *key);
		if (s->p < s->end)
			advance(s);
		return;
	}
	*key = s->p;
	while (s->p < s->end && (*s->p == '\0' || strchr(stop, *s->p) == NULL))
		advance(s);
	*len = (size_t)(s->p - *key);
	if (*len == 0 && s->p < s->end)	/* always goes on */
		advance(s);
}

/* Pass `<<TAG`, lines, `TAG`. */
static void
skip_heredoc(struct scan *s)
{
	const char *tag, *begin;
	size_t len;

	s->p += 2;
	tag = s->p;
	while (s->p < s->end && *s->p != '\n')
		s->p++;
	len = (size_t)(s->p - tag);
	while (s->p < s->end) {
		advance(s);
		begin = s->p;
		while (s->p < s->end && *s->p != '\n')
			s->p++;
		if ((size_t)(s->p - begin) == len && memcmp(begin, tag, len) == 0)
			return;
	}
}

static void scan_section(struct scan *s, int section, int depth);

/* Whether a section or list of that depth is one too many: then nothing behind it is looked at. */
static int
too_deep(struct scan *s, int depth)
{
	if (depth <= SCAN_MAXDEPTH)
		return (0);
	if (s->deep == 0)
		s->deep = s->line;
	s->failed = 1;
	s->p = s->end;
	return (1);
}

/* Pass the value of a key; what is inside belongs to the key's mark. */
static void
scan_value(struct scan *s, int parent, int mark, int depth)
{
	const char *word;
	size_t len;
	int used = 0;

	if (too_deep(s, depth))
		return;
	if (peek(s) == '{') {
		advance(s);
		scan_section(s, mark, depth + 1);
	} else if (peek(s) == '[') {
		advance(s);
		for (skip_space(s); s->p < s->end && *s->p != ']'; skip_space(s)) {
			if (*s->p == ',' || *s->p == ';') {
				advance(s);
				continue;
			}
			if (used++)
				mark = mark_add(s, parent, s->v[mark].key, (size_t)s->v[mark].len, s->line);
			if (*s->p == '{' || *s->p == '[')
				scan_value(s, parent, mark, depth + 1);
			else
				take_word(s, ",;]\n", &word, &len);
		}
		if (s->p < s->end)
			advance(s);
	} else if (s->end - s->p > 2 && memcmp(s->p, "<<", 2) == 0 && s->p[2] >= 'A' && s->p[2] <= 'Z') {
		skip_heredoc(s);
	} else {
		take_word(s, ",;}\n", &word, &len);
	}
}

/* Pass the inside of a section and its closing brace. */
static void
scan_section(struct scan *s, int section, int depth)
{
	const char *word;
	size_t len;
	int mark, parent, line, inner;

	for (skip_space(s); s->p < s->end && *s->p != '}'; skip_space(s)) {
		if (strchr(",;]", *s->p) != NULL && *s->p != '\0') {
			advance(s);
			continue;
		}
		if (depth == 0 && *s->p == '{') {	/* a JSON text's outermost braces */
			advance(s);
			scan_section(s, section, depth + 1);
			continue;
		}
		if (*s->p == '[') {	/* no key before it: an error, but libucl reads on */
			scan_value(s, section, section, depth + 1);
			continue;
		}
		line = s->line;
		inner = depth;
		take_word(s, " \t\r\n=:{[;,}", &word, &len);
		parent = section;
		mark = mark_add(s, parent, word, len, line);
		skip_space(s);
		if (peek(s) == '=' || peek(s) == ':') {
			advance(s);
			skip_space(s);
			scan_value(s, parent, mark, depth);
			continue;
		}
		/* `key name {`: each further word is a section in the one before; without a brace it is the value. */
		while (s->p < s->end && strchr("{[;,}\n", *s->p) == NULL) {
			line = s->line;
			take_word(s, " \t\r\n{;,}", &word, &len);
			skip_space(s);
			if (peek(s) != '{' && (peek(s) == ';' || peek(s) == '}' || peek(s) == ',' || s->line != line))
				break;
			if (too_deep(s, ++inner))
				return;
			parent = mark;
			mark = mark_add(s, parent, word, len, line);
		}
		if (peek(s) == '{' || peek(s) == '[')
			scan_value(s, parent, mark, inner);
	}
	if (s->p < s->end)
		advance(s);
}

struct scan *
scan_text(const char *text, size_t len)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (NULL);
	s->max = 64;
	s->v = calloc((size_t)s->max, sizeof(*s->v));
	if (s->v == NULL) {
		free(s);
		return (NULL);
	}
	s->p = text;
	s->end = text + len;
	s->line = 1;
	mark_add(s, -1, "", 0, 0);
	s->v[0].seen = 1;
	while (s->p < s->end)		/* more than once after a stray brace */
		scan_section(s, 0, 0);
	return (s);
}

void
scan_free(struct scan *s)
{
	if (s != NULL)
		free(s->v);
	free(s);
}

int
scan_deep(const struct scan *s)
{
	return (s->deep);
}

int
scan_key(struct scan *s, int section, const char *key)
{
	struct mark *parent;
	size_t len = strlen(key);
	int i;

	if (section < 0)
		return (-1);
	parent = &s->v[section];
	/* The same key as last time is looked for behind it: many sections of one name take linear time. */
	i = parent->cursor;
	if (i >= 0 && (size_t)s->v[i].len == len && memcmp(s->v[i].key, key, len) == 0)
		i = s->v[i].next;
	else
		i = parent->first;
	for (; i >= 0; i = s->v[i].next) {
		if (!s->v[i].seen && (size_t)s->v[i].len == len && memcmp(s->v[i].key, key, len) == 0) {
			s->v[i].seen = 1;
			parent->cursor = i;
			return (i);
		}
	}
	return (-1);
}

int
scan_line(const struct scan *s, int handle)
{
	return (handle >= 0 ? s->v[handle].line : 0);
}

int
scan_unseen(const struct scan *s, char *name, size_t size)
{
	if (s->failed)
		return (-1);
	for (int i = 1; i < s->n; i++) {
		if (!s->v[i].seen) {
			snprintf(name, size, "%.*s", s->v[i].len, s->v[i].key);
			return (i);
		}
	}
	return (-1);
}
