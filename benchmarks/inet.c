/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See inet.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include <uvnet/dpcpu.h>
#include <uvnet/module.h>

#include "inet.h"

const struct inet_kpi *inet;

static void
check(int error, const struct uverr *err)
{
	if (error == 0)
		return;
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, err->text);
	exit(1);
}

linker_file_t
bench_load(const char *name)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	linker_file_t file;
	struct uverr err;

	self[n > 0 ? n : 0] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/../modules/%s.ko", self, name);
	check(kld_load(path, &file, &err), &err);
	return (file);
}

void
bench_inet_start(unsigned ncpus, unsigned max, size_t heap)
{
	const struct vnet_config config = { .max = max, .heap = heap };
	unsigned cpus[1024];
	struct uverr err;

	check(vset_window_init(&err), &err);
	check(dpcpu_init(&err), &err);
	check(vnet_init(&config, &err), &err);
	for (unsigned i = 0; i < ncpus; i++)
		cpus[i] = i;
	check(netisr_init(cpus, ncpus, 0, &err), &err);
	check(kld_init(program_invocation_short_name, &err), &err);
	inet = kld_lookup(bench_load("inet"), "inet_kpi");
	bench_load("if_epair");
	if (inet == NULL || inet->version != INET_KPI_VERSION || inet->size != sizeof(*inet)) {
		fprintf(stderr, "%s: inet.ko is not of this build\n", program_invocation_short_name);
		exit(1);
	}
}

void
bench_end_make(struct bench_end *e, const char *name, unsigned cpu, const char *addr, unsigned prefixlen,
    struct ifnet *peer)
{
	const struct epair_params params = { .peer = peer };
	struct in_addr in;
	struct uverr err;
	int error;

	check(vnet_alloc(name, cpu, &e->v, &err), &err);
	CURVNET_SET(e->v);
	error = inet->if_clone_create("epair", "ep0", &params, &e->ifp);
	inet_pton(AF_INET, addr, &in);
	if (error == 0)
		error = inet->if_addaddr(e->ifp, in, prefixlen);
	CURVNET_RESTORE();
	if (error != 0)
		check(uverr(&err, -error, "stack %s: its interface: %s", name, strerror(-error)), &err);
}

unsigned
bench_round(unsigned cpu)
{
	unsigned n = netisr_process(cpu, 64);

	n += callout_process(cpu, callout_now());
	netisr_kick(cpu);
	return (n);
}

double
bench_cpu_seconds(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ((double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
}

long
bench_proc_kib(const char *file, const char *key)
{
	char line[256];
	long n = 0;
	FILE *f = fopen(file, "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			n = strtol(line + strlen(key), NULL, 10);
	if (f != NULL)
		fclose(f);
	return (n);
}
