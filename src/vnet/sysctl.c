/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of names behind sysctl(9).
 *
 * An oid is a structure of its file that names its parent, which may be another file's.  Registering it puts it on its
 * parent's list, by name, so nothing is allocated and nothing can be left when its file goes.  Which stack's value is
 * meant is a matter of the address: where the name has CTLFLAG_VNET, arg1 is a template's address and the current
 * stack's variable is at the current distance, as for any virtual variable.
 *
 * A write goes to a handler as FreeBSD's does, as bytes of the type; the text form is src/vnet/sysctl_text.c's.
 */
#include <string.h>
#include <uvnet/sysctl.h>
#include <uvnet/vnet.h>

struct sysctl_oid sysctl__ = { .oid_kind = CTLTYPE_NODE | CTLFLAG_RW, .oid_name = "" };

SYSCTL_NODE(, OID_AUTO, kern, CTLFLAG_RW, NULL, "The stack itself");
SYSCTL_NODE(, OID_AUTO, net, CTLFLAG_RW, NULL, "Network");
SYSCTL_NODE(_net, OID_AUTO, link, CTLFLAG_RW, NULL, "Link layers");
SYSCTL_NODE(_net, OID_AUTO, inet, CTLFLAG_RW, NULL, "Internet family");
SYSCTL_NODE(_net, OID_AUTO, inet6, CTLFLAG_RW, NULL, "Internet6 family");
SYSCTL_NODE(, OID_AUTO, vm, CTLFLAG_RW, NULL, "Memory");

/* ---- Coming and going ---- */

int
sysctl_register_oid(const void *arg)
{
	struct sysctl_oid *oid = (struct sysctl_oid *)(uintptr_t)arg, *o, *before = NULL;
	struct sysctl_oid_list *list = &oid->oid_parent->oid_children;
	const int ours = (oid->oid_kind & CTLFLAG_VNET) != 0;

	if (oid->oid_arg1 != NULL && vset_in_template(vnet_vset, (uintptr_t)oid->oid_arg1) != ours)
		return (-EINVAL);
	SLIST_FOREACH (o, list, oid_link) {
		const int c = strcmp(o->oid_name, oid->oid_name);

		if (c == 0)
			return (-EEXIST);
		if (c < 0)
			before = o;
	}
	if (before != NULL)
		SLIST_INSERT_AFTER(before, oid, oid_link);
	else
		SLIST_INSERT_HEAD(list, oid, oid_link);
	return (0);
}

void
sysctl_unregister_oid(const void *arg)
{
	struct sysctl_oid *oid = (struct sysctl_oid *)(uintptr_t)arg;

	SLIST_REMOVE(&oid->oid_parent->oid_children, oid, sysctl_oid, oid_link);
}

/* ---- Finding ---- */

struct sysctl_oid *
sysctl_find(const char *name)
{
	struct sysctl_oid *oid = &sysctl__;
	size_t len;

	for (;; name += len + 1) {
		len = strcspn(name, ".");
		SLIST_FOREACH (oid, &oid->oid_children, oid_link)
			if (strncmp(oid->oid_name, name, len) == 0 && oid->oid_name[len] == '\0')
				break;
		if (oid == NULL || name[len] == '\0')
			return (oid);
	}
}

/* The whole name, put together from its end; cut in front should it not fit. */
static const char *
name_of(const struct sysctl_oid *oid, char buf[SYSCTL_NAMELEN])
{
	size_t at = SYSCTL_NAMELEN - 1, len;

	buf[at] = '\0';
	for (; oid != NULL && oid != &sysctl__; oid = oid->oid_parent) {
		len = strlen(oid->oid_name);
		if (len + 1 > at)
			break;
		if (buf[at] != '\0')
			buf[--at] = '.';
		at -= len;
		memcpy(buf + at, oid->oid_name, len);
	}
	return (buf + at);
}

