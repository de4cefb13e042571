/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of sysctl(9) as text, which is how people and the control socket have them.
 *
 * Text comes from outside: what is not a number of the type, to its last character, is refused before a handler sees
 * it, and a handler always gets exactly the bytes of its type.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/sysctl.h>
#include <uvnet/vnet.h>

static const struct type {
	const char *name;
	size_t size;		/* 0: no number */
	int is_signed;
} types[CTLTYPE + 1] = {
	[CTLTYPE_NODE] = { "node", 0, 0 },
	[CTLTYPE_STRING] = { "string", 0, 0 },
	[CTLTYPE_INT] = { "int", sizeof(int), 1 },
	[CTLTYPE_UINT] = { "unsigned", sizeof(unsigned), 0 },
	[CTLTYPE_LONG] = { "long", sizeof(long), 1 },
	[CTLTYPE_ULONG] = { "unsigned long", sizeof(long), 0 },
	[CTLTYPE_S8] = { "int8", 1, 1 },
	[CTLTYPE_U8] = { "uint8", 1, 0 },
	[CTLTYPE_S16] = { "int16", 2, 1 },
	[CTLTYPE_U16] = { "uint16", 2, 0 },
	[CTLTYPE_S32] = { "int32", 4, 1 },
	[CTLTYPE_U32] = { "uint32", 4, 0 },
	[CTLTYPE_S64] = { "int64", 8, 1 },
	[CTLTYPE_U64] = { "uint64", 8, 0 },
};

union value {
	int8_t s8;
	uint8_t u8;
	int16_t s16;
	uint16_t u16;
	int32_t s32;
	uint32_t u32;
	int64_t s64;
	uint64_t u64;
};

static const struct type *
type_of(const struct sysctl_oid *oid)
{
	return (&types[oid->oid_kind & CTLTYPE]);
}

const char *
sysctl_type(const struct sysctl_oid *oid)
{
	const char *name = type_of(oid)->name;

	return (name != NULL ? name : "opaque");
}

/* The handler's answer, as a negative errno. */
static int
request(struct sysctl_oid *oid, struct sysctl_req *req)
{
	void *arg1 = oid->oid_arg1;
	int error;

	if (arg1 != NULL && (oid->oid_kind & CTLFLAG_VNET) != 0)
		arg1 = (void *)((uintptr_t)arg1 + curvnet_base);
	error = oid->oid_handler(oid, arg1, oid->oid_arg2, req);
	return (error > 0 ? -error : error);
}

/* ---- Out ---- */

static int
number_print(const struct type *type, const union value *v, char text[SYSCTL_TEXTLEN])
{
	int64_t s = type->size == 1 ? v->s8 : type->size == 2 ? v->s16 : type->size == 4 ? v->s32 : v->s64;
	uint64_t u = type->size == 1 ? v->u8 : type->size == 2 ? v->u16 : type->size == 4 ? v->u32 : v->u64;

	return (type->is_signed ? snprintf(text, SYSCTL_TEXTLEN, "%" PRId64, s) :
	    snprintf(text, SYSCTL_TEXTLEN, "%" PRIu64, u));
}

int
sysctl_get(struct sysctl_oid *oid, char text[SYSCTL_TEXTLEN])
{
	const struct type *type = type_of(oid);
	union value v = { 0 };
	struct sysctl_req req = { .oldptr = text, .oldlen = SYSCTL_TEXTLEN - 1 };
	int error;

	if ((oid->oid_kind & CTLTYPE) == CTLTYPE_NODE)
		return (-EISDIR);
	if ((oid->oid_kind & CTLFLAG_RD) == 0)
		return (-EPERM);
	if (type->size != 0) {
		req.oldptr = &v;
		req.oldlen = type->size;
	}
	error = request(oid, &req);
	if (error != 0)
		return (error);
	if (type->size != 0)
		return (req.oldidx == type->size ? number_print(type, &v, text) : -EIO);
	text[req.oldidx] = '\0';
	return ((int)strlen(text));
}

