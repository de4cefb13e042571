/* SPDX-License-Identifier: BSD-2-Clause */
/* Thread-locals: one for each thread in each instance, as initialised, and gone with the one or the other. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <uvnet/vinst.h>

enum { INSTANCES = 5 };

static int plain = 70;
static _Thread_local int count = 3;
static _Thread_local int *held = &plain; /* an address, which no plain program could have here */
_Thread_local struct { long a[9]; } wide = { { 1, 2 } };
static _Alignas(256) _Thread_local char aligned[10];
extern _Thread_local int elsewhere;
static pthread_key_t key;
static int bad;

int elsewhere_next(void);

#define CHECK(c) ((c) ? (void)0 : (bad++, (void)fprintf(stderr, "line %d: %s\n", __LINE__, #c)))

/* A step that depends on all thread-locals, and counts how often it was taken here. */
static int
step(void)
{
	int local = 0;

	count++;
	wide.a[8]++;
	aligned[count % 10] = 1;
	local = count - 3;
	*held += 1;
	elsewhere += 2;
	if (elsewhere_next() != 100 + 3 * local || wide.a[8] != local || wide.a[1] != 2 || (uintptr_t)aligned % 256 != 0)
		return (-1);
	return (local);
}

static __attribute__((noinline)) int *
where(void)
{
	return (&count);
}

static void
late(void *arg)
{
	(void)arg;
	count++;
}

static void *
visit(void *arg)
{
	struct vinst **vi = arg, *before;

	/* A destructor of the program's, registered in the instance that the thread begins in. */
	pthread_setspecific(key, &key);
	for (int round = 1; round <= 3; round++)
		for (int i = 0; i < INSTANCES; i++) {
			before = vinst_enter(vi[i]);
			if (step() != round)
				vinst_leave(before), bad++;
			else
				vinst_leave(before);
		}
	return (NULL);
}

static void *
nothing(void *arg)
{
	struct vinst *before = vinst_enter(arg);

	count = 9;
	vinst_leave(before);
	return (NULL);
}

static size_t
in_use(void)
{
	return (mallinfo2().uordblks);
}

int
main(void)
{
	struct vinst *vi[INSTANCES], *before, *other;
	int *mine, *theirs, seen;
	pthread_t t[3];
	size_t used;

	CHECK(step() == 1);
	mine = where();
	for (int i = 0; i < INSTANCES; i++)
		vi[i] = vinst_create();
	before = vinst_enter(vi[1]);
	theirs = where();
	CHECK(theirs != mine && *theirs == 3 && held == &plain && *held == 70);
	vinst_leave(before);
	CHECK(where() == mine && *mine == 4 && held == &plain);

	pthread_key_create(&key, late);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, visit, vi);
	visit(vi);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	before = vinst_enter(vi[1]);
	seen = plain;
	vinst_leave(before);
	CHECK(seen == 70 + 4 * 3); /* the threads' are four, the variable is one */
	CHECK(step() == 2);

	/* A new instance in an old one's slot begins anew, and threads and instances leave nothing. */
	used = in_use();
	for (int i = 0; i < 300; i++) {
		other = vinst_create();
		before = vinst_enter(other);
		CHECK(count == 3);
		count = 1000;
		vinst_leave(before);
		pthread_create(&t[0], NULL, nothing, other);
		pthread_create(&t[1], NULL, nothing, vi[2]);
		if (i % 2 == 0)
			pthread_join(t[0], NULL);
		else
			pthread_join(t[0], NULL), pthread_join(t[1], NULL);
		CHECK(vinst_destroy(other) == 0);
		if (i % 2 == 0)
			pthread_join(t[1], NULL);
	}
	CHECK(in_use() < used + 20000);
	for (int i = 0; i < INSTANCES; i++)
		vinst_destroy(vi[i]);
	if (bad == 0)
		puts("threads well");
	return (bad != 0);
}
