/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the module linker: what its files share.
 *
 *	elf_read.c	bytes -> struct elf_obj, everything checked; elf_dyn.c, elf_bare.c: the same for shared objects
 *	modmeta.c	struct elf_obj -> what the module says of itself, without loading it
 *	layout.c	struct elf_obj -> struct kld_image: which section goes where
 *	reloc.c		plans slots and stubs, writes the relocated image into staging buffers
 *	dyn.c		layout and relocation of shared objects
 *	place.c		takes address space, maps the image, puts the sets' parts into their instances
 *	symbols.c	names to addresses, and addresses to names
 *	program.c	the program itself as a linker file
 *	unwind.c	.eh_frame
 *	debugger.c	gdb; minidebug.c: shared objects for it
 *	perfmap.c	perf
 *	events.c	constructors, and module events among them
 *	hold.c		what keeps a module from going, or must go with it
 *	fault.c		explains a virtual variable touched outside any stack
 *	inspect.c	what a file is, for people
 *	depend.c	what modules need of each other
 *	kld.c		the order of all that; modules' files
 *
 * Down to dyn.c they touch nothing but memory of their own: the fuzz target runs them on anything.
 */
#ifndef KLD_IMPL_H
#define KLD_IMPL_H

#include <sys/queue.h>
#include <uvnet/asan.h>
#include <uvnet/module.h>
#include <uvnet/vset.h>

#include "kld_arch.h"

#define KLD_FILE_MAX ((size_t)256 << 20)	/* bytes of a module's file */
#define KLD_ALIGN_MAX ((size_t)2 << 20)		/* of a section */
#define KLD_PART_MAX ((size_t)1 << 30)		/* bytes of a part */
#define KLD_META_MAX 256			/* metadata records of a module */
#define KLD_NAME_MAX 64				/* length of a module's name */
#define KLD_DEPTH_MAX 16			/* dependencies of dependencies of ... */

/* ---- elf_read.c, elf_dyn.c, elf_bare.c: a module's file, checked; nothing of it changes ---- */

#define ELF_BARE_SECTIONS 8	/* with the one that is none */

/* Of a shared object; all addresses are the object's own. */
struct elf_dyn {
	const ElfW(Phdr) *phdr;
	unsigned nphdr;
	uintptr_t lo, hi;	/* all its segments, whole pages */
	size_t align;
	const ElfW(Sym) *sym;	/* what its relocations name */
	size_t nsym;
	const char *str;
	size_t strsize;
	const void *rela[2];	/* DT_RELA (or DT_REL), DT_JMPREL: elf_dyn_rela() */
	size_t nrela[2];
	const uintptr_t *relr;
	size_t nrelr;
	uintptr_t init, fini, init_array, fini_array;
	size_t ninit, nfini;
};

struct elf_obj {
	const char *name;	/* of the file, for messages */
	const uint8_t *data;
	size_t size;
	const ElfW(Shdr) *shdr;
	unsigned nshdr;
	const char *shstr;
	const ElfW(Sym) *sym;
	unsigned nsym, symtab;	/* symtab: its section */
	const char *str;
	size_t strsize;
	int is_dyn;		/* a shared object: `dyn` is there */
	struct elf_dyn dyn;
	int is_bare;		/* without section headers: `shdr` is `bare`, so the object is not to be moved */
	ElfW(Shdr) bare[ELF_BARE_SECTIONS];
};

/* The object points into `data`, which is word-aligned and outlives it.  Errors: -ENOEXEC. */
int elf_read(const char *name, const void *data, size_t size, struct elf_obj *obj, struct uverr *err);

const char *elf_secname(const struct elf_obj *obj, unsigned shndx);
const char *elf_symname(const struct elf_obj *obj, unsigned sym);	/* a section symbol has its section's */
static inline int
elf_is_alloc(const struct elf_obj *obj, unsigned shndx)
{
	return (obj->shdr[shndx].sh_type != SHT_NULL && (obj->shdr[shndx].sh_flags & SHF_ALLOC) != 0);
}

