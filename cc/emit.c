/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Optimise, generate, join.
 *
 * LLVM makes one position-independent object of all units; ld -r joins it
 * with the objects that were compiled plainly (and runs even without any, so
 * that every module has the form that ld -r gives).  The module appears under
 * its name only when it is complete: it is written beside it and renamed.
 *
 * The optimiser may find that nobody writes a variable and mark it constant.
 * It is one and the same in all instances then, or different in each if it
 * holds addresses; either way it is in the set, whose section is writable,
 * so the mark is taken off again before code is generated.
 */

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "llvmcompat.h"
#include "vnetcc.h"

static bool
verify(struct program *p)
{
	char *text = NULL;
	bool broken;

	broken = LLVMVerifyModule(p->mod, LLVMReturnStatusAction, &text);
	if (broken)
		complain("internal: the transformed units are invalid: %s", text);
	LLVMDisposeMessage(text);
	return (!broken);
}

static bool
run_passes(struct program *p, const char *passes, LLVMPassBuilderOptionsRef o)
{
	LLVMErrorRef error = LLVMRunPasses(p->mod, passes, p->tm, o);
	char *text;

	if (error == NULL)
		return (true);
	text = LLVMGetErrorMessage(error);
	complain("the optimiser failed: %s: %s", passes, text);
	LLVMDisposeErrorMessage(text);
	return (false);
}

bool
optimise(struct program *p)
{
	LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
	bool fast = strcmp(p->opt->level, "O0") != 0, ok;
	char passes[32];

	/* As clang does from -O2 on; below, these passes are not run. */
	LLVMPassBuilderOptionsSetLoopVectorization(o, fast);
	LLVMPassBuilderOptionsSetLoopInterleaving(o, fast);
	LLVMPassBuilderOptionsSetSLPVectorization(o, fast);
	LLVMPassBuilderOptionsSetLoopUnrolling(o, fast);
	snprintf(passes, sizeof(passes), "default<%s>", p->opt->level);
	ok = run_passes(p, passes, o);
	LLVMDisposePassBuilderOptions(o);
	return (ok);
}

/*
 * -fsanitize=address: every access asks the shadow first.  When all else is done, so that what is checked is what will
 * run.  Variables stay as they are, for code relies on where they lie.
 */
static bool
sanitise(struct program *p)
{
	static const char *const argv[] = { "vnetcc", "-asan-globals=0" };
	const unsigned kind = LLVMGetEnumAttributeKindForName("sanitize_address", strlen("sanitize_address"));
	LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
	LLVMAttributeRef attr = LLVMCreateEnumAttribute(p->ctx, kind, 0);
	LLVMValueRef f;
	bool ok;

	LLVMParseCommandLineOptions(2, argv, NULL);
	for (f = LLVMGetFirstFunction(p->mod); f != NULL; f = LLVMGetNextFunction(f))
		if (!LLVMIsDeclaration(f))
			LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attr);
	ok = run_passes(p, ASAN_PASSES, o);
	LLVMDisposePassBuilderOptions(o);
	return (ok);
}

static void
set_writable(struct program *p)
{
	LLVMValueRef g;

	for (g = LLVMGetFirstGlobal(p->mod); g; g = LLVMGetNextGlobal(g)) {
		const char *s = LLVMGetSection(g);

		if (s != NULL && strcmp(s, p->opt->set->section) == 0)
			LLVMSetGlobalConstant(g, 0);
	}
}

struct finishing {
	struct strlist hidden; /* by the source */
	const struct layout *layout;
};

/* Gives visibility back, and checks that variables lie where code says. */
static bool
finish_one(const char *name, uint64_t value, unsigned char *visibility, void *arg)
{
	struct finishing *f = arg;

	if (ELF64_ST_VISIBILITY(*visibility) == STV_HIDDEN && !strlist_has(&f->hidden, name))
		*visibility = (unsigned char)(*visibility & ~3);
	return (anchor_holds(f->layout, name, value));
}

