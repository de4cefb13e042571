/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole programs: vnetcc where cc would link.
 *
 *	1. Sources are compiled, as with -c, into a directory of its own.
 *	2. The program is linked plainly, by clang, with exactly the arguments
 *	   given.  What is wrong with it is said as cc says it (configure
 *	   asks such questions), and what of it the dynamic linker sees is
 *	   read from the result: all else can become local.
 *	3. The units, and the members of archives that the link needs, become
 *	   one object, as for a module.
 *	4. It is linked again, with that object instead of the units, and with
 *	   the runtime (src/vinst), to which main(), exit(), atexit() and
 *	   pthread_create() lead.
 *
 * Where nothing has bitcode, the second step is all there is.
 */

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vnetcc.h"

struct linking {
	struct options opt;
	char dir[64]; /* temporary files; "" until it is there */
	char *output;
	struct strlist args;	 /* of clang, sources replaced by objects */
	struct strlist archives; /* with bitcode */
	struct strlist kept;	 /* arguments of the second link */
	struct symbols symbols;
	bool whole; /* --whole-archive: of all archives */
};

static const char *
clang(void)
{
	const char *c = getenv("VNETCC_CLANG");

	return (c != NULL && c[0] != '\0' ? c : "clang");
}

static bool
ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return (n >= k && strcmp(s + n - k, suffix) == 0);
}

static bool
is_source(const char *a)
{
	static const char *const suffixes[] = { ".c", ".i", ".s", ".S", ".ll", ".bc" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (ends(a, suffixes[i]))
			return (true);
	return (false);
}

static bool
is_option(const char *a)
{
	return (a[0] == '-' && a[1] != '\0');
}

/* ---- Step 1 ---- */

static bool
source_compile(struct linking *l, const struct strlist *all, const char *source, const char *language)
{
	struct strlist cmd = { 0 };
	char *object = xasprintf("%s/%zu.o", l->dir, l->args.n);
	bool ok;

	strlist_add(&cmd, "-Qunused-arguments");
	for (size_t i = 0; i < all->n; i++) {
		const char *a = all->v[i];
		bool value = option_has_value(a) && i + 1 < all->n;

		if (!is_option(a) || strcmp(a, "-o") == 0 || strcmp(a, "-x") == 0 || strncmp(a, "-l", 2) == 0) {
			i += value && is_option(a);
			continue;
		}
		strlist_add(&cmd, a);
		if (value)
			strlist_add(&cmd, all->v[++i]);
	}
	if (language != NULL) {
		strlist_add(&cmd, "-x");
		strlist_add(&cmd, language);
	}
	strlist_add(&cmd, "-c");
	strlist_add(&cmd, source);
	strlist_add(&cmd, "-o");
	strlist_add(&cmd, object);
	ok = compile(&cmd) == 0;
	strlist_add(&l->args, object);
	strlist_free(&cmd);
	free(object);
	return (ok);
}

static bool
arguments_read(struct linking *l, const struct strlist *all)
{
	struct strlist options = { 0 };
	const char *language = NULL;
	bool ok = true, taken;

	options_default(&l->opt);
	l->output = xstrdup("a.out");
	for (size_t i = 0; i < all->n && ok; i++) {
		ok = options_take(&l->opt, all->v[i], &taken);
		if (!taken)
			strlist_add(&options, all->v[i]);
	}
	for (size_t i = 0; i < options.n && ok; i++) {
		const char *a = options.v[i];

		if (strcmp(a, "-o") == 0 && i + 1 < options.n) {
			free(l->output);
			l->output = xstrdup(options.v[++i]);
		} else if (strcmp(a, "-x") == 0 && i + 1 < options.n) {
			language = options.v[++i];
			if (strcmp(language, "none") == 0)
				language = NULL;
		} else if (!is_option(a) && (language != NULL || is_source(a)))
			ok = source_compile(l, &options, a, language);
		else {
			l->opt.shared |= strcmp(a, "-shared") == 0;
			l->whole |= strstr(a, "--whole-archive") != NULL;
			strlist_add(&l->args, a);
			if (is_option(a) && option_has_value(a) && i + 1 < options.n)
				strlist_add(&l->args, options.v[++i]);
		}
	}
	strlist_free(&options);
	return (ok);
}

/* ---- Step 2 ---- */

static int
plain_link(const struct strlist *args, const char *output, bool trial)
{
	/* The runtime is not there yet. */
	static const char *const calls[] = { "create", "destroy", "enter", "leave", "self" };
	struct strlist cmd = { 0 };
	int status;

	strlist_add(&cmd, clang());
	for (size_t i = 0; trial && i < sizeof(calls) / sizeof(calls[0]); i++) {
		char *option = xasprintf("-Wl,--defsym=vinst_%s=0", calls[i]);

		strlist_add(&cmd, option);
		free(option);
	}
	for (size_t i = 0; i < args->n; i++)
		strlist_add(&cmd, args->v[i]);
	strlist_add(&cmd, "-o");
	strlist_add(&cmd, output);
	status = run(&cmd);
	strlist_free(&cmd);
	return (status);
}

/* What the plain program shows to the dynamic linker is exported, and so is main. */
static bool
exports_read(struct linking *l, const char *path)
{
	uint8_t *data;
	size_t size;
	Elf64_Ehdr eh;
	Elf64_Shdr sh, str;

	l->opt.exporting = true;
	strlist_add(&l->opt.exports, "main");
	if (!file_read(path, &data, &size))
		return (false);
	/* It is the linker's own output, but a broken one must not hurt. */
	if (size < sizeof(eh))
		goto damaged;
	memcpy(&eh, data, sizeof(eh));
	if (eh.e_shoff > size || (size - eh.e_shoff) / sizeof(sh) < eh.e_shnum)
		goto damaged;
	for (unsigned i = 0; i < eh.e_shnum; i++) {
		memcpy(&sh, data + eh.e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type != SHT_DYNSYM)
			continue;
		if (sh.sh_link >= eh.e_shnum || sh.sh_offset > size || sh.sh_size > size - sh.sh_offset)
			goto damaged;
		memcpy(&str, data + eh.e_shoff + sh.sh_link * sizeof(str), sizeof(str));
		if (str.sh_offset > size || str.sh_size > size - str.sh_offset || str.sh_size == 0)
			goto damaged;
		data[str.sh_offset + str.sh_size - 1] = '\0';
		for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= sh.sh_size; at += sizeof(Elf64_Sym)) {
			Elf64_Sym s;

			memcpy(&s, data + sh.sh_offset + at, sizeof(s));
			if (s.st_shndx != SHN_UNDEF && s.st_name < str.sh_size)
				strlist_add(&l->opt.exports, (char *)data + str.sh_offset + s.st_name);
		}
	}
	free(data);
	return (true);
damaged:
	complain("%s: the linker's output is damaged", path);
	free(data);
	return (false);
}

