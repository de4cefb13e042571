/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line.  A command is one row of the table below: what it takes, its options, its help.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "request.h"
#include "vnet.h"

#ifndef VNET_VERSION
#define VNET_VERSION "0.1.0"
#endif

/* An option's letter is its place in `options` and what getopt_long(3) returns. */
static const struct option longopts[] = {
	{ "for", required_argument, NULL, 'f' },
	{ "pcap", required_argument, NULL, 'p' },
	{ "modules", required_argument, NULL, 'm' },
	{ "workers", required_argument, NULL, 'w' },
	{ "require-signed", required_argument, NULL, 'k' },
	{ "socket", required_argument, NULL, 's' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, 'j' },
	{ "count", required_argument, NULL, 'c' },
	{ "interval", required_argument, NULL, 'i' },
	{ "size", required_argument, NULL, 'z' },	/* in short -s, which else is --socket */
	{ "wait", required_argument, NULL, 'W' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static const struct command {
	const char *name;
	int (*func)(const struct options *opt);
	int min, max;			/* arguments; -1: any number */
	const char *letters;		/* options it has, beside h */
	const char *usage, *help;
} commands[] = {
	{ "run", run_main, 1, 1, "fpmwksv",
	    "[--for SECONDS] [--pcap DIR] [--socket PATH] [--modules DIR] [--workers N]\n"
	    "           [--require-signed PUB] [-v] FILE",
	    "Run the network stacks that FILE describes (vnet.conf(5)) until SIGINT or SIGTERM.\n\n"
	    "  --for SECONDS    stop by itself after that time\n"
	    "  --pcap DIR       write what goes over each link to DIR/LINK.pcap\n"
	    "  --socket PATH    the control socket (-s)\n"
	    "  --modules DIR    where inet.ko and if_epair.ko are\n"
	    "  --workers N      use the first N CPUs that this process may use; otherwise all\n"
	    "  --require-signed PUB  load only modules that this key signed (vnet-update sign)\n"
	    "  -v, --verbose    say what is loaded and where each stack runs\n" },
	{ "check", check_main, 1, 1, "j", "[--json] FILE",
	    "Check a configuration and say what it describes, or all that is wrong with it.\n" },
	{ "ls", ls_main, 0, 0, "js", "[--json] [-s PATH]", "List the stacks of a running vnet.\n" },
	{ "create", create_main, 1, 1, "js", "[--json] [-s PATH] FILE",
	    "Add the stacks of FILE (-: standard input) to a running vnet: all of them, or none.\n" },
	{ "destroy", destroy_main, 1, -1, "js", "[--json] [-s PATH] NAME...",
	    "Destroy stacks of a running vnet; their connections are reset.\n" },
	{ "kldload", kldload_main, 1, 1, "js", "[--json] [-s PATH] FILE",
	    "Load a module, and what it depends on from the same folder, into a running vnet.\n" },
	{ "kldunload", kldunload_main, 1, 1, "js", "[--json] [-s PATH] NAME", "Unload a module of a running vnet.\n" },
	{ "kldinfo", kldinfo_main, 1, 1, "jk", "[--json] [--require-signed PUB] FILE",
	    "Say what a module's file is, without loading it: names and versions, who signed it, sizes, imports, exports.\n\n"
	    "  --require-signed PUB  verify its signature: exits 1 unless this key made it\n" },
	{ "kldstat", kldstat_main, 0, 0, "js", "[--json] [-s PATH]", "List the modules of a running vnet.\n" },
	{ "link", link_main, 0, 2, "js", "[--json] [-s PATH] [NAME [up|down]]",
	    "List the links of a running vnet, cut one (down), or restore it (up).\n" },
	{ "route", route_main, 1, 4, "js", "[--json] [-s PATH] NAME [add NETWORK GATEWAY|INTERFACE | delete NETWORK]",
	    "List the routes of a stack, add one over a gateway or a tunnel, or delete one.  NETWORK is 10.1.0.0/16 or so, or default.\n" },
	{ "ifconfig", ifconfig_main, 1, 1, "js", "[--json] [-s PATH] NAME",
	    "Show the interfaces of a stack: carrier, addresses of IPv4 and IPv6, counters.\n" },
	{ "netstat", netstat_main, 1, 1, "js", "[--json] [-s PATH] NAME",
	    "List the connections and ports of a stack.\n" },
	{ "sysctl", sysctl_main, 1, -1, "jsadn", "[--json] [-s PATH] [-adn] NAME [VARIABLE[=VALUE]]...",
	    "Show variables of a stack, those below a node, or set some: all of them, or none.\n\n"
	    "  -a    all there are\n"
	    "  -d    their descriptions\n"
	    "  -n    values only\n" },
	{ "ping", ping_main, 2, 2, "jsciWz", "[--json] [--socket PATH] [-c COUNT] [-i SECONDS] [-s SIZE] [-W MS] NAME ADDRESS",
	    "Send echo requests from within a stack until interrupted, and say what comes back.  Exits 0 when anything did.\n\n"
	    "  -c, --count COUNT       stop after that many answers, or when the last was waited for\n"
	    "  -i, --interval SECONDS  between two requests: 1, at least 0.001\n"
	    "  -s, --size SIZE         bytes of data in each: 56\n"
	    "  -W, --wait MS           how long an answer is waited for: 10000\n" },
	{ "wg", wg_main, 0, -1, "js", "[--json] [-s PATH] [STACK [show [FIELD] | showconf | set ... |\n"
	    "          setconf FILE | addconf FILE | syncconf FILE]]",
	    "Show or change a stack's WireGuard, in the words of wg(8); without a stack, show all.\n\n"
	    "  show [FIELD]     as wg(8): public-key, private-key, listen-port, fwmark, peers, preshared-keys,\n"
	    "                   endpoints, allowed-ips, latest-handshakes, transfer, persistent-keepalive, dump\n"
	    "  showconf         as a file for setconf, with the keys\n"
	    "  set [listen-port PORT] [fwmark MARK] [private-key FILE] [peer KEY [remove] [preshared-key FILE]\n"
	    "      [endpoint HOST:PORT] [persistent-keepalive SECONDS] [allowed-ips [+|-]NETWORK,...]]...\n"
	    "  setconf FILE     make it what a file of wg(8) says; FILE may be - for standard input\n"
	    "  addconf FILE     add what the file says\n"
	    "  syncconf FILE    as setconf, without disturbing the sessions of peers that stay\n" },
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

void
complain(const char *text)
{
	int len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = (int)strcspn(text, "\n");
		fprintf(stderr, "vnet: %.*s\n", len, text);
	}
}

static void
usage(FILE *out)
{
	fprintf(out, "usage: vnet COMMAND [OPTION]... [ARGUMENT]...\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(out, "  vnet %s %s\n", commands[i].name, commands[i].usage);
	fprintf(out, "\n`vnet COMMAND --help` says more; so do vnet(8) and vnet.conf(5).\n"
	    "The control socket is --socket (-s), $VNET_SOCKET, $XDG_RUNTIME_DIR/vnet.sock or"
	    " /tmp/vnet-UID/vnet.sock.\n");
}

/* A number of the command line; exits when it is none. */
static double
number(const char *option, const char *text, double min, double max, int whole)
{
	char *end;
	double n;

	errno = 0;
	n = strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' || !(n >= min && n <= max) || (whole && n != floor(n))) {
		fprintf(stderr, "vnet: %s: \"%s\" is not a%s number from %g to %.0f\n", option, text,
		    whole ? " whole" : "", min, max);
		exit(EXIT_USAGE);
	}
	return (n);
}

static void
command_usage(const struct command *cmd)
{
	fprintf(stderr, "usage: vnet %s %s\n", cmd->name, cmd->usage);
	exit(EXIT_USAGE);
}

/* Read the options of a command, which may stand before and after its arguments. */
static void
options_read(const struct command *cmd, int argc, char **argv, struct options *opt)
{
	int c, index = -1;

	opterr = 0;
	optind = 1;
	for (; (c = getopt_long(argc, argv, ":s:vjhadnc:i:W:", longopts, &index)) != -1; index = -1) {
		if (c == 's' && index == -1 && strchr(cmd->letters, 'z') != NULL)
			c = 'z';
		if (c == ':') {
			fprintf(stderr, "vnet: %s: option %s wants a value\n", cmd->name, argv[optind - 1]);
			command_usage(cmd);
		}
		if (c == '?' || (c != 'h' && strchr(cmd->letters, c) == NULL)) {
			if (optopt != 0 && c == '?')
				fprintf(stderr, "vnet: %s: unknown option -%c\n", cmd->name, optopt);
			else
				fprintf(stderr, "vnet: %s: unknown option %s\n", cmd->name, argv[optind - 1]);
			command_usage(cmd);
		}
		switch (c) {
		case 'f':
			opt->seconds = number("--for", optarg, 0, 1e9, 0);
			break;
		case 'p':
			opt->pcap = optarg;
			break;
		case 'm':
			opt->modules = optarg;
			break;
		case 'w':
			opt->workers = (unsigned)number("--workers", optarg, 1, 1024, 1);
			break;
		case 'k':
			opt->key = optarg;
			break;
		case 's':
			opt->socket = optarg;
			break;
		case 'v':
			opt->verbose = 1;
			break;
		case 'j':
			opt->json = 1;
			break;
		case 'c':
			opt->count = (int64_t)number("--count", optarg, 1, 1e9, 1);
			break;
		case 'i':
			opt->interval = number("--interval", optarg, 0.001, 86400, 0);
			break;
		case 'z':
			opt->size = (int64_t)number("--size", optarg, 0, REQUEST_MAXPING, 1);
			break;
		case 'W':
			opt->wait = (int64_t)number("--wait", optarg, 1, 86400000, 1);
			break;
		case 'a':
			opt->all = 1;
			break;
		case 'd':
			opt->describe = 1;
			break;
		case 'n':
			opt->value_only = 1;
			break;
		case 'h':
			printf("usage: vnet %s %s\n\n%s", cmd->name, cmd->usage, cmd->help);
			exit(EXIT_OK);
		}
	}
	opt->nargs = argc - optind;
	opt->args = argv + optind;
	if (opt->nargs < cmd->min || (cmd->max >= 0 && opt->nargs > cmd->max)) {
		fprintf(stderr, "vnet: %s: %s\n", cmd->name,
		    opt->nargs < cmd->min ? "an argument is missing" : "too many arguments");
		command_usage(cmd);
	}
}

int
main(int argc, char **argv)
{
	struct options opt = { .seconds = -1, .interval = 1, .size = 56, .wait = 10000 };
	int i = 1, status;

	signal(SIGPIPE, SIG_IGN);
	/* -s may stand before the command, too. */
	while (i < argc && (strcmp(argv[i], "-s") == 0 || strcmp(argv[i], "--socket") == 0) && i + 1 < argc) {
		opt.socket = argv[i + 1];
		i += 2;
	}
	if (i < argc && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
		usage(stdout);
		return (EXIT_OK);
	}
	if (i < argc && strcmp(argv[i], "--version") == 0) {
		printf("vnet %s\n", VNET_VERSION);
		return (EXIT_OK);
	}
	if (i == argc) {
		usage(stderr);
		return (EXIT_USAGE);
	}
	for (size_t n = 0; n < NCOMMANDS; n++) {
		if (strcmp(argv[i], commands[n].name) != 0)
			continue;
		options_read(&commands[n], argc - i, argv + i, &opt);
		status = commands[n].func(&opt);
		if (fflush(stdout) != 0 || ferror(stdout)) {	/* errno may be another's by now */
			fprintf(stderr, "vnet: standard output could not be written\n");
			status = EXIT_FAIL;
		}
		return (status);
	}
	fprintf(stderr, "vnet: unknown %s %s (see vnet --help)\n", argv[i][0] == '-' ? "option" : "command", argv[i]);
	return (EXIT_USAGE);
}
