/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values: what a register can hold, as far as it matters.
 *
 * A *node* is one value with the instruction that made it and the node that it was made from, so that a report can
 * list the chain.  A *value set* is up to KC_SET_MAX nodes and perhaps "something unknown" beside them (VS_OPEN).
 * Both are interned: equal sets are one number, and joining states compares numbers.
 *
 * Sets only grow.  One that grows too large first gives up constants, then addresses of plain data, then all
 * (VS_LOST): what is given up is absorbed for good, so that following a loop ends.
 */
#ifndef KLDCHECK_VALUE_H
#define KLDCHECK_VALUE_H

#include "elf.h"

#define KC_SET_MAX	8

enum kc_nodekind {
	N_NONE,
	N_IMAGE,  /* load address + value */
	N_NUMBER, /* value, wherever the module is loaded */
	N_STACK,  /* the stack pointer at the function's entry + value */
	N_RETURN, /* the caller's address */
	N_EXTERN, /* an address outside of the module */
	N_TABLE,  /* some word of the read-only table at value */
};

enum {
	NF_PAGE = 1,	/* half an address: still to be completed */
	NF_INDEXED = 2, /* and something unknown was added */
	NF_WEAK = 4,	/* perhaps it never is: followed along a way that may not exist */
	NF_OPAQUE = 8,	/* N_NUMBER: a constant that was not computed */
	NF_TEXT = 16,	/* N_IMAGE: of code */
	NF_INSET = 32,	/* N_IMAGE: value lies in a set */
	NF_WIDE = 64,	/* N_TABLE: words of 8 bytes */
	NF_PASSED = 128, /* a half that a call by pointer may have brought */
};

enum {
	NM_ANCHOR = 1,	 /* another address was made from it */
	NM_HIT = 2,	 /* it was used as an address, and lies in a set */
	NM_COMPARED = 4, /* it was compared */
	NM_ESCAPED = 8,	 /* it was live where a function was left */
};

struct kc_node {
	uint64_t value;
	uint32_t insn, parent;
	uint8_t kind, flags, marks, depth;
};

enum { VS_OPEN = 1, VS_NO_NUMBERS = 2, VS_NO_DATA = 4, VS_LOST = 8 };

struct kc_vs {
	uint32_t node[KC_SET_MAX];
	uint8_t n, flags;
};

struct kc_values {
	struct kc_node *node;
	uint32_t nnode, nodecap, nodemax;
	struct kc_vs *vs;
	uint32_t nvs, vscap;
	uint32_t *nodehash, *vshash;
	uint32_t nodemask, vsmask;
	struct {
		uint32_t a, b, r;
	} *memo;
	bool full; /* the limit was reached: results are no longer to be relied on */
};

#define VS_UNKNOWN	0u /* the set that is open and has no node */
#define KC_MEMO		4096u

int kc_values_init(struct kc_values *v, uint32_t maxnodes);
void kc_values_free(struct kc_values *v);

/* The node of these properties, made when there is none. */
uint32_t kc_node(struct kc_values *v, uint8_t kind, uint8_t flags, uint64_t value, uint32_t insn, uint32_t parent);

/* A set under construction: add to it, then intern it. */
void kc_vs_add(const struct kc_values *v, struct kc_vs *set, uint32_t node);
uint32_t kc_vs_intern(struct kc_values *v, const struct kc_vs *set);
uint32_t kc_vs_single(struct kc_values *v, uint32_t node, bool open);
uint32_t kc_vs_join(struct kc_values *v, uint32_t a, uint32_t b);

/* Whether node, or one that it was made from, was made by insn. */
bool kc_node_made_by(const struct kc_values *v, uint32_t node, uint32_t insn);

#endif
