/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnetcc compiles C, as it is, so that its global variables are virtual:
 * each instance has its own.
 *
 * The work is split as a build splits it.  "vnetcc -c" (compile.c) decides
 * nothing: whether an extern is virtual depends on units that it cannot see.
 * A link has all units before it: of a program (program.c), or of a module.
 * "vnetcc --module" (module.c) has all units before it, decides, transforms
 * them and generates the code.
 */

#include <stdio.h>
#include <string.h>

#include <llvm/Config/llvm-config.h>

#include "vnetcc.h"

static const char usage[] = "usage: vnetcc [option of cc ...] -c file.c ...\n"
			    "       vnetcc [option of cc ...] [-o program] file ...\n"
			    "       vnetcc --module -o module.ko [option ...] file.o ...\n"
			    "\n"
			    "With -c, -E, -S or -M* vnetcc takes the options of cc (clang);\n"
			    "without, it links a program, and takes -fvirtual... too.\n"
			    "With --module:\n"
			    "  -o FILE                     the module\n"
			    "  -O0 -O1 -O2 -O3 -Os -Oz     optimise (default -O2)\n"
			    "  -march=CPU                  for what names no processor itself\n"
			    "  -fvirtual=all|none|NAME,... which variables each instance has\n"
			    "  -fno-virtual=NAME,...       variables that all instances share\n"
			    "  -fvirtual-extern=NAME,...   virtual variables of another module\n"
			    "  -fvirtual-by-hand=NAME,...  plain objects add the base to them\n"
			    "  -fvirtual-keeps-base=F,...  functions outside that never switch\n"
			    "  -fvirtual-set=vnet|pcpu     the set they go to (default vnet)\n"
			    "  -fsanitize=address          check accesses; the program does, too\n"
			    "  -fvirtual-base=tls|gs       programs: gs costs least (x86-64; default tls)\n"
			    "  -fvirtual-report[=json]     what was decided, and why\n"
			    "  -fvirtual-ir=FILE           the transformed units, as LLVM's text\n"
			    "  -fexport=NAME,...           all other definitions become local\n"
			    "  -fexport-file=FILE          the same, one name a line\n"
			    "VNETCC_CLANG and VNETCC_LD name the clang and the ld to run.\n";

int
main(int argc, char **argv)
{
	struct strlist args = { 0 };
	int status = 1;

	if (!args_expand(argc, argv, &args))
		goto out;
	if (args.n == 0) {
		fputs(usage, stderr);
		goto out;
	}
	if (strcmp(args.v[0], "--help") == 0) {
		fputs(usage, stdout);
		status = 0;
	} else if (strcmp(args.v[0], "--version") == 0) {
		printf("vnetcc (uvnet) %s, LLVM %s\n", VNETCC_VERSION, LLVM_VERSION_STRING);
		status = 0;
	} else if (strlist_has(&args, "--module"))
		status = module_link(&args);
	else
		status = compile(&args);
out:
	strlist_free(&args);
	return (status);
}