/* ---- Step 3 ---- */

static bool
is_elf_object(const char *path)
{
	Elf64_Ehdr eh;
	FILE *f = fopen(path, "r");
	bool is = false;

	if (f != NULL) {
		is = fread(&eh, sizeof(eh), 1, f) == 1 && memcmp(eh.e_ident, ELFMAG, SELFMAG) == 0 &&
		    eh.e_type == ET_REL;
		fclose(f);
	}
	return (is);
}

static bool
object_has_bitcode(const char *path)
{
	struct object o = { 0 };
	const char *why;
	bool has = file_read(path, &o.data, &o.size) && object_parse(&o, o.data, o.size, &why) && o.bitcode != NULL;

	object_free(&o);
	return (has);
}

/* The archive that -lNAME means, if it is a static one with bitcode; to be freed. */
static char *
library_archive(const struct linking *l, const char *name)
{
	for (size_t i = 0; i < l->args.n; i++) {
		const char *d = l->args.v[i];
		char *path, *dynamic;

		if (strncmp(d, "-L", 2) != 0)
			continue;
		d = d[2] != '\0' ? d + 2 : i + 1 < l->args.n ? l->args.v[i + 1] : "";
		path = name[0] == ':' ? xasprintf("%s/%s", d, name + 1) : xasprintf("%s/lib%s.a", d, name);
		dynamic = xasprintf("%s/lib%s.so", d, name);
		if (access(dynamic, R_OK) != 0 && archive_has_bitcode(path)) {
			free(dynamic);
			return (path);
		}
		free(dynamic);
		free(path);
	}
	return (NULL);
}

/* Sorts the arguments: units, archives with bitcode, and what stays for the second link. */
static void
inputs_sort(struct linking *l)
{
	for (size_t i = 0; i < l->args.n; i++) {
		const char *a = l->args.v[i];
		char *lib = NULL;

		if (strncmp(a, "-l", 2) == 0 && (a[2] != '\0' || i + 1 < l->args.n)) {
			lib = library_archive(l, a[2] != '\0' ? a + 2 : l->args.v[i + 1]);
			if (lib != NULL)
				strlist_add(&l->archives, lib);
			if (lib != NULL && a[2] == '\0')
				i++;
		} else if (!is_option(a) && is_elf_object(a)) {
			symbols_note_object(&l->symbols, a);
			strlist_add(&l->opt.inputs, a);
			if (object_has_bitcode(a))
				continue;
		} else if (!is_option(a) && ends(a, ".a") && archive_has_bitcode(a)) {
			strlist_add(&l->archives, a);
			continue;
		}
		if (lib == NULL) {
			strlist_add(&l->kept, a);
			if (is_option(a) && option_has_value(a) && i + 1 < l->args.n)
				strlist_add(&l->kept, l->args.v[++i]);
		}
		free(lib);
	}
}

