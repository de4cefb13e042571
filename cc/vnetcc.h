/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vnetcc: what its files know of each other.
 *
 *	main.c		which of the three things is asked for
 *	args.c		response files, lists of names
 *	compile.c	-c: clang, with the bitcode kept beside the code
 *	options.c	--module: its options
 *	program.c	whole programs: what cc does when it links
 *	archive.c	members of archives
 *	image.c		what the runtime of a program must know
 *	module.c	--module: the steps of a link, in their order
 *	object.c	reading an object, which may be anything at all
 *	units.c		the units of all objects become one LLVM module
 *	decide.c	which variables are virtual, and why the others are not
 *	refuse.c	what would be compiled wrongly is found and refused
 *	inlineasm.c	what assembly in the program says of variables
 *	transform.c	the variables move to the set, their uses add the base
 *	expand.c	a constant that holds an address becomes instructions
 *	aliasing.c	what the optimiser may know of the base
 *	anchor.c	after optimising: one address for the whole set
 *	steady.c	nobody changes the base: optimise first, transform then
 *	segment.c	-fvirtual-base=gs: x86-64 adds the base itself
 *	carry.c		... and carry the set's address from function to function
 *	place.c		where in a function it is computed
 *	symbols.c	visibility: direct addresses inside, exports outside
 *	ctors.c		constructors, which run in each instance
 *	emit.c		optimise, generate, join
 *	hidden.c	calls that lead to libc's own state
 *	report.c	-fvirtual-report
 *	util.c		errors, memory, files, child processes
 *
 * Functions that can fail return false (or NULL) and have said why.
 */

#ifndef VNETCC_H
#define VNETCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#define VNETCC_VERSION "0.1"

/* -- util.c ------------------------------------------------------------- */

struct strlist {
	char **v;
	size_t n;
};

/* A set of pointers that numbers its members in the order of arrival. */
struct ptrset {
	const void **key; /* members, in order */
	size_t n;
	size_t *slot; /* open addressing; member + 1 */
	size_t nslot;
};

void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void strlist_add(struct strlist *l, const char *s);
bool strlist_has(const struct strlist *l, const char *s);
void strlist_free(struct strlist *l);
size_t ptrset_add(struct ptrset *s, const void *p, bool *new_member);
bool ptrset_find(const struct ptrset *s, const void *p, size_t *idx);
void ptrset_free(struct ptrset *s);
bool file_read(const char *path, uint8_t **data, size_t *size);
bool file_write(int fd, const char *path, const void *data, size_t size);
int run(const struct strlist *argv);

/* -- args.c ------------------------------------------------------------- */

bool args_expand(int argc, char **argv, struct strlist *out);
void names_split(struct strlist *out, const char *list);
bool names_read(struct strlist *out, const char *path);

/* -- archive.c ---------------------------------------------------------- */

/* Names of a link's symbols, as trees of tsearch(3). */
struct symbols {
	void *defined;
	void *wanted;
};

bool archive_has_bitcode(const char *path);
void symbols_note_object(struct symbols *s, const char *path);
void symbols_free(struct symbols *s);
bool archives_take(const struct strlist *paths, struct symbols *s, bool whole, const char *dir, struct strlist *out);

/* -- compile.c ---------------------------------------------------------- */

int compile(const struct strlist *args);
bool option_has_value(const char *a);

/* -- program.c ---------------------------------------------------------- */

int program_link(const struct strlist *args);

/* -- options.c ---------------------------------------------------------- */

/* A virtual set: where its variables lie and who moves them. */
struct vset {
	const char *name; /* -fvirtual-set= */
	const char *section;
	const char *base; /* thread-local uintptr_t */
	/* Thread-locals, one a thread in each instance; NULL: the set has none. */
	const char *thread_section;
	const char *thread_base;
	bool sysinit; /* a module's constructors are VNET_SYSINITs */
};

