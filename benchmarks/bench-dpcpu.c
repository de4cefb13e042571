/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What counting on the own CPU costs, against the other ways to count, in one run.
 *
 * Each way is a function of its own that increments one word, or eight words on lines of their own in turn; times are
 * the best of many interleaved rounds, in the thread's CPU time; instructions are counted a step at a time.  Names of rows say which path ran: rseq (a
 * restartable sequence in place), rseq call, owned (a worker's plain addition), atomic (UVNET_RSEQ=off).
 *
 * librseq is a peer when it is installed, with its pkg-config file.  Debian 12 does not have it; its source is at
 * https://github.com/compudj/librseq.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uvnet/counter.h>
#include <uvnet/module.h>
#include <uvnet/pcpustat.h>
#include <uvnet/percpu.h>
#include <uvnet/vnet.h>

#include "bench-dpcpu.h"
#include "bench.h"
#include "steps.h"

#define ROUNDS 15
#define SUMS 200000
#define STACKS 10000

static _Thread_local uint64_t tls[BENCH_WORDS * BENCH_LINE] __attribute__((tls_model("initial-exec")));
static uint64_t lines[2][BENCH_WORDS * BENCH_LINE] __attribute__((aligned(64)));
static uint64_t shared[BENCH_LINE] __attribute__((aligned(64)));
static uint64_t by_cpu[COUNTER_MAXCPU * BENCH_LINE] __attribute__((aligned(64)));
static counter_u64_t counters[BENCH_WORDS * BENCH_LINE];
static _Thread_local unsigned me;
DPCPU_DEFINE_STATIC(uintptr_t, variable);

#define FIRST counter_u64_t const c = counters[0]
#define NOTHING (void)0
BENCH_WAY(thread, NOTHING, __asm__ volatile(""), machine_add(&tls[k * BENCH_LINE], 1))
BENCH_WAY(add, FIRST, NOTHING, counter_u64_add(c + k * BENCH_LINE, 1))
BENCH_WAY(call, FIRST, NOTHING, counter_u64_add_shared(c + k * BENCH_LINE, 1))
BENCH_WAY(owned, FIRST, NOTHING, counter_u64_add_protected(c + k * BENCH_LINE, 1))
BENCH_WAY(dpcpu, NOTHING, NOTHING, DPCPU_ADD(variable, 1))
BENCH_WAY(own_atomic, uint64_t *const words = lines[me], NOTHING,
    __atomic_fetch_add(&words[k * BENCH_LINE], 1, __ATOMIC_RELAXED))
BENCH_WAY(shared_atomic, NOTHING, NOTHING, __atomic_fetch_add(&shared[0], 1, __ATOMIC_RELAXED))
BENCH_WAY(getcpu, NOTHING, NOTHING,
    __atomic_fetch_add(&by_cpu[(unsigned)sched_getcpu() * BENCH_LINE], 1, __ATOMIC_RELAXED))

enum way { THREAD, ADD, CALL, OWNED, DPCPU, OWN_ATOMIC, SHARED_ATOMIC, GETCPU, LIBRSEQ, NWAY };
static void (*const ways[NWAY][2])(void) = {
	{ bench_thread_1, bench_thread_8 }, { bench_add_1, bench_add_8 }, { bench_call_1, bench_call_8 },
	{ bench_owned_1, bench_owned_8 }, { bench_dpcpu_1, bench_dpcpu_8 },
	{ bench_own_atomic_1, bench_own_atomic_8 }, { bench_shared_atomic_1, bench_shared_atomic_8 },
	{ bench_getcpu_1, bench_getcpu_8 }, { bench_librseq_1, bench_librseq_8 },
};

static double
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ((double)ts.tv_sec * 1e9 + (double)ts.tv_nsec);
}

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

struct run {
	pthread_t id;
	pthread_barrier_t *barrier;
	unsigned nr;
	double ns[NWAY][2];
};

/* All ways, in step with the other threads. */
static void *
run_ways(void *arg)
{
	struct run *r = arg;
	struct uverr err;
	double t;
	int round, w, k;

	me = r->nr;
	pin((int)r->nr);
	if (counter_own(&err) != 0)	/* only OWNED makes use of it */
		abort();
	for (round = 0; round < ROUNDS; round++)
		for (w = 0; w < NWAY; w++)
			for (k = 0; k < 2; k++) {
				if (ways[w][k] == NULL)
					continue;
				pthread_barrier_wait(r->barrier);
				t = cpu_now();
				ways[w][k]();
				t = (cpu_now() - t) / BENCH_ADDS;
				if (round == 0 || t < r->ns[w][k])
					r->ns[w][k] = t;
			}
	return (NULL);
}

