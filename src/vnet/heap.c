/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack's heap: size classes and free lists in the rest of its instance.
 *
 * Blocks are carved from three ranges.  The first is a variable of the set, so that the few small blocks of an idle
 * stack lie in the page of its variables.  Then come two that no template covers: the rest of the slice, below the
 * same page table, for the first megabyte, then the tail of the instance.  Pages come into being when a block is
 * first written, so a stack owns what it used, rounded up to a page.  A freed block goes on the list of its class and
 * is never merged: a network stack asks for the same few sizes again and again.  Destroying the stack destroys the
 * heap, leaks included.
 *
 * The memory limit bounds what is carved.  A stack that reaches it gets NULL, is reported once, and harms nobody: its
 * neighbours' heaps are elsewhere.
 *
 * Classes are four to each doubling (16, 32, 48, 64, 80, 96, 112, 128, 160, ...), so at most a fifth is waste.  A
 * block begins with 8 bytes that name its class and state, and what the caller gets is 16-byte aligned.
 *
 * What is given back must be a live block of the current stack: another stack's block, one that was freed before, and
 * anything else end the process with a sentence, for from there on nothing of the stack could be trusted.
 *
 * With the address sanitizer everything but what the caller asked for is poisoned: headers, the rest of a block, free
 * blocks, and a line behind the last.  A freed block then rests until QUARANTINE more of its class were freed.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uvnet/asan.h>
#include <uvnet/vnet.h>

#define HEAP_NCLASS 112
#define HEAP_LIVE 0x6c697665u	/* "live" */
#define HEAP_DEAD 0x64656164u	/* "dead" */
#define HEAP_HEADER sizeof(struct block)

struct block {
	uint32_t class;
	uint32_t state;
	struct block *next[];	/* of a free block; the caller's bytes of a live one */
};

#define HEAP_NRANGE 3
#define HEAP_NEAR 1024
#define REDZONE 64
#define QUARANTINE 16

struct heap {
	int ready;
	uintptr_t at[HEAP_NRANGE], end[HEAP_NRANGE];	/* what is not carved yet, block headers at 8 mod 16 */
	uintptr_t first;		/* the lowest address of a range; the highest is end[HEAP_NRANGE - 1] */
	size_t used, carved, limit;
	uint64_t failures;
	struct block *free[HEAP_NCLASS];
#ifdef UVNET_ASAN
	struct block *last[HEAP_NCLASS];	/* of the free list */
	unsigned nfree[HEAP_NCLASS];
	int rooted;				/* the tail of the instance is known to the leak checker */
#endif
};

VNET_DEFINE_STATIC(struct heap, heap);
VNET_DEFINE_STATIC(char[HEAP_NEAR], heap_near);

/* The class whose blocks hold `size` bytes, header included. */
static unsigned
class_of(size_t size)
{
	unsigned shift;

	if (size <= 64)
		return (size <= 16 ? 0 : (unsigned)((size - 1) / 16));
	shift = (unsigned)sizeof(long) * 8 - 3 - (unsigned)__builtin_clzl(size - 1);	/* 2^(shift+2) < size <= 2^(shift+3) */
	return (4 + (shift - 4) * 4 + (unsigned)(((size - 1) >> shift) - 4));
}

static size_t
class_size(unsigned class)
{
	return (class < 4 ? 16 * (size_t)(class + 1) : (size_t)(class % 4 + 5) << (class / 4 + 3));
}

static void
heap_init(struct heap *h)
{
	uintptr_t start[HEAP_NRANGE];
	size_t size[HEAP_NRANGE], room = 0;
	int i;

	start[0] = (uintptr_t)VNET_PTR(heap_near);
	size[0] = HEAP_NEAR;
	vset_instance_room(vnet_vset, curvnet->vnet_slot, &start[1], &size[1]);
	for (i = 0; i < HEAP_NRANGE; i++) {
		h->at[i] = ((start[i] + 15) & ~(uintptr_t)15) + 16 - HEAP_HEADER;
		h->end[i] = start[i] + size[i];
		room += size[i];
	}
	h->first = start[0];
	h->limit = room;
	h->ready = 1;
}

#ifdef UVNET_ASAN
/* A new block, of range `i`. */
static void
asan_carved(struct heap *h, int i, struct block *b, size_t size)
{
	const size_t rest = h->end[i] - h->at[i];

	ASAN_POISON_MEMORY_REGION(b, size + (rest < REDZONE ? rest : REDZONE));
	if (i == HEAP_NRANGE - 1 && !h->rooted) {
		h->rooted = 1;
		vset_instance_root(vnet_vset, curvnet->vnet_slot);
	}
}
#endif

/* A free list is a stack, what was used last comes first; a queue, with a sanitizer. */
NO_ASAN static struct block *
list_get(struct heap *h, unsigned class, unsigned keep)
{
	struct block *b = h->free[class];

#ifdef UVNET_ASAN
	if (h->nfree[class] <= keep)
		return (NULL);
	h->nfree[class]--;
#else
	(void)keep;
	if (b == NULL)
		return (NULL);
#endif
	h->free[class] = b->next[0];
	return (b);
}

NO_ASAN static void
list_put(struct heap *h, struct block *b)
{
#ifdef UVNET_ASAN
	if (h->nfree[b->class]++ > 0)
		h->last[b->class]->next[0] = b;
	else
		h->free[b->class] = b;
	h->last[b->class] = b;
	ASAN_POISON_MEMORY_REGION(b, class_size(b->class));
#else
	b->next[0] = h->free[b->class];
	h->free[b->class] = b;
#endif
}

