/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checking kernel modules against reading them: a folder of 1,000 arm64 modules of about 200 KB, made here, on one core.
 *
 * The peer reads the same files, from the page cache, and adds up their bytes.  The second row is memory: the most that
 * the checker ever held over the folder, against the most that it held over one of its modules.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MODULES 1000
#define COPIES 44 /* of a function each, in a module: about 200 KB */

static char dir[] = "/tmp/bench-kldcheck-XXXXXX";

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static void remove_modules(void);

static void
run(const char *const *argv)
{
	char *out = bench_run((char *const *)(uintptr_t)argv);

	if (out == NULL) {
		remove_modules();
		exit(1);
	}
	free(out);
}

/* A source with many functions of many shapes; built once with FreeBSD's target, and linked once. */
static void
make_modules(void)
{
	char c[64], o[64], ko[64], to[64];
	FILE *f;

	if (mkdtemp(dir) == NULL)
		fail(dir);
	snprintf(c, sizeof(c), "%s/m.c", dir);
	snprintf(o, sizeof(o), "%s/m.o", dir);
	snprintf(ko, sizeof(ko), "%s/m", dir);
	if ((f = fopen(c, "w")) == NULL)
		fail(c);
	fputs("struct vnet { unsigned long base; }; extern struct vnet *curvnet; void kernel_call(const void *, ...);\n"
	      "__asm__(\".globl __start_set_vnet\\n.globl __stop_set_vnet\");\n", f);
	for (int i = 0; i < COPIES * 8; i++)
		fprintf(f, "long v%d __attribute__((section(\"set_vnet\")));\n"
			"#define V%d (*(long *)(curvnet->base + (unsigned long)&v%d))\n"
			"static int w%d[9];\n"
			"long f%d(long n, long *p) {\n"
			"	switch (n) { case 0: V%d++; break; case 1: V%d = w%d[n]; break; case 2: kernel_call(\"two\", n); break;\n"
			"	case 3: w%d[n & 7] = (int)V%d; break; case 4: return (V%d + n); }\n"
			"	for (long k = 0; k < n; k++) { p[k] += V%d * w%d[k & 7]; if (p[k] > V%d) kernel_call(p, k, n); }\n"
			"	return (n > 5 ? V%d : *p);\n}\n",
		    i, i, i, i, i, i, i, i, i, i, i, i, i, i, i);
	if (fclose(f) != 0)
		fail(c);
	run((const char *const[]) { "clang", "--target=aarch64-unknown-freebsd13.2", "-ffreestanding", "-fPIC", "-O2", "-c", c,
	    "-o", o, NULL });
	run((const char *const[]) { "ld.lld", "-shared", "-Bsymbolic", "-znotext", "--no-relax", o, "-o", ko, NULL });
	for (int i = 0; i < MODULES; i++) {
		snprintf(to, sizeof(to), "%s/%04d.ko", dir, i);
		if (link(ko, to) != 0)
			fail(to);
	}
}

static void
remove_modules(void)
{
	char path[320];
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			unlink(path);
		}
	if (d != NULL)
		closedir(d);
	rmdir(dir);
}

static double
read_all(uint64_t *bytes)
{
	static uint64_t buf[1 << 15];
	volatile uint64_t sum = 0;
	double start = bench_now();
	char path[64];
	ssize_t n;

	*bytes = 0;
	for (int i = 0; i < MODULES; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%04d.ko", dir, i);
		if ((fd = open(path, O_RDONLY)) < 0)
			fail(path);
		while ((n = read(fd, buf, sizeof(buf))) > 0) {
			*bytes += (uint64_t)n;
			for (ssize_t k = 0; k < n / 8; k++)
				sum += buf[k];
		}
		close(fd);
	}
	return ((bench_now() - start) / 1e9);
}

/* Seconds of processor and KiB of memory that kldcheck takes over path. */
static double
check(const char *self, const char *path, double *kib)
{
	char prog[256];
	struct rusage u;
	int status, fd;
	pid_t pid;

	snprintf(prog, sizeof(prog), "%.*skldcheck", (int)(strrchr(self, '/') + 1 - self), self);
	if ((pid = fork()) < 0)
		fail("fork");
	if (pid == 0) {
		if ((fd = open("/dev/null", O_WRONLY)) >= 0)
			dup2(fd, 1);
		execl(prog, "kldcheck", path, (char *)NULL);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &u) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "bench-kldcheck: %s %s: not ok (status %#x)\n", prog, path, (unsigned)status);
		remove_modules();
		exit(1);
	}
	*kib = (double)u.ru_maxrss;
	return ((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

int
main(int argc, char **argv)
{
	int json = bench_options(argc, argv);
	double ours, peer, all, one;
	uint64_t bytes;
	char first[64];

	if (strchr(argv[0], '/') == NULL) {
		fprintf(stderr, "bench-kldcheck: start it by its path\n");
		return (1);
	}
	make_modules();
	snprintf(first, sizeof(first), "%s/0000.ko", dir);
	read_all(&bytes);
	peer = read_all(&bytes);
	check(argv[0], first, &one);
	ours = check(argv[0], dir, &all);
	remove_modules();

	struct bench_row rows[] = {
		{ "modules of a folder", "/s", MODULES / ours, MODULES / peer, "read", BENCH_MORE },
		{ "bytes of modules", "MB/s", (double)bytes / 1e6 / ours, (double)bytes / 1e6 / peer, "read", BENCH_MORE },
		{ "memory, 1,000 modules", "KiB", all, one, "one module", BENCH_LESS },
	};

	bench_print("kldcheck", rows, sizeof(rows) / sizeof(rows[0]), json);
	return (0);
}
