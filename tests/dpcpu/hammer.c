/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hammer [SECONDS]: per-CPU updates under everything that preempts them; 2 s, or as long as said.
 *
 * Four threads a CPU update at once; each is interrupted by signals whose handler makes the same updates, and moves
 * itself to another CPU, or lets itself wander, all the time.  At the end the sums must be what was added, every
 * element of the lists must be there once, and nothing else.  The same additions made in the plain way, a load before
 * and a store after the others, must not all be there: else nothing preempted them, and the rest shows nothing.
 *
 *	UVNET_RSEQ=on build/tests/dpcpu/hammer 60
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uvnet/counter.h>
#include <uvnet/percpu.h>

#define PER_CPU 4
#define NODES 64		/* a thread */
#define BATCH 64		/* updates between two moves */
#define INTERVAL 50000		/* ns between two signals to a thread */

struct element {
	struct dpcpu_node node;
	atomic_int out;		/* who popped it holds it: never two at once */
};

struct thread {
	pthread_t id;
	unsigned nr;
	uint64_t adds, handled, sets;	/* made by the thread, by its handler; successful dpcpu_cmpset() */
	struct element elements[NODES];
};

DPCPU_DEFINE_STATIC(uintptr_t, word);
DPCPU_DEFINE_STATIC(uintptr_t, plain);
DPCPU_DEFINE_STATIC(uintptr_t, set);
DPCPU_DEFINE_STATIC(uintptr_t, stored) = 1;
DPCPU_DEFINE_STATIC(struct dpcpu_list, list);

static counter_u64_t in_place, called;
static atomic_int stop, broken;
static _Thread_local struct thread *self;

static void
fail(const char *what)
{
	fprintf(stderr, "# %s\n", what);
	atomic_store(&broken, 1);
}

/* The plain one around the others: it is lost when one of them is interrupted. */
static void
add_all(void)
{
	volatile uintptr_t *const p = DPCPU_PTR(plain);
	const uintptr_t seen = *p;

	counter_u64_add(in_place, 1);
	counter_u64_add_protected(called, 1);
	DPCPU_ADD(word, 1);
	*p = seen + 1;
}

static void
handler(int sig)
{
	(void)sig;
	if (self == NULL)
		return;
	add_all();
	self->handled++;
}

static void
increment_by_cmpset(void)
{
	unsigned cpu;
	uintptr_t seen;
	int did;

	do {
		cpu = curcpu;
		seen = *(volatile uintptr_t *)DPCPU_ID_PTR(cpu, set);
		did = DPCPU_CMPSET(cpu, set, seen, seen + 1);
	} while (did <= 0);
}

static void
pop_and_push(void)
{
	struct element *e = (struct element *)DPCPU_POP(list);

	if (e == NULL)
		return;
	if (atomic_exchange(&e->out, 1) != 0)
		fail("an element was popped twice");
	atomic_store(&e->out, 0);
	DPCPU_PUSH(list, &e->node);
}

/* To one CPU, or to all. */
static void
move(const cpu_set_t *all, unsigned where)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(where % mp_ncpus, &one);
	CPU_AND(&one, &one, all);
	sched_setaffinity(0, sizeof(one), where % (mp_ncpus + 1) < mp_ncpus && CPU_COUNT(&one) > 0 ? &one : all);
}

static void *
thread_main(void *arg)
{
	const struct itimerspec often = { { 0, INTERVAL }, { 0, INTERVAL } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct thread *t = arg;
	sigset_t usr1;
	cpu_set_t all;
	timer_t timer;
	unsigned i;

	self = t;
	event._sigev_un._tid = gettid();
	if (sched_getaffinity(0, sizeof(all), &all) != 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &often, NULL) != 0) {
		fail("no timer");
		return (NULL);
	}
	for (i = 0; i < NODES; i++)
		DPCPU_PUSH(list, &t->elements[i].node);
	for (i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++) {
		add_all();
		t->adds++;
		increment_by_cmpset();
		t->sets++;
		DPCPU_STORE(stored, 2 + t->nr);
		pop_and_push();
		if (i % BATCH == 0)
			move(&all, i / BATCH + t->nr);
	}
	timer_delete(timer);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	return (NULL);
}

