/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a request.  It comes from outside: what is not in the table of its command is refused, by name, and so
 * is every value that is not of its kind; what is left needs no second look.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "config.h"
#include "request.h"

const char *const request_names[REQUEST_NCMDS] = {
	[REQUEST_LS] = "ls",
	[REQUEST_CREATE] = "create",
	[REQUEST_DESTROY] = "destroy",
	[REQUEST_KLDLOAD] = "kldload",
	[REQUEST_KLDUNLOAD] = "kldunload",
	[REQUEST_KLDSTAT] = "kldstat",
	[REQUEST_LINK] = "link",
	[REQUEST_ROUTE] = "route",
	[REQUEST_IFCONFIG] = "ifconfig",
	[REQUEST_NETSTAT] = "netstat",
	[REQUEST_PING] = "ping",
	[REQUEST_WG] = "wg",
	[REQUEST_SYSCTL] = "sysctl",
};

#define REQUEST_NKEYS 6

/* Keys of a command beside "cmd": strings, but for "names", "wireguard" and request_numbers'.  Those behind a ? may be missing. */
static const char *const request_keys[REQUEST_NCMDS][REQUEST_NKEYS] = {
	[REQUEST_CREATE] = { "file", "text", "?wireguard" },
	[REQUEST_DESTROY] = { "names" },
	[REQUEST_KLDLOAD] = { "path" },
	[REQUEST_KLDUNLOAD] = { "name" },
	[REQUEST_LINK] = { "?name", "?state" },
	[REQUEST_ROUTE] = { "name", "?add", "?delete", "?gateway" },
	[REQUEST_IFCONFIG] = { "name" },
	[REQUEST_NETSTAT] = { "name" },
	[REQUEST_SYSCTL] = { "name", "?names" },
	[REQUEST_PING] = { "name", "address", "?count", "?interval", "?size", "?wait" },
	[REQUEST_WG] = { "name", "uapi" },
};

/* Whole numbers, within these bounds; what stands for one that is missing. */
static const struct number {
	const char *key;
	int64_t min, max, missing;
	size_t at;
} request_numbers[] = {
	{ "count", 0, 1000000000, 0, offsetof(struct request, count) },
	{ "interval", 1, 86400000, 1000, offsetof(struct request, interval) },
	{ "size", 0, REQUEST_MAXPING, 56, offsetof(struct request, size) },
	{ "wait", 1, 86400000, 10000, offsetof(struct request, wait) },
};
#define REQUEST_NNUMBERS (sizeof(request_numbers) / sizeof(request_numbers[0]))

static int
is_string(const ucl_object_t *o)
{
	const char *s;
	size_t len;

	return (o->next == NULL && ucl_object_tolstring_safe(o, &s, &len) && strlen(s) == len);
}

static int
is_names(const ucl_object_t *o)
{
	const ucl_object_t *name;
	unsigned i;

	if (o->next != NULL || ucl_object_type(o) != UCL_ARRAY)
		return (0);
	for (i = 0; (name = ucl_array_find_index(o, i)) != NULL; i++)
		if (!is_string(name))
			return (0);
	return (i > 0);
}

static int
is_texts(const ucl_object_t *o)
{
	const ucl_object_t *text;
	ucl_object_iter_t it = NULL;
	int good = o->next == NULL && ucl_object_type(o) == UCL_OBJECT;

	/* To its end: see keys_check(). */
	while (ucl_object_type(o) == UCL_OBJECT && (text = ucl_object_iterate(o, &it, true)) != NULL)
		good = good && is_string(text);
	return (good);
}

static const struct number *
number_find(const char *key)
{
	for (size_t i = 0; i < REQUEST_NNUMBERS; i++)
		if (strcmp(request_numbers[i].key, key) == 0)
			return (&request_numbers[i]);
	return (NULL);
}

static int
is_number(const ucl_object_t *o, const struct number *n)
{
	return (o->next == NULL && ucl_object_type(o) == UCL_INT && ucl_object_toint(o) >= n->min &&
	    ucl_object_toint(o) <= n->max);
}

/* A key that the command has: whether its value is of its kind. */
static int
value_check(const char *cmd, const char *key, const ucl_object_t *o, struct uverr *err)
{
	const struct number *number = number_find(key);

	if (number != NULL)
		return (is_number(o, number) ? 0 : uverr(err, EINVAL, "%s: \"%s\" is not a whole number from %lld to %lld", cmd,
		    key, (long long)number->min, (long long)number->max));
	if (strcmp(key, "wireguard") == 0)
		return (is_texts(o) ? 0 : uverr(err, EINVAL, "%s: \"%s\" is not an object of strings", cmd, key));
	if (strcmp(key, "names") == 0)
		return (is_names(o) ? 0 : uverr(err, EINVAL, "%s: \"%s\" is not a list of strings", cmd, key));
	return (is_string(o) ? 0 : uverr(err, EINVAL, "%s: \"%s\" is not a string", cmd, key));
}

