/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside worker.c and workers.c. */
#ifndef HOST_WORKER_IMPL_H
#define HOST_WORKER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include "worker.h"

struct worker {
	pthread_t w_thread;
	unsigned w_cpu;
	int w_epfd;
	int w_running;
	unsigned w_nstacks;
	TAILQ_HEAD(task_head, task) w_ready;
	TAILQ_HEAD(delay_head, delay) w_delays;		/* in the order of their times */
	STAILQ_HEAD(, corpse) w_dead;
	struct watch w_bell;			/* the eventfd: to wake up is all it is for */
	unsigned char w_buf[WORKER_BUFSIZE];
};

/* Read in every round. */
extern atomic_int workers_stopping, workers_ending;

/* The thread; arg is its worker. */
void *worker_main(void *arg);

/* Wait for workers_resume(), between two rounds. */
void worker_park(void);

/* Free what was buried. */
void worker_bury_all(struct worker *w);

#endif
