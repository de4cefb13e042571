/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON, by libucl: a few shorthands.  Making never fails visibly: a piece for which there is no memory is missing,
 * and json_emit() returns NULL when all is.
 */
#ifndef HOST_JSON_H
#define HOST_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <ucl.h>
#include <uvnet/err.h>

typedef ucl_object_t json;

/* A new object or list; json_free() frees what it holds as well. */
json *json_object(void);
json *json_list(void);
void json_free(json *j);

/* Put a value into an object, or at the end of a list.  `child` is taken over. */
void json_str(json *object, const char *key, const char *value);
void json_int(json *object, const char *key, int64_t value);
void json_bool(json *object, const char *key, int value);
void json_put(json *object, const char *key, json *child);
void json_append(json *list, json *child);
void json_append_str(json *list, const char *value);

/* One line, to be freed by free(3). */
char *json_emit(const json *j);

/* Read one object.  No macros, no variables, no files.  -EINVAL, -ENOMEM. */
int json_parse(const char *text, size_t len, json **j, struct uverr *err);

/* A member: its string or number, "" or 0 when it is not there or of another kind. */
const char *json_getstr(const json *object, const char *key);
int64_t json_getint(const json *object, const char *key);
int json_getbool(const json *object, const char *key);

/* The elements of the list that is the member `key`, one by one: begin with *it zero. */
const json *json_each(const json *object, const char *key, unsigned *it);

#endif
