/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core dump is small, and has the stack in which the program died, not the others; gdb reads it.
 */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uvnet/asan.h>

#include "kld-test.h"

#define MARK 0x600df00du
#define SMALL ((off_t)64 << 20)

/* What the child says before it dies. */
struct places {
	unsigned *here, *heap, *there;
};

static char folder[] = "/tmp/kld-core-XXXXXX";

static void
core_remove(void)
{
	char path[512];
	struct dirent *e;
	DIR *d = opendir(folder);

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (d != NULL)
		closedir(d);
	rmdir(folder);
}

/* The only file there is, core or core.PID; 0: none. */
static int
core_find(char *path, size_t size)
{
	struct dirent *e;
	DIR *d = opendir(folder);
	int found = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "core", 4) == 0) {
			snprintf(path, size, "%s/%s", folder, e->d_name);
			found = 1;
		}
	if (d != NULL)
		closedir(d);
	return (found);
}

/* The word at an address of the dead program, or 0 when the core does not have it. */
static unsigned
core_word(const unsigned char *core, const unsigned *addr)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)core;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(core + eh->e_phoff);
	const uintptr_t a = (uintptr_t)addr;
	unsigned word;

	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && a >= ph[i].p_vaddr && a - ph[i].p_vaddr < ph[i].p_filesz) {
			memcpy(&word, core + ph[i].p_offset + (a - ph[i].p_vaddr), sizeof(word));
			return (word);
		}
	return (0);
}

static void
child_die(int fd)
{
	struct places p;

	if (chdir(folder) != 0 || setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }) != 0 ||
	    prctl(PR_SET_DUMPABLE, 1) != 0 || kld_test_setup(NULL) != 0 || kld_fault_init(NULL) != 0)
		_exit(1);
	CURVNET_SET(stacks[1]);
	p.there = (unsigned *)VNET_PTR(host_var);
	*p.there = MARK;
	vnet_enter(stacks[0]);
	p.here = (unsigned *)VNET_PTR(host_var);
	*p.here = MARK;
	p.heap = vnet_malloc((size_t)3 << 20);		/* beyond the slice */
	*p.heap = MARK;
	if (write(fd, &p, sizeof(p)) != sizeof(p))
		_exit(1);
	abort();
	CURVNET_RESTORE();
}

/* What gdb prints of a word, or "" where there is no gdb. */
static void
gdb_word(const char *core, const unsigned *addr, char *text, size_t size)
{
	char command[128];
	size_t n = 0;
	ssize_t did;
	int fd[2];
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	snprintf(command, sizeof(command), "x/1xw %p", (const void *)addr);
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDOUT_FILENO);
		close(fd[0]);
		execlp("gdb", "gdb", "-nx", "-q", "-batch", "-ex", command, "/proc/self/exe", core, (char *)NULL);
		_exit(0);
	}
	close(fd[1]);
	while (n < size - 1 && (did = read(fd[0], text + n, size - 1 - n)) > 0)
		n += (size_t)did;
	text[n] = '\0';
	close(fd[0]);
	waitpid(pid, NULL, 0);
}

static void
a_core_is_small_and_has_the_current_stack(void **state)
{
	static char text[65536];
	struct places p;
	struct stat st;
	char path[512];
	unsigned char *core;
	int pipes[2], fd, status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		close(pipes[0]);
		signal(SIGABRT, SIG_DFL);
		child_die(pipes[1]);
		_exit(1);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &p, sizeof(p)), sizeof(p));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(WCOREDUMP(status));
	assert_true(core_find(path, sizeof(path)));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_in_range(st.st_size, 1, SMALL);
	core = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(core, MAP_FAILED);
	assert_int_equal(core_word(core, p.here), MARK);
	assert_int_equal(core_word(core, p.heap), MARK);
	assert_int_equal(core_word(core, p.there), 0);
	gdb_word(path, p.here, text, sizeof(text));
	if (text[0] != '\0' && strstr(text, "0x600df00d") == NULL)
		fail_msg("gdb says: %s", text);
	munmap(core, (size_t)st.st_size);
	close(fd);
	core_remove();
}

static bool
cores_come_here(void)
{
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");
	struct rlimit rl;
	int c = f != NULL ? getc(f) : EOF;

	if (f != NULL)
		fclose(f);
	return (c != '|' && c != '/' && getrlimit(RLIMIT_CORE, &rl) == 0 && rl.rlim_max == RLIM_INFINITY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_core_is_small_and_has_the_current_stack),
	};

	if (!cores_come_here()) {
		puts("1..0 # SKIP cores do not go into the working folder here (core(5): kernel.core_pattern, the hard limit)");
		return (0);
	}
#ifdef UVNET_ASAN
	puts("1..0 # SKIP the sanitizer's shadow is most of a core, and it forbids them");
	return (0);
#endif
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
