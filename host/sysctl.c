/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sysctl`: the variables of a stack, shown and set by one request.
 *
 * A request is done whole or not at all: names and values are looked at before the first is set, and where a handler
 * refuses one all the same, those before it get their old values back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/sysctl.h>
#include "sysctl.h"

/* An assignment of a request; the name's text is ours to free. */
struct assignment {
	char *name, *value;		/* value NULL: only to be shown */
	char old[SYSCTL_TEXTLEN];
};

static void
assignments_free(struct assignment *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(a[i].name);
	free(a);
}

/* All names and values are looked at before the first is set; the stack is current. */
static int
assignments_parse(const struct request *req, struct assignment **ap, size_t *np, struct uverr *err)
{
	const ucl_object_t *text;
	struct assignment *a;
	unsigned it = 0;
	int error = 0;

	*np = 0;
	while (json_each(req->object, "names", &it) != NULL)
		(*np)++;
	a = *ap = calloc(*np + 1, sizeof(*a));
	if (a == NULL) {
		*np = 0;
		return (uverr(err, ENOMEM, "out of memory"));
	}
	for (it = 0; (text = json_each(req->object, "names", &it)) != NULL && error == 0; a++) {
		a->name = strdup(ucl_object_tostring(text));
		if (a->name == NULL)
			return (uverr(err, ENOMEM, "out of memory"));
		a->value = strchr(a->name, '=');
		if (a->value != NULL) {
			*a->value++ = '\0';
			error = sysctl_check(a->name, a->value, 0, err);
		} else if (sysctl_find(a->name) == NULL) {
			error = uverr(err, ENOENT, "%.64s: there is no such variable", a->name);
		}
	}
	return (error);
}

/* All, or none: what was set before the one that fails gets its old value back. */
static int
assignments_set(struct assignment *a, size_t n, struct uverr *err)
{
	struct uverr ignored;
	size_t i;
	int error = 0;

	for (i = 0; i < n && error == 0; i++) {
		if (a[i].value == NULL)
			continue;
		if (sysctl_get(sysctl_find(a[i].name), a[i].old) < 0)
			a[i].old[0] = '\0';
		error = sysctl_set(a[i].name, a[i].value, 0, err);
	}
	if (error != 0)
		for (i--; i-- > 0;)
			if (a[i].value != NULL)
				sysctl_set(a[i].name, a[i].old, 0, &ignored);
	return (error);
}

/* arg: where to, and the old value of one that was set. */
struct listing {
	json *list;
	const char *old;
};

static void
sysctl_visit(struct sysctl_oid *oid, const char *name, void *arg)
{
	const struct listing *l = arg;
	char text[SYSCTL_TEXTLEN];
	json *j;

	if (sysctl_get(oid, text) < 0)
		return;
	j = json_object();
	json_str(j, "name", name);
	json_str(j, "type", sysctl_type(oid));
	json_str(j, "value", text);
	if (l->old != NULL)
		json_str(j, "old", l->old);
	json_str(j, "description", oid->oid_descr);
	json_bool(j, "stack", (oid->oid_kind & CTLFLAG_VNET) != 0);
	json_bool(j, "writable", (oid->oid_kind & (CTLFLAG_WR | CTLFLAG_VNET)) == (CTLFLAG_WR | CTLFLAG_VNET));
	json_bool(j, "tunable", (oid->oid_kind & CTLFLAG_TUN) != 0);
	json_append(l->list, j);
}

int
sysctl_request(const struct request *req, json *list, struct uverr *err)
{
	struct listing l = { .list = list };
	struct assignment *a = NULL;
	size_t n;
	int error;

	error = assignments_parse(req, &a, &n, err);
	if (error == 0)
		error = assignments_set(a, n, err);
	if (error == 0 && n == 0)
		sysctl_walk(NULL, sysctl_visit, &l);
	for (size_t i = 0; error == 0 && i < n; i++) {
		l.old = a[i].value != NULL ? a[i].old : NULL;
		sysctl_walk(sysctl_find(a[i].name), sysctl_visit, &l);
	}
	assignments_free(a, n);
	return (error);
}
