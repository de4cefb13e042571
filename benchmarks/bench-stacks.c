/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a network stack costs, against a network namespace.
 *
 * Ours: a stack with TCP/IP up, one interface on a link to its neighbour, and an address.  The peer: unshare(CLONE_NEWNET)
 * with `lo` brought up.  N of them are made, all live, then all are destroyed; times and memory are per piece.
 *
 * Memory of ours is the process's RSS and page tables; of a namespace, what the kernel's slabs, per-CPU areas and
 * vmalloc grew by.  A namespace is destroyed by a kernel thread some time after its last reference is gone; the
 * end of that shows in the per-CPU areas, which stop shrinking.  Where the kernel allows no namespace there are
 * only our rows, with 0 for the peer.
 *
 * The last rows are 10,000 stacks with nothing to do, for 30 s (idle.h; `--idle SECONDS` for fewer): the peer there is the
 * bound that the project has set itself, 0.1 s of CPU in 30 s and a wake-up a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "idle.h"
#include "inet.h"

#define MAX 10000
#define ONES 20

struct cost {
	double create, destroy, kib;	/* us, us, KiB, each of one */
};

/* ---- Ours ---- */

static struct bench_end ends[MAX + 1];

static long
ours_kib(void)
{
	return (bench_proc_kib("/proc/self/status", "VmRSS:") + bench_proc_kib("/proc/self/status", "VmPTE:"));
}

static struct cost
ours(int n)
{
	struct cost c;
	char name[32];
	double t;
	long kib;

	kib = ours_kib();
	t = bench_now();
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		bench_end_make(&ends[i], name, 0, i % 2 == 0 ? "10.0.0.1" : "10.0.0.2", 24, i % 2 == 0 ? NULL : ends[i - 1].ifp);
	}
	c.create = (bench_now() - t) / n / 1e3;
	while (bench_round(0) > 0)
		continue;	/* the announcements of their addresses */
	c.kib = (double)(ours_kib() - kib) / n;
	t = bench_now();
	for (int i = 0; i < n; i++)
		vnet_destroy(ends[i].v);
	c.destroy = (bench_now() - t) / n / 1e3;
	return (c);
}

/* ---- The peer ---- */

static long
kernel_kib(void)
{
	return (bench_proc_kib("/proc/meminfo", "Slab:") + bench_proc_kib("/proc/meminfo", "Percpu:") +
	    bench_proc_kib("/proc/meminfo", "VmallocUsed:"));
}

static int
lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return (-1);
	error = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return (error);
}

/* When the kernel's areas last shrank: they did, and then not for a second; or they do not within 20 s. */
static double
destroyed(void)
{
	long before = bench_proc_kib("/proc/meminfo", "Percpu:"), last = before, kib;
	const double start = bench_now();
	double t = start;

	while (bench_now() - t < (last < before ? 1e9 : 20e9)) {
		usleep(1000);
		kib = bench_proc_kib("/proc/meminfo", "Percpu:");
		if (kib < last)
			t = bench_now();
		last = kib;
	}
	return (last < before ? t : start);
}

