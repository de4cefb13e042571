/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the benchmarks of the network stack begin with: the runtime with inet.ko and if_epair.ko, stacks on links, and
 * rounds of a worker.  Failures end the program with a sentence.
 */
#ifndef BENCH_INET_H
#define BENCH_INET_H

#include <uvnet/if_epair.h>
#include <uvnet/module.h>
#include <uvnet/net.h>
#include <uvnet/netisr.h>
#include <uvnet/vnet.h>

extern const struct inet_kpi *inet;

/* Start with queues for CPUs 0 to ncpus-1 and room for `max` stacks whose heaps have `heap` bytes (0: the default). */
void bench_inet_start(unsigned ncpus, unsigned max, size_t heap);

/* Load a module of this build by its name, "if_wg". */
linker_file_t bench_load(const char *name);

/* A stack with one interface, "ep0", as the peer of another's (NULL: of nobody yet), and an address. */
struct bench_end {
	struct vnet *v;
	struct ifnet *ifp;
};
void bench_end_make(struct bench_end *e, const char *name, unsigned cpu, const char *addr, unsigned prefixlen,
    struct ifnet *peer);

/* One round of a worker; returns what it did. */
unsigned bench_round(unsigned cpu);

/* CPU time of this process, of all its threads, in seconds; a line of a file of /proc in KiB ("VmRSS:"). */
double bench_cpu_seconds(void);
long bench_proc_kib(const char *file, const char *key);

#endif
