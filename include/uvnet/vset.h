/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual sets: global variables of which there are many.
 *
 * A set is a range of addresses in the window that holds the template of some variables; instance i is the
 * same range at a constant distance:
 *
 *	address of x in instance i  =  &x + delta[i]
 *
 * The window is a gap in the program's own image, so that code loaded into it reaches the program, and the
 * program it, by PC-relative branches:
 *
 *	__vset_window                                                                        __vset_null
 *	| set_pcpu, room for modules' | set_vnet, room for modules' | heap | module space     | null slot |
 *	|<------- VSET_PCPU_SIZE ---->|<------------- VSET_SLICE ---------->|                 |           |
 *	|<----------------------------- VSET_WINDOW_SIZE ------------------------------------>|<- same -->|
 *
 * An instance mirrors the whole window, whatever of it is used, and goes on with a tail of its own (a
 * stack's heap).  The null slot is the instance of nobody: PROT_NONE for ever, at a distance that the compiler
 * knows, so that a thread that never entered an instance faults on its first access.
 *
 * This part knows nothing of networks, CPUs or ELF.  The essay is at the top of src/vset/vset.c.
 *
 * Threads: a set's functions may be called by any thread; each takes the set's lock.  None is for a packet's
 * path.  Writing into a live instance is the business of whoever owns it.
 */
#ifndef UVNET_VSET_H
#define UVNET_VSET_H

#include <stddef.h>
#include <stdint.h>
#include <uvnet/err.h>

struct vset;
struct vset_region;

/* ---- The window ---- */

/* The parts of the window that are not a program's or a module's set. */
enum vset_space {
	VSET_SPACE_PCPU,	/* set_pcpu parts of modules */
	VSET_SPACE_VNET,	/* set_vnet parts of modules */
	VSET_SPACE_MODULE,	/* code and private data of modules */
	VSET_NSPACE
};

/*
 * Reserve the window; once, before anything else here.  Errors: -ENOMEM when a part of the gap is taken (by a
 * preloaded library, or a program that was not linked with the window's script).
 */
int vset_window_init(struct uverr *err);

/*
 * Take `size` bytes of a space, aligned to `align` (a power of two), or give them back.  What is taken is only
 * addresses: the caller maps them.  Give back unmapped with vset_space_free(), which makes them PROT_NONE again.
 * Errors: -ENOSPC with how much is left and the largest hole.
 */
int vset_space_alloc(enum vset_space space, size_t size, size_t align, uintptr_t *addr, struct uverr *err);
void vset_space_free(enum vset_space space, uintptr_t addr, size_t size);

/*
 * The same for module space, whose memory may be kept for the next module, inaccessible: getting pages from the system
 * and giving them back is a quarter of what a load costs.  vset_space_free_keep() keeps up to VSET_KEEP_MAX bytes at
 * the start of the piece, anonymous memory all of it; of the rest, and of what was kept before, the system gets the
 * pages back.  After vset_space_alloc() the caller makes the piece, or its start, writable, and vset_space_clean()
 * makes it zero, as other pages are; it returns how many bytes at the start have pages already.
 */
#define VSET_KEEP_MAX ((size_t)256 << 10)
void vset_space_free_keep(uintptr_t addr, size_t size, size_t keep);
size_t vset_space_clean(uintptr_t addr, size_t size);

/*
 * How much of a space there is, how much of it is free, and the largest run of that: bytes.  What is free lies in at most
 * pieces + 1 holes, so the largest is no less than avail / (pieces + 1).  And the space is first fit: as long as the
 * pieces in use are together at most size / log2(n), one more of n units always fits, whatever came and went before
 * (J. M. Robson, "Worst case fragmentation of first fit and best fit storage allocation strategies", The Computer
 * Journal 20(3), 1977); units are pages in module space, lines in the others.
 */
struct vset_spaceinfo {
	const char *name;
	size_t size, avail, largest;
	size_t pieces;		/* handed out */
};
void vset_space_stat(enum vset_space space, struct vset_spaceinfo *info);

/* Whether an address lies in the window; in the null slot (then *addr becomes the template's address). */
int vset_in_window(uintptr_t addr);
int vset_in_null(uintptr_t *addr);

/*
 * The pages of a packed space are read-only (those without a template: inaccessible) but for the time in between
 * these two.  Addresses as from vset_space_alloc(); for one range at a time, since ranges share pages.  The
 * program's own templates are closed by vset_window_init().
 */
int vset_template_open(uintptr_t addr, size_t size, struct uverr *err);
void vset_template_close(uintptr_t addr, size_t size);

/* ---- A set and its instances ---- */

struct vset_params {
	const char *name;	/* "set_vnet": for messages; must live as long as the set */
	unsigned max;		/* instances at the most; halved until the arena fits */
	size_t tail;		/* bytes of an instance beyond the window, page-aligned; halved like `max` */
	int stagger;		/* spread instances over cache sets: instances are then only 64-byte aligned */
};

/*
 * Make a set with no regions and no instances; its arena is one mapping, reserved and not touched.
 * Errors: -ENOMEM when not even one instance fits the address space.  The set is freed by vset_destroy(), after
 * its regions and instances.
 */
int vset_create(const struct vset_params *params, struct vset **set, struct uverr *err);
void vset_destroy(struct vset *set);

/* What vset_create() got, in the fields of its request. */
void vset_getparams(const struct vset *set, struct vset_params *params);

/*
 * Declare [start, start + size), already filled, to be a part of the set's template: every instance, live and
 * future, gets a copy whose pointers named in `rebase` (addresses of pointer-sized words in the part, each of
 * which points into a template of the same set) are moved by its delta.  `rebase` is copied.  Live instances
 * have their copy when this returns.  Errors: -ENOMEM; -EINVAL for a range outside the window, a pointer outside
 * the range, or an alignment above what instances have.
 */
int vset_region_add(struct vset *set, const char *owner, uintptr_t start, size_t size, size_t align,
    const uintptr_t *rebase, size_t nrebase, struct vset_region **region, struct uverr *err);

/* Take a part back: its bytes become zero in every live instance. */
void vset_region_remove(struct vset *set, struct vset_region *region);

/*
 * Make an instance: template copied and rebased, tail zero.  *delta is its distance from the template.
 * Errors: -EAGAIN when all `max` are in use.  vset_instance_free() gives all its memory back to the system.
 */
int vset_instance_alloc(struct vset *set, unsigned *slot, uintptr_t *delta, struct uverr *err);
void vset_instance_free(struct vset *set, unsigned slot);

/* The distance of a slot, whether or not it is in use.  Constant; takes no lock. */
uintptr_t vset_delta(const struct vset *set, unsigned slot);

/* The two ranges of an instance that no template will ever cover: within the slice, and the tail. */
void vset_instance_room(const struct vset *set, unsigned slot, uintptr_t start[2], size_t size[2]);

/*
 * The tail is in use: the leak checker has to look for pointers there, as it does in the rest.  Nothing in a build
 * without it.
 */
void vset_instance_root(struct vset *set, unsigned slot);

/*
 * Let an instance's resident pages be a part of a core dump, which the arena is not.  For a handler of signals: it
 * takes no lock, allocates nothing, and uses 5 KiB of stack.
 */
void vset_instance_dump(const struct vset *set, unsigned slot);

/* Resident bytes of an instance (mincore(2)): for reports. */
size_t vset_instance_resident(const struct vset *set, unsigned slot);

/* Whether an address lies in a part that was declared, so that every instance has a copy.  By whoever declares them. */
int vset_in_template(const struct vset *set, uintptr_t addr);

/* The slot whose memory an address lies in, or -1. */
int vset_slot_of(const struct vset *set, uintptr_t addr);

#endif
