/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs the traps in three instances that take turns, and prints what each
 * instance has seen, one file an instance.  With PLAIN there is one instance,
 * the program itself.
 *
 * This does by hand what uvnet's loader does by relocation: it makes copies
 * of the set at one distance from the template each, and moves the pointers
 * in a copy that point into the template.  (It takes every word for a pointer
 * that has a template address; the loader knows.)  Then it fills the template
 * with a pattern: who reads it gets a wrong value, and who writes it is found
 * at the end.  With STEADY nothing enters another instance, as vnetcc was
 * promised then.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "traps.h"

#define STEPS	  40
#define INSTANCES 3
#define POISON	  0xa5

static const struct {
	const char *name;
	long (*fn)(int);
} traps[] = {
#define TRAP_ENTRY(name) { #name, trap_##name },
	TRAPS(TRAP_ENTRY)
};

#define NTRAPS (sizeof(traps) / sizeof(traps[0]))

_Thread_local uintptr_t SET_BASE;

static void
step(FILE *f, int n)
{
	for (size_t t = 0; t < NTRAPS; t++)
		fprintf(f, "%s %d: %ld\n", traps[t].name, n, traps[t].fn(n));
}

static FILE *
open_output(const char *prefix, int i)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s.%d", prefix, i);
	f = fopen(path, "w");
	if (f == NULL) {
		perror(path);
		exit(1);
	}
	return (f);
}

#ifdef PLAIN
void
host_enter(void)
{
}

void
host_leave(void)
{
}

int
main(int argc, char **argv)
{
	FILE *f = open_output(argv[argc - 1], 0);

	for (int n = 1; n <= STEPS; n++)
		step(f, n);
	return (fclose(f) != 0);
}
#else
extern unsigned char SET_START[], SET_STOP[];

static uintptr_t delta[INSTANCES];
static uintptr_t left;

static void
instance_make(int i, unsigned char *room)
{
	size_t size = (size_t)(SET_STOP - SET_START);
	uintptr_t start = (uintptr_t)SET_START, *word;
	unsigned char *copy = room + start % 4096;

	delta[i] = (uintptr_t)copy - start;
	memcpy(copy, SET_START, size);
	word = (uintptr_t *)(((uintptr_t)copy + 7) & ~(uintptr_t)7);
	for (; (unsigned char *)(word + 1) <= copy + size; word++)
		if (*word >= start - 8 && *word <= (uintptr_t)SET_STOP)
			*word += delta[i];
}

void
host_enter(void)
{
	left = SET_BASE;
	set_base(delta[2]);
}

void
host_leave(void)
{
	set_base(left);
}

#ifndef STEADY
/* A function that enters another instance and comes back, in four ways. */
static int
cross(void)
{
	static long (*const calls[])(long) = { cross_call, cross_nested, cross_const };
	int bad = 0;

	for (long v = 1; v < 5; v++) {
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
			set_base(delta[0]);
			bad += calls[i](v) != v;
			set_base(delta[2]);
			bad += cross_read() != v + 1;
		}
		set_base(delta[0]);
		bad += cross_store(10 * v, delta[1]) != 10 * v;
		set_base(delta[1]);
		bad += cross_read() != 10 * v + 1;
	}
	if (bad != 0)
		fprintf(stderr, "%d accesses after a switch went wrong\n", bad);
	return (bad);
}
#endif

int
main(int argc, char **argv)
{
	size_t size = (size_t)(SET_STOP - SET_START);
	size_t stride = (size + 3 * 4096) & ~(size_t)4095;
	unsigned char *arena;
	FILE *f[INSTANCES];
	int bad = 0;

	arena = mmap(NULL, INSTANCES * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED) {
		perror("mmap");
		return (1);
	}
	for (int i = 0; i < INSTANCES; i++) {
		instance_make(i, arena + (size_t)i * stride);
		f[i] = open_output(argv[argc - 1], i);
	}
	memset(SET_START, POISON, size);
	/* Each instance is one step behind the one before it. */
	for (int n = 1; n < STEPS + INSTANCES; n++)
		for (int i = 0; i < INSTANCES; i++) {
			set_base(delta[i]);
			if (n - i >= 1 && n - i <= STEPS)
				step(f[i], n - i);
		}
#ifndef STEADY
	bad += cross();
#endif
	for (size_t k = 0; k < size; k++)
		if (SET_START[k] != POISON) {
			fprintf(stderr, "the template is written at +%zu\n", k);
			bad++;
			break;
		}
	for (int i = 0; i < INSTANCES; i++)
		bad += fclose(f[i]) != 0;
	return (bad != 0);
}
#endif