NO_ASAN static struct block *
heap_carve(struct heap *h, unsigned class)
{
	const size_t size = class_size(class);
	struct block *b;
	int i;

	if (!h->ready)
		heap_init(h);
	if (size > h->limit - h->carved)
		return (NULL);
	for (i = 0; i < HEAP_NRANGE; i++)
		if (h->end[i] - h->at[i] >= size) {
			b = (struct block *)h->at[i];
			h->at[i] += size;
			h->carved += size;
			b->class = class;
#ifdef UVNET_ASAN
			asan_carved(h, i, b, size);
#endif
			return (b);
		}
	return (NULL);
}

/* Once in a stack's life: its user sees only what fails because of it. */
static void *
heap_fail(struct heap *h, size_t size)
{
	if (h->failures++ == 0)
		dprintf(STDERR_FILENO, "vnet: stack \"%s\": no %zu bytes: its memory limit of %zu KiB is reached\n",
		    curvnet->vnet_name, size, h->limit >> 10);
	return (NULL);
}

/* The stack whose instance an address lies in, or NULL. */
static const struct vnet *
owner_of(const void *ptr)
{
	const int slot = vset_slot_of(vnet_vset, (uintptr_t)ptr);
	const struct vnet *v;

	VNET_LIST_RLOCK();
	VNET_FOREACH (v)
		if (slot >= 0 && v->vnet_slot == (unsigned)slot)
			break;
	VNET_LIST_RUNLOCK();
	return (v);
}

static _Noreturn void
heap_abort(const void *ptr, const char *what, const char *why, const char *whose)
{
	fprintf(stderr, "vnet: stack \"%s\": %s(%p): %s%s%s%s\n", curvnet->vnet_name, what, ptr, why,
	    whose[0] != '\0' ? " \"" : "", whose, whose[0] != '\0' ? "\"; CURVNET_SET() of that one is missing" : "");
	abort();
}

/* Not even an address of this heap: whose is it? */
static _Noreturn void
heap_abort_foreign(const void *ptr, const char *what)
{
	const struct vnet *v = owner_of(ptr);

	if (v == NULL)
		heap_abort(ptr, what, "no stack's memory; was it malloc() that made it?", "");
	if (v == curvnet)
		heap_abort(ptr, what, "one of its variables, not a block of its heap", "");
	heap_abort(ptr, what, "a block of stack", v->vnet_name);
}

/* A header that is not ours means memory was overwritten, or freed twice: nothing of this stack can be trusted. */
NO_ASAN static struct block *
block_of(const struct heap *h, void *ptr, const char *what)
{
	struct block *b = (struct block *)((char *)ptr - HEAP_HEADER);

	if ((uintptr_t)b - h->first >= h->end[HEAP_NRANGE - 1] - h->first || (uintptr_t)ptr % 16 != 0)
		heap_abort_foreign(ptr, what);
	if (b->state != HEAP_LIVE || b->class >= HEAP_NCLASS)
		heap_abort(ptr, what, b->state == HEAP_DEAD ? "freed before" :
		    "not a block of this heap, or overwritten", "");
	return (b);
}

NO_ASAN void *
vnet_malloc(size_t size)
{
	struct heap *h = VNET_PTR(heap);
	struct block *b;
	unsigned class;

	if (size > SIZE_MAX / 4)
		return (heap_fail(h, size));
	class = class_of(size + HEAP_HEADER);
	if (class >= HEAP_NCLASS)
		return (heap_fail(h, size));
	if ((b = list_get(h, class, QUARANTINE)) == NULL && (b = heap_carve(h, class)) == NULL &&
	    (b = list_get(h, class, 0)) == NULL)
		return (heap_fail(h, size));
	b->state = HEAP_LIVE;
	h->used += class_size(class);
	ASAN_UNPOISON_MEMORY_REGION((char *)b + HEAP_HEADER, size);
	return ((char *)b + HEAP_HEADER);
}

void *
vnet_calloc(size_t number, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(number, size, &total))
		return (NULL);
	p = vnet_malloc(total);
	if (p != NULL)
		memset(p, 0, total);
	return (p);
}

NO_ASAN void *
vnet_realloc(void *ptr, size_t size)
{
	const struct block *b;
	size_t old;
	void *p;

	if (ptr == NULL)
		return (vnet_malloc(size));
	b = block_of(VNET_PTR(heap), ptr, "realloc");
	old = class_size(b->class) - HEAP_HEADER;
	p = size <= old && size > old / 2 ? NULL : vnet_malloc(size);
	if (p == NULL && size > old)
		return (NULL);
	ASAN_UNPOISON_MEMORY_REGION(ptr, old);
	if (p == NULL) {	/* it stays where it is */
		ASAN_POISON_MEMORY_REGION((char *)ptr + size, old - size);
		return (ptr);
	}
	memcpy(p, ptr, size < old ? size : old);
	vnet_free(ptr);
	return (p);
}

NO_ASAN void
vnet_free(void *ptr)
{
	struct heap *h = VNET_PTR(heap);
	struct block *b;

	if (ptr == NULL)
		return;
	b = block_of(h, ptr, "free");
	b->state = HEAP_DEAD;
	h->used -= class_size(b->class);
	list_put(h, b);
}

int
vnet_heap_setlimit(size_t bytes)
{
	struct heap *h = VNET_PTR(heap);
	size_t room;

	if (!h->ready)
		heap_init(h);
	room = h->carved;
	for (int i = 0; i < HEAP_NRANGE; i++)
		room += h->end[i] - h->at[i];
	if (bytes < h->carved || bytes > room)
		return (-EINVAL);
	h->limit = bytes;
	return (0);
}

void
vnet_heap_stat(struct vnet_heap_stats *stats)
{
	const struct heap *h = VNET_PTR(heap);

	*stats = (struct vnet_heap_stats){
		.used = h->used, .carved = h->carved, .limit = h->limit, .failures = h->failures,
	};
}
