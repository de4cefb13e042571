/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The window: addresses in the program's own image where modules go, and what they go with.
 *
 * The linker script leaves a gap behind .bss (window.ld.in); the system's loader leaves it unmapped, or inaccessible.  Here
 * it is reserved, PROT_NONE, before somebody else gets it, and divided into the spaces of uvnet/vset.h.  The first two
 * hold templates: the parts of virtual sets, packed line by line, of the program (where its linker put them) and
 * of modules (where space_alloc() puts them).  A template is only ever copied from, so its pages are read-only
 * but while the module linker fills one: a store that forgot its stack's delta faults instead of changing what
 * every future stack begins with.
 *
 * Behind the window lies the null slot, of the same size and never accessible: "no stack" is an ordinary delta,
 * VSET_WINDOW_SIZE, that leads there.  It is a constant, so threads that we never see start with it.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uvnet/vset.h>

#include "space.h"
#include "vset_impl.h"

extern char __vset_window[], __vset_slice[], __stop_set_pcpu[], __stop_set_vnet[];

/* The anchors make the sections exist in a program without virtual variables; the tail makes the gap. */
__attribute__((section(".vset_anchor_pcpu"), used)) static char anchor_pcpu[64] = { 1 };
__attribute__((section(".vset_anchor_vnet"), used)) static char anchor_vnet[64] = { 1 };
__attribute__((section(".vset_tail"), used)) static char anchor_tail = 1;

static const char *const space_names[VSET_NSPACE] = {
	[VSET_SPACE_PCPU] = "set_pcpu",
	[VSET_SPACE_VNET] = "set_vnet",
	[VSET_SPACE_MODULE] = "module space",
};

static pthread_mutex_t window_lock = PTHREAD_MUTEX_INITIALIZER;
static struct space spaces[VSET_NSPACE];
/* Free pages of module space, inaccessible, that hold what was there: start == end when there are none. */
static struct {
	uintptr_t start, end;
} kept;
static int window_ready;

uintptr_t
vset_window_start(void)
{
	return ((uintptr_t)__vset_window);
}

static uintptr_t
page_up(uintptr_t a)
{
	return ((a + VSET_PAGE - 1) & ~(uintptr_t)(VSET_PAGE - 1));
}

/*
 * Whether nothing but inaccessible memory is there.  Some loaders (qemu-user's, glibc's when called by hand) map
 * the whole image first, so the gap too, and leave it so.
 */
static int
is_inaccessible(uintptr_t from, uintptr_t to)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t start, end;
	int free = maps != NULL, n;
	char rights[5];

	while (free && (n = fscanf(maps, "%" SCNxPTR "-%" SCNxPTR " %4s%*[^\n]", &start, &end, rights)) != EOF)
		free = n == 3 && (start >= to || end <= from || strncmp(rights, "---", 3) == 0);
	if (maps != NULL)
		fclose(maps);
	return (free);
}

static int
reserve(uintptr_t from, uintptr_t to, struct uverr *err)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p;

	if (from == to)
		return (0);
	p = mmap((void *)from, to - from, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != MAP_FAILED && p != (void *)from) {	/* qemu-user, and kernels before 4.17, take it for a hint */
		munmap(p, to - from);
		p = MAP_FAILED;
		errno = EEXIST;
	}
	if (p == MAP_FAILED && errno == EEXIST && is_inaccessible(from, to))
		p = mmap((void *)from, to - from, PROT_NONE, flags | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED && errno == EEXIST)
		return (uverr(err, ENOMEM, "window: something else is mapped at %p-%p", (void *)from, (void *)to));
	if (p == MAP_FAILED)
		return (uverr(err, ENOMEM, "window: %p-%p cannot be reserved: %s; was the program linked with window.ld?",
		    (void *)from, (void *)to, strerror(errno)));
	return (0);
}

int
vset_window_init(struct uverr *err)
{
	const uintptr_t window = vset_window_start(), slice = (uintptr_t)__vset_slice;
	const uintptr_t pcpu_end = (uintptr_t)__stop_set_pcpu, vnet_end = (uintptr_t)__stop_set_vnet;
	const uintptr_t window_end = window + VSET_WINDOW_SIZE, null_end = window_end + VSET_WINDOW_SIZE;
	int error;

	assert(!window_ready);
	if (sysconf(_SC_PAGESIZE) != VSET_PAGE)
		return (uverr(err, ENOTSUP, "window: pages of %ld bytes; only 4,096 are supported",
		    sysconf(_SC_PAGESIZE)));
	assert(slice == window + VSET_PCPU_SIZE && (uintptr_t)&anchor_tail == null_end);

	if ((error = reserve(page_up(pcpu_end), slice, err)) != 0)
		return (error);
	if ((error = reserve(page_up(vnet_end), null_end, err)) != 0)
		goto fail_pcpu;
	/* A line of its own for every part: so nobody's hot line is shared with another file's. */
	error = space_init(&spaces[VSET_SPACE_PCPU], (pcpu_end + 63) & ~(uintptr_t)63, slice);
	if (error != 0)
		goto fail_vnet;
	error = space_init(&spaces[VSET_SPACE_VNET], (vnet_end + 63) & ~(uintptr_t)63, slice + VSET_PACK_SIZE);
	if (error != 0)
		goto fail_space_pcpu;
	error = space_init(&spaces[VSET_SPACE_MODULE], slice + VSET_SLICE, window_end);
	if (error != 0)
		goto fail_space_vnet;
	vset_template_close(window, pcpu_end - window);
	vset_template_close(slice, vnet_end - slice);
	window_ready = 1;
	return (0);

fail_space_vnet:
	space_fini(&spaces[VSET_SPACE_VNET]);
fail_space_pcpu:
	space_fini(&spaces[VSET_SPACE_PCPU]);
fail_vnet:
	munmap((void *)page_up(vnet_end), null_end - page_up(vnet_end));
fail_pcpu:
	if (page_up(pcpu_end) != slice)
		munmap((void *)page_up(pcpu_end), slice - page_up(pcpu_end));
	return (error);
}

