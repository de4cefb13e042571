/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread-locals: one for each thread in each instance.
 *
 * They are virtual like the others, with a template of their own and a base of their own, which says whose copy a
 * thread sees: of the instance that it is in, and its own there.  Such a copy, a block, comes into being when a thread
 * enters an instance for the first time, and goes with the thread or with the instance, whichever ends first.
 *
 * A thread finds its blocks in a table by the number of the instance's slot.  Slots are used again, so an entry says
 * whose it is by the instance's serial number; one that is out of date is replaced.  Nobody changes another
 * thread's table.  The list of an instance's blocks, which its end and the ends of threads go through, has the lock.
 *
 * A program without thread-locals has none of this: its template is empty.
 */

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vinst_var.h"

struct block {
	struct block *next, **link; /* of the instance's */
	char *copy;
};

struct entry {
	struct vinst *vi;
	uint64_t serial;
	uintptr_t base;
	struct block *block;
};

struct table {
	struct entry *entry; /* by the number of the slot */
	size_t n;
	int rounds; /* of destructors that this thread has had */
};

_Thread_local uintptr_t vinst_thread_base = VINST_NOWHERE;
static _Thread_local struct table table;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;

static const struct vinst_template *const template = &vinst_image.threads;

static size_t
template_size(void)
{
	return ((size_t)(template->stop - template->start));
}

/* As the C library does where a thread-local cannot be had: there is nobody to tell. */
static void
no_memory(void)
{
	static const char why[] = "vinst: no memory for the thread-locals of an instance\n";

	if (write(STDERR_FILENO, why, sizeof(why) - 1) < 0)
		_exit(127);
	abort();
}

static void
block_free(struct block *b)
{
	*b->link = b->next;
	if (b->next != NULL)
		b->next->link = b->link;
	free(b->copy);
	free(b);
}

/* Called when a thread ends: what other destructors may still need goes in the last round. */
static void
thread_end(void *arg)
{
	struct table *t = arg;

	if (++t->rounds < PTHREAD_DESTRUCTOR_ITERATIONS && pthread_setspecific(key, t) == 0)
		return;
	vinst_thread_base = VINST_NOWHERE;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < t->n; i++)
		if (t->entry[i].block != NULL && t->entry[i].vi->serial == t->entry[i].serial)
			block_free(t->entry[i].block);
	pthread_mutex_unlock(&lock);
	free(t->entry);
	*t = (struct table) { 0 };
}

static int
table_grow(size_t number)
{
	size_t n = table.n == 0 ? 16 : table.n;
	struct entry *more;

	while (n <= number)
		n *= 2;
	more = realloc(table.entry, n * sizeof(*more));
	if (more == NULL)
		return (-1);
	memset(more + table.n, 0, (n - table.n) * sizeof(*more));
	table.entry = more;
	table.n = n;
	return (0);
}

static struct block *
block_make(struct vinst *vi)
{
	struct block *b = malloc(sizeof(*b));
	void *copy;

	if (b == NULL || posix_memalign(&copy, template->align < sizeof(void *) ? sizeof(void *) : template->align,
			     template_size()) != 0)
		no_memory();
	b->copy = copy;
	memcpy(copy, template->start, template_size());
	vinst_rebase(template, (uintptr_t)copy - (uintptr_t)template->start, vi);
	pthread_mutex_lock(&lock);
	b->next = vi->blocks;
	b->link = &vi->blocks;
	if (b->next != NULL)
		b->next->link = &b->next;
	vi->blocks = b;
	pthread_mutex_unlock(&lock);
	return (b);
}

void
vinst_thread_enter(struct vinst *vi)
{
	struct entry *e;

	if (vi == NULL) {
		vinst_thread_base = VINST_NOWHERE;
		return;
	}
	if (vi->number >= table.n && (table_grow(vi->number) != 0 || pthread_setspecific(key, &table) != 0))
		no_memory();
	e = &table.entry[vi->number];
	if (e->serial != vi->serial) {
		struct block *b = block_make(vi);

		*e = (struct entry) { vi, vi->serial, (uintptr_t)b->copy - (uintptr_t)template->start, b };
	}
	vinst_thread_base = e->base;
}

void
vinst_thread_end(struct vinst *vi)
{
	pthread_mutex_lock(&lock);
	vi->serial = 0;
	while (vi->blocks != NULL)
		block_free(vi->blocks);
	pthread_mutex_unlock(&lock);
}

void
vinst_thread_lock(void)
{
	pthread_mutex_lock(&lock);
}

void
vinst_thread_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

int
vinst_thread_start(void)
{
	return (template_size() == 0 ? 0 : pthread_key_create(&key, thread_end));
}
