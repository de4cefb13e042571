/* SPDX-License-Identifier: BSD-2-Clause */
/* A verdict on a module, and its reasons. */
#ifndef KLDCHECK_CHECK_H
#define KLDCHECK_CHECK_H

#include "elf.h"

enum kc_verdict { KC_OK, KC_BROKEN, KC_UNSURE, KC_UNREADABLE };

enum kc_cause {
	KC_RELAXED,  /* the compiler loaded the address from the GOT, the linker made it relative */
	KC_RELATIVE, /* the compiler made it relative: the variable is static or hidden */
	KC_EITHER,   /* nothing tells which */
};

#define KC_CHAIN_MAX	8

/* A reference that the kernel cannot redirect. */
struct kc_ref {
	uint64_t target;	      /* the address in the module's set */
	enum kc_setkind set;
	enum kc_cause cause;
	unsigned n;		      /* the instructions that make the address, first to last */
	uint64_t insn[KC_CHAIN_MAX];
	uint64_t slot;		      /* the GOT slot that still holds the address, or 0 */
	const char *func, *var;	      /* names from the file, or NULL */
	uint64_t funcoff, varoff;
	bool pair;		      /* two neighbours with one register: what a linker makes of a GOT load */
};

/* A place that could not be followed; addr 0: the module as a whole. */
struct kc_note {
	uint64_t addr;
	const char *func;
	uint64_t funcoff;
	char why[160];
};

struct kc_result {
	struct kc_elf elf; /* names point into it: closed by kc_result_free() */
	enum kc_verdict verdict;
	const char *summary; /* of an "ok" */
	struct kc_ref *ref;
	unsigned nref, refcap;
	struct kc_note *note;
	unsigned nnote, notecap;
};

/*
 * kc_check() -- the verdict on the module in data
 *
 * data must stay until kc_result_free().  Returns 0, or -ENOMEM; a file that is no module gives KC_UNREADABLE and a
 * note.
 */
int kc_check(const void *data, size_t size, struct kc_result *res);
void kc_result_free(struct kc_result *res);

/* For the parts of the check. */
int kc_note_add(struct kc_result *res, uint64_t addr, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int kc_check_object(struct kc_result *res);

extern const char *const kc_verdict_names[];

/*
 * kc_repair() -- turn relaxed references back into loads of the GOT slot
 *
 * Changes data in place, all references or none.  Returns the number of words changed, with their addresses and old
 * values in *changes (the caller frees it); or -EINVAL with a sentence in why.
 */
struct kc_change {
	uint64_t addr, off;
	uint32_t was, is;
};
int kc_repair(void *data, size_t size, struct kc_change **changes, char *why, size_t whysize);

#endif
