/* SPDX-License-Identifier: BSD-2-Clause */
/* What instances share with the process, and what they have of their own (uvnet/vinst.h). */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uvnet/vinst.h>

static int number, handled;
static char *kept;
static int bad;

#define CHECK(c) ((c) ? (void)0 : (bad++, (void)fprintf(stderr, "instance %d, line %d: %s\n", number, __LINE__, #c)))

static void
bye(void)
{
	printf("end of %d\n", number);
}

static void
bye_second(void)
{
	printf("end of %d, the second\n", number);
}

static void
handler(int sig)
{
	(void)sig;
	handled++;
}

/* In the instance of whoever made the thread. */
static void *
thread(void *arg)
{
	raise(SIGUSR1);
	return (arg == &number ? arg : NULL);
}

static void *
waits(void *arg)
{
	sigset_t set;
	int sig;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigwait(&set, &sig);
	return ((void *)(long)number);
}

/* Signals: dispositions are the process's, a handler runs in the instance that its thread is in. */
static void
signals(struct vinst *one, struct vinst *two)
{
	struct vinst *before;
	pthread_t t;
	void *result;

	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	CHECK(handled == 1);
	before = vinst_enter(one);
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK(handled == 2);
	pthread_create(&t, NULL, thread, &number);
	pthread_join(t, &result);
	CHECK(result == &number && handled == 3);
	vinst_enter(two);
	CHECK(handled == 0);
	vinst_leave(before);
	CHECK(handled == 1);
}

/* The heap is one: what an instance has taken another may give back. */
static void
heap(struct vinst *one, struct vinst *two)
{
	struct vinst *before = vinst_enter(one);
	char *taken = malloc(10);

	strcpy(taken, "of one");
	kept = taken;
	vinst_enter(two);
	CHECK(kept == NULL && strcmp(taken, "of one") == 0);
	kept = realloc(taken, 100000);
	CHECK(strcmp(kept, "of one") == 0);
	free(kept);
	vinst_enter(one);
	CHECK(kept != NULL);
	vinst_leave(before);
	CHECK(kept == NULL);
}

/* fork: the child has all instances and goes on in the parent's; its memory is its own. */
static void
forks(struct vinst *one, struct vinst *two)
{
	struct vinst *before = vinst_enter(one);
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		CHECK(number == 1);
		number = 100;
		vinst_enter(two);
		CHECK(number == 2);
		number = 200;
		vinst_enter(one);
		CHECK(number == 100);
		vinst_leave(before);
		CHECK(number == 0 && vinst_create() != NULL);
		puts("forked");
		fflush(stdout);
		_exit(bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(number == 1);
	vinst_enter(two);
	CHECK(number == 2);
	vinst_leave(before);
}

static void *
makes(void *arg)
{
	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED))
		vinst_destroy(vinst_create());
	return (NULL);
}

/* ... also while another thread makes instances. */
static void
forks_meanwhile(void)
{
	int stop = 0, status;
	pthread_t t;
	pid_t pid;

	pthread_create(&t, NULL, makes, &stop);
	for (int i = 0; i < 100; i++) {
		pid = fork();
		if (pid == 0) {
			alarm(60);
			_exit(vinst_destroy(vinst_create()) != 0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
}

int
main(void)
{
	struct vinst *vi[3], *before, *again;
	pthread_t t[3];
	sigset_t set;
	long sum = 0;
	void *result;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	vi[0] = vinst_self();
	atexit(bye);
	atexit(bye_second);
	for (int i = 1; i < 3; i++) {
		vi[i] = vinst_create();
		before = vinst_enter(vi[i]);
		number = i;
		atexit(bye);
		vinst_leave(before);
	}
	signals(vi[1], vi[2]);
	heap(vi[1], vi[2]);
	forks(vi[1], vi[2]);
	CHECK(vinst_destroy(vi[2]) == 0);
	forks_meanwhile();

	/* A new one, perhaps in the same place: nothing of the old one is left, nor are its functions for exit. */
	again = vinst_create();
	before = vinst_enter(again);
	CHECK(number == 0 && handled == 0 && kept == NULL);
	number = 29;
	vinst_leave(before);
	vi[2] = again;

	/* Each thread is in the instance that it was made in, and others go in and out meanwhile. */
	for (int i = 0; i < 3; i++) {
		before = vinst_enter(vi[i]);
		pthread_create(&t[i], NULL, waits, NULL);
		vinst_leave(before);
	}
	for (int i = 0; i < 3; i++) {
		pthread_kill(t[i], SIGUSR2);
		pthread_join(t[i], &result);
		sum += (long)result;
	}
	printf("both: %ld\n", sum);
	before = vinst_enter(vi[1]);
	atexit(bye);
	vinst_leave(before);
	return (bad != 0);
}
