/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `vnet run`: bring everything up in order, serve, take everything down in the reverse order.
 *
 * The configuration is read and checked before anything is made, so a mistake in it costs nothing.  Then come the
 * parts, each on those before it: window, CPUs, stacks, packet queues, modules, workers, the control socket, and
 * the configured stacks, which are made while no worker runs yet.  The control socket comes before the stacks: if
 * another vnet answers on it, that is the better message than a port in use.
 *
 * Signals that end the program are blocked in every thread and read from a descriptor by the main thread.  On the
 * way out they are unblocked as soon as the workers are gone: a second one ends a stop that hangs.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include <uvnet/dpcpu.h>
#include <uvnet/if_tap.h>
#include <uvnet/module.h>
#include <uvnet/netisr.h>
#include "cgroup.h"
#include "config.h"
#include "control.h"
#include "stack.h"
#include "tap.h"
#include "vnet.h"
#include "wg.h"

#define MEMORY_BASE ((size_t)12 << 20)	/* the program with its modules, at rest */
#define MEMORY_STACK ((size_t)20 << 10)	/* a stack with an interface, and what is kept with it */
#define MEMORY_BUFS 16384		/* packet buffers of a worker where memory is no question: netisr_init()'s */

struct run {
	const struct options *opt;
	struct config cfg;
	unsigned *cpus, ncpus;
	struct sockaddr_un sun;
	size_t memory;			/* that the control group may have; SIZE_MAX: no limit */
	char memory_file[PATH_MAX];	/* which says so */
	sigset_t signals, old;
	int sigfd;
};

/* A descriptor a connection: take all that we may have. */
static void
limits_raise(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* Out of memory: what this process may have, of what it can be told to have more. */
static void
limits_say(void)
{
	static const struct {
		int resource;
		const char *what;
	} limits[] = { { RLIMIT_AS, "address space (ulimit -v)" }, { RLIMIT_DATA, "private memory (ulimit -d)" } };
	struct rlimit rl;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (getrlimit(limits[i].resource, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY)
			fprintf(stderr, "vnet: this process may have %llu KiB of %s; raise that\n",
			    (unsigned long long)rl.rlim_cur >> 10, limits[i].what);
}

/* Where the modules are: said, or beside the program (build tree, then installed). */
static int
modules_find(const struct run *run, char dir[PATH_MAX], struct uverr *err)
{
	static const char *const beside[] = { "../modules", "../lib/uvnet" };
	const char *said = run->opt->modules;
	char exe[PATH_MAX], path[PATH_MAX + 64], *slash;
	ssize_t n;

	if (said == NULL)
		said = run->cfg.modules;
	if (said == NULL)
		said = getenv("UVNET_MODULES");
	if (said != NULL && *said != '\0') {
		snprintf(dir, PATH_MAX, "%s", said);
		return (0);
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		slash = strrchr(exe, '/');
		if (slash != NULL)
			*slash = '\0';
		for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
			n = snprintf(dir, PATH_MAX, "%s/%s", exe, beside[i]);
			snprintf(path, sizeof(path), "%s/inet.ko", dir);
			if (n < PATH_MAX && access(path, R_OK) == 0)
				return (0);
		}
	}
	return (uverr(err, ENOENT, "the modules are not beside the program; --modules DIR or $UVNET_MODULES says where"
	    " inet.ko is"));
}

static size_t
taps_wanted(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->nvnets; i++)
		for (size_t j = 0; j < cfg->vnets[i].ninterfaces; j++)
			if (cfg->vnets[i].interfaces[j].kind != CONFIG_LINK)
				return (1);
	return (0);
}

