/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counting instructions one by one, where callgrind cannot: valgrind has no restartable sequences, so under it another
 * path would run than the one that is to be counted.
 *
 * A child is single-stepped.  A step inside of a restartable sequence is an interruption, so the kernel would start the
 * sequence over for ever.  So the child takes its rseq area back from the kernel first, and writes its CPU's number
 * (it is pinned) there itself: then the same instructions run to their end, the kernel looks away.
 *
 * Which turn of a loop is which?  After a while the child is somewhere in the loop; from there to the same address
 * again is a turn.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steps.h"

#define WARM 10000		/* steps until the loop has been reached, and what it calls has been bound */
#define TURNS 200
#define MAX_STEPS 1000000

static int
own_rseq_area(void)
{
	struct rseq *const area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	const unsigned len = __rseq_size > 32 ? __rseq_size : 32;	/* as glibc registers it */
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return (-1);
	if (__rseq_size == 0)
		return (0);		/* another path runs, which needs no care */
	if (syscall(SYS_rseq, area, len, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) != 0)
		return (-1);
	memset(area, 0, len);		/* CPU 0, and concurrency id 0 */
	return (0);
}

static uintptr_t
where(pid_t child)
{
	siginfo_t info;

	return (ptrace(PTRACE_GETSIGINFO, child, NULL, &info) == 0 ? (uintptr_t)info.si_addr : 0);
}

static int
step(pid_t child)
{
	int status;

	return (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 && waitpid(child, &status, 0) == child &&
	    WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP ? 0 : -1);
}

double
bench_steps(void (*prepare)(void), void (*way)(void))
{
	uintptr_t at = 0;
	int status, turns = 0;
	long n = 0;
	pid_t child = fork();

	if (child == 0) {
		if (prepare != NULL)
			prepare();
		if (own_rseq_area() != 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		way();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
		perror("bench: single steps");
		return (-1);
	}
	for (int i = 0; i < WARM; i++)
		if (step(child) != 0)
			goto out;
	at = where(child);
	while (turns < TURNS && n < MAX_STEPS && step(child) == 0) {
		n++;
		turns += where(child) == at;
	}
out:
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	if (at == 0 || turns < TURNS) {
		fprintf(stderr, "bench: single steps: no loop was found\n");
		return (-1);
	}
	return ((double)n / turns);
}
