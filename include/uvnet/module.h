/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The module linker: native code loaded into a running program, with its virtual variables where every instance
 * mirrors them (FreeBSD's kld(4), sys/module.h, sys/linker.h).
 *
 * A module is a relocatable object (`ld -r`), or a shared object from any linker, relaxed or not.  The essay is at
 * the top of src/kld/kld.c.
 *
 * Threads: loads and unloads are made by one thread at a time, with all workers stopped.
 */
#ifndef UVNET_MODULE_H
#define UVNET_MODULE_H

#include <stddef.h>
#include <stdint.h>
#include <uvnet/err.h>
#include <uvnet/sysinit.h>

/* ---- A module's source: what it is, what it needs ---- */

struct module;
typedef struct module *module_t;

typedef enum modeventtype { MOD_LOAD, MOD_UNLOAD, MOD_SHUTDOWN, MOD_QUIESCE } modeventtype_t;
typedef int (*modeventhand_t)(module_t, int /* modeventtype_t */, void *);

/* FreeBSD's DECLARE_MODULE data.  evhand returns 0 or an errno, positive as there; it may be NULL. */
typedef struct moduledata {
	const char *name;
	modeventhand_t evhand;
	void *priv;
} moduledata_t;

enum mod_metadata_type { MDT_DEPEND = 1, MDT_MODULE = 2, MDT_VERSION = 3 };

struct mod_metadata {
	int md_type;
	const char *md_cval;	/* the module's name; for MDT_DEPEND the name of what it needs */
	const moduledata_t *md_data;	/* MDT_MODULE */
	int md_min, md_preferred, md_max;	/* MDT_DEPEND; MDT_VERSION in md_min */
	unsigned md_sub, md_order;	/* MDT_MODULE: when MOD_LOAD is called among the SYSINITs */
};

/* Of the variables' sets too, which may be other files' of the module. */
#define MODULE_METADATA_ENTRY(uniq, ...) \
	LINKER_SET_MARK("set_modmetadata_set"); \
	LINKER_SET_MARK("set_vnet"); \
	LINKER_SET_MARK("set_pcpu"); \
	static const struct mod_metadata uniq = { __VA_ARGS__ }; \
	static const struct mod_metadata *const uniq##_ptr \
	    __attribute__((section("set_modmetadata_set"), used)) = &uniq

#define DECLARE_MODULE(name, data, sub, order) \
	MODULE_METADATA_ENTRY(_md_##name, .md_type = MDT_MODULE, .md_cval = #name, .md_data = &(data), \
	    .md_sub = (sub), .md_order = (order))
#define MODULE_VERSION(name, version) \
	MODULE_METADATA_ENTRY(_mv_##name, .md_type = MDT_VERSION, .md_cval = #name, .md_min = (version))
#define MODULE_DEPEND(name, mdepend, vmin, vpref, vmax) \
	MODULE_METADATA_ENTRY(_md_##name##_on_##mdepend, .md_type = MDT_DEPEND, .md_cval = #mdepend, \
	    .md_min = (vmin), .md_preferred = (vpref), .md_max = (vmax))

/* ---- The program's side ---- */

struct linker_file;
typedef struct linker_file *linker_file_t;

/*
 * Make the program itself the first linker file: its parts of the sets become template regions (with the pointers
 * that its own relocations name), its constructors run.  After vset_window_init(), dpcpu_init(), vnet_init().
 * `name` as kldstat shows it; it is copied.  kld_fini() unloads all in reverse, whatever MOD_QUIESCE would say.
 * Errors: -ENOTSUP for a program that is not position-independent, -ENOMEM, or what a constructor returned.
 */
int kld_init(const char *name, struct uverr *err);
void kld_fini(void);

/*
 * Load a module: read, check, place, relocate, copy its variables into every live instance, register with the
 * unwinder, run its constructors.  What it depends on and is not there is loaded first, as NAME.ko from the same
 * folder, and goes with the last that needs it.  It is there whole, or not at all.  `path`: a file; `file` may be
 * NULL.  With no stack set (curvnet NULL), as kld_unload().
 * Errors: -ENOEXEC (not a module, broken; the sentence has the offset or the section), -EEXIST (a name of its
 * is taken), -ENOENT (file, an unknown symbol, a dependency or its version, by name), -ELOOP (dependencies in a
 * circle), -ENOSPC (does not fit in the space left), -EINVAL (a variable's alignment above what instances have),
 * -EFBIG, -ENOMEM, what open(2) says, or what a constructor returned.
 */
int kld_load(const char *path, linker_file_t *file, struct uverr *err);

/*
 * What the bytes of every module's file, dependencies' too, must pass before anything is read in them, by a load or by
 * kld_fileinfo(): `check` returns 0, or a negative errno and the reason.  NULL (as at start): nothing is asked.  By the
 * thread that loads.
 */
typedef int kld_check(void *arg, const char *path, const void *data, size_t len, struct uverr *err);
void kld_require(kld_check *check, void *arg);

/*
 * Unload: destructors in every stack, then its own, then its memory.  Callouts and packets that they leave behind and
 * that would call the module are stopped and dropped.  Errors: -EBUSY while another module needs it (the sentence names
 * it), from within a stack or a function of the module's own, or when its MOD_QUIESCE refuses (EOPNOTSUPP and EINVAL are "I do not know that event", as on FreeBSD).  MOD_UNLOAD is
 * called among the destructors, at the place of MOD_LOAD; what it returns is only printed.
 */
int kld_unload(linker_file_t file, struct uverr *err);

/* A loaded file by name ("inet.ko" or "inet"), or NULL. */
linker_file_t kld_find(const char *name);

/* The address of a global symbol of that file, or NULL. */
void *kld_lookup(linker_file_t file, const char *symbol);

struct kld_info {
	int id, refs;
	uintptr_t address;	/* of its code; 0 for the program */
	size_t size;		/* of code and private data */
	size_t vnet_size, pcpu_size;	/* of its parts of the two sets */
	const char *name, *path;	/* valid as long as the file is loaded */
};

/* Files in the order of their loads: kld_next(NULL) is the program, and NULL ends. */
linker_file_t kld_next(linker_file_t file);
void kld_getinfo(linker_file_t file, struct kld_info *info);

/*
 * Name what an address belongs to, of the program or a module: code or a variable.  Async-signal-safe.
 * Returns the symbol's name or NULL; *file_name, *offset from the symbol.  A template's address names its variable.
 */
const char *kld_symbolize(uintptr_t addr, const char **file_name, uintptr_t *offset);

/* ---- A module's file, without loading it ---- */

enum kld_symclass { KLD_SYM_FUNC, KLD_SYM_OBJECT, KLD_SYM_VNET, KLD_SYM_PCPU, KLD_SYM_TLS, KLD_SYM_OTHER };

struct kld_symbolinfo {
	const char *name;
	enum kld_symclass class;	/* of an import: KLD_SYM_TLS or KLD_SYM_OTHER, the file says no more */
	int weak;
	size_t size;
};

struct kld_metainfo {
	enum mod_metadata_type type;
	const char *name;
	int min, preferred, max;	/* MDT_DEPEND; MDT_VERSION in min */
};

/* Sizes in bytes, as a load would lay it out with every import near. */
struct kld_fileinfo {
	const char *name, *machine, *kind;	/* kind: "relocatable", "shared object" */
	size_t text_size, rodata_size, data_size, vnet_size, pcpu_size;
	size_t relocations, slots;		/* slots: what is left of the GOT */
	struct kld_metainfo *meta;
	struct kld_symbolinfo *imports, *exports;	/* in the order of the file */
	size_t nmeta, nimports, nexports;
};

/*
 * Say what a module's file is: read and checked like for a load, nothing mapped or run.  Needs no kld_init().  `info` is
 * freed by kld_fileinfo_free().  Errors: as kld_load() up to -ENOEXEC, -EFBIG, -ENOMEM.
 */
int kld_fileinfo(const char *path, struct kld_fileinfo **info, struct uverr *err);
void kld_fileinfo_free(struct kld_fileinfo *info);

/* ---- Tools ---- */

/*
 * Write the names of modules' functions to /tmp/perf-PID.map, where perf looks for them: of those that are loaded, and
 * of each that comes.  The file stays.  kld_init() does it when the environment has UVNET_PERFMAP; the program may do
 * it at any time.  (gdb needs nothing: it sees every module by itself, also when it attaches later.)
 * Errors: what open(2) says.
 */
int kld_perfmap(struct uverr *err);

/*
 * Install the handler for faults: an access to a virtual variable outside any stack is explained on standard error
 * (variable, module, read or write, place), then the signal goes to the handler that was there before, or has its
 * default effect.  Of whatever the program dies: the used pages of the current stack are in the core dump, other
 * stacks' are not.  After kld_init(); every thread that calls it gets a signal stack of its own, gone with it.
 * Errors: -ENOMEM, -EAGAIN.
 */
int kld_fault_init(struct uverr *err);

#endif
