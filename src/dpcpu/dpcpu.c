/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPCPU over a virtual set: one instance for each CPU that the system may ever have, made at start.
 *
 * Instances are not staggered: there are few, each CPU visits only its own, and page alignment lets a per-CPU
 * variable ask for whatever alignment it wants.  An instance's pages come into being when its CPU first writes to
 * them, so memory for CPUs that never run costs nothing.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/rseq.h>
#include <unistd.h>
#include <uvnet/dpcpu.h>

#include "dpcpu_impl.h"

unsigned mp_ncpus;
uintptr_t *dpcpu_off;
struct vset *dpcpu_vset;

unsigned
dpcpu_curcpu(void)
{
	const struct rseq *rs;
	int cpu;

	/* The kernel keeps cpu_id current; it is negative when glibc could not register (valgrind, qemu). */
	if (__rseq_size > 0) {
		rs = (const struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
		cpu = (int)*(const volatile uint32_t *)&rs->cpu_id;
		if (cpu >= 0)
			return ((unsigned)cpu);
	}
	cpu = sched_getcpu();
	return (cpu >= 0 ? (unsigned)cpu : 0);
}

int
dpcpu_init(struct uverr *err)
{
	const long n = sysconf(_SC_NPROCESSORS_CONF);
	const unsigned ncpus = n > 0 ? (unsigned)n : 1;
	struct vset_params params = { .name = "set_pcpu", .max = ncpus };
	unsigned i, slot;
	int error;

	dpcpu_off = calloc(ncpus, sizeof(*dpcpu_off));
	if (dpcpu_off == NULL)
		return (uverr(err, ENOMEM, "set_pcpu: out of memory"));
	if ((error = vset_create(&params, &dpcpu_vset, err)) != 0)
		goto fail_off;
	for (i = 0; i < ncpus; i++)	/* slots come in order: slot i is CPU i's */
		if ((error = vset_instance_alloc(dpcpu_vset, &slot, &dpcpu_off[i], err)) != 0)
			goto fail_instances;
	mp_ncpus = ncpus;
	if ((error = counter_init(err)) != 0)
		goto fail_instances;
	return (0);

fail_instances:
	mp_ncpus = 0;
	while (i-- > 0)
		vset_instance_free(dpcpu_vset, i);
	vset_destroy(dpcpu_vset);
	dpcpu_vset = NULL;
fail_off:
	free(dpcpu_off);
	dpcpu_off = NULL;
	return (error);
}

void
dpcpu_fini(void)
{
	unsigned i;

	counter_fini();
	for (i = 0; i < mp_ncpus; i++)
		vset_instance_free(dpcpu_vset, i);
	mp_ncpus = 0;
	vset_destroy(dpcpu_vset);
	dpcpu_vset = NULL;
	free(dpcpu_off);
	dpcpu_off = NULL;
}