static int
modules_load(const struct run *run, struct uverr *err)
{
	const char *const names[] = { "inet.ko", "if_epair.ko", taps_wanted(&run->cfg) ? "if_tap.ko" : NULL };
	static char dir[PATH_MAX];
	char path[PATH_MAX + 64];
	linker_file_t file;
	int error;

	error = run->opt->key != NULL ? signed_require(run->opt->key, err) : 0;
	if (error == 0)
		error = modules_find(run, dir, err);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && error == 0; i++) {
		if (names[i] == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		error = kld_load(path, &file, err);
		if (error == 0 && run->opt->verbose)
			printf("vnet: loaded %s\n", path);
	}
	if (error != 0)
		return (error);
	file = kld_find("inet");
	inet = file != NULL ? kld_lookup(file, "inet_kpi") : NULL;
	if (inet == NULL || inet->version != INET_KPI_VERSION || inet->size != sizeof(*inet)) {
		inet = NULL;
		return (uverr(err, ENOEXEC, "%s/inet.ko: not made for this program (its inet_kpi is another version)", dir));
	}
	file = kld_find("if_tap");
	tap = file != NULL ? kld_lookup(file, "tap_kpi") : NULL;
	if (file != NULL && (tap == NULL || tap->version != TAP_KPI_VERSION || tap->size != sizeof(*tap)))
		return (uverr(err, ENOEXEC, "%s/if_tap.ko: not made for this program", dir));
	wg_init(dir);
	if (!tunnels_wanted(&run->cfg))
		return (0);
	error = wg_module_load(err);
	if (error == 0 && run->opt->verbose)
		printf("vnet: loaded %s/if_wg.ko\n", dir);
	return (error);
}

static int
signals_open(struct run *run, struct uverr *err)
{
	sigemptyset(&run->signals);
	sigaddset(&run->signals, SIGINT);
	sigaddset(&run->signals, SIGTERM);
	sigaddset(&run->signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &run->signals, &run->old);
	run->sigfd = signalfd(-1, &run->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->sigfd < 0)
		return (uverr(err, errno, "signalfd: %s", strerror(errno)));
	return (0);
}

static void
signals_drain(const struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->sigfd, &info, sizeof(info)) > 0)
		continue;
	sigprocmask(SIG_SETMASK, &run->old, NULL);
}

static void
running_say(const struct run *run)
{
	const struct stack *st;
	size_t n = 0;

	TAILQ_FOREACH (st, &stacks, st_le) {
		n++;
		if (run->opt->verbose)
			printf("vnet: stack %s: id %u, CPU %u\n", st->st_vnet->vnet_name, st->st_vnet->vnet_id,
			    st->st_vnet->vnet_cpu);
	}
	printf("vnet: running: %zu stack%s, %u worker%s, control socket %s\n", n, n == 1 ? "" : "s", run->ncpus,
	    run->ncpus == 1 ? "" : "s", run->sun.sun_path);
	fflush(stdout);
}

/* Workers run; until a signal, or --for. */
static void
serve(struct run *run)
{
	int64_t until = INT64_MAX;

	if (run->opt->seconds >= 0)
		until = callout_now() + (int64_t)(run->opt->seconds * 1e9);
	running_say(run);
	control_serve(run->sigfd, until);
	workers_join();
	signals_drain(run);
}

/*
 * Where the control group has a limit, the system would kill the process at it, with all its stacks.  So what cannot fit is
 * refused; a stack that says nothing has a limit of its own below it, which it meets alone; and packet buffers take an
 * eighth at most.
 */
static int
memory_check(struct run *run, struct uverr *err)
{
	const struct config *cfg = &run->cfg;
	const size_t least = MEMORY_BASE + cfg->nvnets * MEMORY_STACK;

	run->memory = cgroup_memory(CGROUP_PROC, CGROUP_MOUNT, run->memory_file);
	if (least > run->memory)
		return (uverr(err, ENOMEM, "%zu stacks take %zu MiB at the least, and this process may have %zu MiB (%s): raise "
		    "that, or have fewer stacks", cfg->nvnets, (least >> 20) + 1, run->memory >> 20, run->memory_file));
	for (size_t i = 0; i < cfg->nvnets; i++)
		if (cfg->vnets[i].memory > run->memory)
			return (uverr(err, ENOMEM, "%s:%d: vnet \"%s\": memory: %zu MiB is more than this process may have, %zu MiB (%s)",
			    cfg->file, cfg->vnets[i].line, cfg->vnets[i].name, cfg->vnets[i].memory >> 20, run->memory >> 20,
			    run->memory_file));
	if (run->memory / 4 < stack_memory)
		stack_memory = run->memory / 4 & ~(size_t)0xffff;
	if (run->memory != SIZE_MAX && run->opt->verbose)
		printf("vnet: %zu MiB of memory (%s), %zu KiB for a stack that says nothing\n", run->memory >> 20,
		    run->memory_file, stack_memory >> 10);
	return (0);
}

