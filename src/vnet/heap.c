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
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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

struct heap {
	int ready;
	uintptr_t at[HEAP_NRANGE], end[HEAP_NRANGE];	/* what is not carved yet, block headers at 8 mod 16 */
	size_t used, carved, limit;
	uint64_t failures;
	struct block *free[HEAP_NCLASS];
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
	h->limit = room;
	h->ready = 1;
}

static struct block *
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

/* A header that is not ours means memory was overwritten, or freed twice: nothing of this stack can be trusted. */
static struct block *
block_of(void *ptr, const char *what)
{
	struct block *b = (struct block *)((char *)ptr - HEAP_HEADER);

	if (b->state != HEAP_LIVE || b->class >= HEAP_NCLASS) {
		fprintf(stderr, "vnet: stack \"%s\": %s(%p): %s\n", curvnet->vnet_name, what, ptr,
		    b->state == HEAP_DEAD ? "freed before" : "not a block of this heap, or overwritten");
		abort();
	}
	return (b);
}

void *
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
	b = h->free[class];
	if (b != NULL)
		h->free[class] = b->next[0];
	else if ((b = heap_carve(h, class)) == NULL)
		return (heap_fail(h, size));
	b->state = HEAP_LIVE;
	h->used += class_size(class);
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

void *
vnet_realloc(void *ptr, size_t size)
{
	const struct block *b;
	size_t old;
	void *p;

	if (ptr == NULL)
		return (vnet_malloc(size));
	b = block_of(ptr, "realloc");
	old = class_size(b->class) - HEAP_HEADER;
	if (size <= old && size > old / 2)
		return (ptr);
	p = vnet_malloc(size);
	if (p == NULL)
		return (size <= old ? ptr : NULL);
	memcpy(p, ptr, size < old ? size : old);
	vnet_free(ptr);
	return (p);
}

void
vnet_free(void *ptr)
{
	struct heap *h = VNET_PTR(heap);
	struct block *b;

	if (ptr == NULL)
		return;
	b = block_of(ptr, "free");
	b->state = HEAP_DEAD;
	b->next[0] = h->free[b->class];
	h->free[b->class] = b;
	h->used -= class_size(b->class);
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
