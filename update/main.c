/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of vnet-update(8).  A command is one row of the table below: its arguments, its options, its help. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include "update.h"

enum {
	O_REPO = 256, O_BASE, O_KEY, O_NOTICE, O_GIT, O_MIRROR, O_TRUST, O_ADD, O_REMOVE, O_MANIFEST_KEY, O_THRESHOLD, O_EXPIRES,
	O_PLAIN, O_FORCE
};

static const struct option longopts[] = {
	{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
	{ "repo", required_argument, NULL, O_REPO }, { "base", required_argument, NULL, O_BASE },
	{ "key", required_argument, NULL, O_KEY }, { "notice", required_argument, NULL, O_NOTICE },
	{ "git", required_argument, NULL, O_GIT }, { "mirror", required_argument, NULL, O_MIRROR },
	{ "trust", required_argument, NULL, O_TRUST }, { "add", required_argument, NULL, O_ADD },
	{ "remove", required_argument, NULL, O_REMOVE }, { "manifest-key", required_argument, NULL, O_MANIFEST_KEY },
	{ "threshold", required_argument, NULL, O_THRESHOLD }, { "expires", required_argument, NULL, O_EXPIRES },
	{ "plain", no_argument, NULL, O_PLAIN }, { "force", no_argument, NULL, O_FORCE },
	{ NULL, 0, NULL, 0 }
};

static const struct command commands[] = {
	{ "fetch", fetch_main, 0, 0, (const int[]){ 'j', O_BASE, O_MIRROR, 0 }, "[--base DIR] [--mirror URL]... [--json]",
	    "Get the newest version, beside the one in use, and say what it changes.\n\n"
	    "  --base DIR      where versions are kept\n"
	    "  --mirror URL    ask this mirror (and no other; several: in this order)\n" },
	{ "install", install_main, 0, 0, (const int[]){ 'j', O_BASE, 0 }, "[--base DIR] [--json]",
	    "Use the version that was fetched.\n" },
	{ "rollback", rollback_main, 0, 0, (const int[]){ 'j', O_BASE, 0 }, "[--base DIR] [--json]",
	    "Use again what was in use before the last install.\n" },
	{ "status", status_main, 0, 0, (const int[]){ 'j', O_BASE, 0 }, "[--base DIR] [--json]",
	    "What is in use, what waits, and which notices concern it.  Exits 0: all is well; 1: an update waits or a\n"
	    "notice concerns what is in use; 2: that cannot be said, or what was fetched has expired.\n" },
	{ "ids", ids_main, 0, 0, (const int[]){ 'j', O_BASE, 0 }, "[--base DIR] [--json]",
	    "Compare what is in use with its manifest.  Exits 1 when something differs.\n" },
	{ "init", init_main, 0, -1, (const int[]){ O_BASE, O_TRUST, O_FORCE, 0 }, "[--base DIR] --trust ROOT.json [--force] URL...",
	    "Name the repository: whom to trust, and its mirrors.\n\n"
	    "  --trust FILE    a root of the repository, from where you believe it\n"
	    "  --force         forget the repository that is known here\n" },
	{ "keygen", keygen_main, 1, 1, (const int[]){ O_PLAIN, 0 }, "[--plain] FILE",
	    "Make a key: FILE, and its public half FILE.pub, as minisign's are.\n\n"
	    "  --plain         without a password\n" },
	{ "root", root_main, 0, 0,
	    (const int[]){ O_REPO, O_KEY, O_ADD, O_REMOVE, O_MANIFEST_KEY, O_THRESHOLD, O_EXPIRES, 0 },
	    "--repo DIR --key FILE... [--add PUB]... [--remove KEYID]... [--manifest-key PUB]...\n"
	    "                   [--threshold N] [--expires DAYS]",
	    "Say who may sign: make the first root of a repository, or the next.\n\n"
	    "  --key FILE      secret keys that sign it now\n"
	    "  --add PUB       a public key that signs roots from now on\n"
	    "  --remove KEYID  a key that signs nothing any more\n"
	    "  --manifest-key PUB  the keys that sign manifests, instead of those that do now\n"
	    "  --threshold N   how many keys must sign a root\n"
	    "  --expires DAYS  365 when not said\n" },
	{ "publish", publish_main, 0, -1,
	    (const int[]){ O_REPO, O_KEY, O_NOTICE, O_GIT, O_REMOVE, O_EXPIRES, O_THRESHOLD, 0 },
	    "--repo DIR --key FILE... [--notice FILE [--git DIR]] [--remove PATH]...\n"
	    "                   [--expires DAYS] [PATH=]FILE...",
	    "Make the next version of a repository: the last one with these files added or replaced.\n\n"
	    "  --notice FILE   a notice on what this version mends; @BRANCH@, @HASH@, @REVISION@, @DATE@ are filled in\n"
	    "  --git DIR       from this git checkout, when not the one that the notice lies in\n"
	    "  --remove PATH   a file that is no more\n"
	    "  --expires DAYS  clients refuse the version after that; 30 when not said\n" },
	{ "sign", sign_main, 0, -1, (const int[]){ O_REPO, O_KEY, 0 }, "--key FILE... --repo DIR\n       vnet-update sign --key FILE MODULE...",
	    "Sign what waits for signatures in a repository; or modules, at their end (vnet run --require-signed).\n" },
};

void
complain(const struct uverr *err)
{
	fprintf(stderr, "vnet-update: %s\n", err->text);
}

void
progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
}