/* ---- In ---- */

/* 0, -EINVAL or -ERANGE.  Decimal, 0x and 0 as in C. */
static int
number_parse(const struct type *type, const char *text, union value *v)
{
	const unsigned bits = 8 * (unsigned)type->size;
	char *end;

	if (text[strspn(text, "-+")] < '0' || text[strspn(text, "-+")] > '9' || strspn(text, "-+") > 1)
		return (-EINVAL);
	errno = 0;
	if (type->is_signed)
		v->s64 = strtoll(text, &end, 0);
	else
		v->u64 = strtoull(text, &end, 0);
	if (*end != '\0')
		return (-EINVAL);
	if (errno == ERANGE || (!type->is_signed && text[0] == '-'))
		return (-ERANGE);
	if (type->is_signed && (v->s64 > INT64_MAX >> (64 - bits) || v->s64 < INT64_MIN >> (64 - bits)))
		return (-ERANGE);
	if (!type->is_signed && v->u64 > UINT64_MAX >> (64 - bits))
		return (-ERANGE);
	switch (type->size) {
	case 1:
		v->u8 = (uint8_t)v->u64;
		break;
	case 2:
		v->u16 = (uint16_t)v->u64;
		break;
	case 4:
		v->u32 = (uint32_t)v->u64;
		break;
	}
	return (0);
}

/* The oid, if it may be set; *v: a number. */
static int
check(const char *name, const char *text, int making, struct sysctl_oid **oidp, union value *v, struct uverr *err)
{
	struct sysctl_oid *oid = *oidp = sysctl_find(name);
	int error;

	if (oid == NULL)
		return (uverr(err, ENOENT, "%.64s: there is no such variable", name));
	if ((oid->oid_kind & CTLTYPE) == CTLTYPE_NODE)
		return (uverr(err, EISDIR, "%.64s: is no variable, variables are below it", name));
	if ((oid->oid_kind & CTLFLAG_WR) == 0 && ((oid->oid_kind & CTLFLAG_TUN) == 0 || !making))
		return (uverr(err, EPERM, "%.64s: %s", name, (oid->oid_kind & CTLFLAG_TUN) != 0 ?
		    "can be set only where the stack is configured" : "cannot be set"));
	if ((oid->oid_kind & CTLFLAG_VNET) == 0)
		return (uverr(err, EPERM, "%.64s: is the whole process's, and not one stack's to set", name));
	if (type_of(oid)->size == 0)
		return (0);
	error = number_parse(type_of(oid), text, v);
	if (error == -EINVAL)
		return (uverr(err, EINVAL, "%.64s: \"%.64s\" is not a number", name, text));
	if (error == -ERANGE)
		return (uverr(err, ERANGE, "%.64s: \"%.64s\" does not fit its type, %s", name, text, sysctl_type(oid)));
	return (0);
}

int
sysctl_check(const char *name, const char *text, int making, struct uverr *err)
{
	struct sysctl_oid *oid;
	union value v;

	return (check(name, text, making, &oid, &v, err));
}

int
sysctl_set(const char *name, const char *text, int making, struct uverr *err)
{
	struct sysctl_oid *oid;
	union value v;
	struct sysctl_req req = { .newptr = &v };
	int error;

	error = check(name, text, making, &oid, &v, err);
	if (error != 0)
		return (error);
	req.newlen = type_of(oid)->size;
	if (req.newlen == 0) {
		req.newptr = text;
		req.newlen = strlen(text);
	}
	error = request(oid, &req);
	if (error == -EINVAL)
		return (uverr(err, EINVAL, "%.64s: \"%.64s\" is not a value for it (%s)", name, text, oid->oid_descr));
	return (error == 0 ? 0 : uverr(err, -error, "%.64s: %s", name, strerror(-error)));
}