/* The section of a symbol of obj->sym, or 0. */
unsigned elf_symsection(const struct elf_obj *obj, const ElfW(Sym) *s, const char *name);
/* Whether it is a linker's for a section's bounds: __start_NAME, __stop_NAME.  Such are nobody else's business. */
int elf_is_mark(const char *name);

/* All relocations of allocated sections: elf_rel_first(), then elf_rel_next() until it returns 0. */
struct elf_rel {
	const struct elf_obj *obj;
	unsigned relsec, target;	/* the section with relocations, and the one that they change */
	size_t index;
	unsigned type, sym;
	size_t offset;
	intptr_t addend;
	const uint8_t *next, *end;	/* of the table */
	size_t size;			/* of an entry */
};
static inline void
elf_rel_first(const struct elf_obj *obj, struct elf_rel *rel)
{
	*rel = (struct elf_rel) { .obj = obj };
}
int elf_rel_next_table(struct elf_rel *rel);
intptr_t elf_rel_addend(const struct elf_rel *rel);	/* that the place holds */
static inline int
elf_rel_next(struct elf_rel *rel)
{
	const ElfW(Rela) *r;

	if (rel->next == rel->end && !elf_rel_next_table(rel))
		return (0);
	r = (const void *)rel->next;	/* the first members of both kinds are the same */
	rel->next += rel->size;
	rel->index++;
	rel->type = KLD_R_TYPE(r->r_info);
	rel->sym = KLD_R_SYM(r->r_info);
	rel->offset = r->r_offset;
	rel->addend = rel->size == sizeof(*r) ? r->r_addend : elf_rel_addend(rel);
	return (1);
}

/* elf_dyn.c's part of elf_read(); a symbol of it; where an address, or a piece of memory, is in the file, or NULL. */
int elf_dyn_read(struct elf_obj *obj, struct uverr *err);
int elf_bare_sections(struct elf_obj *obj, struct uverr *err);	/* elf_bare.c's, after it */
int elf_dyn_check_symbol(const struct elf_obj *obj, const ElfW(Sym) *s, unsigned i, const char *str, size_t strsize,
    struct uverr *err);
const void *elf_dyn_at(const struct elf_obj *obj, uintptr_t vaddr, size_t size);
/* How many bytes its segment has from there on in the file. */
size_t elf_dyn_left(const struct elf_obj *obj, uintptr_t vaddr);
/* Whether all of it lies in one segment. */
int elf_dyn_contains(const struct elf_obj *obj, uintptr_t vaddr, size_t size);
/* A relocation of the two tables, with its addend, wherever that is. */
ElfW(Rela) elf_dyn_rela(const struct elf_obj *obj, unsigned table, size_t i);
/* Each place of DT_RELR, until f() returns something else than 0, which is then returned. */
int elf_dyn_relr(const struct elf_obj *obj, int (*f)(void *arg, uintptr_t vaddr), void *arg);
/* Where the pointer at `at` points within the module, before relocation; 0 when nowhere. */
int elf_dyn_follow(const struct elf_obj *obj, uintptr_t at, uintptr_t *to);

/* ---- modmeta.c: what a file says of itself ---- */

struct kld_meta_entry {
	int type;			/* enum mod_metadata_type */
	char name[KLD_NAME_MAX];
	int min, preferred, max;
};
struct kld_meta {
	struct kld_meta_entry *entry;
	unsigned n;
};
int kld_meta_read(const struct elf_obj *obj, struct kld_meta *meta, struct uverr *err);
int kld_meta_live(const char *file, const struct mod_metadata *const *set, size_t n, struct kld_meta *meta,
    struct uverr *err);
void kld_meta_free(struct kld_meta *meta);

/* ---- layout.c, reloc.c: the image in the making ---- */

enum kld_set { SET_VNET, SET_PCPU, SET_COUNT, SET_NONE = SET_COUNT };

enum kld_partno { PART_TEXT, PART_RO, PART_DATA, PART_VNET, PART_PCPU, PART_COUNT, PART_NONE = PART_COUNT };

struct kld_part {
	size_t size, align;
	size_t filled;		/* what lies behind it is zero, and is not staged */
	uintptr_t addr;		/* final address */
	uint8_t *stage;		/* where it is relocated: `addr` itself, or a buffer of the image's */
};

