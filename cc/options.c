/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of vnetcc --module.
 *
 * An option that is not known is an error: a mistyped -fno-virtual would
 * otherwise give a module that runs and shares what it must not.
 */

#include <stdio.h>
#include <string.h>

#include "vnetcc.h"

/* The only place that knows which sets there are. */
static const struct vset vsets[] = {
	{ .name = "vnet", .section = "set_vnet", .base = "curvnet_base", .sysinit = true },
	{ .name = "pcpu", .section = "set_pcpu", .base = "curcpu_base" },
	/* Programs, which have the runtime. */
	{ .name = "vinst", .section = "set_vinst", .base = "vinst_base",
	    .thread_section = "set_vinst_thread", .thread_base = "vinst_thread_base" },
};

static const struct {
	const char *option;
	size_t list; /* offset in struct options */
} name_lists[] = {
	{ "-fno-virtual=", offsetof(struct options, novirt) },
	{ "-fvirtual-extern=", offsetof(struct options, externs) },
	{ "-fvirtual-by-hand=", offsetof(struct options, by_hand) },
	{ "-fvirtual-keeps-base=", offsetof(struct options, keeps_base) },
	{ "-fexport=", offsetof(struct options, exports) },
};

/* The rest of arg after prefix, or NULL. */
static const char *
after(const char *arg, const char *prefix)
{
	size_t n = strlen(prefix);

	return (strncmp(arg, prefix, n) == 0 ? arg + n : NULL);
}

static bool
set_named(struct options *o, const char *name)
{
	for (size_t i = 0; i < sizeof(vsets) / sizeof(vsets[0]); i++)
		if (strcmp(vsets[i].name, name) == 0) {
			o->set = &vsets[i];
			return (true);
		}
	complain("-fvirtual-set=%s: no such set; there are vnet, pcpu and vinst", name);
	return (false);
}

static bool
names_option(struct options *o, const char *a)
{
	for (size_t i = 0; i < sizeof(name_lists) / sizeof(name_lists[0]); i++) {
		const char *rest = after(a, name_lists[i].option);

		if (rest == NULL)
			continue;
		names_split((struct strlist *)(void *)((char *)o + name_lists[i].list), rest);
		if (name_lists[i].list == offsetof(struct options, exports))
			o->exporting = true;
		return (true);
	}
	return (false);
}

static bool
level_option(struct options *o, const char *a)
{
	static const char *const levels[] = { "O0", "O1", "O2", "O3", "Os", "Oz" };

	if (strcmp(a, "-O") == 0)
		a = "-O1";
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(a + 1, levels[i]) == 0) {
			o->level = levels[i];
			return (true);
		}
	return (false);
}

static bool
virtual_option(struct options *o, const char *list)
{
	strlist_free(&o->virt);
	o->mode = VIRT_LIST;
	if (strcmp(list, "all") == 0)
		o->mode = VIRT_ALL;
	else if (strcmp(list, "none") == 0)
		o->mode = VIRT_NONE;
	else
		names_split(&o->virt, list);
	if (o->mode == VIRT_LIST && o->virt.n == 0) {
		complain("-fvirtual=: all, none or names are missing");
		return (false);
	}
	return (true);
}

static bool
option(struct options *o, const char *a)
{
	const char *rest;

	if (strcmp(a, "--module") == 0 || strncmp(a, "-g", 2) == 0)
		return (true); /* debug information stays as compiled */
	if (level_option(o, a) || names_option(o, a))
		return (true);
	if ((rest = after(a, "-fvirtual=")) != NULL)
		return (virtual_option(o, rest));
	if ((rest = after(a, "-fvirtual-set=")) != NULL)
		return (set_named(o, rest));
	if ((rest = after(a, "-fvirtual-base=")) != NULL) {
		o->gs = strcmp(rest, "gs") == 0;
		if (o->gs || strcmp(rest, "tls") == 0)
			return (true);
		complain("-fvirtual-base=%s: there are tls and gs", rest);
		return (false);
	}
	if ((rest = after(a, "-fvirtual-ir=")) != NULL) {
		o->ir = rest;
		return (true);
	}
	if ((rest = after(a, "-march=")) != NULL) {
		o->cpu = rest;
		return (true);
	}
	if ((rest = after(a, "-fexport-file=")) != NULL) {
		o->exporting = true;
		return (names_read(&o->exports, rest));
	}
	if (strcmp(a, "-fsanitize=address") == 0) {
		o->asan = true;
		return (true);
	}
	if (strcmp(a, "-fvirtual-report") == 0) {
		o->report = REPORT_TEXT;
		return (true);
	}
	if (strcmp(a, "-fvirtual-report=json") == 0) {
		o->report = REPORT_JSON;
		return (true);
	}
	complain("%s: not an option of vnetcc --module; see vnetcc --help", a);
	return (false);
}

/* Is it a thread-local of the set's runtime? */
bool
set_owns(const struct vset *set, const char *name)
{
	return (strcmp(name, set->base) == 0 || (set->thread_base != NULL && strcmp(name, set->thread_base) == 0));
}

void
options_default(struct options *o)
{
	*o = (struct options) { .set = &vsets[0], .level = "O2" };
	if (set_named(o, "vinst"))
		o->program = true;
	/* Nobody enters an instance but by the runtime, and calls of that are known. */
	strlist_add(&o->keeps_base, "*");
}

/* For the link of a program: is it an option of ours?  False if it is and is wrong. */
bool
options_take(struct options *o, const char *a, bool *taken)
{
	*taken = strncmp(a, "-fvirtual", 9) == 0 || strncmp(a, "-fno-virtual", 12) == 0;
	if (strncmp(a, "-O", 2) == 0)
		return (level_option(o, a), true);
	return (!*taken || option(o, a));
}

bool
options_parse(struct options *o, const struct strlist *args)
{
	*o = (struct options) { .set = &vsets[0], .level = "O2" };
	for (size_t i = 0; i < args->n; i++) {
		const char *a = args->v[i];

		if (strcmp(a, "-o") == 0 && i + 1 < args->n)
			o->output = args->v[++i];
		else if (a[0] == '-' && a[1] == 'o' && a[2] != '\0')
			o->output = a + 2;
		else if (a[0] != '-')
			strlist_add(&o->inputs, a);
		else if (!option(o, a))
			return (false);
	}
	if (o->output == NULL) {
		complain("--module: no output is named; use -o FILE");
		return (false);
	}
	if (o->inputs.n == 0) {
		complain("--module: no objects are named");
		return (false);
	}
	return (true);
}

void
options_free(struct options *o)
{
	strlist_free(&o->inputs);
	strlist_free(&o->virt);
	strlist_free(&o->novirt);
	strlist_free(&o->externs);
	strlist_free(&o->by_hand);
	strlist_free(&o->keeps_base);
	strlist_free(&o->exports);
}
