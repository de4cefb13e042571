/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The common part of the benchmarks; see bench.h.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define MAX_ARGS 32

extern char **environ;

double
bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((double)ts.tv_sec * 1e9 + (double)ts.tv_nsec);
}

int
bench_options(int argc, char **argv)
{
	if (argc == 1)
		return (0);
	if (argc == 2 && strcmp(argv[1], "--json") == 0)
		return (1);
	fprintf(stderr, "usage: %s [--json]\n", argv[0]);
	exit(argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2);
}

static double
row_ratio(const struct bench_row *r)
{
	return (r->better == BENCH_LESS ? r->peer / r->ours : r->ours / r->peer);
}

void
bench_print(const char *bench, const struct bench_row *rows, size_t n, int json)
{
	size_t i;

	if (!json) {
		printf("%-28s %-22s %14s %14s %7s  %s\n", bench, "unit", "ours", "peer", "ratio", "peer is");
		for (i = 0; i < n; i++)
			printf("%-28s %-22s %14.4g %14.4g %7.3f  %s\n", rows[i].name, rows[i].unit, rows[i].ours,
			    rows[i].peer, row_ratio(&rows[i]), rows[i].peer_name);
		return;
	}
	printf("{\"bench\": \"%s\", \"rows\": [", bench);
	for (i = 0; i < n; i++)
		printf("%s{\"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.6g, \"peer\": %.6g, \"peer_name\": \"%s\", "
		    "\"ratio\": %.4f}", i > 0 ? ", " : "", rows[i].name, rows[i].unit, rows[i].ours, rows[i].peer,
		    rows[i].peer_name, row_ratio(&rows[i]));
	printf("]}\n");
}

static char *
read_all(int fd)
{
	size_t n = 0, room = 4096;
	char *buf = malloc(room), *p;
	ssize_t k;

	while (buf != NULL && (k = read(fd, buf + n, room - n - 1)) > 0) {
		n += (size_t)k;
		if (room - n > 1)
			continue;
		room *= 2;
		p = realloc(buf, room);
		if (p == NULL)
			free(buf);
		buf = p;
	}
	if (buf != NULL)
		buf[n] = '\0';
	return (buf);
}

char *
bench_run(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int fds[2], error, status = 0;
	char *out;
	pid_t pid;

	if (pipe(fds) != 0) {
		perror("pipe");
		return (NULL);
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (error != 0) {
		fprintf(stderr, "%s: %s\n", argv[0], strerror(error));
		close(fds[0]);
		return (NULL);
	}
	out = read_all(fds[0]);
	close(fds[0]);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return (out);
	fprintf(stderr, "%s failed (status %d): %s\n", argv[0], status, out != NULL ? out : "");
	free(out);
	return (NULL);
}

double
bench_instructions(char *const argv[])
{
	static char valgrind[] = "valgrind", tool[] = "--tool=callgrind", file[] = "--callgrind-out-file=/dev/null";
	char *args[MAX_ARGS] = { valgrind, tool, file }, *out;
	const char *p;
	double n = -1;
	size_t i;

	for (i = 0; argv[i] != NULL && i < MAX_ARGS - 4; i++)
		args[3 + i] = argv[i];
	out = bench_run(args);
	if (out == NULL)
		return (-1);
	p = strstr(out, "Collected : ");
	if (p != NULL)
		n = strtod(p + strlen("Collected : "), NULL);
	else
		fprintf(stderr, "callgrind said nothing of instructions: %s\n", out);
	free(out);
	return (n);
}
