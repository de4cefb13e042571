/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of errata(1).  A command is one row of the table below: its arguments, its options, its help. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "errata.h"

enum {
	O_BRANCH = 256, O_SINCE, O_CATEGORY, O_MODULE, O_UNFIXED, O_KERNEL, O_RUNNING, O_USER, O_ARCH, O_HOST, O_OVERLAY,
	O_REPO, O_ROOT, O_BUILD, O_SIGNATURE, O_FREEBSD, O_MIRROR, O_KEYPRINT, O_STATE, O_BRIEF, O_TEXT, O_UNSIGNED, O_URL
};

static const struct option longopts[] = {
	{ "keyring", required_argument, NULL, 'k' }, { "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' }, { "dry-run", no_argument, NULL, 'n' }, { "reverse", no_argument, NULL, 'R' },
	{ "branch", required_argument, NULL, O_BRANCH }, { "since", required_argument, NULL, O_SINCE },
	{ "category", required_argument, NULL, O_CATEGORY }, { "module", required_argument, NULL, O_MODULE },
	{ "unfixed", no_argument, NULL, O_UNFIXED }, { "kernel", required_argument, NULL, O_KERNEL },
	{ "running", required_argument, NULL, O_RUNNING }, { "user", required_argument, NULL, O_USER },
	{ "arch", required_argument, NULL, O_ARCH }, { "host", no_argument, NULL, O_HOST },
	{ "overlay", required_argument, NULL, O_OVERLAY }, { "repo", required_argument, NULL, O_REPO },
	{ "root", required_argument, NULL, O_ROOT }, { "build", no_argument, NULL, O_BUILD },
	{ "signature", required_argument, NULL, O_SIGNATURE }, { "freebsd", no_argument, NULL, O_FREEBSD },
	{ "mirror", required_argument, NULL, O_MIRROR }, { "keyprint", required_argument, NULL, O_KEYPRINT },
	{ "state", required_argument, NULL, O_STATE }, { "brief", no_argument, NULL, O_BRIEF },
	{ "text", no_argument, NULL, O_TEXT }, { "unsigned", no_argument, NULL, O_UNSIGNED },
	{ "url", required_argument, NULL, O_URL },
	{ NULL, 0, NULL, 0 }
};

static const struct command commands[] = {
	{ "show", show_main, 1, -1, (const int[]){ 'k', 'j', O_BRIEF, O_TEXT, O_OVERLAY, 0 },
	    "[--brief | --text | --json] [--keyring FILE]... FILE...",
	    "Show notices as a page: what it is about, who signed it, which versions have the fix.\n\n"
	    "  --brief         without the sections\n"
	    "  --text          the signed text alone, as the verifier handed it back\n"
	    "  --json          all that is known, for programs\n" },
	{ "verify", verify_main, 1, -1, (const int[]){ 'k', 'j', O_SIGNATURE, 0 },
	    "--keyring FILE [--keyring FILE]... [--json] [--signature SIG] FILE...",
	    "Verify notices, or a file with a detached signature beside it (FILE.asc).  Exits 1 unless all are good.\n\n"
	    "  --keyring FILE  public keys in ASCII armour; text around them does not matter\n"
	    "  --signature SIG the detached signature, when it is not FILE.asc\n" },
	{ "list", list_main, 1, -1, (const int[]){ 'k', 'j', O_BRANCH, O_SINCE, O_CATEGORY, O_MODULE, O_UNFIXED, 0 },
	    "[--branch B] [--since DATE] [--category C] [--module M] [--unfixed] [--json] DIR|FILE...",
	    "List notices, newest first.\n\n"
	    "  --branch B      that correct branch B (stable/13, releng/13.2, 13.2)\n"
	    "  --since DATE    announced on that day (2023-08-01) or later\n"
	    "  --category C    of that category (core, contrib, ports)\n"
	    "  --module M      about that module\n"
	    "  --unfixed       that name no branch with a correction; with --branch, none for B\n" },
	{ "osv", osv_main, 1, 1, (const int[]){ 'k', O_OVERLAY, 0 }, "[--keyring FILE]... FILE",
	    "Print a notice as an OSV record (https://ossf.github.io/osv-schema/).\n" },
	{ "lint", lint_main, 1, -1, (const int[]){ 'k', 'j', 0 }, "[--json] DIR|FILE...",
	    "Say what is wrong in the texts, with line numbers of the signed text.  Exits 0: these are warnings.\n" },
	{ "affects", affects_main, 1, -1,
	    (const int[]){ 'k', 'j', O_KERNEL, O_RUNNING, O_USER, O_ARCH, O_HOST, O_OVERLAY, O_UNSIGNED, 0 },
	    "[--kernel V] [--running V] [--user V] [--arch A] [--host] [--overlay FILE] [--json]\n"
	    "                  [--keyring FILE]... [--unsigned] DIR|FILE...",
	    "Am I affected?  Answers affected, fixed, not affected, reboot required or unknown, each with its reason.\n"
	    "Exits 1 when anything is affected or needs a reboot.\n\n"
	    "  --kernel V      the installed kernel (freebsd-version -k), such as 13.2-RELEASE-p1,\n"
	    "                  or for a -STABLE with its count: \"13.2-STABLE stable/13-n255800\"\n"
	    "  --running V     the kernel that runs (freebsd-version -r)\n"
	    "  --user V        the installed userland (freebsd-version -u)\n"
	    "  --arch A        the machine's architecture (uname -p): amd64, aarch64, ...\n"
	    "  --host          ask this machine for all four (FreeBSD only)\n"
	    "  --overlay FILE  facts that no field holds, beside those that errata knows (JSON, errata(1))\n"
	    "  --unsigned      with --keyring: believe notices that do not verify, too\n" },
	{ "revision", revision_main, 1, -1, (const int[]){ 'k', 'j', O_REPO, O_BRANCH, 0 },
	    "--repo DIR [--branch B] [--json] FILE...",
	    "Say of a git checkout of FreeBSD's source whether it has the fixes, by commit and by count.\n\n"
	    "  --repo DIR      the checkout\n"
	    "  --branch B      the branch it follows, when its name does not say so\n" },
	{ "patch", patch_main, 0, 1, (const int[]){ 'k', 'j', 'n', 'R', O_ROOT, O_SIGNATURE, O_BUILD, 0 },
	    "[--dry-run] [-R] --keyring FILE [--signature SIG] --root DIR [--build] FILE.patch\n"
	    "       errata patch --root DIR",
	    "Verify a source patch, apply it to all its files or to none, and say what to rebuild.  Without a patch:\n"
	    "finish what was interrupted.\n\n"
	    "  --root DIR      the source tree\n"
	    "  -n, --dry-run   only say what would be done\n"
	    "  -R, --reverse   take the patch back\n"
	    "  --signature SIG the detached signature, when it is not FILE.patch.asc\n"
	    "  --build         then build; for a tree of uvnet\n" },
	{ "fetch", fetch_main, 2, 2, (const int[]){ 'j', O_FREEBSD, O_MIRROR, O_KEYPRINT, O_STATE, O_ROOT, 0 },
	    "--freebsd [--mirror URL] [--keyprint HASH] [--state FILE] [--root DIR] [--json]\n"
	    "                RELEASE ARCH",
	    "Say what FreeBSD's binary update would change, from its signed metadata.  Installs nothing.\n\n"
	    "  --freebsd       as freebsd-update(8) does\n"
	    "  --mirror URL    the mirror (http, https or file), when not FreeBSD's own\n"
	    "  --keyprint HASH its key's fingerprint, when not the one of FreeBSD's freebsd-update.conf\n"
	    "  --state FILE    remember there what was seen; a lower patch level later on is refused\n"
	    "  --root DIR      compare with the system in that folder, such as /\n" },
	{ "site", site_main, 2, 2, (const int[]){ 'k', O_OVERLAY, O_URL, 0 },
	    "[--keyring FILE]... [--overlay FILE] [--url URL] DIR OUT",
	    "Make a web site and an Atom feed of a folder of notices, in the folder OUT.  It needs no server.\n\n"
	    "  --overlay FILE  facts that no field holds, beside those that errata knows (JSON, errata(1))\n"
	    "  --url URL       where it will be published; the feed's links need it when the feed is moved\n" },
};

void
complain(const struct uverr *err)
{
	fprintf(stderr, "errata: %s\n", err->text);
}

static void
option_set(const struct command *cmd, struct options *opt, int c, const char *arg)
{
	(void)cmd;
	switch (c) {
	case 'k': *ARRAY_ADD(opt->keyrings, opt->nkeyrings) = arg; break;
	case 'j': opt->json = true; break;
	case 'n': opt->dry_run = true; break;
	case 'R': opt->reverse = true; break;
	case O_BRANCH: opt->branch = arg; break;
	case O_SINCE: opt->since = arg; break;
	case O_CATEGORY: opt->category = arg; break;
	case O_MODULE: opt->module = arg; break;
	case O_UNFIXED: opt->unfixed = true; break;
	case O_KERNEL: opt->kernel = arg; break;
	case O_RUNNING: opt->running = arg; break;
	case O_USER: opt->user = arg; break;
	case O_ARCH: opt->arch = arg; break;
	case O_HOST: opt->host = true; break;
	case O_OVERLAY: opt->overlay = arg; break;
	case O_REPO: opt->repo = arg; break;
	case O_ROOT: opt->root = arg; break;
	case O_BUILD: opt->build = true; break;
	case O_SIGNATURE: opt->signature = arg; break;
	case O_FREEBSD: opt->freebsd = true; break;
	case O_MIRROR: opt->mirror = arg; break;
	case O_KEYPRINT: opt->keyprint = arg; break;
	case O_STATE: opt->state = arg; break;
	case O_BRIEF: opt->brief = true; break;
	case O_TEXT: opt->text = true; break;
	case O_UNSIGNED: opt->unsigned_ok = true; break;
	case O_URL: opt->url = arg; break;
	}
}

int
options_keyring(const struct options *opt, struct keyring **kr, struct uverr *err)
{
	int error;

	if ((error = keyring_open(kr, err)) != 0)
		return (error);
	for (size_t i = 0; i < opt->nkeyrings; i++)
		if ((error = keyring_add(*kr, opt->keyrings[i], err)) != 0) {
			keyring_free(*kr);
			*kr = NULL;
			return (error);
		}
	return (0);
}

static const struct cli cli = {
	.program = "errata", .manual = "errata(1)", .version = ERRATA_VERSION, .letters = ":k:jhnR", .longopts = longopts,
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
	free(opt.keyrings);
	return (cli_end(&cli, status));
}
