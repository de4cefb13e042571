/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual sets: templates, and instances that mirror them at a constant distance.
 *
 * How it works
 * ------------
 * C addresses a global variable in many ways: absolute, relative to the program counter, through a table of
 * addresses, as an offset from its neighbour; and linkers rewrite one way into another.  What all of them agree on
 * is the *result*: the address where the variable lies.  So we take the result, &x, and add a distance:
 *
 *	address of x in instance i  =  &x + delta[i]
 *
 * For that to be right for every x with the same delta, an instance must mirror the layout of the templates
 * exactly.  It does, trivially, when it mirrors all addresses that a template could lie at: the window.  Nothing is
 * redirected, no reference is found or patched, and no linker can be too clever for it.  FreeBSD moves a module's
 * variables away from where its linker put them and redirects the references; when lld 14 had already relaxed them
 * away, the kernel panicked (FreeBSD-EN-23:08.vnet).
 *
 * Addresses are what there is plenty of: an instance is some 34 MiB of them, of which two or three pages are ever
 * touched.  All instances of a set lie in one mapping, the arena, so their number is not bounded by the number
 * of mappings that a process may have.
 *
 *	arena:  | shift 0 | instance 0: window | tail | | shift 1 | instance 1: window | tail | | ...
 *	        |<----------------- stride -------------->|
 *
 * Instance i begins (i mod 239) pages and (i mod 61) lines behind i * stride.  With equal distances the hot lines of
 * all instances would compete for one set of the first-level cache and one of the TLB: a visit then costs 2 to 8
 * times as much.  239 and 61 are primes: 14,579 instances before two have the same shift.
 *
 * The stride is a multiple of what one page table covers (2 MiB), and instance 0 lies so that its slice begins on
 * such a boundary; the shift is less than half of one.  So the variables and the first pages of the heap, which is
 * all that an idle stack touches, are below one page table: a page less for every second stack.
 *
 * A template is made of regions, one for each file (the program, a module) that owns variables.  Making an
 * instance copies the lines of each region that are not all zero, and then moves by delta the pointers that point
 * into templates, which each region lists: those were exact relocations, nobody guesses what looks like a pointer.
 * Memory of a fresh or freed instance is zero by construction: it comes from the system or goes back there.
 *
 * The arena is not for huge pages (2 MiB for every stack), not copied by fork(2) (0.9 s with 40,000 stacks) and not
 * in core dumps.
 *
 * Where the system counts private memory that may be written when it is reserved, not when it is used
 * (vm.overcommit_memory=2, RLIMIT_DATA), the arena is a shared mapping of a memfd, which is counted page by page;
 * giving an instance back then punches a hole.  Where addresses themselves are short (RLIMIT_AS) it has fewer
 * instances.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vset_impl.h"

#define STAGGER_STEPS 61
#define STAGGER_LINE 64
#define STAGGER_PAGES 239
#define STAGGER_ROOM ((size_t)(STAGGER_PAGES + 1) * VSET_PAGE)
#define PAGE_TABLE ((size_t)2 << 20)	/* bytes that a page table covers, of most architectures with 4-KiB pages */

/* A run of template bytes that are worth copying. */
struct vset_run {
	uintptr_t start;
	size_t size;
};

#define USED_LIVE 1
#define USED_ROOT 2		/* the leak checker knows its tail */

struct vset_region {
	LIST_ENTRY(vset_region) link;
	uintptr_t start;
	size_t size;
	struct vset_run *runs;
	size_t nruns;
	uintptr_t *rebase;
	size_t nrebase;
};

struct vset {
	struct vset_params params;
	pthread_mutex_t lock;
	LIST_HEAD(, vset_region) regions;
	uintptr_t arena, first;	/* the mapping, and where instance 0's stride begins in it */
	size_t arena_size, stride;
	int shared;		/* the arena is of a memfd */
	unsigned wanted;	/* instances that were asked for */
	unsigned char *used;	/* one byte a slot below `next`: USED_* */
	unsigned *freed;	/* stack of slots below `next` that are not used */
	unsigned nfreed, next, room;
};

/* ---- The arena ---- */

static size_t
arena_stride(const struct vset_params *p)
{
	return ((VSET_WINDOW_SIZE + p->tail + STAGGER_ROOM + PAGE_TABLE - 1) & ~(PAGE_TABLE - 1));
}

/* What no address space has where addresses are too short to count it. */
static size_t
arena_bytes(const struct vset_params *p)
{
	size_t bytes;

	if (__builtin_mul_overflow(p->max, arena_stride(p), &bytes) || __builtin_add_overflow(bytes, PAGE_TABLE, &bytes))
		return (SIZE_MAX - (VSET_PAGE - 1));
	return (bytes);
}