/* The mean of the threads' best. */
static void
run_threads(unsigned n, double ns[NWAY][2])
{
	struct run runs[2] = { 0 };
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		runs[i].nr = i;
		runs[i].barrier = &barrier;
		if (pthread_create(&runs[i].id, NULL, run_ways, &runs[i]) != 0)
			abort();
	}
	memset(ns, 0, NWAY * sizeof(ns[0]));
	for (unsigned i = 0; i < n; i++) {
		pthread_join(runs[i].id, NULL);
		for (int w = 0; w < NWAY; w++)
			for (int k = 0; k < 2; k++)
				ns[w][k] += runs[i].ns[w][k] / n;
	}
	pthread_barrier_destroy(&barrier);
}

/* ---- Sums ---- */

static sem_t owner_there, sums_done;

/* Until the sums are done: so the next one is another. */
static void *
be_an_owner(void *arg)
{
	struct uverr err;

	if (counter_own(&err) != 0)
		abort();
	counter_u64_add_protected(*(counter_u64_t *)arg, 1);
	sem_post(&owner_there);
	sem_wait(&sums_done);
	return (NULL);
}

static double
time_fetch(counter_u64_t c)
{
	static volatile uint64_t sink __attribute__((unused));
	double t = cpu_now();

	for (int i = 0; i < SUMS; i++)
		sink = counter_u64_fetch(c);
	return ((cpu_now() - t) / SUMS);
}

/* The least that it can be: the same lines, read one after the other. */
static double
time_lines(unsigned n)
{
	static volatile uint64_t sink __attribute__((unused));
	double t = cpu_now();
	uint64_t sum;

	for (int i = 0; i < SUMS; i++) {
		sum = 0;
		for (unsigned k = 0; k < n; k++)
			sum += __atomic_load_n(&by_cpu[k * BENCH_LINE], __ATOMIC_RELAXED);
		sink = sum;
	}
	return ((cpu_now() - t) / SUMS);
}

/* ---- A process with another path ---- */

static int
start(void)
{
	const struct vnet_config config = { .max = STACKS + 2 };
	struct uverr err = { "" };

	if (vset_window_init(&err) != 0 || dpcpu_init(&err) != 0 || vnet_init(&config, &err) != 0 ||
	    kld_init("bench-dpcpu", &err) != 0 ||
	    COUNTER_ARRAY_ALLOC(counters, BENCH_WORDS * BENCH_LINE, M_WAITOK) != 0) {
		fprintf(stderr, "bench-dpcpu: %s\n", err.text);
		return (-1);
	}
	for (unsigned i = 1; i < BENCH_WORDS * BENCH_LINE; i++)
		if (counters[i] != counters[0] + i)
			abort();
	if (bench_librseq_init != NULL)
		bench_librseq_init(mp_ncpus);
	return (0);
}

static double
without_rseq(char *self)
{
	static char flag[] = "--one";
	char *argv[] = { self, flag, NULL }, *out;
	double ns;

	setenv("UVNET_RSEQ", "off", 1);
	out = bench_run(argv);
	unsetenv("UVNET_RSEQ");
	ns = out != NULL ? strtod(out, NULL) : -1;
	free(out);
	return (ns);
}

/* ---- Instructions ---- */

/* A process of its own, for a runtime does not survive a fork. */
static void
be_worker_0(void)
{
	struct uverr err;

	if (start() != 0 || counter_own(&err) != 0)
		abort();
}

static double
instructions(enum way w)
{
	return (ways[w][0] != NULL ? bench_steps(be_worker_0, ways[w][0]) : -1);
}

/* ---- Ten thousand stacks ---- */

struct stat16 {
	uint64_t c[16];
};
VNET_PCPUSTAT_DEFINE_STATIC(struct stat16, stat16);
VNET_PCPUSTAT_SYSINIT(stat16);
VNET_PCPUSTAT_SYSUNINIT(stat16);
static struct vnet *stacks[STACKS];

/* As a worker does that has every stack; how fast does not matter here. */
static void *
count_all(void *arg)
{
	struct uverr err;

	if (counter_own(&err) != 0)
		abort();
	pthread_barrier_wait(arg);	/* so the two own different words */
	for (int i = 0; i < STACKS; i++) {
		CURVNET_SET(stacks[i]);
		for (size_t k = 0; k < VNET_PCPUSTAT_LEN(stat16); k++)
			counter_u64_add_protected(VNET(stat16)[k], 1);
		CURVNET_RESTORE();
	}
	return (NULL);
}

/* The MB that their counters take: the words of two owners, and each stack's pointers to its own. */
static double
many_stacks(void)
{
	const size_t before = counter_resident();
	pthread_barrier_t both;
	struct uverr err;
	pthread_t t[2];
	char name[16];
	size_t after;

	for (int i = 0; i < STACKS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		if (vnet_alloc(name, 0, &stacks[i], &err) != 0) {
			fprintf(stderr, "bench-dpcpu: %s\n", err.text);
			exit(1);
		}
	}
	pthread_barrier_init(&both, NULL, 2);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, count_all, &both) != 0)
			abort();
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&both);
	after = counter_resident();
	for (int i = 0; i < STACKS; i++)
		vnet_destroy(stacks[i]);
	return ((double)(after - before + STACKS * sizeof(VNET_NAME(stat16))) / 1e6);
}

