/* SPDX-License-Identifier: BSD-2-Clause */
/* Following values through a module: what flow.c (the graph), step.c (one instruction) and state.c share. */
#ifndef KLDCHECK_FLOW_H
#define KLDCHECK_FLOW_H

#include "op.h"
#include "value.h"

#define KC_CODE_MAX	(32u << 20) /* places where an instruction may begin: more is "too complex" */
#define KC_SLOTS_MAX	64 /* words on the stack that are followed at a time */
#define KC_STEPS_MAX	600u /* instructions looked at, per instruction of the module: more is "too complex" */
#define KC_PASSED_MAX	64 /* different halves that calls by pointer pass on */
#define KC_DEPTH_MAX	32 /* instructions that make one address */

struct kc_slot {
	int64_t off; /* from the stack pointer at the function's entry */
	uint32_t vs;
};

struct kc_state {
	uint32_t reg[KC_NREGS];
	uint32_t nslot;
	struct kc_slot slot[];
};

/* Why something could not be followed: a bit each, so that a place is noted once a reason. */
enum kc_reason {
	WHY_LOST, WHY_PAGE, WHY_TEXT, WHY_OPAQUE, WHY_TABLE, WHY_WEAK, WHY_ESCAPE, WHY_UNUSED, WHY_PASSED, KC_NREASONS,
};

struct kc_func {
	uint32_t start, stop;	/* instructions */
	uint32_t ret[KC_NREGS]; /* what its returns leave in the registers */
	bool returns;
	bool taken;		/* a pointer to it is somewhere: a call by pointer may reach it */
	uint32_t *caller;	/* call sites, times two; and one for jumps to it from other functions */
	uint32_t ncaller, callercap;
};

struct kc_flow {
	const struct kc_elf *elf;
	const struct kc_arch *arch;
	struct kc_values v;

	/* Instructions, by address; index 0 is none. */
	struct kc_op *op;
	uint64_t *addr;
	uint32_t ninsn;
	struct kc_text {
		uint64_t start, stop;
		uint32_t first; /* index of the instruction at start; its slots in at[] begin at base */
		uint32_t base;
	} text[KC_SEGS_MAX * 4];
	unsigned ntext;
	uint32_t *at; /* address to instruction */
	bool exact_text; /* section headers say what is code */

	uint8_t *leader;
	struct kc_state **in;
	uint64_t *queued; /* bitmap */
	uint32_t nqueued;
	uint16_t *reasons; /* a bit each reason */
	uint8_t *loop;	  /* this instruction adds to what it made itself */
	uint8_t *reached; /* 1: from a function; 2: only because it is there */
	uint64_t *table; /* where an indexed load read, for jump tables */
	uint8_t phase;

	struct kc_func *func;
	uint32_t nfunc;
	uint32_t *owner; /* instruction to function */

	struct {
		uint64_t page;
		uint32_t insn;
		uint8_t reg;
	} passed[KC_PASSED_MAX]; /* halves of addresses that went into calls of functions not known */
	unsigned npassed;
	uint32_t left[KC_NREGS]; /* halves that a function called by pointer may leave in a register */

	struct kc_state *callee; /* scratch of call.c */
	struct kc_state *cur; /* the state being followed; room for KC_SLOTS_MAX */
	uint64_t steps;
	uint32_t number0; /* the value set of the number 0 */
	bool too_complex, out_of_memory;
};

/* Follows everything.  0, or -1 when memory ran out; kc_flow_free() in either case. */
int kc_flow_run(struct kc_flow *f, const struct kc_elf *elf, const struct kc_arch *arch);
void kc_flow_free(struct kc_flow *f);

/* state.c */
struct kc_state *kc_state_new(void);
uint32_t kc_state_load(struct kc_flow *f, const struct kc_state *s, int64_t off, unsigned size);
void kc_state_store(struct kc_flow *f, struct kc_state *s, int64_t off, unsigned size, uint32_t vs, bool weak);
bool kc_state_join(struct kc_flow *f, struct kc_state **into, const struct kc_state *from, uint32_t insn);
uint32_t kc_vs_weaken(struct kc_flow *f, uint32_t vs);

/* step.c */
void kc_step(struct kc_flow *f, uint32_t i);
enum kc_use { USE_STORE, USE_OTHER, USE_ADDED, USE_COMPARE, USE_LEAVE };
void kc_use(struct kc_flow *f, uint32_t vs, uint32_t insn, enum kc_use how);
bool kc_page_meets_set(const struct kc_flow *f, uint64_t page);
void kc_doubt(struct kc_flow *f, uint32_t insn, enum kc_reason why);
bool kc_is_text(const struct kc_flow *f, uint64_t addr);
uint32_t kc_insn_at(const struct kc_flow *f, uint64_t addr);
uint32_t kc_get(struct kc_flow *f, uint8_t reg);
void kc_put(struct kc_flow *f, uint8_t reg, uint32_t vs);
void kc_hit(struct kc_flow *f, uint32_t node);
uint64_t kc_extend(uint64_t v, uint8_t ext, uint8_t shift);
uint32_t kc_add_sets(struct kc_flow *f, uint32_t x, uint32_t y, uint8_t ext, uint8_t shift, int sign, uint32_t insn);
uint32_t kc_plus(struct kc_flow *f, uint32_t node, uint64_t d, uint32_t insn, bool weak);
uint32_t kc_plus_unknown(struct kc_flow *f, uint32_t node, uint32_t insn);
void kc_table_offsets(struct kc_flow *f, uint64_t anchor, const struct kc_node *t, uint32_t insn);
uint32_t kc_image_node(struct kc_flow *f, uint64_t value, uint8_t flags, uint32_t insn, uint32_t parent);

/* memory.c */
void kc_access(struct kc_flow *f, uint32_t i, const struct kc_op *op);

/* jump.c */
bool kc_jump_table(struct kc_flow *f, uint32_t i);
void kc_jump_anywhere(struct kc_flow *f, uint32_t i);

/* flow.c */
void kc_goto(struct kc_flow *f, uint32_t target, const struct kc_state *s);

/* text.c: instructions, functions, leaders. */
int kc_text_read(struct kc_flow *f);

/* call.c */
void kc_control(struct kc_flow *f, uint32_t i, bool *falls);
void kc_tail(struct kc_flow *f, uint32_t from, uint32_t to);
void kc_root_state(struct kc_flow *f, struct kc_state *s);
void kc_requeue(struct kc_flow *f, uint32_t i);

#endif
