/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of a program with commands.  See cli.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"

static void
usage(const struct cli *cli, FILE *out)
{
	fprintf(out, "usage: %s COMMAND [OPTION]... [ARGUMENT]...\n\n", cli->program);
	for (size_t i = 0; i < cli->ncommands; i++)
		fprintf(out, "  %s %s %s\n", cli->program, cli->commands[i].name, cli->commands[i].usage);
	fprintf(out, "\n`%s COMMAND --help` says more; so does %s.\n", cli->program, cli->manual);
}

void
cli_usage(const struct cli *cli, const struct command *cmd)
{
	fprintf(stderr, "usage: %s %s %s\n", cli->program, cmd->name, cmd->usage);
	exit(EXIT_USAGE);
}

static bool
has(const struct command *cmd, int c)
{
	for (const int *o = cmd->options; *o != 0; o++)
		if (*o == c)
			return (true);
	return (false);
}

static void
read_options(const struct cli *cli, const struct command *cmd, int argc, char **argv, struct options *opt)
{
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, cli->letters, cli->longopts, NULL)) != -1) {
		if (c == ':') {
			fprintf(stderr, "%s: %s: option %s wants a value\n", cli->program, cmd->name, argv[optind - 1]);
			cli_usage(cli, cmd);
		}
		if (c == 'h') {
			printf("usage: %s %s %s\n\n%s", cli->program, cmd->name, cmd->usage, cmd->help);
			exit(EXIT_OK);
		}
		if (c == '?' || !has(cmd, c)) {
			fprintf(stderr, "%s: %s: unknown option %s\n", cli->program, cmd->name, argv[optind - 1]);
			cli_usage(cli, cmd);
		}
		cli->set(cmd, opt, c, optarg);
	}
}

const struct command *
cli_read(const struct cli *cli, int argc, char **argv, struct options *opt, int *nargs, char ***args)
{
	const struct command *cmd = NULL;

	if (argc < 2) {
		usage(cli, stderr);
		exit(EXIT_USAGE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(cli, stdout);
		exit(EXIT_OK);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("%s %s\n", cli->program, cli->version);
		exit(EXIT_OK);
	}
	for (size_t i = 0; i < cli->ncommands && cmd == NULL; i++)
		if (strcmp(argv[1], cli->commands[i].name) == 0)
			cmd = &cli->commands[i];
	if (cmd == NULL) {
		fprintf(stderr, "%s: unknown %s %s (see %s --help)\n", cli->program, argv[1][0] == '-' ? "option" : "command", argv[1],
		    cli->program);
		exit(EXIT_USAGE);
	}
	read_options(cli, cmd, argc - 1, argv + 1, opt);
	*nargs = argc - 1 - optind;
	*args = argv + 1 + optind;
	if (*nargs < cmd->min || (cmd->max >= 0 && *nargs > cmd->max)) {
		fprintf(stderr, "%s: %s: %s\n", cli->program, cmd->name,
		    *nargs < cmd->min ? "an argument is missing" : "too many arguments");
		cli_usage(cli, cmd);
	}
	return (cmd);
}

int
cli_end(const struct cli *cli, int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "%s: standard output: %s\n", cli->program, strerror(errno));
		return (EXIT_NO);
	}
	return (status);
}