/* Every element once: in some CPU's list. */
static unsigned
count_elements(void)
{
	struct dpcpu_node *n;
	unsigned i, found = 0;

	CPU_FOREACH (i)
		for (n = DPCPU_ID_GET(i, list).head; n != NULL; n = n->next) {
			if (atomic_exchange(&((struct element *)n)->out, 1) != 0) {
				fail("an element is on two lists, or in a circle");
				return (found);
			}
			found++;
		}
	return (found);
}

static void
check(const char *what, uint64_t is, uint64_t expected)
{
	static int n;

	if (is != expected)
		atomic_store(&broken, 1);
	printf("%sok %d - %s: %ju%s", is == expected ? "" : "not ", ++n, what, (uintmax_t)is, is == expected ? "\n" : "");
	if (is != expected)
		printf(", expected %ju\n", (uintmax_t)expected);
}

int
main(int argc, char **argv)
{
	const double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	const struct timespec ts = { .tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	uint64_t adds = 0, handled = 0, sets = 0;
	struct thread *threads;
	unsigned i, n, strange = 0;
	struct uverr err;
	int error;

	if (vset_window_init(&err) != 0 || ((error = dpcpu_init(&err)) != 0 && error != -ENOTSUP)) {
		fprintf(stderr, "%s\n", err.text);
		return (1);
	}
	if (error == -ENOTSUP) {	/* the path that UVNET_RSEQ forces is not here */
		printf("1..0 # SKIP %s\n", err.text);
		return (0);
	}
	printf("1..8\n# path: %s\n", dpcpu_path_name());
	fflush(stdout);
	in_place = counter_u64_alloc(M_WAITOK);
	called = counter_u64_alloc(M_WAITOK);
	n = PER_CPU * mp_ncpus;
	threads = calloc(n, sizeof(*threads));
	if (threads == NULL || in_place == NULL || called == NULL || sigaction(SIGUSR1, &sa, NULL) != 0)
		return (1);
	for (i = 0; i < n; i++) {
		threads[i].nr = i;
		error = pthread_create(&threads[i].id, NULL, thread_main, &threads[i]);
		if (error != 0) {
			fprintf(stderr, "pthread_create: %s\n", strerror(error));
			return (1);
		}
	}
	nanosleep(&ts, NULL);
	atomic_store(&stop, 1);
	for (i = 0; i < n; i++) {
		pthread_join(threads[i].id, NULL);
		adds += threads[i].adds;
		handled += threads[i].handled;
		sets += threads[i].sets;
	}
	CPU_FOREACH (i)		/* the template's 1 was never made something that nobody stored */
		strange += DPCPU_ID_GET(i, stored) > n + 1;
	check("additions in place are all there", counter_u64_fetch(in_place), adds + handled);
	check("additions by call are all there", counter_u64_fetch(called), adds + handled);
	check("additions to a variable are all there", DPCPU_SUM(word), adds + handled);
	check("every compare-and-store that succeeded counts", DPCPU_SUM(set), sets);
	check("every element is on one list", count_elements(), (uint64_t)n * NODES);
	check("instances with a value that nobody stored", strange, 0);
	check("plain additions are lost (1: yes)", DPCPU_SUM(plain) < adds + handled, 1);
	check("signals interrupted the threads (1: yes)", handled > 0, 1);
	printf("# %ju signals; %ju of %ju plain additions lost\n", (uintmax_t)handled,
	    (uintmax_t)(adds + handled - DPCPU_SUM(plain)), (uintmax_t)(adds + handled));
	free(threads);
	counter_u64_free(called);
	counter_u64_free(in_place);
	return (atomic_load(&broken));
}