/* Generates the object into memory; the caller frees *data. */
static bool
generate(struct program *p, uint8_t **data, size_t *size)
{
	struct finishing f = { .layout = &p->layout };
	LLVMMemoryBufferRef buf = NULL;
	char *text = NULL;
	bool ok = false;

	set_writable(p);
	if (strcmp(p->opt->level, "O0") != 0 && !p->steady)
		anchor(p, &p->layout);
	symbols_hide(p, &f.hidden);
	if (LLVMTargetMachineEmitToMemoryBuffer(p->tm, p->mod, LLVMObjectFile, &text, &buf)) {
		complain("no code can be generated: %s", text);
		LLVMDisposeMessage(text);
		goto out;
	}
	/* Errors in assembly text are only reported, not returned. */
	if (p->diag != NULL) {
		complain("no code can be generated: %s", p->diag);
		goto out;
	}
	*size = LLVMGetBufferSize(buf);
	*data = xrealloc(NULL, *size, 1);
	memcpy(*data, LLVMGetBufferStart(buf), *size);
	ok = object_definitions(*data, *size, finish_one, &f);
	if (!ok) {
		complain("internal: the generated object is not laid out as "
			 "its code expects");
		free(*data);
	}
out:
	if (buf != NULL)
		LLVMDisposeMemoryBuffer(buf);
	strlist_free(&f.hidden);
	return (ok);
}

/* A file beside the output; its name is to be freed, the file removed. */
static int
beside(const char *output, char **path)
{
	int fd;

	*path = xasprintf("%s.XXXXXX", output);
	fd = mkstemp(*path);
	if (fd < 0) {
		complain("%s: %s", output, strerror(errno));
		free(*path);
		*path = NULL;
	}
	return (fd);
}

static bool
join(const struct program *p, const char *generated, const char *to)
{
	const char *ld = getenv("VNETCC_LD");
	struct strlist cmd = { 0 };
	int status;

	strlist_add(&cmd, ld != NULL && ld[0] != '\0' ? ld : "ld");
	strlist_add(&cmd, "-r");
	strlist_add(&cmd, "-d"); /* gives common symbols their place */
	strlist_add(&cmd, "-o");
	strlist_add(&cmd, to);
	strlist_add(&cmd, generated);
	for (size_t i = 0; i < p->nobj; i++)
		if (p->obj[i].bitcode == NULL)
			strlist_add(&cmd, p->obj[i].path);
	status = run(&cmd);
	strlist_free(&cmd);
	if (status != 0)
		complain("%s: ld -r failed", p->opt->output);
	return (status == 0);
}

/* mkstemp gives nobody else access; an output has what umask leaves. */
static bool
publish(const char *from, const char *to)
{
	mode_t mask = umask(0);

	umask(mask);
	if (chmod(from, 0666 & ~mask) == 0 && rename(from, to) == 0)
		return (true);
	complain("%s: %s", to, strerror(errno));
	return (false);
}

static bool
write_module(struct program *p, const uint8_t *data, size_t size)
{
	char *object = NULL, *module = NULL;
	int fd, fd2 = -1;
	bool ok = false;

	fd = beside(p->opt->output, &object);
	if (fd < 0)
		return (false);
	fd2 = beside(p->opt->output, &module);
	if (fd2 < 0)
		goto out;
	ok = file_write(fd, object, data, size) && join(p, object, module) && publish(module, p->opt->output);
	if (!ok)
		unlink(module);
	close(fd2);
out:
	close(fd);
	unlink(object);
	free(object);
	free(module);
	return (ok);
}

/* The object that LLVM makes of the transformed units; the caller frees *data. */
bool
emit_object(struct program *p, uint8_t **data, size_t *size)
{
	char *text;

	if (!verify(p))
		return (false);
	if (p->opt->ir != NULL && LLVMPrintModuleToFile(p->mod, p->opt->ir, &text)) {
		complain("%s: %s", p->opt->ir, text);
		LLVMDisposeMessage(text);
		return (false);
	}
	if ((!p->steady && !optimise(p)) || (p->opt->asan && !sanitise(p)) || (p->opt->program && !image_make(p)))
		return (false);
	if (p->opt->set->sysinit && p->opt->mode != VIRT_NONE)
		ctors_sysinit(p);
	return (generate(p, data, size));
}

/* A module. */
bool
emit(struct program *p)
{
	uint8_t *data;
	size_t size;
	bool ok;

	if (!emit_object(p, &data, &size))
		return (false);
	ok = write_module(p, data, size);
	free(data);
	return (ok);
}
