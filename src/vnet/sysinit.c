/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constructors in order, and undone in order.
 *
 * Each file brings four arrays of pointers that its compiler left in linker sets.  They are sorted once, by
 * (subsystem, order, load of the file, place in the file).  A file's own lists run when it comes and goes; what all
 * files have for a stack is kept merged, for stacks to come.
 *
 * Undoing.  FreeBSD pairs constructors and destructors by nothing but the order, and has no way back when one
 * fails.  Here a failed constructor at (subsystem, order) of a file means: destructors at smaller places run,
 * and at the same place those of files that came before it; in reverse.  So the rule for an author is the one that
 * the order already suggests: undo at the place where it was done, and clean up behind your own failure.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uvnet/sysinit.h>
#include <uvnet/vnet.h>

#include "vnet_impl.h"

struct entry {
	const struct sysinit *si;
	const struct sysinit_file *file;
	size_t index;
};

struct list {
	struct entry *e;
	size_t n;
};

struct sysinit_file {
	TAILQ_ENTRY(sysinit_file) link;
	const char *name;
	unsigned seq;
	struct list lists[SYSINIT_NKIND];
};

const char *const sysinit_sections[SYSINIT_NKIND] = {
	[SYSINIT_SYS] = "set_sysinit_set",
	[SYSINIT_SYSUN] = "set_sysuninit_set",
	[SYSINIT_VNET] = "set_vnet_sysinit_set",
	[SYSINIT_VNETUN] = "set_vnet_sysuninit_set",
};

static TAILQ_HEAD(, sysinit_file) files = TAILQ_HEAD_INITIALIZER(files);
static struct list vnet_up, vnet_down;	/* all files', merged */
static unsigned lastseq;

/* ---- Lists ---- */

#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

static int
entry_cmp(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int c;

	if ((c = CMP(a->si->subsystem, b->si->subsystem)) != 0 || (c = CMP(a->si->order, b->si->order)) != 0 ||
	    (c = CMP(a->file->seq, b->file->seq)) != 0)
		return (c);
	return (CMP(a->index, b->index));
}

static int
list_make(struct list *l, const struct sysinit *const *set, size_t n, const struct sysinit_file *file)
{
	size_t i;

	l->e = malloc((n + 1) * sizeof(*l->e));
	if (l->e == NULL)
		return (-ENOMEM);
	for (i = 0; i < n; i++)
		l->e[i] = (struct entry){ set[i], file, i };
	l->n = n;
	qsort(l->e, n, sizeof(*l->e), entry_cmp);
	return (0);
}

/* *sum = a + b, sorted; the parts stay. */
static int
list_merge(struct list *sum, const struct list *a, const struct list *b)
{
	sum->e = malloc((a->n + b->n + 1) * sizeof(*sum->e));
	if (sum->e == NULL)
		return (-ENOMEM);
	sum->n = a->n + b->n;
	if (a->n > 0)
		memcpy(sum->e, a->e, a->n * sizeof(*a->e));
	if (b->n > 0)
		memcpy(sum->e + a->n, b->e, b->n * sizeof(*b->e));
	qsort(sum->e, sum->n, sizeof(*sum->e), entry_cmp);
	return (0);
}

static void
list_drop(struct list *l, const struct sysinit_file *file)
{
	size_t i, n = 0;

	for (i = 0; i < l->n; i++)
		if (l->e[i].file != file)
			l->e[n++] = l->e[i];
	l->n = n;
}

static void
list_free(struct list *l)
{
	free(l->e);
	*l = (struct list){ NULL, 0 };
}

/* ---- Running them ---- */

static int
entry_call(const struct entry *e)
{
	int error;

	if (!e->si->fallible) {
		e->si->u.func(e->si->udata);
		return (0);
	}
	error = e->si->u.func_int(e->si->udata);
	return (error > 0 ? -error : error);	/* FreeBSD's errnos are positive */
}

/* Whether a destructor undoes something that was done before `failed` was called. */
static int
entry_precedes(const struct entry *down, const struct entry *failed)
{
	if (down->si->subsystem != failed->si->subsystem)
		return (down->si->subsystem < failed->si->subsystem);
	if (down->si->order != failed->si->order)
		return (down->si->order < failed->si->order);
	return (down->file->seq < failed->file->seq);
}

static void
list_undo(const struct list *down)
{
	size_t i;

	for (i = down->n; i-- > 0;)
		entry_call(&down->e[i]);
}