struct kld_sec {
	uint8_t part;		/* enum kld_partno */
	size_t offset;		/* in the part */
};

enum kld_symkind {
	SYM_UNUSED,	/* no relocation of an allocated section names it */
	SYM_HERE,	/* defined by this module */
	SYM_FOREIGN,	/* by another file, or absolute */
	SYM_TLS,	/* a thread-local of the program: the value is its offset from the thread pointer */
	SYM_ZERO	/* weak, and nowhere */
};

struct kld_sym {
	uint8_t kind;		/* enum kld_symkind */
	uint8_t set;		/* enum kld_set: its template's */
	uint8_t part;		/* enum kld_partno, of SYM_HERE */
	uint32_t slot, stub;	/* number + 1; 0: none */
	uintptr_t value;
};

struct kld_rebase {
	uintptr_t *place;
	size_t n, room;
};

struct kld_image {
	const struct elf_obj *obj;
	struct kld_sec *sec;		/* for each section */
	struct kld_sym *sym;		/* for each symbol */
	struct kld_part part[PART_COUNT];
	uintptr_t reach_lo, reach_hi;	/* the image will lie somewhere in here */
	size_t got, stubs;		/* offsets in PART_RO and PART_TEXT */
	unsigned nslot, nstub;
	unsigned got_sym;		/* _GLOBAL_OFFSET_TABLE_, if it is used */
	struct kld_rebase rebase[SET_COUNT];
	struct {
		size_t start, size, align;
	} set[SET_COUNT];		/* of a shared object: where in PART_DATA, which is all of it */
};

/*
 * Find a symbol that the module does not define: fill in `sym`.  Returns 0, -ENOENT when nobody has it, or another
 * error with its sentence.
 */
typedef int kld_resolve_t(void *arg, const char *name, int tls, struct kld_sym *sym, struct uverr *err);

/* Sections into parts, symbols resolved, slots and stubs counted: sizes and alignments are then final. */
int kld_layout(const struct elf_obj *obj, struct kld_image *image, kld_resolve_t *resolve, void *arg,
    struct uverr *err);
int kld_plan(struct kld_image *image, kld_resolve_t *resolve, void *arg, struct uverr *err);	/* of kld_layout() */

/* The same for a shared object, called by them. */
int kld_dyn_layout(const struct elf_obj *obj, struct kld_image *image, kld_resolve_t *resolve, void *arg,
    struct uverr *err);
int kld_dyn_relocate(struct kld_image *image, struct uverr *err);
/* How much of the image, at its start, is never written by the module: whole pages. */
size_t kld_dyn_constant(const struct kld_image *image, size_t page);
/* PROT_ values that the page at an offset of its image keeps. */
int kld_dyn_rights(const struct kld_image *image, size_t at, size_t page);

/* Into memory that is zero: pages of zeros stay untouched, and cost nothing. */
void kld_copy_sparse(uint8_t *to, const uint8_t *from, size_t n);

int kld_rebase_add(struct kld_rebase *list, uintptr_t place);	/* 0 or -ENOMEM */

/* All parts have addresses, and buffers if they have none yet: fill them and write the relocations. */
int kld_relocate(struct kld_image *image, struct uverr *err);
void kld_image_free(struct kld_image *image);

/* The bounds of all sections of that name in the image, or 0; -1 when they do not lie together. */
int kld_section_bounds(const struct kld_image *image, const char *name, enum kld_partno *part, size_t *start,
    size_t *end);

/*
 * Whether a symbol is within a distance of anywhere in the image, with room for addends and for rounding to pages.
 * What the module defines itself is: else it would not fit.
 */
int kld_is_within(const struct kld_image *image, const struct kld_sym *sym, int64_t reach);

/* The slot of a symbol that was planned to have one, its stub. */
uintptr_t kld_slot_addr(const struct kld_image *image, const struct kld_sym *sym);
uintptr_t kld_stub_addr(const struct kld_image *image, const struct kld_sym *sym);

/* ---- symbols.c ---- */

