/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address sanitizer sees into inet.ko: lwIP's accesses are checked, and so are others' to lwIP's memory.  Each
 * mistake is made in a child, by exec, since a forked one has no arena.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uvnet/asan.h>

#include "net-test.h"

#ifdef UVNET_ASAN

VNET_DEFINE_STATIC(int, ours);
static struct pair p;
static volatile size_t one = 1;

/* lwIP's own code, in memory that the port gave back. */
static void
freed_socket(void)
{
	struct socket *so;

	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_STREAM, 0), 0);
	inet->soabort(so);
	inet->sostate(so);
}

/* The module's code reads beyond what the caller has: the check is in the module. */
static void
short_buffer(void)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(1000) };
	struct sockaddr_in *cut;
	struct socket *so;

	cut = vnet_malloc(sizeof(sin) / 2 - 4 + one - 1);
	memcpy(cut, &sin, sizeof(sin) / 2 - 4);
	assert_int_equal(inet->socreate(AF_INET, &so, SOCK_DGRAM, 0), 0);
	inet->sobind(so, cut);
}

/* A byte behind one of lwIP's variables, which only its symbol tells. */
static void
behind_a_variable(void)
{
	const uintptr_t start = (uintptr_t)&VNET_NAME(ours) & ~(uintptr_t)63;
	const char *file, *name;
	uintptr_t offset;

	for (uintptr_t at = start; at < start + MB; at += 64) {
		name = kld_symbolize(at, &file, &offset);
		if (name != NULL && offset == 0 && strcmp(name, "netif_list") == 0)
			((char *)at)[curvnet_base + sizeof(void *) - 1 + one] = 1;
	}
}

static const struct child {
	const char *name;
	void (*run)(void);
} children[] = {
	{ "freed_socket", freed_socket },
	{ "short_buffer", short_buffer },
	{ "behind_a_variable", behind_a_variable },
};
#define NCHILDREN (sizeof(children) / sizeof(children[0]))

static int
child_run(const char *name, char *text, size_t size)
{
	int fd[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		execl("/proc/self/exe", "test-asan", name, (char *)NULL);
		_exit(1);
	}
	close(fd[1]);
	while (used < size - 1 && (n = read(fd[0], text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return (status);
}

static void
mistakes_in_inet_are_reported(void **state)
{
	static char text[1 << 16];
	int status;

	(void)state;
	for (size_t i = 0; i < NCHILDREN; i++) {
		status = child_run(children[i].name, text, sizeof(text));
		if (status == 0 || strstr(text, "use-after-poison") == NULL)
			fail_msg("%s: status %#x: %s", children[i].name, (unsigned)status, text);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_in_inet_are_reported),
	};

	if (argc == 1)
		return (cmocka_run_group_tests(tests, NULL, NULL));
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	net_test_init(1);
	pair_make(&p, "red", 0, 0);
	CURVNET_SET(p.a.v);
	for (size_t i = 0; i < NCHILDREN; i++)
		if (strcmp(argv[1], children[i].name) == 0)
			children[i].run();
	CURVNET_RESTORE();
	return (0);
}

#else

int
main(void)
{
	puts("1..0 # SKIP the build without sanitizers has nothing to show");
	return (0);
}

#endif