/* Packet buffers of a worker; 0: as many as usual. */
static unsigned
memory_bufs(const struct run *run)
{
	const size_t bufs = run->memory / 8 / run->ncpus / (PKT_BUFSIZE + 256);

	return (bufs >= MEMORY_BUFS ? 0 : bufs > 512 ? (unsigned)bufs : 512);
}

/* The arena is laid out once, so it has room for the largest limit of all. */
static size_t
memory_max(const struct config *cfg)
{
	size_t max = stack_memory;

	for (size_t i = 0; i < cfg->nvnets; i++)
		if (cfg->vnets[i].memory > max)
			max = cfg->vnets[i].memory;
	return (max);
}

static int
run_up(struct run *run, struct uverr *err)
{
	int error;

	if ((error = vset_window_init(err)) != 0)
		return (error);
	if ((error = dpcpu_init(err)) != 0)
		return (error);
	if ((error = vnet_init(&(struct vnet_config){ .heap = memory_max(&run->cfg) }, err)) != 0)
		goto fail_dpcpu;
	if ((error = netisr_init(run->cpus, run->ncpus, memory_bufs(run), err)) != 0)
		goto fail_vnet;
	if ((error = kld_init("vnet", err)) != 0)
		goto fail_netisr;
	if ((error = kld_fault_init(err)) != 0)
		goto fail_kld;
	if ((error = modules_load(run, err)) != 0)
		goto fail_kld;
	if ((error = workers_init(run->cpus, run->ncpus, err)) != 0)
		goto fail_kld;
	if ((error = captures_init(run->opt->pcap, err)) != 0)
		goto fail_workers;
	if ((error = control_open(&run->sun, err)) != 0)
		goto fail_captures;
	wgsock_init(run->cfg.uapi_folder != NULL ? run->cfg.uapi_folder : WGSOCK_FOLDER);
	if ((error = stacks_create(&run->cfg, err)) != 0)
		goto fail_control;
	if ((error = workers_start(err)) != 0)
		goto fail_stacks;
	serve(run);
	error = 0;
fail_stacks:
	stacks_destroy();
fail_control:
	control_close();
fail_captures:
	captures_fini();
fail_workers:
	workers_fini();
	wg_fini();
fail_kld:
	kld_fini();
fail_netisr:
	netisr_fini();
fail_vnet:
	vnet_fini();
fail_dpcpu:
	dpcpu_fini();
	return (error);
}

int
run_main(const struct options *opt)
{
	struct run run = { .opt = opt, .sigfd = -1 };
	struct uverr err;
	int error;

	error = config_load(&run.cfg, opt->args[0], WGQUICK_DISK);
	if (error != 0)
		goto out;
	limits_raise();
	forwards_init();
	error = workers_cpus(opt->workers != 0 ? opt->workers : run.cfg.workers, &run.cpus, &run.ncpus, &err);
	if (error == 0)
		error = control_address(opt->socket, run.cfg.control, &run.sun, &err);
	if (error == 0)
		error = signals_open(&run, &err);
	if (error == 0)
		error = memory_check(&run, &err);
	if (error == 0)
		error = run_up(&run, &err);
	if (error != 0)
		complain(err.text);
	if (error == -ENOMEM)
		limits_say();
	if (run.sigfd >= 0)
		close(run.sigfd);
	free(run.cpus);
out:
	config_free(&run.cfg);
	return (error == 0 ? EXIT_OK : EXIT_FAIL);
}