struct kld_symtab {
	const ElfW(Sym) *sym;	/* values are addresses less `bias` */
	unsigned nsym;
	const char *str;
	uintptr_t bias;
	uint32_t *hash;		/* of exported names: symbol numbers, 0 empty; NULL: not made */
	size_t nhash;		/* power of two */
	void *memory;		/* free() it */
};

/* A copy of the module's symbols with their final addresses.  Errors: -ENOMEM. */
int kld_symtab_make(const struct kld_image *image, struct kld_symtab *tab, struct uverr *err);
void kld_symtab_free(struct kld_symtab *tab);
int kld_is_exported(const ElfW(Sym) *sym);
const ElfW(Sym) *kld_symtab_export(const struct kld_symtab *tab, const char *name);
const char *kld_symtab_nearest(const struct kld_symtab *tab, uintptr_t addr, uintptr_t *offset);

/* The resolver of a load: dependencies, then all files, then the program and its libraries.  arg: the new file. */
kld_resolve_t kld_resolve;

/* Whether a library says that there is a variable, not a function. */
int kld_is_object(uintptr_t addr);

/* ---- place.c ---- */

struct kld_setpart {
	uintptr_t addr;			/* the template; 0: none */
	size_t size, align;
	int inside;			/* the module's image: no piece of the set's own space */
	struct vset_region *region;	/* NULL: not in the instances */
};

/* Address space for the image's parts, and writable memory where they are not sets'; given back by kld_unplace(). */
int kld_place(struct linker_file *file, struct kld_image *image, struct uverr *err);
void kld_unplace(struct linker_file *file);

/* The relocated image gets the rights that it keeps; the sets' parts become templates. */
int kld_map(struct linker_file *file, struct kld_image *image, struct uverr *err);

/* Copies in all instances; the reverse zeroes them. */
int kld_sets_attach(struct linker_file *file, const struct kld_rebase rebase[SET_COUNT], struct uverr *err);
void kld_sets_detach(struct linker_file *file);
struct vset *kld_vset(enum kld_set set);

/* ---- unwind.c ---- */

/* Tell the unwinder of the module's .eh_frame, once its records are found to hang together. */
int kld_unwind_register(struct linker_file *file, const struct kld_image *image, struct uverr *err);
void kld_unwind_deregister(struct linker_file *file);

/* ---- debugger.c ---- */

/* gdb's JIT interface: what it reads of a module is the module's file, with the addresses of its sections. */
struct kld_debug_entry {
	struct kld_debug_entry *next, *prev;
	const void *symfile;
	uint64_t symfile_size;
};

/* Before any code of it runs; afterwards the file's bytes must not change until kld_debugger_forget(). */
void kld_debugger_register(struct linker_file *file, const struct kld_image *image);
void kld_debugger_forget(struct linker_file *file);
/* After its memory is gone. */
void kld_debugger_settle(void);

/* minidebug.c: a file for gdb that says where a shared object is and has all of it inside; free() it.  NULL: no memory, or no room. */
void *kld_minidebug_make(const struct kld_image *image, size_t *size);

/* ---- perfmap.c ---- */

/* A file is loaded. */
void kld_perfmap_add(const struct linker_file *file);

/* ---- hold.c ---- */

/* Whether this thread is somewhere that forbids an unload: -EBUSY and the reason. */
int kld_hold_check(const struct linker_file *file, struct uverr *err);
/* After its destructors: stop what they left that would call the module. */
void kld_hold_drain(const struct linker_file *file);

/* ---- events.c ---- */

struct module {
	struct linker_file *file;
	const moduledata_t *data;
};

/* The constructors that a linker found in a file, and its metadata; arrays are the file's. */
struct kld_linkersets {
	const struct sysinit *const *start[SYSINIT_NKIND];
	size_t n[SYSINIT_NKIND];
	const struct mod_metadata *const *meta;
	size_t nmeta;
};

/* Where they are in a module's image; pointers into its memory. */
int kld_linkersets_find(const struct kld_image *image, struct kld_linkersets *sets, struct uverr *err);
/* .init_array, .fini_array: collected in the order of priorities, and run. */
int kld_arrays_collect(struct linker_file *file, const struct kld_image *image, struct uverr *err);
void kld_arrays_init(const struct linker_file *file);
void kld_arrays_fini(const struct linker_file *file);