/* Addresses for the arena, or MAP_FAILED. */
static void *
arena_reserve(struct vset *vs, size_t size)
{
	void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct rlimit files;
	int fd;

	vs->shared = 0;
	if (m != MAP_FAILED || getrlimit(RLIMIT_FSIZE, &files) != 0 || size > files.rlim_cur ||
	    (fd = memfd_create(vs->params.name, MFD_CLOEXEC)) < 0)
		return (m);
	if (size <= SSIZE_MAX && ftruncate(fd, (off_t)size) == 0)
		m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	close(fd);
	vs->shared = m != MAP_FAILED;
	return (m);
}

/* Take as many instances of as large a tail as the address space gives. */
static int
arena_map(struct vset *vs, struct uverr *err)
{
	struct vset_params *p = &vs->params;
	void *m;

	for (;;) {
		m = arena_reserve(vs, arena_bytes(p));
		if (m != MAP_FAILED)
			break;
		if (p->max > 64)
			p->max /= 2;
		else if (p->tail > 64 * VSET_PAGE)
			p->tail = p->tail / 2 & ~(size_t)(VSET_PAGE - 1);
		else if (p->max > 1)
			p->max /= 2;
		else
			return (uverr(err, ENOMEM, "%s: no address space for even one instance of %zu KiB: %s; "
			    "raise the limit (ulimit -v; ulimit -d or vm.overcommit_memory where memfd_create(2) fails)",
			    p->name, arena_bytes(p) >> 10, strerror(errno)));
	}
	vs->arena = (uintptr_t)m;
	vs->arena_size = arena_bytes(p);
	vs->stride = arena_stride(p);
	vs->first = ((vs->arena + VSET_PCPU_SIZE + PAGE_TABLE - 1) & ~(PAGE_TABLE - 1)) - VSET_PCPU_SIZE;
	/* Advice: a kernel without one of these runs as well, only larger or slower. */
	madvise(m, vs->arena_size, MADV_NOHUGEPAGE);
	madvise(m, vs->arena_size, MADV_DONTFORK);
	madvise(m, vs->arena_size, MADV_DONTDUMP);
	return (0);
}

int
vset_create(const struct vset_params *params, struct vset **set, struct uverr *err)
{
	struct vset *vs;
	int error;

	assert(params->max > 0 && params->tail % VSET_PAGE == 0);
	vs = calloc(1, sizeof(*vs));
	if (vs == NULL)
		return (uverr(err, ENOMEM, "%s: out of memory", params->name));
	vs->params = *params;
	vs->wanted = params->max;
	LIST_INIT(&vs->regions);
	pthread_mutex_init(&vs->lock, NULL);
	if ((error = arena_map(vs, err)) != 0) {
		pthread_mutex_destroy(&vs->lock);
		free(vs);
		return (error);
	}
	*set = vs;
	return (0);
}

void
vset_destroy(struct vset *vs)
{
	if (vs == NULL)
		return;
	assert(LIST_EMPTY(&vs->regions) && vs->nfreed == vs->next);
	munmap((void *)vs->arena, vs->arena_size);
	pthread_mutex_destroy(&vs->lock);
	free(vs->used);
	free(vs->freed);
	free(vs);
}

void
vset_getparams(const struct vset *vs, struct vset_params *params)
{
	*params = vs->params;
}

static uintptr_t
slot_start(const struct vset *vs, unsigned slot)
{
	const uintptr_t lines = vs->params.stagger ? slot % STAGGER_STEPS * STAGGER_LINE : 0;

	return (vs->first + slot * vs->stride + slot % STAGGER_PAGES * VSET_PAGE + lines);
}

uintptr_t
vset_delta(const struct vset *vs, unsigned slot)
{
	return (slot_start(vs, slot) - vset_window_start());
}

int
vset_in_template(const struct vset *vs, uintptr_t addr)
{
	const struct vset_region *r;

	LIST_FOREACH (r, &vs->regions, link)
		if (addr >= r->start && addr - r->start < r->size)
			return (1);
	return (0);
}

int
vset_slot_of(const struct vset *vs, uintptr_t addr)
{
	if (addr < vs->first || addr - vs->first >= vs->params.max * vs->stride)
		return (-1);
	return ((int)((addr - vs->first) / vs->stride));
}

void
vset_instance_room(const struct vset *vs, unsigned slot, uintptr_t start[2], size_t size[2])
{
	const uintptr_t base = slot_start(vs, slot);

	start[0] = base + VSET_PCPU_SIZE + VSET_PACK_SIZE;
	size[0] = VSET_SLICE - VSET_PACK_SIZE;
	start[1] = base + VSET_WINDOW_SIZE;
	size[1] = vs->params.tail;
}

