/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main() in several instances at once: what vinst-run(1) asks for by VINST_RUN=NUMBER[,interleave][,replace=STRING].
 *
 * Each instance runs main() in a thread of its own.  With `interleave` they take turns: one runs, the others wait in
 * a signal handler.  A timer of each thread ends its turn, wherever it is; so what an instance keeps in registers and
 * in memory is interrupted by the others at every kind of place.  One that waits for a lock which a waiting one
 * holds is interrupted too, and passes the turn on.
 *
 * Where STRING stands in an argument, an instance sees its number instead (the first is 1): so each can have files,
 * ports or a configuration of its own.
 *
 * exit() ends the instance that calls it, not the program; the program's status is the first that is not 0.
 */

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vinst_var.h"

#define MAX_RUN	 1000
#define TURN_NS	 200000
#define STACK	 ((size_t)64 << 20)
#define SIG_TURN (SIGRTMAX - 1)

struct runner {
	pthread_t thread;
	struct vinst *vi;
	sigjmp_buf end;
	int n, argc, status, done;
	char **argv, **envp;
};

int __real_main(int argc, char **argv, char **envp);
int __wrap_main(int argc, char **argv, char **envp);
void __real_exit(int status) __attribute__((noreturn));
void __wrap_exit(int status) __attribute__((noreturn));

static struct runner *runners;
static int nrunners, interleave;
static const char *replace = "";
static pid_t process;
static int turn;
static _Thread_local struct runner *me;

/* ---- Turns ---- */

static void
turn_wait(int n)
{
	int now;

	while ((now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != n)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

/* To the next that is not done; false if there is no other. */
static int
turn_pass(int from)
{
	for (int i = 1; i < nrunners; i++) {
		int to = (from + i) % nrunners;

		if (__atomic_load_n(&runners[to].done, __ATOMIC_ACQUIRE))
			continue;
		__atomic_store_n(&turn, to, __ATOMIC_RELEASE);
		syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, nrunners, NULL, NULL, 0);
		return (1);
	}
	return (0);
}

static void
turn_end(int sig)
{
	int error = errno;

	(void)sig;
	if (me != NULL && __atomic_load_n(&turn, __ATOMIC_ACQUIRE) == me->n && turn_pass(me->n))
		turn_wait(me->n);
	errno = error;
}

static int
turns_begin(timer_t *timer)
{
	struct itimerspec every = { { 0, TURN_NS }, { 0, TURN_NS } };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIG_TURN };

	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	turn_wait(me->n);
	return (timer_create(CLOCK_MONOTONIC, &ev, timer) != 0 || timer_settime(*timer, 0, &every, NULL) != 0);
}

static void
turns_end(timer_t timer)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIG_TURN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	timer_delete(timer);
	__atomic_store_n(&me->done, 1, __ATOMIC_RELEASE);
	turn_pass(me->n);
}

/* ---- Running ---- */

static void *
runner_main(void *arg)
{
	timer_t timer;

	me = arg;
	me->thread = pthread_self();
	if (interleave && turns_begin(&timer) != 0) {
		perror("vinst-run: timer");
		__real_exit(125);
	}
	vinst_enter(me->vi);
	/* A program may change its arguments and its list of them. */
	if (sigsetjmp(me->end, 1) == 0)
		me->status = __real_main(me->argc, me->argv, me->envp);
	if (interleave)
		turns_end(timer);
	vinst_enter(NULL);
	return (NULL);
}

void
__wrap_exit(int status)
{
	/* Other threads of an instance, and children of fork(), end as ever. */
	if (me == NULL || getpid() != process)
		__real_exit(status);
	me->status = status & 0xff;
	siglongjmp(me->end, 1);
}

/* arg with each `replace` in it become the number n; to be freed, NULL without memory. */
static char *
argument_copy(const char *arg, int n)
{
	size_t len = strlen(replace), size = 0;
	const char *at, *next;
	char *copy;
	FILE *f = open_memstream(&copy, &size);

	if (f == NULL)
		return (NULL);
	for (at = arg; len > 0 && (next = strstr(at, replace)) != NULL; at = next + len)
		fprintf(f, "%.*s%d", (int)(next - at), at, n);
	fputs(at, f);
	return (fclose(f) == 0 ? copy : NULL);
}

static char **
arguments_copy(int argc, char **argv, int n)
{
	char **copy = calloc((size_t)argc + 1, sizeof(*copy));

	for (int i = 0; copy != NULL && i < argc; i++)
		if ((copy[i] = argument_copy(argv[i], n)) == NULL)
			return (NULL);
	return (copy);
}

/* VINST_RUN, into the variables above. */
static int
settings_read(const char *run)
{
	static const char turns[] = ",interleave", string[] = ",replace=";
	char *end;
	long n = strtol(run, &end, 10);

	if (n < 1 || n > MAX_RUN)
		return (-1);
	nrunners = (int)n;
	if (strncmp(end, turns, sizeof(turns) - 1) == 0) {
		interleave = 1;
		end += sizeof(turns) - 1;
	}
	if (strncmp(end, string, sizeof(string) - 1) == 0) {
		replace = end + sizeof(string) - 1;
		return (*replace != '\0' ? 0 : -1);
	}
	return (*end == '\0' ? 0 : -1);
}

static int
run_all(int argc, char **argv, char **envp)
{
	struct sigaction sa = { .sa_handler = turn_end, .sa_flags = SA_RESTART };
	pthread_attr_t attr;
	int status = 0;

	runners = calloc((size_t)nrunners, sizeof(*runners));
	if (runners == NULL || pthread_attr_init(&attr) != 0 || pthread_attr_setstacksize(&attr, STACK) != 0 ||
	    sigaction(SIG_TURN, &sa, NULL) != 0)
		goto fail;
	for (int i = 0; i < nrunners; i++) {
		runners[i] = (struct runner) { .n = i, .argc = argc, .envp = envp };
		runners[i].argv = arguments_copy(argc, argv, i + 1);
		runners[i].vi = vinst_create();
		if (runners[i].vi == NULL || runners[i].argv == NULL)
			goto fail;
	}
	for (int i = 0; i < nrunners; i++)
		if ((errno = pthread_create(&runners[i].thread, &attr, runner_main, &runners[i])) != 0)
			goto fail;
	for (int i = 0; i < nrunners; i++) {
		pthread_join(runners[i].thread, NULL);
		vinst_destroy(runners[i].vi);
		if (status == 0)
			status = runners[i].status;
	}
	return (status);
fail:
	perror("vinst-run");
	return (125);
}

int
__wrap_main(int argc, char **argv, char **envp)
{
	const char *run = getenv("VINST_RUN");

	if (run == NULL)
		return (__real_main(argc, argv, envp));
	if (settings_read(run) != 0) {
		fprintf(stderr, "VINST_RUN=%s: must be a number from 1 to %d, then may follow ,interleave and ,replace=STRING\n",
		    run, MAX_RUN);
		return (125);
	}
	process = getpid();
	return (run_all(argc, argv, envp));
}