/* Run them, with MOD_LOAD among them: all or nothing.  kld_events_stop() runs what undoes them. */
int kld_events_start(struct linker_file *file, const struct kld_linkersets *sets, struct uverr *err);
void kld_events_stop(struct linker_file *file);
/* Ask whether it may go. */
int kld_events_quiesce(struct linker_file *file, struct uverr *err);

/* ---- gaps.c ---- */

/* Poison what lies between the variables of a module's part of a set, in the template.  Errors: -ENOMEM. */
#ifdef UVNET_ASAN
int kld_gaps_poison(const struct linker_file *file, const struct kld_setpart *set);
void kld_gaps_unpoison(const struct kld_setpart *set);
#else
#define kld_gaps_poison(file, set) 0
#define kld_gaps_unpoison(set) ((void)(set))
#endif

/* ---- kld.c ---- */

struct linker_file {
	TAILQ_ENTRY(linker_file) link;
	int id, refs;
	int automatic;			/* loaded because another needs it: goes with the last that does */
	char *name, *path;
	uintptr_t addr;			/* module space, with the guard page behind `size` */
	size_t size, space;
	size_t keep;			/* of its memory, at the start, for the next module */
	struct kld_setpart set[SET_COUNT];
	struct kld_symtab symtab;
	struct kld_meta meta;
	struct linker_file **dep;	/* each counted in its refs */
	unsigned ndep;
	uint8_t *data;			/* the module's file, for debuggers */
	size_t datasize;
	void *debugfile;		/* and a shared object's wrapper for them */
	struct kld_debug_entry debug;
	void *eh_frame;			/* registered with the unwinder */
	void (**array)(void);		/* .init_array, then .fini_array */
	size_t ninit, nfini;
	struct module *module;
	unsigned nmodule;
	struct sysinit *synthetic;	/* module events, two for each module */
	const struct sysinit **ctor[SYSINIT_NKIND];
	struct sysinit_file *sysinit;
};
TAILQ_HEAD(kld_files, linker_file);
extern struct kld_files kld_files;	/* in the order of loads, the program first */

/* The loads under way: a module, below it what needs it. */
struct kld_loading {
	const struct kld_loading *below;
	const struct linker_file *file;
	int depth;
};
/* A private copy of a file, to be freed: what was checked cannot change any more. */
int kld_read_file(const char *path, uint8_t **data, size_t *size, struct uverr *err);
int kld_load_file(const char *path, const struct kld_loading *below, linker_file_t *result, struct uverr *err);
void kld_unload_file(struct linker_file *file);
const char *kld_basename(const char *path);

/* Which set's template an address lies in, of any file. */
enum kld_set kld_set_of(uintptr_t addr);

/* ---- depend.c ---- */

/* -EEXIST when one of its names is taken. */
int kld_check_unique(const struct linker_file *file, struct uverr *err);
/* Find, or load, what it says it needs, and count the uses; on failure kld_undepend() takes back those counted. */
int kld_load_dependencies(struct linker_file *file, const struct kld_loading *below, struct uverr *err);
/* Count a use of `on` by `file`, once. */
int kld_depend(struct linker_file *file, struct linker_file *on, struct uverr *err);
void kld_undepend(struct linker_file *file);

/* ---- program.c ---- */

/* Its symbols, its parts of the sets with their rebase lists, its linker sets. */
int kld_program_open(struct linker_file *file, struct kld_linkersets *sets, struct kld_rebase rebase[SET_COUNT],
    struct uverr *err);
void kld_program_close(void);
/* Whether an address is the program's: code or data outside the window.  Async-signal-safe. */
int kld_program_contains(uintptr_t addr);
/* Whether an address is in the program's static thread-local block of this thread. */
int kld_program_tls(uintptr_t addr);
/* The unwinder's functions, if there are any. */
extern void (*kld_register_frame)(void *);
extern void (*kld_deregister_frame)(void *);

#endif