size_t
vset_instance_resident(const struct vset *vs, unsigned slot)
{
	const size_t pages = vs->stride / VSET_PAGE;
	unsigned char *vec;
	size_t i, n = 0;

	vec = malloc(pages);
	if (vec == NULL)
		return (0);
	if (mincore((void *)(vs->first + slot * vs->stride), vs->stride, vec) == 0)
		for (i = 0; i < pages; i++)
			n += vec[i] & 1;
	free(vec);
	return (n * VSET_PAGE);
}

/* ---- Templates ---- */

NO_ASAN static int
line_is_zero(const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != 0)
			return (0);
	return (1);
}

/* Find the runs of lines that are not zero; with runs == NULL only count them. */
static size_t
runs_find(uintptr_t start, size_t size, struct vset_run *runs)
{
	const uintptr_t end = start + size;
	uintptr_t a, next;
	size_t n = 0;
	int in_run = 0;

	for (a = start; a < end; a = next) {
		next = (a | (STAGGER_LINE - 1)) + 1;
		if (next > end)
			next = end;
		if (line_is_zero((const unsigned char *)a, next - a)) {
			in_run = 0;
			continue;
		}
		if (!in_run) {
			if (runs != NULL)
				runs[n] = (struct vset_run){ a, 0 };
			n++;
		}
		if (runs != NULL)
			runs[n - 1].size += next - a;
		in_run = 1;
	}
	return (n);
}

/* A shared object's: it lies beyond the slice. */
static int
region_is_far(const struct vset_region *r)
{
	return (r->start - vset_window_start() >= VSET_PCPU_SIZE + VSET_SLICE);
}

static void
region_copy(const struct vset_region *r, uintptr_t delta)
{
	uintptr_t value;
	size_t i;

	for (i = 0; i < r->nruns; i++)
		vset_asan_copy(r->runs[i].start + delta, r->runs[i].start, r->runs[i].size);
	for (i = 0; i < r->nrebase; i++) {	/* a packed structure may hold it unaligned */
		memcpy(&value, (const void *)r->rebase[i], sizeof(value));
		value += delta;
		memcpy((void *)(r->rebase[i] + delta), &value, sizeof(value));
	}
	vset_asan_mirror(r->start, r->size, delta);
	if (region_is_far(r))
		vset_root_add(r->start + delta, r->size);
}

/* The instance keeps zeros in its place. */
static void
region_erase(const struct vset_region *r, uintptr_t delta)
{
	ASAN_UNPOISON_MEMORY_REGION((void *)(r->start + delta), r->size);
	memset((void *)(r->start + delta), 0, r->size);
	if (region_is_far(r))
		vset_root_remove(r->start + delta, r->size);
}

static int
region_check(const struct vset *vs, const char *owner, uintptr_t start, size_t size, size_t align,
    const uintptr_t *rebase, size_t nrebase, struct uverr *err)
{
	size_t i;

	if (!vset_in_window(start) || size > VSET_WINDOW_SIZE || !vset_in_window(start + size - 1))
		return (uverr(err, EINVAL, "%s: %s: %p + %zu is outside the window", owner, vs->params.name,
		    (void *)start, size));
	if (align > (vs->params.stagger ? STAGGER_LINE : VSET_PAGE))
		return (uverr(err, EINVAL, "%s: %s: a variable wants an alignment of %zu; instances are aligned to %d",
		    owner, vs->params.name, align, vs->params.stagger ? STAGGER_LINE : VSET_PAGE));
	for (i = 0; i < nrebase; i++)
		if (size < sizeof(uintptr_t) || rebase[i] < start || rebase[i] - start > size - sizeof(uintptr_t))
			return (uverr(err, EINVAL, "%s: %s: the pointer at %p to rebase is not in the set", owner,
			    vs->params.name, (void *)rebase[i]));
	return (0);
}

int
vset_region_add(struct vset *vs, const char *owner, uintptr_t start, size_t size, size_t align,
    const uintptr_t *rebase, size_t nrebase, struct vset_region **region, struct uverr *err)
{
	struct vset_region *r;
	unsigned slot;
	int error;

	assert(size > 0);
	if ((error = region_check(vs, owner, start, size, align, rebase, nrebase, err)) != 0)
		return (error);
	error = -ENOMEM;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		goto fail;
	r->start = start;
	r->size = size;
	r->nruns = runs_find(start, size, NULL);
	r->runs = malloc((r->nruns + 1) * sizeof(*r->runs));
	if (r->runs == NULL)
		goto fail_region;
	runs_find(start, size, r->runs);
	r->rebase = malloc((nrebase + 1) * sizeof(*r->rebase));
	if (r->rebase == NULL)
		goto fail_runs;
	if (nrebase > 0)
		memcpy(r->rebase, rebase, nrebase * sizeof(*rebase));
	r->nrebase = nrebase;

	pthread_mutex_lock(&vs->lock);
	LIST_INSERT_HEAD(&vs->regions, r, link);
	/*
	 * Nearly all of the time goes into the first touch of an instance's pages.  Plain faults are the cheapest way:
	 * MADV_POPULATE_WRITE costs a third more, also for many pages in one process_madvise(2).
	 */
	for (slot = 0; slot < vs->next; slot++)
		if (vs->used[slot])
			region_copy(r, vset_delta(vs, slot));
	pthread_mutex_unlock(&vs->lock);
	*region = r;
	return (0);

fail_runs:
	free(r->runs);
fail_region:
	free(r);
fail:
	return (uverr(err, -error, "%s: %s: out of memory", owner, vs->params.name));
}

