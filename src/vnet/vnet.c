/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network stacks: instances of the set `set_vnet` with a name, a worker and constructors.
 *
 * How it works
 * ------------
 * What makes a stack is its variables.  Code that a stack runs names them as VNET(x), or was compiled by vnetcc,
 * which writes the same thing for plain C: &x plus the distance of the current stack, a thread-local.  So entering
 * a stack is setting one pair of words, and nothing else distinguishes "inside a stack": no register, no lock, no
 * system call.
 *
 * Making a stack is: an instance of the set (src/vset: the template copied, its pointers rebased), then the
 * constructors that the program's and the modules' files registered (sysinit.c), each of which finds its own
 * variables as the template has them.  If one fails, those before it are undone and the instance goes back.
 * Destroying a stack is the reverse; and whatever the stack allocated lies in the tail of its instance
 * (heap.c), so that it cannot leak: the memory goes back in one call.  What is outside the instance and refers to
 * the stack is taken down by name: pending callouts, and packets on their way to it.
 *
 * Without a stack the distance is that of the null slot: every access faults, and the linker's handler names the
 * variable.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/callout.h>
#include <uvnet/dpcpu.h>
#include <uvnet/netisr.h>
#include <uvnet/vnet.h>

#include "vnet_impl.h"

#define VNET_MAX 65536
#define VNET_HEAP (16ul << 20)
#define VNET_NHASH 4096

_Thread_local struct vnet *curvnet;
_Thread_local uintptr_t curvnet_base = VSET_WINDOW_SIZE;
const uintptr_t vnet_base_none = VSET_WINDOW_SIZE;

struct vset *vnet_vset;
struct vnet *vnet0;
struct vnet_list_head vnet_head = TAILQ_HEAD_INITIALIZER(vnet_head);
static LIST_HEAD(, vnet) vnet_names[VNET_NHASH];
static pthread_rwlock_t vnet_lock = PTHREAD_RWLOCK_INITIALIZER;
static unsigned vnet_lastid;

void
vnet_list_rlock(void)
{
	pthread_rwlock_rdlock(&vnet_lock);
}

void
vnet_list_runlock(void)
{
	pthread_rwlock_unlock(&vnet_lock);
}

/* FNV-1a. */
static unsigned
name_hash(const char *name)
{
	uint32_t h = 2166136261u;

	while (*name != '\0')
		h = (h ^ (unsigned char)*name++) * 16777619u;
	return (h % VNET_NHASH);
}

struct vnet *
vnet_find(const char *name)
{
	struct vnet *v;

	LIST_FOREACH (v, &vnet_names[name_hash(name)], vnet_hash)
		if (strcmp(v->vnet_name, name) == 0)
			return (v);
	return (NULL);
}

static int
name_check(const char *name, struct uverr *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (name[0] == '\0' || name[strspn(name, allowed)] != '\0')
		return (uverr(err, EINVAL, "stack \"%s\": a name is made of letters, digits, `-', `_' and `.'", name));
	if (strlen(name) >= VNET_NAMELEN)
		return (uverr(err, EINVAL, "stack \"%s\": a name has at most %d bytes", name, VNET_NAMELEN - 1));
	if (vnet_find(name) != NULL)
		return (uverr(err, EEXIST, "stack \"%s\": there is one of that name", name));
	return (0);
}

int
vnet_alloc(const char *name, unsigned cpu, struct vnet **vnet, struct uverr *err)
{
	struct vnet *v;
	int error;

	if ((error = name_check(name, err)) != 0)
		return (error);
	if (cpu >= mp_ncpus)
		return (uverr(err, EINVAL, "stack \"%s\": there is no CPU %u", name, cpu));
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return (uverr(err, ENOMEM, "stack \"%s\": out of memory", name));
	strcpy(v->vnet_name, name);
	v->vnet_cpu = cpu;
	v->vnet_id = ++vnet_lastid;
	if ((error = vset_instance_alloc(vnet_vset, &v->vnet_slot, &v->vnet_base, err)) != 0)
		goto fail;
	CURVNET_SET(v);
	error = sysinit_vnet_construct(err);
	if (error != 0)
		callout_purge();
	CURVNET_RESTORE();
	if (error != 0)
		goto fail_instance;
	pthread_rwlock_wrlock(&vnet_lock);
	TAILQ_INSERT_TAIL(&vnet_head, v, vnet_le);
	LIST_INSERT_HEAD(&vnet_names[name_hash(name)], v, vnet_hash);
	pthread_rwlock_unlock(&vnet_lock);
	*vnet = v;
	return (0);

fail_instance:
	netisr_purge(v, NULL);
	vset_instance_free(vnet_vset, v->vnet_slot);
fail:
	free(v);
	return (error);
}

void
vnet_destroy(struct vnet *v)
{
	assert(v != curvnet);
	pthread_rwlock_wrlock(&vnet_lock);
	TAILQ_REMOVE(&vnet_head, v, vnet_le);
	LIST_REMOVE(v, vnet_hash);
	pthread_rwlock_unlock(&vnet_lock);
	v->vnet_shutdown = 1;
	CURVNET_SET(v);
	sysinit_vnet_destruct();
	callout_purge();
	CURVNET_RESTORE();
	netisr_purge(v, NULL);
	vset_instance_free(vnet_vset, v->vnet_slot);
	free(v);
}

int
vnet_init(const struct vnet_config *config, struct uverr *err)
{
	struct vset_params params = {
		.name = "set_vnet",
		.max = config != NULL && config->max != 0 ? config->max + 1 : VNET_MAX,	/* one is vnet0 */
		.tail = config != NULL && config->heap != 0 ? (config->heap + 4095) & ~4095ul : VNET_HEAP,
		.stagger = 1,
	};
	int error;

	if ((error = vset_create(&params, &vnet_vset, err)) != 0)
		return (error);
	if ((error = vnet_alloc("vnet0", 0, &vnet0, err)) != 0) {
		vset_destroy(vnet_vset);
		vnet_vset = NULL;
	}
	return (error);
}

void
vnet_fini(void)
{
	assert(TAILQ_FIRST(&vnet_head) == vnet0 && TAILQ_NEXT(vnet0, vnet_le) == NULL);
	vnet_destroy(vnet0);
	vnet0 = NULL;
	vset_destroy(vnet_vset);
	vnet_vset = NULL;
}