static struct cost
peer(int n)
{
	struct cost c = { 0 };
	int *fds = calloc((size_t)n, sizeof(*fds)), home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	double t;
	long kib;

	if (fds == NULL || home < 0)
		goto out;
	kib = kernel_kib();
	t = bench_now();
	for (int i = 0; i < n; i++) {
		if (unshare(CLONE_NEWNET) != 0 || lo_up() != 0 ||
		    (fds[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) {
			fprintf(stderr, "bench-stacks: no network namespace: %s\n", strerror(errno));
			goto out;
		}
	}
	c.create = (bench_now() - t) / n / 1e3;
	c.kib = (double)(kernel_kib() - kib) / n;
	if (setns(home, CLONE_NEWNET) != 0)
		goto out;
	t = bench_now();
	for (int i = 0; i < n; i++)
		close(fds[i]);
	if (n > 1)
		c.destroy = (destroyed() - t) / n / 1e3;
out:
	if (home >= 0)
		close(home);
	free(fds);
	return (c);
}

/* In a process of its own: so each begins with nothing, and this one keeps its namespaces. */
static struct cost
apart(struct cost (*what)(int), int n)
{
	struct cost c = { 0 };
	int fds[2], status;
	pid_t pid;

	if (pipe(fds) != 0 || (pid = fork()) < 0) {
		perror("bench-stacks");
		exit(1);
	}
	if (pid == 0) {
		if (what == ours)
			bench_inet_start(1, MAX, 0);
		else if (geteuid() != 0 && unshare(CLONE_NEWUSER) != 0)
			_exit(0);
		c = what(n);
		_exit(write(fds[1], &c, sizeof(c)) != sizeof(c));
	}
	close(fds[1]);
	if (read(fds[0], &c, sizeof(c)) != sizeof(c))
		c = (struct cost){ 0 };
	close(fds[0]);
	if (waitpid(pid, &status, 0) == pid && status != 0)
		exit(1);
	return (c);
}

/* Of one at a time only the making can be told from noise: the best of some. */
static struct cost
apart_best(struct cost (*what)(int), int n)
{
	struct cost best = apart(what, n), c;

	for (int i = 0; n == 1 && i < ONES; i++) {
		c = apart(what, n);
		if (c.create < best.create)
			best = c;
	}
	return (best);
}

int
main(int argc, char **argv)
{
	static const int counts[] = { 1, 1000, MAX };
	static const char ns[] = "unshare(CLONE_NEWNET) + lo up";
	const struct rlimit files = { MAX + 64, MAX + 64 };
	struct bench_row rows[9];
	char names[9][40];
	struct cost o, p;
	struct idle idle;
	int seconds = 30, json;
	size_t n = 0;

	if (argc > 2 && strcmp(argv[1], "--idle") == 0 && atoi(argv[2]) > 0) {
		seconds = atoi(argv[2]);
		argv[2] = argv[0];
		argv += 2;
		argc -= 2;
	}
	json = bench_options(argc, argv);

	setrlimit(RLIMIT_NOFILE, &files);	/* as root; else what is there has to do */
	for (size_t i = 0; i < 3; i++) {
		o = apart_best(ours, counts[i]);
		p = apart_best(peer, counts[i]);
		snprintf(names[n], sizeof(names[n]), "create, one of %d", counts[i]);
		rows[n] = (struct bench_row){ names[n], "us", o.create, p.create, ns, BENCH_LESS };
		n++;
		if (counts[i] == 1)
			continue;
		snprintf(names[n], sizeof(names[n]), "destroy, one of %d", counts[i]);
		rows[n] = (struct bench_row){ names[n], "us", o.destroy, p.destroy, ns, BENCH_LESS };
		n++;
		snprintf(names[n], sizeof(names[n]), "memory, one of %d", counts[i]);
		rows[n] = (struct bench_row){ names[n], "KiB", o.kib, p.kib, ns, BENCH_LESS };
		n++;
	}
	if (idle_measure(MAX, seconds, &idle) == 0) {
		snprintf(names[n], sizeof(names[n]), "CPU, %d idle for %d s", MAX, seconds);
		rows[n] = (struct bench_row){ names[n], "s", idle.seconds > 1e-6 ? idle.seconds : 1e-6, 0.1 * seconds / 30,
		    "the bound: 0.1 s in 30 s", BENCH_LESS };
		n++;
		snprintf(names[n], sizeof(names[n]), "wake-ups, %d idle for %d s", MAX, seconds);
		rows[n] = (struct bench_row){ names[n], "", idle.wakeups > 0 ? idle.wakeups : 0.5, seconds,
		    "the bound: one a second (0.5: none)", BENCH_LESS };
		n++;
	}
	bench_print("stacks", rows, n, json);
	return (0);
}