static bool
members_take(struct linking *l, struct strlist *plain)
{
	struct strlist members = { 0 };
	bool ok = archives_take(&l->archives, &l->symbols, l->whole, l->dir, &members);

	for (size_t i = 0; i < members.n && ok; i++) {
		strlist_add(&l->opt.inputs, members.v[i]);
		if (!object_has_bitcode(members.v[i]))
			strlist_add(plain, members.v[i]);
	}
	strlist_free(&members);
	return (ok);
}

/* ---- Step 4 ---- */

/* The runtime lies beside the program: as built, or as installed. */
static char *
runtime(void)
{
	static const char *const places[] = { "../src/vinst/libvinst.a", "../lib/libvinst.a",
		"../lib/x86_64-linux-gnu/libvinst.a" };
	const char *named = getenv("VNETCC_RUNTIME");
	char self[PATH_MAX] = "", *path;
	ssize_t n;

	if (named != NULL && named[0] != '\0')
		return (xstrdup(named));
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/') != NULL)
		*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		path = xasprintf("%s/%s", self, places[i]);
		if (access(path, R_OK) == 0)
			return (path);
		free(path);
	}
	complain("libvinst.a is not beside vnetcc; VNETCC_RUNTIME may name it");
	return (NULL);
}

static bool
final_link(struct linking *l, const char *object, const struct strlist *plain)
{
	static const char *const wraps[] = { "-Wl,--wrap=atexit", "-Wl,--wrap=pthread_create", "-Wl,--wrap=main",
		"-Wl,--wrap=exit" };
	struct strlist args = { 0 };
	char *lib = NULL;
	bool ok;

	/* symbols.c: what is defined inside is addressed directly. */
	if (l->opt.shared)
		strlist_add(&args, "-Wl,-Bsymbolic");
	strlist_add(&args, object);
	for (size_t i = 0; i < plain->n; i++)
		strlist_add(&args, plain->v[i]);
	for (size_t i = 0; i < l->kept.n; i++)
		strlist_add(&args, l->kept.v[i]);
	if (l->opt.mode != VIRT_NONE) {
		lib = runtime();
		if (lib == NULL)
			return (false);
		/* A library has no main(), and ends with its program. */
		for (size_t i = 0; i < (l->opt.shared ? 2 : 4); i++)
			strlist_add(&args, wraps[i]);
		strlist_add(&args, "-Wl,-u,vinst_create");
		strlist_add(&args, lib);
	}
	ok = plain_link(&args, l->output, false) == 0;
	strlist_free(&args);
	free(lib);
	return (ok);
}

static bool
object_write(struct program *p, const char *path)
{
	uint8_t *data;
	size_t size;
	int fd;
	bool ok;

	if (!emit_object(p, &data, &size))
		return (false);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	ok = fd >= 0 && file_write(fd, path, data, size);
	if (fd >= 0)
		close(fd);
	free(data);
	return (ok);
}

static bool
virtual_link(struct linking *l)
{
	struct program p = { .opt = &l->opt };
	struct strlist plain = { 0 };
	char *object = xasprintf("%s/program.o", l->dir);
	bool ok;

	ok = members_take(l, &plain) && program_units(&p) && object_write(&p, object) && final_link(l, object, &plain);
	if (ok)
		report(&p);
	program_free(&p);
	strlist_free(&plain);
	free(object);
	return (ok);
}

/* ---- All of it ---- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return (remove(path));
}

static bool
any_bitcode(const struct linking *l)
{
	for (size_t i = 0; i < l->opt.inputs.n; i++)
		if (object_has_bitcode(l->opt.inputs.v[i]))
			return (true);
	return (l->archives.n > 0);
}

int
program_link(const struct strlist *args)
{
	struct linking l = { 0 };
	const char *tmp = getenv("TMPDIR");
	char *plain = NULL;
	int status = 1;

	if (snprintf(l.dir, sizeof(l.dir), "%s/vnetcc.XXXXXX", tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp") < 0 ||
	    mkdtemp(l.dir) == NULL) {
		complain("%s: %s", l.dir, strerror(errno));
		return (1);
	}
	if (!arguments_read(&l, args))
		goto out;
	plain = xasprintf("%s/plain", l.dir);
	status = plain_link(&l.args, plain, true);
	if (status != 0)
		goto out;
	inputs_sort(&l);
	if (!any_bitcode(&l))
		status = plain_link(&l.args, l.output, false);
	else
		status = !(exports_read(&l, plain) && virtual_link(&l));
out:
	nftw(l.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(plain);
	free(l.output);
	strlist_free(&l.args);
	strlist_free(&l.archives);
	strlist_free(&l.kept);
	symbols_free(&l.symbols);
	options_free(&l.opt);
	return (status);
}