static int
keys_check(const struct request *req, struct uverr *err)
{
	const char *const *keys = request_keys[req->cmd], *cmd = request_names[req->cmd], *key;
	const ucl_object_t *o;
	ucl_object_iter_t it = NULL;
	int i, error = 0;

	/* To its end in any case: libucl frees the iterator there. */
	while ((o = ucl_object_iterate(req->object, &it, true)) != NULL) {
		key = ucl_object_key(o);
		if (error != 0 || strcmp(key, "cmd") == 0)
			continue;
		for (i = 0; i < REQUEST_NKEYS && keys[i] != NULL; i++)
			if (strcmp(keys[i] + (keys[i][0] == '?'), key) == 0)
				break;
		if (i == REQUEST_NKEYS || keys[i] == NULL)
			error = uverr(err, EINVAL, "%s: unknown key \"%.64s\"", cmd, key);
		else
			error = value_check(cmd, key, o, err);
	}
	for (i = 0; i < REQUEST_NKEYS && keys[i] != NULL && error == 0; i++)
		if (keys[i][0] != '?' && ucl_object_lookup(req->object, keys[i]) == NULL)
			error = uverr(err, EINVAL, "%s: \"%s\" is missing", cmd, keys[i]);
	return (error);
}

/* Before libucl sees it: see config-scan.c. */
static int
depth_check(const char *text, size_t len, struct uverr *err)
{
	struct scan *scan = scan_text(text, len);
	int error = 0;

	if (scan == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	if (scan_deep(scan) > 0)
		error = uverr(err, EINVAL, "not a request: nested too deep");
	scan_free(scan);
	return (error);
}

int
request_parse(const char *text, size_t len, struct request *req, struct uverr *err)
{
	const ucl_object_t *cmd;
	const char *name;
	int error;

	*req = (struct request){ 0 };
	if (len > REQUEST_MAXSIZE)
		return (uverr(err, EMSGSIZE, "a request of more than %u bytes", REQUEST_MAXSIZE));
	error = depth_check(text, len, err);
	if (error == 0)
		error = json_parse(text, len, &req->object, err);
	if (error != 0)
		return (error);
	cmd = ucl_object_lookup(req->object, "cmd");
	if (cmd == NULL || !is_string(cmd)) {
		error = uverr(err, EINVAL, "the request has no \"cmd\"");
		goto fail;
	}
	name = ucl_object_tostring(cmd);
	for (req->cmd = 0; req->cmd < REQUEST_NCMDS; req->cmd++)
		if (strcmp(name, request_names[req->cmd]) == 0)
			break;
	if (req->cmd == REQUEST_NCMDS) {
		error = uverr(err, EINVAL, "unknown command \"%.64s\"", name);
		goto fail;
	}
	error = keys_check(req, err);
	if (error != 0)
		goto fail;
	req->file = json_getstr(req->object, "file");
	req->text = json_getstr(req->object, "text");
	req->path = json_getstr(req->object, "path");
	req->name = json_getstr(req->object, "name");
	req->state = json_getstr(req->object, "state");
	req->add = json_getstr(req->object, "add");
	req->delete = json_getstr(req->object, "delete");
	req->gateway = json_getstr(req->object, "gateway");
	req->address = json_getstr(req->object, "address");
	for (size_t i = 0; i < REQUEST_NNUMBERS; i++)
		*(int64_t *)((char *)req + request_numbers[i].at) = ucl_object_lookup(req->object, request_numbers[i].key) !=
		    NULL ? json_getint(req->object, request_numbers[i].key) : request_numbers[i].missing;
	req->uapi = json_getstr(req->object, "uapi");
	req->wireguard = ucl_object_lookup(req->object, "wireguard");
	if (req->cmd == REQUEST_KLDLOAD && req->path[0] != '/')
		error = uverr(err, EINVAL, "kldload: \"path\" is not absolute");
	else if (req->state[0] != '\0' && strcmp(req->state, "up") != 0 && strcmp(req->state, "down") != 0)
		error = uverr(err, EINVAL, "link: \"%.64s\" is neither up nor down", req->state);
	else if (req->state[0] != '\0' && req->name[0] == '\0')
		error = uverr(err, EINVAL, "link: \"name\" is missing");
	else if ((req->add[0] != '\0') != (req->gateway[0] != '\0') || (req->add[0] != '\0' && req->delete[0] != '\0'))
		error = uverr(err, EINVAL, "route: \"add\" wants a \"gateway\", and nothing else does");
	if (error == 0)
		return (0);
fail:
	request_free(req);
	return (error);
}

void
request_free(struct request *req)
{
	json_free(req->object);
	req->object = NULL;
}
