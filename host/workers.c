/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All workers: made, started, stopped for a while, ended; by the main thread.
 *
 * A stack is entered by its worker alone, without locks.  So an operation on stacks, which the main thread makes,
 * needs all workers out of all stacks: workers_stop() raises a flag and wakes everybody, each worker parks *between
 * two rounds*, and the main thread goes on when the last has.  It then may enter any stack, and call anything that
 * a worker may.  What it queued is seen by the round that follows workers_resume().
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uvnet/asan.h>
#include <uvnet/dpcpu.h>
#include <uvnet/netisr.h>
#include "worker_impl.h"

/*
 * What a worker needs of its stack is far less; the system's default (8 MiB) is much where private memory is counted
 * when it is reserved.
 */
#define WORKER_STACKSIZE ((size_t)1 << 20)

static struct worker **workers;
static unsigned nworkers;

/* Stopping: `depth` is the main thread's; the flag is read in every round. */
atomic_int workers_stopping, workers_ending;
static int stop_depth;
static unsigned parked;
static pthread_mutex_t park_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t park_main = PTHREAD_COND_INITIALIZER, park_worker = PTHREAD_COND_INITIALIZER;

/* The eventfd's watch: to wake up is all it is for. */
static void
bell_ring(struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
}

void
worker_park(void)
{
	pthread_mutex_lock(&park_lock);
	parked++;
	pthread_cond_signal(&park_main);
	while (atomic_load(&workers_stopping))
		pthread_cond_wait(&park_worker, &park_lock);
	parked--;
	pthread_cond_signal(&park_main);
	pthread_mutex_unlock(&park_lock);
}

int
workers_cpus(unsigned max, unsigned **cpus, unsigned *ncpus, struct uverr *err)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return (uverr(err, errno, "sched_getaffinity: %s", strerror(errno)));
	*cpus = calloc(CPU_SETSIZE, sizeof(**cpus));
	if (*cpus == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	*ncpus = 0;
	for (unsigned i = 0; i < CPU_SETSIZE && (max == 0 || *ncpus < max); i++)
		if (CPU_ISSET(i, &set))
			(*cpus)[(*ncpus)++] = i;
	if (*ncpus < max) {
		free(*cpus);
		*cpus = NULL;
		return (uverr(err, EINVAL, "%u workers are more than the %u CPUs that this process may use", max,
		    *ncpus));
	}
	return (0);
}

int
workers_init(const unsigned cpus[], unsigned ncpus, struct uverr *err)
{
	struct worker *w;
	int error;

	workers = calloc(ncpus, sizeof(*workers));
	if (workers == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	for (nworkers = 0; nworkers < ncpus; nworkers++) {
		w = calloc(1, sizeof(*w));
		if (w == NULL) {
			error = uverr(err, ENOMEM, "out of memory");
			goto fail;
		}
		w->w_cpu = cpus[nworkers];
		TAILQ_INIT(&w->w_ready);
		TAILQ_INIT(&w->w_delays);
		STAILQ_INIT(&w->w_dead);
		w->w_bell.w_func = bell_ring;
		w->w_epfd = epoll_create1(EPOLL_CLOEXEC);
		if (w->w_epfd < 0) {
			error = uverr(err, errno, "epoll_create1: %s", strerror(errno));
			goto fail_worker;
		}
		error = worker_watch(w, netisr_eventfd(w->w_cpu), EPOLLIN, &w->w_bell);
		if (error != 0) {
			error = uverr(err, -error, "epoll_ctl: %s", strerror(-error));
			goto fail_epoll;
		}
		workers[nworkers] = w;
	}
	/* This thread runs modules' code while the workers do not: when they are loaded, in constructors. */
	dpcpu_enter(cpus[0]);
	return (0);
fail_epoll:
	close(w->w_epfd);
fail_worker:
	free(w);
fail:
	workers_fini();
	return (error);
}

int
workers_start(struct uverr *err)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int error = 0;

	pthread_attr_init(&attr);
#ifndef UVNET_ASAN	/* with which frames are several times as large */
	pthread_attr_setstacksize(&attr, WORKER_STACKSIZE);
#endif
	for (unsigned i = 0; i < nworkers && error == 0; i++) {
		CPU_ZERO(&set);
		CPU_SET(workers[i]->w_cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
		error = pthread_create(&workers[i]->w_thread, &attr, worker_main, workers[i]);
		workers[i]->w_running = error == 0;
	}
	pthread_attr_destroy(&attr);
	if (error != 0) {
		workers_join();
		return (uverr(err, error, "a worker's thread: %s; it wants %zu KiB of private memory (ulimit -d, ulimit -v) and"
		    " room for a thread (ulimit -u, pids.max of the container)", strerror(error), WORKER_STACKSIZE >> 10));
	}
	return (0);
}

static unsigned
workers_running(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nworkers; i++)
		n += workers[i]->w_running != 0;
	return (n);
}

void
workers_stop(void)
{
	if (stop_depth++ > 0)
		return;
	atomic_store_explicit(&workers_stopping, 1, memory_order_release);
	for (unsigned i = 0; i < nworkers; i++)
		if (workers[i]->w_running)
			netisr_wakeup(workers[i]->w_cpu);
	pthread_mutex_lock(&park_lock);
	while (parked < workers_running())
		pthread_cond_wait(&park_main, &park_lock);
	pthread_mutex_unlock(&park_lock);
}

/* Waits until all have left the park, so that a stop right afterwards does not count one twice. */
void
workers_resume(void)
{
	if (--stop_depth > 0)
		return;
	pthread_mutex_lock(&park_lock);
	atomic_store_explicit(&workers_stopping, 0, memory_order_release);
	pthread_cond_broadcast(&park_worker);
	while (parked > 0)
		pthread_cond_wait(&park_main, &park_lock);
	pthread_mutex_unlock(&park_lock);
}

void
workers_join(void)
{
	atomic_store_explicit(&workers_ending, 1, memory_order_release);
	for (unsigned i = 0; i < nworkers; i++) {
		if (!workers[i]->w_running)
			continue;
		netisr_wakeup(workers[i]->w_cpu);
		pthread_join(workers[i]->w_thread, NULL);
		workers[i]->w_running = 0;
	}
}

void
workers_fini(void)
{
	for (unsigned i = 0; i < nworkers; i++) {
		worker_bury_all(workers[i]);
		close(workers[i]->w_epfd);
		free(workers[i]);
	}
	free(workers);
	workers = NULL;
	nworkers = 0;
}

struct worker *
worker_of(unsigned cpu)
{
	for (unsigned i = 0; i < nworkers; i++)
		if (workers[i]->w_cpu == cpu)
			return (workers[i]);
	return (NULL);
}

struct worker *
worker_idlest(void)
{
	struct worker *best = workers[0];

	for (unsigned i = 1; i < nworkers; i++)
		if (workers[i]->w_nstacks < best->w_nstacks)
			best = workers[i];
	return (best);
}

unsigned
workers_count(void)
{
	return (nworkers);
}
