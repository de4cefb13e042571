/* SPDX-License-Identifier: BSD-2-Clause */
/* Shorthands over libucl's objects.  Its own keys are copied, so that callers may pass any string. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"

json *
json_object(void)
{
	return (ucl_object_typed_new(UCL_OBJECT));
}

json *
json_list(void)
{
	return (ucl_object_typed_new(UCL_ARRAY));
}

void
json_free(json *j)
{
	if (j != NULL)
		ucl_object_unref(j);
}

void
json_put(json *object, const char *key, json *child)
{
	if (child == NULL)
		return;
	if (object == NULL || !ucl_object_insert_key(object, child, key, 0, true))
		ucl_object_unref(child);
}

void
json_append(json *list, json *child)
{
	if (child == NULL)
		return;
	if (list == NULL || !ucl_array_append(list, child))
		ucl_object_unref(child);
}

/* As it is: libucl's own ucl_object_fromstring() would escape it a first time, and its emitter again. */
static json *
raw_string(const char *s)
{
	return (ucl_object_fromstring_common(s, strlen(s), UCL_STRING_RAW));
}

void
json_str(json *object, const char *key, const char *value)
{
	json_put(object, key, raw_string(value));
}

void
json_append_str(json *list, const char *value)
{
	json_append(list, raw_string(value));
}

void
json_int(json *object, const char *key, int64_t value)
{
	json_put(object, key, ucl_object_fromint(value));
}

void
json_bool(json *object, const char *key, int value)
{
	json_put(object, key, ucl_object_frombool(value != 0));
}

char *
json_emit(const json *j)
{
	return (j != NULL ? (char *)ucl_object_emit(j, UCL_EMIT_JSON_COMPACT) : NULL);
}

int
json_parse(const char *text, size_t len, json **j, struct uverr *err)
{
	struct ucl_parser *parser;
	json *root = NULL;
	char *copy;
	int error = 0;

	if (len == 0)
		return (uverr(err, EINVAL, "not a JSON object"));
	/* libucl looks one byte behind what it is given. */
	copy = malloc(len + 1);
	parser = ucl_parser_new(UCL_PARSER_DISABLE_MACRO | UCL_PARSER_NO_TIME | UCL_PARSER_NO_FILEVARS);
	if (copy == NULL || parser == NULL) {
		error = uverr(err, ENOMEM, "out of memory");
		goto out;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (memchr(copy, '\0', len) != NULL) {
		error = uverr(err, EINVAL, "not a JSON object");
		goto out;
	}
	if (!ucl_parser_add_chunk_full(parser, (const unsigned char *)copy, len, 0, UCL_DUPLICATE_APPEND,
	    UCL_PARSE_UCL)) {
		error = uverr(err, EINVAL, "not a JSON object: %s", ucl_parser_get_error(parser));
		goto out;
	}
	root = ucl_parser_get_object(parser);
	if (root == NULL || ucl_object_type(root) != UCL_OBJECT) {
		json_free(root);
		error = uverr(err, EINVAL, "not a JSON object");
		goto out;
	}
	*j = root;
out:
	if (parser != NULL)
		ucl_parser_free(parser);
	free(copy);
	return (error);
}

const char *
json_getstr(const json *object, const char *key)
{
	const ucl_object_t *o = ucl_object_lookup(object, key);
	const char *s;

	return (o != NULL && ucl_object_tostring_safe(o, &s) ? s : "");
}

int64_t
json_getint(const json *object, const char *key)
{
	const ucl_object_t *o = ucl_object_lookup(object, key);
	int64_t n;

	return (o != NULL && ucl_object_toint_safe(o, &n) ? n : 0);
}

int
json_getbool(const json *object, const char *key)
{
	const ucl_object_t *o = ucl_object_lookup(object, key);

	return (o != NULL && ucl_object_type(o) == UCL_BOOLEAN && ucl_object_toboolean(o));
}

const json *
json_each(const json *object, const char *key, unsigned *it)
{
	const ucl_object_t *o = ucl_object_lookup(object, key);

	if (o == NULL || ucl_object_type(o) != UCL_ARRAY)
		return (NULL);
	return (ucl_array_find_index(o, (*it)++));
}
