/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line of a program with commands (errata, vnet-update): a table has for each its arguments, its options, its
 * help.  What options set is the program's own `struct options`.
 */
#ifndef ERRATA_CLI_H
#define ERRATA_CLI_H

#include <getopt.h>
#include <stddef.h>

#define EXIT_OK 0
#define EXIT_NO 1		/* the answer is no */
#define EXIT_USAGE 2

struct options;

struct command {
	const char *name;
	int (*func)(const struct options *opt);
	int min, max;			/* arguments; -1: any number */
	const int *options;		/* values of the long options that it has, beside --help; ends with 0 */
	const char *usage, *help;
};

struct cli {
	const char *program, *manual, *version;
	const char *letters;		/* for getopt_long(3), beginning with ":"; 'h' is help */
	const struct option *longopts;
	const struct command *commands;
	size_t ncommands;
	/* Set what option c says; it may end with cli_usage(). */
	void (*set)(const struct command *cmd, struct options *opt, int c, const char *arg);
};

/* Read the command line; its command, with its options set in *opt.  What is no command line for one ends here. */
const struct command *cli_read(const struct cli *cli, int argc, char **argv, struct options *opt, int *nargs, char ***args);

/* The command's usage on stderr, and the end. */
void cli_usage(const struct cli *cli, const struct command *cmd) __attribute__((noreturn));

/* What the program ends with: `status`, or 1 when standard output could not take all. */
int cli_end(const struct cli *cli, int status);

#endif