static const struct cli cli;

static int
number(const struct command *cmd, const char *arg, int max)
{
	char *end;
	const long n = strtol(arg, &end, 10);

	if (*arg == '\0' || *end != '\0' || n < 1 || n > max) {
		fprintf(stderr, "vnet-update: %s: %s: it is a number from 1 to %d\n", cmd->name, arg, max);
		cli_usage(&cli, cmd);
	}
	return ((int)n);
}

static void
option_set(const struct command *cmd, struct options *opt, int c, const char *arg)
{
	switch (c) {
	case 'j': opt->json = true; break;
	case O_REPO: opt->repo = arg; break;
	case O_BASE: opt->base = arg; break;
	case O_KEY: *ARRAY_ADD(opt->keys, opt->nkeys) = arg; break;
	case O_NOTICE: opt->notice = arg; break;
	case O_GIT: opt->git = arg; break;
	case O_MIRROR: *ARRAY_ADD(opt->mirrors, opt->nmirrors) = arg; break;
	case O_TRUST: *ARRAY_ADD(opt->trust, opt->ntrust) = arg; break;
	case O_ADD: *ARRAY_ADD(opt->add, opt->nadd) = arg; break;
	case O_REMOVE: *ARRAY_ADD(opt->remove, opt->nremove) = arg; break;
	case O_MANIFEST_KEY: *ARRAY_ADD(opt->manifest_keys, opt->nmanifest_keys) = arg; break;
	case O_THRESHOLD: opt->threshold = number(cmd, arg, KEYS_MAX); break;
	case O_EXPIRES: opt->expires = number(cmd, arg, 36500); break;
	case O_PLAIN: opt->plain = true; break;
	case O_FORCE: opt->force = true; break;
	}
}

static const struct cli cli = {
	.program = "vnet-update", .manual = "vnet-update(8)", .version = UPDATE_VERSION, .letters = ":jh", .longopts = longopts,
	.commands = commands, .ncommands = sizeof(commands) / sizeof(commands[0]), .set = option_set,
};

int
main(int argc, char **argv)
{
	struct options opt = { 0 };
	const struct command *cmd;
	int status;

	signal(SIGPIPE, SIG_IGN);
	cmd = cli_read(&cli, argc, argv, &opt, &opt.nargs, &opt.args);
	status = cmd->func(&opt);
	free(opt.keys);
	free(opt.mirrors);
	free(opt.trust);
	free(opt.add);
	free(opt.remove);
	free(opt.manifest_keys);
	return (cli_end(&cli, status));
}
