/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arguments: response files and lists of names.
 *
 * @FILE stands for the words in FILE, separated by white space; quotes and
 * backslashes protect as they do for gcc and clang; files may name further
 * files.  They are expanded here, in both modes, because -c or --module may
 * stand in one.  As with gcc, an @FILE that cannot be opened is an argument
 * like any other.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vnetcc.h"

#define RESPONSE_DEPTH 16 /* a file that names itself ends here */

static bool args_add(struct strlist *out, const char *arg, int depth);

/* Takes one word out of *text into word, which has room for all of it. */
static bool
word_take(const char **text, char *word)
{
	const char *s = *text;
	char quote = '\0';

	while (isspace((unsigned char)*s))
		s++;
	if (*s == '\0')
		return (false);
	for (; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0' && quote != '\'')
			*word++ = *++s;
		else if (quote != '\0' && *s == quote)
			quote = '\0';
		else if (quote == '\0' && (*s == '"' || *s == '\''))
			quote = *s;
		else if (quote == '\0' && isspace((unsigned char)*s))
			break;
		else
			*word++ = *s;
	}
	*word = '\0';
	*text = s;
	return (true);
}

static bool
response_read(struct strlist *out, const char *path, int depth)
{
	uint8_t *data;
	size_t size;
	const char *text;
	char *word;
	bool ok = true;

	if (depth == RESPONSE_DEPTH) {
		complain("@%s: response files nest too deep", path);
		return (false);
	}
	if (!file_read(path, &data, &size))
		return (false);
	word = xrealloc(NULL, size + 1, 1);
	text = (const char *)data;
	while (ok && word_take(&text, word))
		ok = args_add(out, word, depth + 1);
	free(word);
	free(data);
	return (ok);
}

static bool
args_add(struct strlist *out, const char *arg, int depth)
{
	if (arg[0] == '@' && access(arg + 1, R_OK) == 0)
		return (response_read(out, arg + 1, depth));
	strlist_add(out, arg);
	return (true);
}

bool
args_expand(int argc, char **argv, struct strlist *out)
{
	for (int i = 1; i < argc; i++)
		if (!args_add(out, argv[i], 0))
			return (false);
	return (true);
}

/* "a,b,c" */
void
names_split(struct strlist *out, const char *list)
{
	char *copy = xstrdup(list), *next = copy, *name;

	while ((name = strsep(&next, ",")) != NULL)
		if (name[0] != '\0')
			strlist_add(out, name);
	free(copy);
}

/* One name a line; # begins a comment. */
bool
names_read(struct strlist *out, const char *path)
{
	uint8_t *data;
	size_t size;
	char *next, *line;

	if (!file_read(path, &data, &size))
		return (false);
	next = (char *)data;
	while ((line = strsep(&next, "\n")) != NULL) {
		line[strcspn(line, "#")] = '\0';
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		if (line[0] != '\0')
			strlist_add(out, line);
	}
	free(data);
	return (true);
}