enum virt_mode { VIRT_ALL, VIRT_NONE, VIRT_LIST };
enum report_form { REPORT_OFF, REPORT_TEXT, REPORT_JSON };

struct options {
	struct strlist inputs;
	struct strlist virt;	   /* -fvirtual=NAME,... */
	struct strlist novirt;	   /* -fno-virtual= */
	struct strlist externs;	   /* -fvirtual-extern= */
	struct strlist by_hand;	   /* -fvirtual-by-hand= */
	struct strlist keeps_base; /* -fvirtual-keeps-base= */
	struct strlist exports;	   /* -fexport= */
	bool exporting;		   /* exports was given */
	enum virt_mode mode;
	enum report_form report;
	const struct vset *set;
	const char *output;
	const char *level; /* "O2" */
	const char *cpu;	/* NULL: the plainest of the target's */
	bool program;	/* no module: vnetcc as the linker of a program */
	bool shared;	/* ... or of a shared library */
	bool gs;	/* -fvirtual-base=gs */
	bool asan;	/* -fsanitize=address */
	const char *ir; /* -fvirtual-ir=FILE */
};

bool set_owns(const struct vset *set, const char *name);
void options_default(struct options *o);
bool options_take(struct options *o, const char *arg, bool *taken);
bool options_parse(struct options *o, const struct strlist *args);
void options_free(struct options *o);

/* -- object.c ----------------------------------------------------------- */

struct object_symbol {
	const char *name;    /* into object.data */
	const char *section; /* of a definition, or "" */
	bool defined;	     /* COMMON counts as defined */
	bool weak;
	bool data; /* STT_OBJECT or STT_COMMON */
};

/* One object file.  All pointers point into data and live as long. */
struct object {
	char *path;
	uint8_t *data;
	size_t size;
	const uint8_t *bitcode; /* NULL: compiled plainly */
	size_t bitcode_size;
	struct object_symbol *sym; /* non-local ones */
	size_t nsym;
};

bool object_parse(struct object *o, const uint8_t *data, size_t size, const char **why);
typedef bool (*definition_fn)(const char *name, uint64_t value, unsigned char *visibility, void *arg);
bool object_definitions(uint8_t *data, size_t size, definition_fn fn, void *arg);
bool object_read(struct object *o, const char *path);
void object_free(struct object *o);

/* -- anchor.c ----------------------------------------------------------- */

struct place {
	LLVMValueRef value;
	uint64_t offset; /* in the object's part of the set */
};

/* The set's part in the object to be generated. */
struct layout {
	struct place *place; /* in the order of index */
	struct ptrset index;
};

/* -- the program being linked ------------------------------------------- */

enum fate {
	FATE_SHARED,   /* one for all instances */
	FATE_VIRTUAL,  /* one an instance */
	FATE_THREAD,   /* one a thread in each instance */
	FATE_CONSTANT, /* nothing to decide, unless it holds */
};

struct var {
	LLVMValueRef value; /* NULL once the optimiser has removed it */
	char *name;	    /* as in the source */
	char *unit;	    /* object it comes from, or "" */
	char *place;	    /* "file:line", or the unit */
	const char *why;    /* shared, or promoted: the reason */
	char *why_name;	    /* the name in the reason, or NULL */
	uint64_t size;
	unsigned align;
	unsigned uses;	  /* addresses computed in code */
	unsigned rebases; /* addresses held in its initialiser */
	enum fate fate;
	bool defined;
	bool constant; /* in the source */
};

struct program {
	const struct options *opt;
	struct object *obj;
	size_t nobj;
	LLVMContextRef ctx;
	LLVMModuleRef mod;
	LLVMTargetMachineRef tm;
	LLVMTargetDataRef td;
	struct var *var;
	struct ptrset index;  /* value -> number in var[] */
	char *diag;	      /* last error LLVM reported */
	LLVMValueRef base;    /* the set's thread-local */
	LLVMValueRef thread_base; /* ... for its thread-locals; NULL: there are none */
	bool steady;	      /* no code here can see the base change */
	struct layout layout; /* what the code relies on, once it is transformed or anchored */
	size_t uses;
	size_t phis;
};

