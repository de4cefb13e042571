/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of libc functions that keep state of their own.
 *
 * libc is one for all instances: what strtok(3) remembers or rand(3) counts
 * is not virtual and cannot be.  -fvirtual-report names each such call that
 * is left in the program, so that its user knows what the instances share.
 */

#include "vnetcc.h"

static const struct {
	const char *name, *state;
} functions[] = {
	{ "asctime", "its result" },
	{ "chdir", "the working directory" },
	{ "crypt", "its result" },
	{ "ctime", "its result" },
	{ "drand48", "the 48-bit generator" },
	{ "ecvt", "its result" },
	{ "fcvt", "its result" },
	{ "getgrgid", "its result" },
	{ "getgrnam", "its result" },
	{ "gethostbyaddr", "its result" },
	{ "gethostbyname", "its result" },
	{ "getlogin", "its result" },
	{ "getopt", "the place in the arguments" },
	{ "getopt_long", "the place in the arguments" },
	{ "getopt_long_only", "the place in the arguments" },
	{ "getprotobyname", "its result" },
	{ "getpwnam", "its result" },
	{ "getpwuid", "its result" },
	{ "getservbyname", "its result" },
	{ "getservbyport", "its result" },
	{ "gmtime", "its result" },
	{ "hcreate", "the table" },
	{ "hsearch", "the table" },
	{ "inet_ntoa", "its result" },
	{ "initstate", "the generator of random()" },
	{ "localeconv", "its result" },
	{ "localtime", "its result" },
	{ "lrand48", "the 48-bit generator" },
	{ "mblen", "the shift state" },
	{ "mbtowc", "the shift state" },
	{ "mrand48", "the 48-bit generator" },
	{ "openlog", "the log's name and options" },
	{ "putenv", "the environment" },
	{ "rand", "the generator of rand()" },
	{ "random", "the generator of random()" },
	{ "setenv", "the environment" },
	{ "setlocale", "the locale" },
	{ "sigaction", "the signal's disposition" },
	{ "signal", "the signal's disposition" },
	{ "srand", "the generator of rand()" },
	{ "srand48", "the 48-bit generator" },
	{ "srandom", "the generator of random()" },
	{ "strerror", "its result" },
	{ "strsignal", "its result" },
	{ "strtok", "the place in the string" },
	{ "tmpnam", "its result" },
	{ "ttyname", "its result" },
	{ "tzset", "the time zone" },
	{ "umask", "the mask" },
	{ "unsetenv", "the environment" },
	{ "wctomb", "the shift state" },
};

/* Calls `fn` for each instruction that names one of these functions. */
void
hidden_state(const struct program *p, hidden_fn fn, void *arg)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		LLVMValueRef f = LLVMGetNamedFunction(p->mod, functions[i].name);
		LLVMUseRef u;

		/* A program may have a function of that name itself. */
		if (f == NULL || !LLVMIsDeclaration(f))
			continue;
		for (u = LLVMGetFirstUse(f); u != NULL; u = LLVMGetNextUse(u))
			if (LLVMIsAInstruction(LLVMGetUser(u)))
				fn(functions[i].name, functions[i].state, LLVMGetUser(u), arg);
	}
}
