/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's loop.
 *
 * A round takes a bounded amount of each kind of work: packets (netisr), callouts, ready tasks, then it rings the
 * other workers once and looks at its descriptors.  It waits there only when no kind had anything, and then as
 * long as the first callout or delay allows; an idle process does not wake up.  Nothing is counted or allocated
 * per stack: ten thousand idle stacks are ten thousand entries nowhere.
 *
 * Between two rounds a worker looks whether it is to stop (workers.c).
 *
 * Descriptors are mostly edge-triggered (relay.c); a batch of events is handled whole before anything it points
 * to is freed (worker_bury()).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <uvnet/callout.h>
#include <uvnet/counter.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>
#include <uvnet/netisr.h>
#include "worker_impl.h"

#define ROUND_PACKETS 64	/* bounds of a round: short ones, for what waits elsewhere */
#define ROUND_EVENTS 128

/* ---- Work ---- */

int
worker_watch(struct worker *w, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event ev = { .events = events, .data.ptr = watch };

	return (epoll_ctl(w->w_epfd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno);
}

int
worker_rewatch(struct worker *w, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event ev = { .events = events, .data.ptr = watch };

	return (epoll_ctl(w->w_epfd, EPOLL_CTL_MOD, fd, &ev) == 0 ? 0 : -errno);
}

void
worker_ready(struct worker *w, struct task *t)
{
	if (!t->t_queued) {
		t->t_queued = 1;
		TAILQ_INSERT_TAIL(&w->w_ready, t, t_le);
	}
}

void
worker_unready(struct worker *w, struct task *t)
{
	if (t->t_queued) {
		t->t_queued = 0;
		TAILQ_REMOVE(&w->w_ready, t, t_le);
	}
}

void
worker_delay(struct worker *w, struct delay *d, int64_t ns)
{
	struct delay *other;

	if (d->d_queued)
		return;
	d->d_queued = 1;
	d->d_time = callout_now() + ns;
	TAILQ_FOREACH_REVERSE (other, &w->w_delays, delay_head, d_le)
		if (other->d_time <= d->d_time)
			break;
	if (other != NULL)
		TAILQ_INSERT_AFTER(&w->w_delays, other, d, d_le);
	else
		TAILQ_INSERT_HEAD(&w->w_delays, d, d_le);
}

void
worker_undelay(struct worker *w, struct delay *d)
{
	if (d->d_queued) {
		d->d_queued = 0;
		TAILQ_REMOVE(&w->w_delays, d, d_le);
	}
}

void
worker_bury(struct worker *w, struct corpse *c, void *mem)
{
	c->c_mem = mem;
	STAILQ_INSERT_TAIL(&w->w_dead, c, c_le);
}

void
worker_bury_all(struct worker *w)
{
	struct corpse *c;

	while ((c = STAILQ_FIRST(&w->w_dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->w_dead, c_le);
		free(c->c_mem);
	}
}

/* Run the tasks that are ready now, not those that become so meanwhile: a task may put itself back. */
static unsigned
tasks_run(struct worker *w)
{
	struct task *t, *last = TAILQ_LAST(&w->w_ready, task_head);
	struct task marker = { .t_queued = 1 };
	unsigned n = 0;

	if (last == NULL)
		return (0);
	TAILQ_INSERT_TAIL(&w->w_ready, &marker, t_le);
	while ((t = TAILQ_FIRST(&w->w_ready)) != &marker) {
		TAILQ_REMOVE(&w->w_ready, t, t_le);
		t->t_queued = 0;
		t->t_func(t);
		n++;
	}
	TAILQ_REMOVE(&w->w_ready, &marker, t_le);
	return (n);
}

static unsigned
delays_run(struct worker *w, int64_t now)
{
	struct delay *d;
	unsigned n = 0;

	while ((d = TAILQ_FIRST(&w->w_delays)) != NULL && d->d_time <= now) {
		worker_undelay(w, d);
		d->d_func(d);
		n++;
	}
	return (n);
}

/* ---- The loop ---- */

/* Wait for events until `until` (ns; 0: only look), and handle them. */
static void
events_run(struct worker *w, int64_t until)
{
	struct epoll_event ev[ROUND_EVENTS];
	struct timespec ts = { 0 };
	struct watch *watch;
	int64_t ns;
	int n;

	if (until != 0 && until != INT64_MAX) {
		ns = until - callout_now();
		if (ns > 0)
			ts = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	}
	n = epoll_pwait2(w->w_epfd, ev, ROUND_EVENTS, until == INT64_MAX ? NULL : &ts, NULL);
	if (n < 0 && errno == ENOSYS)	/* before Linux 5.11, and qemu-user: milliseconds, rounded up */
		n = epoll_wait(w->w_epfd, ev, ROUND_EVENTS, until == INT64_MAX ? -1 :
		    ts.tv_sec > INT_MAX / 1000 - 1 ? INT_MAX :
		    (int)(ts.tv_sec * 1000 + (ts.tv_nsec + 999999) / 1000000));
	for (int i = 0; i < n; i++) {
		watch = ev[i].data.ptr;
		watch->w_func(watch, ev[i].events);
	}
	worker_bury_all(w);
}

static void
round_run(struct worker *w)
{
	struct delay *d;
	int64_t now, until;
	unsigned n;

	n = netisr_process(w->w_cpu, ROUND_PACKETS);
	now = callout_now();
	n += callout_process(w->w_cpu, now);
	n += delays_run(w, now);
	n += tasks_run(w);
	netisr_kick(w->w_cpu);
	if (n > 0 || !TAILQ_EMPTY(&w->w_ready)) {
		events_run(w, 0);
	} else if (netisr_sleep(w->w_cpu) != 0) {
		events_run(w, 0);
	} else {
		until = callout_next(w->w_cpu);
		d = TAILQ_FIRST(&w->w_delays);
		if (d != NULL && d->d_time < until)
			until = d->d_time;
		/* A flag raised before netisr_sleep() has its wake-up in the eventfd: no stop is slept over. */
		events_run(w, until > 0 ? until : 1);
		netisr_awake(w->w_cpu);
	}
}

void *
worker_main(void *arg)
{
	struct worker *w = arg;

	/* A plain instruction a count from here on; where there is no owner left to be, it is a longer one. */
	counter_own(NULL);
	dpcpu_enter(w->w_cpu);
	kld_fault_init(NULL);	/* a stack of this thread's own for the handler */
	while (!atomic_load_explicit(&workers_ending, memory_order_acquire)) {
		if (atomic_load_explicit(&workers_stopping, memory_order_acquire))
			worker_park();
		else
			round_run(w);
	}
	return (NULL);
}

unsigned
worker_cpu(const struct worker *w)
{
	return (w->w_cpu);
}

void
worker_load(struct worker *w, int n)
{
	w->w_nstacks += (unsigned)n;
}

unsigned char *
worker_buf(struct worker *w)
{
	return (w->w_buf);
}
