/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers: one thread a CPU, pinned, which runs all the stacks of that CPU (the essay is at the top of worker.c).
 *
 * What a worker has to do comes in three forms.  A *watch* is a file descriptor in its epoll set; a *task* is a
 * bounded piece of work that was marked ready; a *delay* is a task of a later time.  They are embedded in what
 * they are for (a relay, a listener, a capture) and cost nothing else.
 *
 * Everything here is called by the worker itself, or by the main thread with all workers stopped.
 */
#ifndef HOST_WORKER_H
#define HOST_WORKER_H

#include <stdint.h>
#include <sys/queue.h>
#include <uvnet/err.h>

#define WORKER_BUFSIZE (256U << 10)

struct worker;

struct watch {
	/* Events as of epoll_wait(2). */
	void (*w_func)(struct watch *w, uint32_t events);
};

struct task {
	TAILQ_ENTRY(task) t_le;
	void (*t_func)(struct task *t);
	int t_queued;
};

struct delay {
	TAILQ_ENTRY(delay) d_le;
	void (*d_func)(struct delay *d);
	int64_t d_time;
	int d_queued;
};

/* Memory that a batch of epoll events may still point to: freed at the end of the round. */
struct corpse {
	STAILQ_ENTRY(corpse) c_le;
	void *c_mem;
};

/* The CPUs that this process may use, the first `max` of them (0: all); the array is the caller's to free. */
int workers_cpus(unsigned max, unsigned **cpus, unsigned *ncpus, struct uverr *err);

/*
 * Make a worker for each CPU, after netisr_init() of the same; start their threads; stop them until
 * workers_resume(), which nest; end and join them; free them.  By the main thread.
 */
int workers_init(const unsigned cpus[], unsigned ncpus, struct uverr *err);
int workers_start(struct uverr *err);
void workers_stop(void);
void workers_resume(void);
void workers_join(void);
void workers_fini(void);

/* The worker of a CPU, or NULL; the one with the fewest stacks. */
struct worker *worker_of(unsigned cpu);
struct worker *worker_idlest(void);
unsigned worker_cpu(const struct worker *w);
unsigned workers_count(void);

/* Count a stack in (+1) or out (-1). */
void worker_load(struct worker *w, int n);

/* A buffer of WORKER_BUFSIZE bytes, for use within one call. */
unsigned char *worker_buf(struct worker *w);

/* Watch a descriptor; closing it ends that.  Errors: -errno of epoll_ctl(2). */
int worker_watch(struct worker *w, int fd, uint32_t events, struct watch *watch);
int worker_rewatch(struct worker *w, int fd, uint32_t events, struct watch *watch);

/* Have a task run in this round or the next; forget it. */
void worker_ready(struct worker *w, struct task *t);
void worker_unready(struct worker *w, struct task *t);

/* Have a function called in `ns` nanoseconds (if it is not waiting already); forget it. */
void worker_delay(struct worker *w, struct delay *d, int64_t ns);
void worker_undelay(struct worker *w, struct delay *d);

/* free(mem) at the end of the round; the corpse lies inside. */
void worker_bury(struct worker *w, struct corpse *c, void *mem);

#endif