int
vset_space_alloc(enum vset_space space, size_t size, size_t align, uintptr_t *addr, struct uverr *err)
{
	size_t avail, largest;
	int error;

	assert(window_ready && space < VSET_NSPACE);
	pthread_mutex_lock(&window_lock);
	error = space_alloc(&spaces[space], size, align, addr);
	avail = space_avail(&spaces[space], &largest);
	pthread_mutex_unlock(&window_lock);
	if (error == -ENOSPC && space == VSET_SPACE_MODULE)
		return (uverr(err, ENOSPC, "%s: %zu bytes do not fit in the %zu left (largest hole %zu); "
		    "raise modspace= of the build", space_names[space], size, avail, largest));
	if (error == -ENOSPC)
		return (uverr(err, ENOSPC, "%s: %zu bytes do not fit in the %zu left (largest hole %zu); "
		    "unload a module", space_names[space], size, avail, largest));
	if (error != 0)
		return (uverr(err, -error, "%s: %s", space_names[space], strerror(-error)));
	return (0);
}

/* Fresh inaccessible memory in the place of whatever is there. */
static void
module_unmap(uintptr_t addr, size_t size)
{
	void *p = mmap((void *)addr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	/* Only a lack of kernel memory can fail this: then old code stays mapped at addresses nobody has. */
	assert(p == (void *)addr);
	(void)p;
}

/* The system gets the pages back; where it may not have them so (mlockall(2)), it gets the memory. */
static void
module_discard(uintptr_t start, uintptr_t end)
{
	if (start < end && madvise((void *)start, end - start, MADV_DONTNEED) != 0)
		module_unmap(start, end - start);
}

void
vset_space_free(enum vset_space space, uintptr_t addr, size_t size)
{
	pthread_mutex_lock(&window_lock);
	if (space == VSET_SPACE_MODULE)
		module_unmap(addr, size);
	space_free(&spaces[space], addr, size);
	pthread_mutex_unlock(&window_lock);
}

void
vset_space_free_keep(uintptr_t addr, size_t size, size_t keep)
{
	if (keep > VSET_KEEP_MAX)
		keep = 0;
	pthread_mutex_lock(&window_lock);
	if (keep == 0 || mprotect((void *)addr, size, PROT_NONE) != 0)
		module_unmap(addr, size);
	else {
		module_discard(kept.start, kept.end);
		module_discard(addr + keep, addr + size);
		kept.start = addr;
		kept.end = addr + keep;
	}
	space_free(&spaces[VSET_SPACE_MODULE], addr, size);
	pthread_mutex_unlock(&window_lock);
}

size_t
vset_space_clean(uintptr_t addr, size_t size)
{
	uintptr_t start, end;

	pthread_mutex_lock(&window_lock);
	start = kept.start > addr ? kept.start : addr;
	end = kept.end < addr + size ? kept.end : addr + size;
	if (start < end) {
		module_discard(kept.start, start);
		module_discard(end, kept.end);
		memset((void *)start, 0, end - start);
		kept.start = kept.end = 0;
	} else
		end = addr;
	pthread_mutex_unlock(&window_lock);
	return (start == addr ? end - addr : 0);
}

void
vset_space_stat(enum vset_space space, struct vset_spaceinfo *info)
{
	const struct space *sp = &spaces[space];

	pthread_mutex_lock(&window_lock);
	*info = (struct vset_spaceinfo){ .name = space_names[space], .size = sp->end - sp->start, .pieces = sp->npieces };
	info->avail = space_avail(sp, &info->largest);
	pthread_mutex_unlock(&window_lock);
}

int
vset_in_window(uintptr_t addr)
{
	return (addr - vset_window_start() < VSET_WINDOW_SIZE);
}

int
vset_in_null(uintptr_t *addr)
{
	if (*addr - vset_window_start() - VSET_WINDOW_SIZE >= VSET_WINDOW_SIZE)
		return (0);
	*addr -= VSET_WINDOW_SIZE;
	return (1);
}

/* Change the protection of the pages that a part of a template touches. */
static int
protect(uintptr_t addr, size_t size, int prot)
{
	const uintptr_t lo = addr & ~(uintptr_t)(VSET_PAGE - 1);

	return (mprotect((void *)lo, page_up(addr + size) - lo, prot));
}

int
vset_template_open(uintptr_t addr, size_t size, struct uverr *err)
{
	if (protect(addr, size, PROT_READ | PROT_WRITE) != 0)
		return (uverr(err, errno, "template at %p: %s", (void *)addr, strerror(errno)));
	return (0);
}

void
vset_template_close(uintptr_t addr, size_t size)
{
	int error = protect(addr, size, PROT_READ);

	/* Taking a right away from pages of one mapping cannot fail for want of anything. */
	assert(error == 0);
	(void)error;
}