void
vset_region_remove(struct vset *vs, struct vset_region *r)
{
	unsigned slot;

	pthread_mutex_lock(&vs->lock);
	for (slot = 0; slot < vs->next; slot++)
		if (vs->used[slot])
			region_erase(r, vset_delta(vs, slot));
	LIST_REMOVE(r, link);
	pthread_mutex_unlock(&vs->lock);
	free(r->rebase);
	free(r->runs);
	free(r);
}

/* ---- Instances ---- */

/* Room for one slot more in the two arrays; the one of freed slots always has room for all there are. */
static int
slots_grow(struct vset *vs)
{
	const unsigned room = vs->room != 0 ? 2 * vs->room : 16;
	unsigned char *used;
	unsigned *freed;

	if (vs->next < vs->room)
		return (0);
	used = realloc(vs->used, room);
	if (used == NULL)
		return (-ENOMEM);
	vs->used = used;
	freed = realloc(vs->freed, room * sizeof(*freed));
	if (freed == NULL)
		return (-ENOMEM);
	vs->freed = freed;
	vs->room = room;
	return (0);
}

int
vset_instance_alloc(struct vset *vs, unsigned *slot, uintptr_t *delta, struct uverr *err)
{
	const struct vset_region *r;
	int error = 0;

	pthread_mutex_lock(&vs->lock);
	if (vs->nfreed > 0)	/* its page tables are still there */
		*slot = vs->freed[--vs->nfreed];
	else if (vs->next == vs->params.max)
		error = uverr(err, EAGAIN, "%s: all %u instances are in use%s", vs->params.name, vs->params.max,
		    vs->params.max < vs->wanted ? "; address space was short at the start: raise ulimit -v" : "");
	else if (slots_grow(vs) != 0)
		error = uverr(err, ENOMEM, "%s: out of memory", vs->params.name);
	else
		*slot = vs->next++;
	if (error == 0) {
		vs->used[*slot] = USED_LIVE;
		*delta = vset_delta(vs, *slot);
		vset_root_add(slot_start(vs, *slot), VSET_PCPU_SIZE + VSET_SLICE);
		LIST_FOREACH (r, &vs->regions, link)
			region_copy(r, *delta);
	}
	pthread_mutex_unlock(&vs->lock);
	return (error);
}

void
vset_instance_root(struct vset *vs, unsigned slot)
{
	pthread_mutex_lock(&vs->lock);
	if ((vs->used[slot] & USED_ROOT) == 0) {
		vs->used[slot] |= USED_ROOT;
		vset_root_add(slot_start(vs, slot) + VSET_WINDOW_SIZE, vs->params.tail);
	}
	pthread_mutex_unlock(&vs->lock);
}

/* The sanitizers forget it. */
static void
instance_forget(struct vset *vs, unsigned slot)
{
	const struct vset_region *r;

	LIST_FOREACH (r, &vs->regions, link)
		if (region_is_far(r))
			vset_root_remove(r->start + vset_delta(vs, slot), r->size);
	if ((vs->used[slot] & USED_ROOT) != 0)
		vset_root_remove(slot_start(vs, slot) + VSET_WINDOW_SIZE, vs->params.tail);
	vset_root_remove(slot_start(vs, slot), VSET_PCPU_SIZE + VSET_SLICE);
	vset_asan_forget(vs->first + slot * vs->stride, vs->stride);
}

void
vset_instance_free(struct vset *vs, unsigned slot)
{
	int error;

	pthread_mutex_lock(&vs->lock);
	assert(slot < vs->next && vs->used[slot]);
	instance_forget(vs, slot);
	/* Not locked and ours: it cannot fail, and a failure would hand old bytes to the next stack. */
	error = madvise((void *)(vs->first + slot * vs->stride), vs->stride, vs->shared ? MADV_REMOVE : MADV_DONTNEED);
	assert(error == 0);
	(void)error;
	vs->used[slot] = 0;
	vs->freed[vs->nfreed++] = slot;
	pthread_mutex_unlock(&vs->lock);
}
