/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VNET: a global variable with an instance for each network stack (FreeBSD's sys/net/vnet.h, vnet(9)).
 *
 *	VNET_DEFINE_STATIC(int, ttl) = 64;		every stack starts with 64
 *	#define V_ttl VNET(ttl)
 *
 *	CURVNET_SET(vnet);
 *	V_ttl = 32;					of this stack only
 *	CURVNET_RESTORE();
 *
 * A module's source written for FreeBSD keeps its meaning.  What is better than there: `static` and hidden
 * variables, pointers between variables in their initialisers, and constructors that may fail (sysinit.h).
 *
 * Threads: a stack belongs to one worker (vnet_cpu) and is entered only by it, or by the thread that has stopped
 * all workers; so what runs inside a stack needs no locks.
 */
#ifndef UVNET_VNET_H
#define UVNET_VNET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uvnet/vset.h>

#define VNET_NAMELEN 64

struct pkt;

/* What waits to be taken in by a stack; src/vnet/netisr.c's. */
struct vnet_queue {
	struct pkt *q_head, **q_tail;	/* q_tail NULL: nothing was ever queued */
	unsigned q_len;
	unsigned q_round;		/* the worker's round that it was last served in */
	int q_heavy;			/* its last turn was longer than one of a quiet stack */
	unsigned q_light;		/* turns of a packet or two since the last longer one */
	unsigned q_ahead;		/* packets that its last one had before it, in this worker */
	int q_where;			/* on which of the worker's lists it is */
	TAILQ_ENTRY(vnet) q_le;
};

/* A network stack.  Fields are read-only outside src/vnet; vnet_softc is the host's. */
struct vnet {
	TAILQ_ENTRY(vnet) vnet_le;	/* the list of all stacks, under the list's lock */
	LIST_ENTRY(vnet) vnet_hash;	/* stacks whose names have the same hash */
	uintptr_t vnet_base;		/* distance of its variables from the templates */
	unsigned vnet_slot;		/* its instance of the set */
	unsigned vnet_cpu;		/* the CPU whose worker it belongs to */
	unsigned vnet_id;		/* counts up, never used twice */
	int vnet_shutdown;		/* destructors are running */
	struct vnet_queue vnet_queue;
	void *vnet_softc;		/* whatever the host keeps with it */
	char vnet_name[VNET_NAMELEN];
};

/*
 * The current stack and the distance of its variables: one pair, written only by the macros below.
 * A thread starts with no stack: NULL, and the distance of the null slot, where every access faults.
 */
extern _Thread_local struct vnet *curvnet __attribute__((tls_model("initial-exec")));
extern _Thread_local uintptr_t curvnet_base __attribute__((tls_model("initial-exec")));

/* Enter a stack until CURVNET_RESTORE() in the same block; they nest.  NULL leaves every stack. */
#define CURVNET_SET_QUIET(v) \
	struct vnet *const saved_vnet = curvnet; \
	const uintptr_t saved_base = curvnet_base; \
	vnet_enter(v)
#define CURVNET_SET(v) CURVNET_SET_QUIET(v)
#define CURVNET_RESTORE() \
	do { \
		curvnet = saved_vnet; \
		curvnet_base = saved_base; \
	} while (0)

/* The distance that stands for no stack. */
extern const uintptr_t vnet_base_none;

static inline void
vnet_enter(struct vnet *v)
{
	curvnet = v;
	curvnet_base = v != NULL ? v->vnet_base : vnet_base_none;
}

/* ---- Variables ---- */

#define VNET_SETNAME "set_vnet"
#define VNET_NAME(n) vnet_entry_##n
#define VNET_DECLARE(t, n) extern t VNET_NAME(n)
/* The type is named once only, for it may be an unnamed structure: VNET_DEFINE(LIST_HEAD(, x), xs). */
#define VNET_DEFINE(t, n) __typeof__(t) VNET_NAME(n) __attribute__((section(VNET_SETNAME), used))
/* `static` is kept: the fault that FreeBSD's modules must drop it for does not exist here. */
#define VNET_DEFINE_STATIC(t, n) static __typeof__(t) VNET_NAME(n) __attribute__((section(VNET_SETNAME), used))

#define VNET_VNET_PTR(v, n) ((__typeof__(VNET_NAME(n)) *)((uintptr_t)&VNET_NAME(n) + (v)->vnet_base))
#define VNET_VNET(v, n) (*VNET_VNET_PTR(v, n))
#define VNET_PTR(n) ((__typeof__(VNET_NAME(n)) *)((uintptr_t)&VNET_NAME(n) + curvnet_base))
#define VNET(n) (*VNET_PTR(n))

/* ---- Stacks ---- */

/* The default stack: made by vnet_init(), there as long as VNET is. */
extern struct vnet *vnet0;
#define IS_DEFAULT_VNET(v) ((v) == vnet0)

/* The set itself, for the linker. */
extern struct vset *vnet_vset;

struct vnet_config {
	unsigned max;		/* stacks at the most; 0: as many as the address space has room for, up to 65,536 */
	size_t heap;		/* room of a stack's heap, bytes: the largest memory limit; 0: 16 MiB */
};

/*
 * Make the set and vnet0.  After vset_window_init(); before it no stack, after it modules' and the program's
 * constructors may be registered (sysinit.h).  Errors: -ENOMEM.  vnet_fini() wants all other stacks gone.
 */
int vnet_init(const struct vnet_config *config, struct uverr *err);
void vnet_fini(void);

/*
 * Make a stack: its variables are there and every VNET_SYSINIT has run, or nothing is there.  The name is unique
 * among live stacks: letters, digits, `-`, `_` and `.`.  The caller is the thread that may enter stacks of `cpu`.
 * Errors: -EEXIST, -EINVAL (name, cpu), -EAGAIN (no slot left), or what a constructor returned, all others undone.
 */
int vnet_alloc(const char *name, unsigned cpu, struct vnet **vnet, struct uverr *err);

/*
 * Run every VNET_SYSUNINIT in reverse, stop its callouts, drop the packets that are under way to it, and give
 * back all its memory, whatever it leaked.  As vnet_alloc(), with every other worker stopped.
 */
void vnet_destroy(struct vnet *vnet);

/* The stack of that name, or NULL.  Valid for the thread that makes and destroys stacks. */
struct vnet *vnet_find(const char *name);

/* Walk all stacks, vnet0 first, between VNET_LIST_RLOCK() and VNET_LIST_RUNLOCK(). */
TAILQ_HEAD(vnet_list_head, vnet);
extern struct vnet_list_head vnet_head;
#define VNET_ITERATOR_DECL(arg) struct vnet *arg
#define VNET_FOREACH(arg) TAILQ_FOREACH (arg, &vnet_head, vnet_le)
void vnet_list_rlock(void);
void vnet_list_runlock(void);
#define VNET_LIST_RLOCK() vnet_list_rlock()
#define VNET_LIST_RUNLOCK() vnet_list_runlock()

/* ---- A stack's heap: the rest of its instance; gone with the stack ---- */

/* As malloc(3) and kin, of the current stack: 16-byte aligned, NULL when the stack's limit is reached. */
void *vnet_malloc(size_t size);
void *vnet_calloc(size_t number, size_t size);
void *vnet_realloc(void *ptr, size_t size);
void vnet_free(void *ptr);

/*
 * The current stack's memory limit, in bytes: what its heap may ever carve from its pages.  At first the whole heap.
 * -EINVAL: less than it has carved already, or more than there is room for (struct vnet_config, heap).
 */
int vnet_heap_setlimit(size_t bytes);

struct vnet_heap_stats {
	size_t used, carved;	/* bytes handed out now; taken from its pages so far */
	size_t limit;
	uint64_t failures;	/* how often the limit was met */
};
void vnet_heap_stat(struct vnet_heap_stats *stats);

#endif
