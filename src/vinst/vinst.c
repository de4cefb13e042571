/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runtime of vnetcc's programs: one set of variables, the image's, and its copies.
 *
 * The template lies in the program's own data, and nobody touches it: the first instance is made before any of the
 * program's constructors runs, and the main thread begins in it.  A copy lies at a constant distance (the base) from
 * the template; pointers in the template that point into it are moved by that distance (vnetcc lists them).
 *
 * Copies lie in slabs, a mapping of SLAB slots each, so that a thousand instances are a few kernel mappings.  A slot
 * is a multiple of pages, with one page more than the set needs: only the bytes of the template that are not zero
 * are copied, the rest is the kernel's zero pages, and ending an instance gives its pages back.  Slots are coloured
 * (a slot's copy begins some cache lines later than its neighbour's), or the hot variables of all instances would
 * fall into one set of the cache.
 *
 * In no instance the base is an offset that no address survives: the access faults.  Thread-locals are thread.c's.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vinst_var.h"

#define PAGE	((size_t)4096)
#define LINE	((size_t)64)
#define SLAB	64 /* slots a mapping */
#define COLOURS 61

/* ld --wrap: calls of atexit are calls of __wrap_atexit, and so on. */
int __real_atexit(void (*fn)(void));
int __wrap_atexit(void (*fn)(void));
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);

struct at_exit {
	struct at_exit *next;
	void (*fn)(void);
};

/* A piece of the template that is not zero. */
struct run {
	size_t at, len;
};

_Thread_local uintptr_t vinst_base = VINST_NOWHERE;
static _Thread_local struct vinst *self;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vinst *live, *unused, *first;
static uint64_t serial;
static struct run *runs;
static size_t nruns, stride, slots;
static int main_argc;
static char **main_argv, **main_envp;

/* ---- The template ---- */

static size_t
set_size(void)
{
	return ((size_t)(vinst_image.vars.stop - vinst_image.vars.start));
}

static size_t
set_align(void)
{
	return (vinst_image.vars.align > LINE ? vinst_image.vars.align : LINE);
}

static int
line_is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return (0);
	return (1);
}

/* Finds the lines of the template that are not zero, neighbours joined. */
static int
template_scan(void)
{
	size_t size = set_size(), room = 0;

	for (size_t at = 0; at < size; at += LINE) {
		size_t n = size - at < LINE ? size - at : LINE;
		struct run *more;

		if (line_is_zero(vinst_image.vars.start + at, n))
			continue;
		if (nruns > 0 && runs[nruns - 1].at + runs[nruns - 1].len == at) {
			runs[nruns - 1].len += n;
			continue;
		}
		if (nruns == room) {
			more = realloc(runs, (room = 2 * room + 16) * sizeof(*runs));
			if (more == NULL)
				return (-1);
			runs = more;
		}
		runs[nruns++] = (struct run) { at, n };
	}
	stride = (size + 2 * PAGE + COLOURS * LINE) & ~(PAGE - 1);
	if (set_align() > PAGE)
		stride = (stride + set_align() + set_align() - 1) & ~(set_align() - 1);
	return (0);
}

void
vinst_rebase(const struct vinst_template *t, uintptr_t distance, const struct vinst *vi)
{
	for (size_t i = 0; i < t->nrebase; i++) {
		char *at = t->rebase[i] + distance;
		uintptr_t p;

		memcpy(&p, at, sizeof(p));
		p += vi->base;
		memcpy(at, &p, sizeof(p));
	}
}

static void
template_copy(struct vinst *vi)
{
	char *copy = vinst_image.vars.start + vi->base;

	for (size_t i = 0; i < nruns; i++)
		memcpy(copy + runs[i].at, vinst_image.vars.start + runs[i].at, runs[i].len);
	vinst_rebase(&vinst_image.vars, vi->base, vi);
}

/* ---- Slots ---- */

/* Where in its slot a copy lies: like the template for every alignment that a variable has. */
static uintptr_t
slot_base(const char *slot, size_t n)
{
	uintptr_t start = (uintptr_t)vinst_image.vars.start, align = set_align(), at = (uintptr_t)slot;

	if (align > LINE)
		at += (start - at) & (align - 1);
	else
		at += (start & (LINE - 1)) + n % COLOURS * LINE;
	return (at - start);
}

static int
slab_add(void)
{
	struct vinst *vi = calloc(SLAB, sizeof(*vi));
	char *slab;

	if (vi == NULL)
		return (-1);
	slab = mmap(NULL, SLAB * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slab == MAP_FAILED) {
		free(vi);
		return (-1);
	}
	madvise(slab, SLAB * stride, MADV_NOHUGEPAGE);
	for (size_t i = SLAB; i-- > 0;) {
		vi[i].slot = slab + i * stride;
		vi[i].number = slots + i;
		vi[i].base = slot_base(vi[i].slot, slots + i);
		vi[i].next = unused;
		unused = &vi[i];
	}
	slots += SLAB;
	return (0);
}