void
sysctl_walk(struct sysctl_oid *top, sysctl_visit_t *visit, void *arg)
{
	char buf[SYSCTL_NAMELEN];
	struct sysctl_oid *oid = top = top != NULL ? top : &sysctl__;

	while (oid != NULL) {
		if ((oid->oid_kind & CTLTYPE) != CTLTYPE_NODE && (oid == top || (oid->oid_kind & CTLFLAG_SKIP) == 0))
			visit(oid, name_of(oid, buf), arg);
		if (!SLIST_EMPTY(&oid->oid_children)) {
			oid = SLIST_FIRST(&oid->oid_children);
			continue;
		}
		while (oid != top && SLIST_NEXT(oid, oid_link) == NULL)
			oid = oid->oid_parent;
		oid = oid != top ? SLIST_NEXT(oid, oid_link) : NULL;
	}
}

/* ---- Requests ---- */

int
sysctl_copyout(struct sysctl_req *req, const void *p, size_t len)
{
	if (req->oldptr == NULL)
		return (0);
	if (len > req->oldlen - req->oldidx)
		return (ENOMEM);
	memcpy((char *)req->oldptr + req->oldidx, p, len);
	req->oldidx += len;
	return (0);
}

int
sysctl_copyin(struct sysctl_req *req, void *p, size_t len)
{
	if (req->newptr == NULL)
		return (0);
	if (len > req->newlen - req->newidx)
		return (EINVAL);
	memcpy(p, (const char *)req->newptr + req->newidx, len);
	req->newidx += len;
	return (0);
}

/* ---- Handlers of plain types ---- */

/* arg1, or the constant's bytes, go out; the new value comes in, whole. */
static int
handle(void *arg1, const void *constant, size_t size, struct sysctl_req *req)
{
	int error = SYSCTL_OUT(req, arg1 != NULL ? arg1 : constant, size);

	if (error != 0 || req->newptr == NULL)
		return (error);
	return (arg1 == NULL ? EPERM : SYSCTL_IN(req, arg1, size));
}

#define HANDLER(name, type) \
	int \
	sysctl_handle_##name(SYSCTL_HANDLER_ARGS) \
	{ \
		const type constant = (type)arg2; \
 \
		(void)oidp; \
		return (handle(arg1, &constant, sizeof(type), req)); \
	}
HANDLER(int, int)
HANDLER(long, long)
HANDLER(64, int64_t)
HANDLER(32, int32_t)
HANDLER(16, int16_t)
HANDLER(8, int8_t)

int
sysctl_handle_bool(SYSCTL_HANDLER_ARGS)
{
	uint8_t b = arg1 != NULL ? *(bool *)arg1 : arg2 != 0;
	int error;

	(void)oidp;
	error = SYSCTL_OUT(req, &b, sizeof(b));
	if (error == 0 && req->newptr != NULL)
		error = arg1 == NULL ? EPERM : SYSCTL_IN(req, &b, sizeof(b));
	if (error == 0 && req->newptr != NULL)
		*(bool *)arg1 = b != 0;
	return (error);
}

int
sysctl_handle_string(SYSCTL_HANDLER_ARGS)
{
	const size_t size = (size_t)arg2;
	size_t len;
	int error;

	(void)oidp;
	error = SYSCTL_OUT(req, arg1, size > 0 ? strnlen(arg1, size) : strlen(arg1));
	if (error != 0 || req->newptr == NULL)
		return (error);
	len = req->newlen - req->newidx;
	if (size == 0 || len >= size || memchr(req->newptr, '\0', req->newlen) != NULL)
		return (EINVAL);
	error = SYSCTL_IN(req, arg1, len);
	((char *)arg1)[len] = '\0';
	return (error);
}

int
sysctl_handle_counter_u64(SYSCTL_HANDLER_ARGS)
{
	const counter_u64_t c = *(counter_u64_t *)arg1;
	const uint64_t n = c != NULL ? counter_u64_fetch(c) : 0;
	int error;

	(void)oidp;
	(void)arg2;
	error = SYSCTL_OUT(req, &n, sizeof(n));
	if (error == 0 && req->newptr != NULL && c != NULL)
		counter_u64_zero(c);
	return (error);
}
