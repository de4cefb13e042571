/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What holds a module: nothing may run in it, or be about to, when its memory goes.
 *
 * Refused, with the reason: an unload from within a stack, or from a function that one of the module's own called
 * (there is a return address into it).  Workers are stopped between stacks, so no other thread can be inside.
 *
 * Drained: what the module's destructors left behind.  A callout whose function, or whose structure, is the module's is
 * stopped in every stack; a packet that was to go to one of its input functions is dropped.  A destructor should have
 * seen to it, but one that forgot must not bring down the stacks that live on.
 */
#include <errno.h>
#include <unwind.h>
#include <uvnet/callout.h>
#include <uvnet/netisr.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

struct search {
	const struct linker_file *file;
	uintptr_t found;
};

static _Unwind_Reason_Code
is_inside(struct _Unwind_Context *context, void *arg)
{
	struct search *s = arg;
	uintptr_t pc = _Unwind_GetIP(context);

	if (pc - 1 - s->file->addr >= s->file->size)	/* a call may be a function's last instruction */
		return (_URC_NO_REASON);
	s->found = pc - 1;
	return (_URC_END_OF_STACK);
}

int
kld_hold_check(const struct linker_file *file, struct uverr *err)
{
	struct search s = { .file = file };
	const char *name, *where = NULL;
	uintptr_t offset;

	if (curvnet != NULL)
		return (uverr(err, EBUSY, "%s: this thread is inside stack %s: leave it first (CURVNET_RESTORE)", file->name,
		    curvnet->vnet_name));
	_Unwind_Backtrace(is_inside, &s);
	if (s.found == 0)
		return (0);
	name = kld_symbolize(s.found, &where, &offset);
	return (uverr(err, EBUSY, "%s: its function %s is running: it cannot be unloaded from within", file->name,
	    name != NULL ? name : "(no name)"));
}

void
kld_hold_drain(const struct linker_file *file)
{
	const struct kld_setpart *set = &file->set[SET_VNET];

	callout_purge_module(file->addr, file->size, set->addr, set->size);
	netisr_purge_module(file->addr, file->size);
}