static int
list_run(const struct list *up, const struct list *down, struct uverr *err)
{
	size_t i, j;
	int error;

	for (i = 0; i < up->n; i++) {
		error = entry_call(&up->e[i]);
		if (error == 0)
			continue;
		uverr(err, -error, "%s: constructor %s%s%s%s: %s", up->e[i].file->name, up->e[i].si->name,
		    curvnet != NULL ? " in stack \"" : "", curvnet != NULL ? curvnet->vnet_name : "",
		    curvnet != NULL ? "\"" : "", strerror(-error));
		for (j = down->n; j-- > 0;)
			if (entry_precedes(&down->e[j], &up->e[i]))
				entry_call(&down->e[j]);
		return (error);
	}
	return (0);
}

int
sysinit_vnet_construct(struct uverr *err)
{
	return (list_run(&vnet_up, &vnet_down, err));
}

void
sysinit_vnet_destruct(void)
{
	list_undo(&vnet_down);
}

/* ---- Files ---- */

/* Undo a file's part in every stack before `end` (NULL: in every stack), the youngest stack first. */
static void
file_leave_stacks(const struct sysinit_file *f, struct vnet *end)
{
	struct vnet *v;

	v = end != NULL ? TAILQ_PREV(end, vnet_list_head, vnet_le) : TAILQ_LAST(&vnet_head, vnet_list_head);
	for (; v != NULL; v = TAILQ_PREV(v, vnet_list_head, vnet_le)) {
		CURVNET_SET(v);
		list_undo(&f->lists[SYSINIT_VNETUN]);
		CURVNET_RESTORE();
	}
}

static int
file_enter_stacks(const struct sysinit_file *f, struct uverr *err)
{
	struct vnet *v;
	int error;

	VNET_FOREACH (v) {
		CURVNET_SET(v);
		error = list_run(&f->lists[SYSINIT_VNET], &f->lists[SYSINIT_VNETUN], err);
		CURVNET_RESTORE();
		if (error != 0) {
			file_leave_stacks(f, v);
			return (error);
		}
	}
	return (0);
}

int
sysinit_register(const char *name, const struct sysinit *const *const sets[SYSINIT_NKIND],
    const size_t counts[SYSINIT_NKIND], struct sysinit_file **file, struct uverr *err)
{
	struct list up = { NULL, 0 }, down = { NULL, 0 };
	struct sysinit_file *f;
	int error, kind;

	assert(curvnet == NULL);
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return (uverr(err, ENOMEM, "%s: out of memory", name));
	f->name = name;
	f->seq = ++lastseq;
	for (kind = 0; kind < SYSINIT_NKIND; kind++)
		if ((error = list_make(&f->lists[kind], sets[kind], counts[kind], f)) != 0)
			goto fail_memory;
	if ((error = list_merge(&up, &vnet_up, &f->lists[SYSINIT_VNET])) != 0 ||
	    (error = list_merge(&down, &vnet_down, &f->lists[SYSINIT_VNETUN])) != 0)
		goto fail_memory;

	if ((error = list_run(&f->lists[SYSINIT_SYS], &f->lists[SYSINIT_SYSUN], err)) != 0)
		goto fail;
	if ((error = file_enter_stacks(f, err)) != 0)
		goto fail_sys;

	list_free(&vnet_up);
	list_free(&vnet_down);
	vnet_up = up;
	vnet_down = down;
	TAILQ_INSERT_TAIL(&files, f, link);
	*file = f;
	return (0);

fail_memory:
	uverr(err, ENOMEM, "%s: out of memory", name);
	goto fail;
fail_sys:
	list_undo(&f->lists[SYSINIT_SYSUN]);
fail:
	list_free(&down);
	list_free(&up);
	for (kind = 0; kind < SYSINIT_NKIND; kind++)
		list_free(&f->lists[kind]);
	free(f);
	return (error);
}

void
sysinit_unregister(struct sysinit_file *f)
{
	int kind;

	assert(curvnet == NULL);
	file_leave_stacks(f, NULL);
	list_undo(&f->lists[SYSINIT_SYSUN]);
	TAILQ_REMOVE(&files, f, link);
	list_drop(&vnet_up, f);
	list_drop(&vnet_down, f);
	for (kind = 0; kind < SYSINIT_NKIND; kind++)
		list_free(&f->lists[kind]);
	free(f);
}