static struct vinst *
slot_take(void)
{
	struct vinst *vi = NULL;

	pthread_mutex_lock(&lock);
	if (unused != NULL || slab_add() == 0) {
		vi = unused;
		unused = vi->next;
		vi->serial = ++serial;
		vi->next = live;
		live = vi;
	}
	pthread_mutex_unlock(&lock);
	return (vi);
}

static void
slot_give(struct vinst *vi)
{
	struct vinst **p;

	madvise(vi->slot, stride, MADV_DONTNEED);
	pthread_mutex_lock(&lock);
	for (p = &live; *p != vi; p = &(*p)->next)
		;
	*p = vi->next;
	vi->next = unused;
	unused = vi;
	pthread_mutex_unlock(&lock);
}

/* ---- Instances ---- */

struct vinst *
vinst_self(void)
{
	return (self);
}

struct vinst *
vinst_enter(struct vinst *vi)
{
	struct vinst *before = self;

	if (vi != before) {
		self = vi;
		vinst_base = vi != NULL ? vi->base : VINST_NOWHERE;
		if (vinst_image.gs)
			vinst_gs_set(vi != NULL ? &vi->base : NULL);
		if (vinst_image.threads.start != vinst_image.threads.stop)
			vinst_thread_enter(vi);
	}
	return (before);
}

void
vinst_leave(struct vinst *before)
{
	vinst_enter(before);
}

struct vinst *
vinst_create(void)
{
	struct vinst *vi = slot_take(), *before;

	if (vi == NULL) {
		errno = ENOMEM;
		return (NULL);
	}
	template_copy(vi);
	/* Entered for constructors only: a thread that does nothing in the instance needs no thread-locals of it. */
	if (vinst_image.nctors == 0)
		return (vi);
	before = vinst_enter(vi);
	for (size_t i = 0; i < vinst_image.nctors; i++)
		vinst_image.ctors[i](main_argc, main_argv, main_envp);
	vinst_leave(before);
	return (vi);
}

/* What an instance has asked for at its end. */
static void
end(struct vinst *vi)
{
	struct vinst *before;
	struct at_exit *a;

	if (vi->at_exit == NULL && vinst_image.ndtors == 0)
		return;
	before = vinst_enter(vi);
	while ((a = vi->at_exit) != NULL) {
		vi->at_exit = a->next;
		a->fn();
		free(a);
	}
	for (size_t i = 0; i < vinst_image.ndtors; i++)
		vinst_image.dtors[i](main_argc, main_argv, main_envp);
	vinst_leave(before);
}

int
vinst_destroy(struct vinst *vi)
{
	if (vi == first) {
		errno = EBUSY;
		return (-1);
	}
	end(vi);
	vinst_thread_end(vi);
	slot_give(vi);
	return (0);
}

/* The program ends: all instances do, the newest first. */
static void
end_all(void)
{
	for (struct vinst *vi = live; vi != NULL; vi = vi->next)
		end(vi);
}

/* fork(2) while another thread makes an instance: the child must not inherit its lock. */
static void
fork_prepare(void)
{
	pthread_mutex_lock(&lock);
	vinst_thread_lock();
}

static void
fork_done(void)
{
	vinst_thread_unlock();
	pthread_mutex_unlock(&lock);
}

/* Before all constructors of the program, which run in the instance. */
__attribute__((constructor(101))) static void
start(int argc, char **argv, char **envp)
{
	main_argc = argc;
	main_argv = argv;
	main_envp = envp;
	if (template_scan() != 0 || vinst_thread_start() != 0 || __real_atexit(end_all) != 0 ||
	    pthread_atfork(fork_prepare, fork_done, fork_done) != 0 || (first = vinst_create()) == NULL)
		abort();
	vinst_enter(first);
}

/* ---- What the program's calls of libc become (ld --wrap) ---- */

int
__wrap_atexit(void (*fn)(void))
{
	struct at_exit *a;

	if (self == NULL)
		return (__real_atexit(fn));
	a = malloc(sizeof(*a));
	if (a == NULL)
		return (-1);
	*a = (struct at_exit) { .next = self->at_exit, .fn = fn };
	self->at_exit = a;
	return (0);
}

struct birth {
	void *(*fn)(void *);
	void *arg;
	struct vinst *vi;
};

static void *
thread_start(void *arg)
{
	struct birth b = *(struct birth *)arg;

	free(arg);
	vinst_enter(b.vi);
	return (b.fn(b.arg));
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	struct birth *b = malloc(sizeof(*b));
	int error;

	if (b == NULL)
		return (EAGAIN);
	*b = (struct birth) { fn, arg, self };
	error = __real_pthread_create(thread, attr, thread_start, b);
	if (error != 0)
		free(b);
	return (error);
}
