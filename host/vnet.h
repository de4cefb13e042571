/* SPDX-License-Identifier: BSD-2-Clause */
/* The program `vnet`: its commands and what they share. */
#ifndef HOST_VNET_H
#define HOST_VNET_H

#include <stdint.h>
#include <uvnet/err.h>
#include "json.h"

/* What the command line said; options that a command does not have are refused before it runs. */
struct options {
	const char *socket, *pcap, *modules, *key;
	double seconds;			/* --for; below 0: for ever */
	unsigned workers;
	int json, verbose;
	int all, value_only, describe;	/* of sysctl: -a, -n, -d */
	int64_t count, size, wait;	/* -c; -s, bytes; -W, ms */
	double interval;		/* -i, seconds */
	int nargs;
	char **args;
};

/* Exit codes. */
enum { EXIT_OK = 0, EXIT_FAIL = 1, EXIT_USAGE = 2 };

int run_main(const struct options *opt);
int check_main(const struct options *opt);
int kldinfo_main(const struct options *opt);

/* The commands that ask a running one (client.c). */
int ls_main(const struct options *opt);
int create_main(const struct options *opt);
int destroy_main(const struct options *opt);
int kldload_main(const struct options *opt);
int kldunload_main(const struct options *opt);
int kldstat_main(const struct options *opt);
int link_main(const struct options *opt);
int route_main(const struct options *opt);
int ifconfig_main(const struct options *opt);
int netstat_main(const struct options *opt);
int sysctl_main(const struct options *opt);
int ping_main(const struct options *opt);	/* ping-client.c */
int wg_main(const struct options *opt);		/* wgcmd.c */

/* A connection to the running vnet that waits `seconds` at most for each answer (0: for ever), or -errno. */
int server_open(const struct options *opt, int seconds, struct uverr *err);

/* {"cmd": cmd} */
json *request_new(const char *cmd);

/*
 * Ask the running one; the request is taken over.  0, with the answer and, unless `text` is NULL, as it came (free(3));
 * or not, and then it was said why.
 */
int client_ask(const struct options *opt, json *request, json **answer, char **text);

/* Write `text` to standard error, `vnet: ` in front of each of its lines. */
void complain(const char *text);

/*
 * Signed modules (signed.c).  From now on read none that the public key in `file` did not sign at its end; for the
 * life of the process.  `file` NULL: read any, but look at its signature.
 */
int signed_require(const char *file, struct uverr *err);
/* The signature of the module that was read last, or NULL: verified only where a key was required. */
struct minisign_signature;
const struct minisign_signature *signed_last(void);

/* Tables on standard output (table.c). */
void table_ls(const json *answer);
void table_kldstat(const json *answer);
void table_link(const json *answer);
void table_route(const json *answer);
void table_ifconfig(const json *answer);
void table_netstat(const json *answer);
void table_sysctl(const json *answer);
void table_sysctl_values(const json *answer);
void table_sysctl_descriptions(const json *answer);

#endif
