/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPCPU over a virtual set: one instance for each CPU that the system may ever have, made at start.
 *
 * Instances are not staggered: there are few, each CPU visits only its own, and page alignment lets a per-CPU
 * variable ask for whatever alignment it wants.  An instance's pages come into being when they are first written to;
 * so a CPU that never runs costs only the pages in which initial values are not zero.
 *
 * A CPU's number is an index everywhere (dpcpu_off[curcpu]) and is checked nowhere: there is an instance for the largest
 * number that the kernel can give, also where numbers have gaps.
 *
 * Updates are made safe in one of three ways (enum dpcpu_path), chosen here once for all threads: sequences and
 * atomic instructions on the same word would not be safe from each other.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dpcpu_impl.h"

/* <linux/auxvec.h> since 6.3: bytes of struct rseq that the kernel fills in.  glibc's __rseq_size may say less. */
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

unsigned mp_ncpus;
uintptr_t *dpcpu_off;
_Thread_local uintptr_t curcpu_base = VSET_WINDOW_SIZE;	/* where nothing is */
struct vset *dpcpu_vset;
enum dpcpu_path dpcpu_path;
unsigned dpcpu_nrseq;

static const char *const path_names[] = {
	[DPCPU_PATH_ATOMIC] = "atomic",
	[DPCPU_PATH_RSEQ] = "rseq",
	[DPCPU_PATH_MM_CID] = "mm_cid",
};

const char *
dpcpu_path_name(void)
{
	return (path_names[dpcpu_path]);
}

static int
choose_path(struct uverr *err)
{
	const int rseq = dpcpu_machine_rseq && __rseq_size > 0;
	const char *const want = secure_getenv("UVNET_RSEQ");

	if (want == NULL)
		dpcpu_path = rseq ? DPCPU_PATH_RSEQ : DPCPU_PATH_ATOMIC;
	else if (strcmp(want, "off") == 0)
		dpcpu_path = DPCPU_PATH_ATOMIC;
	else if (strcmp(want, "on") == 0)
		dpcpu_path = DPCPU_PATH_RSEQ;
	else if (strcmp(want, "mm_cid") == 0)
		dpcpu_path = DPCPU_PATH_MM_CID;
	else
		return (uverr(err, EINVAL, "UVNET_RSEQ=%s: it is off, on or mm_cid", want));
	if (dpcpu_path != DPCPU_PATH_ATOMIC && !rseq)
		return (uverr(err, ENOTSUP, "UVNET_RSEQ=%s: there are no restartable sequences here%s", want,
		    dpcpu_machine_rseq ? ": the C library registered none (see rseq(2), GLIBC_TUNABLES)" : ""));
	if (dpcpu_path == DPCPU_PATH_MM_CID && getauxval(AT_RSEQ_FEATURE_SIZE) < RSEQ_FIELD_MM_CID + sizeof(uint32_t))
		return (uverr(err, ENOTSUP, "UVNET_RSEQ=%s: this kernel does not offer it (Linux 6.3)", want));
	return (0);
}

/*
 * More than the number of any CPU, where there is no /sys to ask: numbers need not be dense, so how many CPUs there are
 * does not say.  The system call returns the bytes of the kernel's masks (sched_getaffinity(2)), which have a bit for each.
 */
static unsigned
mask_cpus(void)
{
	unsigned char mask[COUNTER_MAXCPU / 8] __attribute__((aligned(sizeof(long))));
	long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	return (bytes > 0 ? 8 * (unsigned)bytes : 1);
}

/* One more than the last number in a list like "0-3,8": that file ends with the largest there can be. */
static unsigned
possible_cpus(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned long last = 0;
	char line[256], *p;
	long n;

	if (f != NULL) {
		if (fgets(line, sizeof(line), f) != NULL) {
			for (p = line + strcspn(line, "\n"); p > line && p[-1] >= '0' && p[-1] <= '9'; p--)
				continue;
			last = strtoul(p, NULL, 10);
		}
		fclose(f);
	} else
		last = mask_cpus() - 1;
	n = sysconf(_SC_NPROCESSORS_CONF);
	return (n > 0 && (unsigned long)n > last + 1 ? (unsigned)n : last < UINT_MAX ? (unsigned)last + 1 : UINT_MAX);
}

static int
count_cpus(unsigned *ncpus, struct uverr *err)
{
	const char *const want = secure_getenv("UVNET_NCPU");
	unsigned long n;
	char *end;

	*ncpus = possible_cpus();
	if (want != NULL) {
		n = strtoul(want, &end, 10);
		if (end == want || *end != '\0' || n == 0 || n > COUNTER_MAXCPU)
			return (uverr(err, EINVAL, "UVNET_NCPU=%s: it is a number from 1 to %d", want, COUNTER_MAXCPU));
		if (n > *ncpus)
			*ncpus = (unsigned)n;
	}
	if (*ncpus > COUNTER_MAXCPU)
		return (uverr(err, ENOTSUP, "set_pcpu: %u CPUs are possible; %d are supported", *ncpus, COUNTER_MAXCPU));
	return (0);
}

int
dpcpu_init(struct uverr *err)
{
	struct vset_params params = { .name = "set_pcpu" };
	unsigned i, ncpus, slot;
	int error;

	if ((error = choose_path(err)) != 0 || (error = count_cpus(&ncpus, err)) != 0)
		goto fail;
	params.max = ncpus;
	error = -ENOMEM;
	dpcpu_off = calloc(ncpus, sizeof(*dpcpu_off));
	if (dpcpu_off == NULL) {
		uverr(err, ENOMEM, "set_pcpu: out of memory");
		goto fail;
	}
	if ((error = vset_create(&params, &dpcpu_vset, err)) != 0)
		goto fail_off;
	for (i = 0; i < ncpus; i++)	/* slots come in order: slot i is CPU i's */
		if ((error = vset_instance_alloc(dpcpu_vset, &slot, &dpcpu_off[i], err)) != 0)
			goto fail_instances;
	mp_ncpus = ncpus;
	if ((error = counter_init(err)) != 0)
		goto fail_instances;
	dpcpu_nrseq = dpcpu_path != DPCPU_PATH_ATOMIC ? ncpus : 0;
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
fail:
	dpcpu_path = DPCPU_PATH_ATOMIC;
	return (error);
}

void
dpcpu_fini(void)
{
	unsigned i;

	dpcpu_nrseq = 0;
	counter_fini();
	for (i = 0; i < mp_ncpus; i++)
		vset_instance_free(dpcpu_vset, i);
	mp_ncpus = 0;
	vset_destroy(dpcpu_vset);
	dpcpu_vset = NULL;
	free(dpcpu_off);
	dpcpu_off = NULL;
	dpcpu_path = DPCPU_PATH_ATOMIC;
}
