/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instances of whatever program this is linked with, against what people do without them: nanoseconds, a line each.
 *
 *	switch	vinst_enter and vinst_leave			copy	memcpy of the variables out and in, as Cooja does
 *	create	vinst_create, of fresh memory			fresh	memcpy of the template's lines that are not zero into
 *								fresh memory, and so the same page faults
 *	dlmopen	a namespace with a copy of the library argv[1], as long as there are any
 *
 * Compiled by the plain compiler: its own variables are shared.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <uvnet/vinst.h>

#define COUNT 1000
#define ROUNDS 7
#define TURNS 30
#define SWITCHES 1000000
#define LINE 64
#define PAGE ((size_t)4096)

/* The template's bounds, which the linker makes. */
extern char __start_set_vinst[] __attribute__((weak, visibility("hidden")));
extern char __stop_set_vinst[] __attribute__((weak, visibility("hidden")));

static struct vinst *instances[COUNT];
static char zero[LINE];

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((double)ts.tv_sec * 1e9 + (double)ts.tv_nsec);
}

static double
least(double a, double b)
{
	return (a < b ? a : b);
}

static double
switches(void)
{
	struct vinst *before, *vi = vinst_create();
	double best = 1e300;

	for (int r = 0; r < ROUNDS; r++) {
		double start = now();

		for (int i = 0; i < SWITCHES; i++) {
			before = vinst_enter(vi);
			__asm__ volatile("" : : : "memory");
			vinst_leave(before);
		}
		best = least(best, (now() - start) / SWITCHES);
	}
	vinst_destroy(vi);
	return (best);
}

/* A copy out and one in for each mote that gets its turn. */
static double
copies(size_t size)
{
	char *saved = calloc(2, size), *live = calloc(1, size);
	int n = (int)(200e6 / (double)size) + 1;
	double best = 1e300;

	if (saved == NULL || live == NULL)
		exit(1);
	n = n > SWITCHES ? SWITCHES : n;
	for (int r = 0; r < ROUNDS; r++) {
		double start = now();

		for (int i = 0; i < n; i++) {
			memcpy(saved + (i & 1 ? size : 0), live, size);
			memcpy(live, saved + (i & 1 ? 0 : size), size);
			__asm__ volatile("" : : "r"(live), "r"(saved) : "memory");
		}
		best = least(best, (now() - start) / n);
	}
	free(saved);
	free(live);
	return (best);
}

/* Nanoseconds an instance, of one round of COUNT. */
static double
creation(void)
{
	double start = now(), took;

	for (int i = 0; i < COUNT; i++)
		if ((instances[i] = vinst_create()) == NULL)
			exit(1);
	took = (now() - start) / COUNT;
	for (int i = 0; i < COUNT; i++)
		vinst_destroy(instances[i]);
	return (took);
}

struct piece {
	size_t at, len;
};

/* The lines of the template that are not zero, neighbours joined. */
static struct piece *
pieces_find(const char *template, size_t size, size_t *number, size_t *bytes)
{
	struct piece *piece = calloc(size / LINE + 2, sizeof(*piece));
	size_t n = 0;

	*bytes = 0;
	if (piece == NULL)
		exit(1);
	for (size_t at = 0; at < size; at += LINE) {
		size_t len = size - at < LINE ? size - at : LINE;

		if (memcmp(template + at, zero, len) == 0)
			continue;
		*bytes += len;
		if (n > 0 && piece[n - 1].at + piece[n - 1].len == at)
			piece[n - 1].len += len;
		else
			piece[n++] = (struct piece) { at, len };
	}
	*number = n;
	return (piece);
}

/* The same for memcpy into memory that the kernel has still to give. */
static double
fresh(const char *template, size_t size, const struct piece *piece, size_t n)
{
	size_t stride = (size + 2 * PAGE) & ~(PAGE - 1);
	char *room = mmap(NULL, COUNT * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	double start, took;

	if (room == MAP_FAILED)
		exit(1);
	madvise(room, COUNT * stride, MADV_NOHUGEPAGE);
	start = now();
	for (int i = 0; i < COUNT; i++)
		for (size_t k = 0; k < n; k++)
			memcpy(room + (size_t)i * stride + piece[k].at, template + piece[k].at, piece[k].len);
	took = (now() - start) / COUNT;
	munmap(room, COUNT * stride);
	return (took);
}

int
main(int argc, char **argv)
{
	const char *template = __start_set_vinst;
	size_t size = (size_t)(__stop_set_vinst - __start_set_vinst), bytes, npieces;
	struct piece *piece = pieces_find(template, size, &npieces, &bytes);
	double start, ours = 1e300, theirs = 1e300;
	int n = 0;

	printf("size %zu\n", size);
	printf("switch %g\n", switches() / 2);
	printf("copy %g\n", copies(size));
	/* In turns: a busy machine is busy for both. */
	for (int r = 0; r < TURNS; r++) {
		ours = least(ours, creation());
		theirs = least(theirs, fresh(template, size, piece, npieces));
	}
	free(piece);
	printf("create %g\n", ours);
	printf("fresh %g\n", theirs);
	printf("bytes %zu\n", bytes);
	printf("count %d\n", COUNT);
	if (argc < 2)
		return (0);
	start = now();
	while (n < COUNT && dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW | RTLD_LOCAL) != NULL)
		n++;
	if (n == 0) {
		fprintf(stderr, "%s\n", dlerror());
		return (1);
	}
	printf("namespaces %d\n", n);
	printf("dlmopen %g\n", (now() - start) / n);
	return (0);
}