#define MAXROWS 64
static struct bench_row rows[MAXROWS];
static size_t nrows;

static void
row(const char *unit, double ours, double peer, const char *peer_name, const char *name)
{
	rows[nrows++] = (struct bench_row){ strdup(name), unit, ours, peer, peer_name, BENCH_LESS };
}

static void
sums(void)
{
	counter_u64_t c = counter_u64_alloc(M_WAITOK);
	pthread_t t[64];
	unsigned n, made = 0;
	char name[64];

	sem_init(&owner_there, 0, 0);
	sem_init(&sums_done, 0, 0);
	for (n = 1; n <= 64; n *= 2) {
		for (; made < n; made++) {
			if (pthread_create(&t[made], NULL, be_an_owner, &c) != 0)
				abort();
			sem_wait(&owner_there);
		}
		snprintf(name, sizeof(name), "fetch, %u owners", n);
		row("ns", time_fetch(c), time_lines(n), "loop over that many lines", name);
	}
	for (n = 0; n < made; n++)
		sem_post(&sums_done);
	for (n = 0; n < made; n++)
		pthread_join(t[n], NULL);
}

int
main(int argc, char **argv)
{
	static const char *const words[2] = { "1 word", "8 lines" };
	double ns[NWAY][2], steps[NWAY], off, mb;
	char self[PATH_MAX] = "", name[64];
	const char *path;
	ssize_t got;
	int json;

	if (argc == 2 && strcmp(argv[1], "--one") == 0) {
		if (start() != 0)
			return (1);
		run_threads(1, ns);
		printf("%f\n", ns[ADD][0]);
		return (0);
	}
	json = bench_options(argc, argv);
	got = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (got < 0)
		return (1);
	off = without_rseq(self);
	for (int w = 0; w < NWAY; w++)
		steps[w] = instructions(w);
	setenv("UVNET_NCPU", "64", 1);	/* that many owners, for the sums */
	if (start() != 0)
		return (1);
	path = dpcpu_path_name();
	mb = many_stacks();
	for (unsigned n = 1; n <= 2 && n <= (unsigned)sysconf(_SC_NPROCESSORS_ONLN); n++) {
		run_threads(n, ns);
		for (int k = 0; k < 2; k++) {
#define ROW(way, peer, what, peer_name) \
	do { \
		snprintf(name, sizeof(name), "%s, %s, %u thr", what, words[k], n); \
		if (ns[peer][k] > 0) \
			row("ns", ns[way][k], ns[peer][k], peer_name, name); \
	} while (0)
			ROW(ADD, LIBRSEQ, path, "librseq load_add_store, in place");
			ROW(ADD, OWN_ATOMIC, path, "atomic, own line");
			ROW(ADD, SHARED_ATOMIC, path, "atomic, one shared line");
			ROW(ADD, GETCPU, path, "atomic by sched_getcpu()");
			ROW(OWNED, THREAD, "owned", "__thread");
			snprintf(name, sizeof(name), "%s call, %s, %u thr", path, words[k], n);
			row("ns", ns[CALL][k], ns[OWN_ATOMIC][k], "atomic, own line", name);
		}
		snprintf(name, sizeof(name), "%s DPCPU_ADD, %u thr", path, n);
		row("ns", ns[DPCPU][0], ns[OWN_ATOMIC][0], "atomic, own line", name);
		if (n == 1 && off > 0)
			row("ns", off, ns[GETCPU][0], "atomic by sched_getcpu()", "atomic (off), 1 word, 1 thr");
	}
#define STEPS(way, peer, what, peer_name) \
	do { \
		snprintf(name, sizeof(name), "%s, 1 word", what); \
		if (steps[way] > 0 && steps[peer] > 0) \
			row("instr", steps[way], steps[peer], peer_name, name); \
	} while (0)
	STEPS(ADD, LIBRSEQ, path, "librseq load_add_store, in place");
	STEPS(ADD, OWN_ATOMIC, path, "atomic, own line");
	STEPS(ADD, GETCPU, path, "atomic by sched_getcpu()");
	STEPS(OWNED, THREAD, "owned", "__thread");
	snprintf(name, sizeof(name), "%s call", path);
	STEPS(CALL, OWN_ATOMIC, strdup(name), "atomic, own line");
	snprintf(name, sizeof(name), "%s DPCPU_ADD", path);
	STEPS(DPCPU, OWN_ATOMIC, strdup(name), "atomic, own line");
	sums();
	row("MB", mb, 20, "the bound", "10,000 stacks x 16, 2 CPUs");
	bench_print("dpcpu", rows, nrows, json);
	return (0);
}
