/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See idle.h.  The program is `vnet` itself, with its workers, on a file that this one writes: pairs of stacks on links, each
 * with an address of IPv4 and one of IPv6.  CPU time is what the scheduler counted for its threads (/proc/PID/task/TID/
 * schedstat), in nanoseconds, since clock ticks of 10 ms would hide all there is.
 */
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "idle.h"

#define SETTLE 60		/* seconds that duplicate address detection and announcements may take */

extern char **environ;

static int
config_write(const char *path, int stacks)
{
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return (-1);
	for (int i = 0; i < stacks; i++)
		fprintf(f, "vnet s%d { interface ep0 { link = \"l%d\"; address = [ \"10.0.0.%d/24\", \"fd00::%d/64\" ]; } }\n", i,
		    i / 2, 1 + i % 2, 1 + i % 2);
	return (fclose(f));
}

/* Start, and wait for the line that says that all is there. */
static pid_t
vnet_start(const char *dir, const char *conf)
{
	char self[PATH_MAX - 16], path[PATH_MAX], sock[PATH_MAX], line[512] = "";
	char *argv[] = { path, (char[]){ "run" }, (char[]){ "--socket" }, sock, strdup(conf), NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	posix_spawn_file_actions_t actions;
	int fds[2];
	FILE *out;
	pid_t pid;

	self[n > 0 ? n : 0] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/vnet", self);
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	if (pipe(fds) != 0)
		return (-1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	if (posix_spawn(&pid, path, &actions, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	free(argv[4]);
	close(fds[1]);
	out = fdopen(fds[0], "r");
	if (pid > 0 && (out == NULL || fgets(line, sizeof(line), out) == NULL || strstr(line, "running") == NULL)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	if (out != NULL)
		fclose(out);
	return (pid);
}

/* Seconds of CPU and wake-ups of all threads so far. */
static struct idle
usage(pid_t pid)
{
	struct idle sum = { 0 };
	char path[PATH_MAX], line[256];
	struct dirent *d;
	double ns;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.32s/schedstat", (int)pid, d->d_name);
		f = fopen(path, "re");
		if (f != NULL && fscanf(f, "%lf", &ns) == 1)
			sum.seconds += ns / 1e9;
		if (f != NULL)
			fclose(f);
		snprintf(path, sizeof(path), "/proc/%d/task/%.32s/status", (int)pid, d->d_name);
		f = fopen(path, "re");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "voluntary_ctxt_switches:", 24) == 0)
				sum.wakeups += strtod(line + 24, NULL);
		if (f != NULL)
			fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return (sum);
}

static int
measure(pid_t pid, int seconds, struct idle *idle)
{
	struct idle a = { 0 }, b;

	/* What comes with the start is over when a second passes without a wake-up. */
	for (int i = 0; i < SETTLE; i++) {
		a = usage(pid);
		sleep(1);
		b = usage(pid);
		if (b.wakeups == a.wakeups)
			break;
	}
	a = usage(pid);
	sleep((unsigned)seconds);
	b = usage(pid);
	*idle = (struct idle){ b.seconds - a.seconds, b.wakeups - a.wakeups };
	return (a.seconds > 0 && a.wakeups > 0 ? 0 : -1);	/* to make them took some: else the files say nothing */
}

int
idle_measure(int stacks, int seconds, struct idle *idle)
{
	char dir[] = "/tmp/bench-idle-XXXXXX", conf[64], sock[64];
	int error = -1;
	pid_t pid;

	if (mkdtemp(dir) == NULL)
		return (-1);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	pid = config_write(conf, stacks) == 0 ? vnet_start(dir, conf) : -1;
	if (pid > 0) {
		error = measure(pid, seconds, idle);
		kill(pid, SIGTERM);
		if (waitpid(pid, NULL, 0) != pid)
			error = -1;
	}
	unlink(sock);
	unlink(conf);
	rmdir(dir);
	return (error);
}
