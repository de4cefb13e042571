/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kldcheck: is the fault of FreeBSD-EN-23:08.vnet in these kernel modules?
 *
 * Files and folders in, a verdict each out (check.c says how it is reached); with --repair one module in, a mended
 * one out.  Only POSIX and Capstone are used, so that it runs where the modules are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "report.h"

static const char usage[] =
    "usage: kldcheck [--json] [--explain] FILE|DIR ...\n"
    "       kldcheck --repair IN -o OUT\n"
    "\n"
    "Says of each FreeBSD kernel module whether its references to set_vnet and\n"
    "set_pcpu can be redirected: ok, broken, or unsure. In a DIR, all files *.ko.\n"
    "  --json       for programs\n"
    "  --explain    more for people\n"
    "  --repair IN  turn relaxed references back into loads from the GOT\n"
    "  -o OUT       where the repaired module goes\n"
    "Exit status: 0 all ok; 1 one is broken, or cannot be repaired; 2 none is\n"
    "broken, but one is unsure or unreadable, or the command line is wrong.\n";

struct run {
	bool json, explain;
	unsigned n, bad[4]; /* by verdict */
};

static int
check_file(const char *path, void *arg)
{
	struct run *run = arg;
	struct kc_result r;
	void *data = NULL;
	size_t size = 0;
	int error;

	memset(&r, 0, sizeof(r));
	if ((error = kc_file_read(path, &data, &size)) == 0)
		error = kc_check(data, size, &r);
	if (error != 0) {
		r.verdict = KC_UNREADABLE;
		kc_note_add(&r, 0, "%s", error == -EFBIG ? "larger than any module" : strerror(-error));
	}
	if (run->json)
		kc_report_json(stdout, path, &r, run->n == 0);
	else
		kc_report_text(stdout, path, &r, run->explain);
	run->n++;
	run->bad[r.verdict]++;
	kc_result_free(&r);
	free(data);
	return (0);
}

static int
check_all(char **paths, int n, struct run *run)
{
	if (run->json)
		printf("{\"modules\": [");
	for (int i = 0; i < n; i++) {
		int error = kc_files_each(paths[i], check_file, run);

		if (error != 0) {
			fprintf(stderr, "kldcheck: %s: %s\n", paths[i],
			    error == -ENOENT ? "no such file, or no *.ko in this folder" : strerror(-error));
			run->bad[KC_UNREADABLE]++;
		}
	}
	if (run->json)
		printf("\n]}\n");
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "kldcheck: standard output: %s\n", strerror(errno));
		return (2);
	}
	return (run->bad[KC_BROKEN] != 0 ? 1 : run->bad[KC_UNSURE] + run->bad[KC_UNREADABLE] != 0 ? 2 : 0);
}

static int
repair_file(const char *in, const char *out)
{
	struct kc_change *c = NULL;
	char why[400] = "out of memory";
	void *data = NULL;
	size_t size;
	int n, error;

	if ((error = kc_file_read(in, &data, &size)) != 0) {
		fprintf(stderr, "kldcheck: %s: %s\n", in, strerror(-error));
		return (2);
	}
	n = kc_repair(data, size, &c, why, sizeof(why));
	if (n < 0) {
		fprintf(stderr, "kldcheck: %s: not repaired: %s\n", in, why);
		free(data);
		return (1);
	}
	if ((error = kc_file_write(out, data, size, in)) != 0) {
		fprintf(stderr, "kldcheck: %s: %s\n", out, strerror(-error));
		free(c);
		free(data);
		return (2);
	}
	for (int i = 0; i < n; i++)
		printf("%8jx (file offset %#jx): %08x -> %08x\n", (uintmax_t)c[i].addr, (uintmax_t)c[i].off, c[i].was, c[i].is);
	printf("%s: %d words changed%s\n", out, n, n == 0 ? ": it was ok" : "");
	free(c);
	free(data);
	return (fflush(stdout) == 0 ? 0 : 2);
}

int
main(int argc, char **argv)
{
	const char *repair = NULL, *out = NULL;
	struct run run = { 0 };
	int n = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return (0);
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("kldcheck (uvnet) " KLDCHECK_VERSION);
			return (0);
		} else if (strcmp(argv[i], "--json") == 0)
			run.json = true;
		else if (strcmp(argv[i], "--explain") == 0)
			run.explain = true;
		else if (strcmp(argv[i], "--repair") == 0 && i + 1 < argc)
			repair = argv[++i];
		else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
			out = argv[++i];
		else if (strcmp(argv[i], "--") == 0) {
			while (++i < argc)
				argv[n++] = argv[i];
		} else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			fprintf(stderr, "kldcheck: %s: no such option, or its argument is missing\n%s", argv[i], usage);
			return (2);
		} else
			argv[n++] = argv[i];
	}
	if (repair != NULL ? out == NULL || n != 0 || run.json : out != NULL || n == 0) {
		fputs(usage, stderr);
		return (2);
	}
	return (repair != NULL ? repair_file(repair, out) : check_all(argv, n, &run));
}
