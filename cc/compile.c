/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnetcc -c: an ordinary object, with the unit's bitcode beside the code.
 *
 * clang -cc1 -fembed-bitcode=all stores the module as the front end made it,
 * before any optimisation, in the sections .llvmbc and .llvmcmd.  (The option
 * of the same name of the clang driver stores what is left after -O2, which
 * is too late: the base must be added before the optimiser runs.)  Anything
 * can be done with such an object: ar, nm, strip -g, a link by plain cc.
 *
 * -fPIC comes last on clang's command line.  A unit compiled for a fixed
 * address would say of every external variable that it lies within 2 GiB,
 * which does not hold in a module.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

/* Options of cc whose next argument belongs to them. */
static const char *const with_value[] = {
	"-o",
	"-I",
	"-D",
	"-U",
	"-L",
	"-l",
	"-x",
	"-T",
	"-u",
	"-z",
	"-e",
	"-include",
	"-imacros",
	"-isystem",
	"-iquote",
	"-idirafter",
	"-iprefix",
	"-iwithprefix",
	"-iwithprefixbefore",
	"-isysroot",
	"-MF",
	"-MT",
	"-MQ",
	"-MJ",
	"-Xclang",
	"-Xlinker",
	"-Xassembler",
	"-Xpreprocessor",
	"-target",
	"-arch",
	"-mllvm",
	"--param",
	"-serialize-diagnostics",
	"--sysroot",
	"-rpath",
};

/* Options after which cc makes no object and links nothing. */
static const char *const no_link[] = {
	"-E",
	"-S",
	"-M",
	"-MM",
	"-fsyntax-only",
	"-emit-llvm",
	"-###",
	"-r",
};

enum cc_mode { CC_ASK, CC_PLAIN, CC_OBJECT, CC_LINK };

static bool
word_in(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, words[i]) == 0)
			return (true);
	return (false);
}

bool
option_has_value(const char *a)
{
	return (word_in(a, with_value, sizeof(with_value) / sizeof(with_value[0])));
}

/* What plain cc would do with these arguments. */
static enum cc_mode
cc_mode(const struct strlist *args)
{
	bool inputs = false, object = false, plain = false;

	for (size_t i = 0; i < args->n; i++) {
		const char *a = args->v[i];

		if (option_has_value(a))
			i++;
		else if (strcmp(a, "-c") == 0)
			object = true;
		else if (word_in(a, no_link, sizeof(no_link) / sizeof(no_link[0])))
			plain = true;
		else if (a[0] != '-' || a[1] == '\0')
			inputs = true;
	}
	/* Without inputs: -dumpmachine, -print-search-dirs, or an error. */
	return (plain ? CC_PLAIN : !inputs ? CC_ASK : object ? CC_OBJECT : CC_LINK);
}

/* Options that would make an object of another kind. */
static bool
acceptable(const char *a)
{
	if (strncmp(a, "-flto", 5) == 0) {
		complain("%s: leave it out; the link optimises all "
			 "units together anyway",
		    a);
		return (false);
	}
	if (strncmp(a, "-fvirtual", 9) == 0 || strncmp(a, "-fno-virtual", 12) == 0) {
		complain("%s: is for the link; -c decides "
			 "nothing",
		    a);
		return (false);
	}
	return (true);
}

int
compile(const struct strlist *args)
{
	struct strlist cmd = { 0 };
	const char *clang = getenv("VNETCC_CLANG");
	enum cc_mode mode = cc_mode(args);
	int status = 1;

	if (mode == CC_LINK) {
		for (size_t i = 0; i < args->n; i++)
			if (strncmp(args->v[i], "-flto", 5) == 0 && !acceptable(args->v[i]))
				return (1);
		return (program_link(args));
	}
	strlist_add(&cmd, clang != NULL && clang[0] != '\0' ? clang : "clang");
	for (size_t i = 0; i < args->n; i++) {
		if (mode == CC_OBJECT && !acceptable(args->v[i]))
			goto out;
		/* The driver's own form would replace ours. */
		if (strncmp(args->v[i], "-fembed-bitcode", 15) == 0)
			continue;
		strlist_add(&cmd, args->v[i]);
	}
	if (mode == CC_OBJECT) {
		/* Assembly has no use for them, and -Werror may be on. */
		strlist_add(&cmd, "--start-no-unused-arguments");
		strlist_add(&cmd, "-fPIC");
		strlist_add(&cmd, "-Xclang");
		strlist_add(&cmd, "-fembed-bitcode=all");
		strlist_add(&cmd, "--end-no-unused-arguments");
	}
	status = run(&cmd);
out:
	strlist_free(&cmd);
	return (status);
}