/* units.c */
bool units_load(struct program *p);
bool units_link(struct program *p);

/* used.c */
void unit_keep_used(struct program *p, LLVMModuleRef m);
char *value_unit(LLVMContextRef ctx, LLVMValueRef global, char **name);
char *value_place(LLVMContextRef ctx, LLVMValueRef global);
char *instruction_place(LLVMValueRef inst);

/* decide.c */
bool decide(struct program *p);
struct var *var_slot(struct program *p, const void *key);
struct var *var_add(struct program *p, LLVMValueRef gv);
void promote(struct program *p);
struct var *var_of(const struct program *p, LLVMValueRef v);
bool is_virtual(const struct program *p, LLVMValueRef v);
bool is_thread(const struct program *p, LLVMValueRef v);
bool is_moved(const struct program *p, LLVMValueRef v);
bool var_moves(const struct var *v);
const char *value_name(LLVMValueRef v);
bool is_call(LLVMValueRef inst);
typedef bool (*init_fn)(struct program *p, LLVMValueRef global, void *arg);
bool initialiser_walk(struct program *p, LLVMValueRef init, init_fn fn, void *arg);

/* refuse.c */
bool refuse(struct program *p);
bool refuse_initialiser(struct program *p, struct var *v);

/* inlineasm.c */
bool inlineasm_check(struct program *p);
bool inlineasm_names(const char *text, const char *name);

/* transform.c */
bool transform(struct program *p);

/* expand.c */
struct expander {
	struct program *p;
	LLVMBuilderRef b;
	struct ptrset touched; /* constants that hold an address */
};

LLVMValueRef expand(struct expander *e, LLVMValueRef c);

/* aliasing.c */
void aliasing_base_load(struct program *p, LLVMValueRef load);
bool aliasing_steady(struct program *p);
void aliasing_mark(struct program *p);
void aliasing_demote_const(struct program *p);

/* symbols.c */
bool symbols_internalise(struct program *p);
void symbols_hide(struct program *p, struct strlist *hidden);

/* anchor.c */
bool layout_make(struct program *p, struct layout *l);
bool layout_offset(struct program *p, const struct layout *l, LLVMValueRef c, uint64_t *off);
void layout_free(struct layout *l);
void anchor(struct program *p, struct layout *l);
bool anchor_holds(const struct layout *l, const char *name, uint64_t value);

/* steady.c */
bool steady_optimise(struct program *p);

/* carry.c */
LLVMValueRef carry_placeholder(struct program *p, LLVMBuilderRef b);
void carry(struct program *p);

/* segment.c */
bool segment_possible(const struct program *p);
bool segment_has(LLVMValueRef v);
bool segment_holds(LLVMValueRef global);
LLVMValueRef segment_address(struct program *p, LLVMBuilderRef b, LLVMValueRef c);
void segment_accesses(struct program *p);

/* place.c */
typedef LLVMValueRef (*make_fn)(void *arg, LLVMBuilderRef b);
void place(LLVMValueRef function, const struct ptrset *uses, LLVMBuilderRef b, make_fn make, void *arg);

/* emit.c */
bool optimise(struct program *p);
bool emit_object(struct program *p, uint8_t **data, size_t *size);
bool emit(struct program *p);

/* ctors.c */
LLVMValueRef *ctors_take(struct program *p, const char *list, size_t *n);
void ctors_sysinit(struct program *p);

/* image.c */
bool image_make(struct program *p);

/* hidden.c */
typedef void (*hidden_fn)(const char *function, const char *state, LLVMValueRef inst, void *arg);
void hidden_state(const struct program *p, hidden_fn fn, void *arg);

/* report.c */
void report(const struct program *p);

/* module.c */
bool program_units(struct program *p);
void program_free(struct program *p);
int module_link(const struct strlist *args);

#endif /* VNETCC_H */
