/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the machine: freebsd-version(1), started without a shell. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host.h"
#include "overlay.h"

extern char **environ;

int
host_run(const char *const argv[], struct buf *out, struct uverr *err)
{
	posix_spawn_file_actions_t actions;
	char part[4096];
	int fds[2], status, error;
	ssize_t n;
	pid_t pid;

	if (pipe(fds) == -1)
		return (uverr(err, errno, "pipe: %s", strerror(errno)));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (error != 0) {
		close(fds[0]);
		return (uverr(err, error, "%s: %s", argv[0], strerror(error)));
	}
	while ((n = read(fds[0], part, sizeof(part))) > 0 || (n == -1 && errno == EINTR))
		if (n > 0 && out->n < 65536)
			buf_add(out, part, (size_t)n);
	close(fds[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return (uverr(err, EIO, "%s failed", argv[0]));
	return (0);
}

int
host_versions(struct version *kernel, struct version *running, struct version *user, char arch[32], struct uverr *err)
{
	static const char *const options[] = { "-k", "-r", "-u" };
	struct version *const to[] = { kernel, running, user };
	struct utsname u;
	struct buf b = { 0 };
	int error = 0;

	if (uname(&u) == -1 || strcmp(u.sysname, "FreeBSD") != 0)
		return (uverr(err, ENOSYS, "--host: this is no FreeBSD; give --kernel, --running, --user and --arch"));
	for (int i = 0; i < 3 && error == 0; i++) {
		const char *const argv[] = { "freebsd-version", options[i], NULL };

		b.n = 0;
		error = host_run(argv, &b, err);
		/* A -STABLE kernel's count is only in uname -v. */
		if (error == 0 && i < 2)
			buf_fmt(&b, " %s", u.version);
		if (error == 0 && !version_parse(buf_get(&b).p, to[i]))
			error = uverr(err, EINVAL, "freebsd-version %s: \"%.60s\" is no version", options[i], b.p);
	}
	snprintf(arch, 32, "%.31s", arch_name(u.machine));
	buf_free(&b);
	return (error);
}
