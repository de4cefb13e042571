/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Repair: relaxed pairs back into loads of the GOT slot.
 *
 * lld rewrites "adrp x, got page; ldr x, [x, slot]" into "adrp x, page; add x, x, offset" or "nop; adr x, address" but
 * leaves the slot and its relocation in the file.  The two words are turned back here; they are the only two that
 * change.  A reference that was never a GOT load (the compiler made it relative) or whose slot is gone cannot be
 * turned back, and a module with one such reference is not touched at all: half mended is broken.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define A64_NOP	0xd503201fu

static uint32_t
insn_at(const struct kc_elf *e, uint64_t addr)
{
	const uint8_t *p = kc_elf_bytes(e, addr, 4);

	return (p == NULL ? 0 : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0]);
}

static void
change(const struct kc_elf *e, struct kc_change *c, uint64_t addr, uint32_t is)
{
	c->addr = addr;
	c->off = (uint64_t)(kc_elf_bytes(e, addr, 4) - e->data);
	c->was = insn_at(e, addr);
	c->is = is;
}

/* The two words for one reference; 0, or -1 with the reason. */
static int
mend(const struct kc_elf *e, const struct kc_ref *ref, struct kc_change c[2], const char **why)
{
	uint64_t first = ref->insn[0], pages;
	uint32_t w, reg;

	if (!ref->pair) {
		*why = "the compiler made this reference relative (the variable is static or hidden): define it with "
		       "VNET_DEFINE_STATIC or DPCPU_DEFINE_STATIC, or without static, and build again";
		return (-1);
	}
	if (ref->slot == 0 || ref->slot % 8 != 0) {
		*why = ref->cause == KC_RELATIVE ?
		    "the compiler made this reference relative (the variable is static or hidden): define it with "
		    "VNET_DEFINE_STATIC or DPCPU_DEFINE_STATIC, or without static, and build again" :
		    "no GOT slot is left that holds this address: link again with --no-relax";
		return (-1);
	}
	if (ref->n == 1)
		first -= 4; /* NOP, ADR */
	w = insn_at(e, ref->insn[ref->n - 1]);
	reg = w & 31;
	if (ref->n == 1 ? insn_at(e, first) != A64_NOP || (w & 0x9f000000) != 0x10000000 :
			  (insn_at(e, first) & 0x9f00001f) != (0x90000000 | reg) || (w & 0xffc003ff) != (0x91000000 | reg << 5 | reg)) {
		*why = "the instructions are not what a linker puts in place of a GOT load";
		return (-1);
	}
	pages = ((ref->slot >> 12) - (first >> 12)) & 0x1fffff;
	change(e, &c[0], first, 0x90000000 | (uint32_t)(pages & 3) << 29 | (uint32_t)(pages >> 2) << 5 | reg);
	change(e, &c[1], first + 4, 0xf9400000 | (uint32_t)((ref->slot & 0xfff) / 8) << 10 | reg << 5 | reg);
	return (0);
}

int
kc_repair(void *data, size_t size, struct kc_change **changes, char *why, size_t n)
{
	struct kc_result r;
	struct kc_change *c = NULL;
	int error = -EINVAL, num = 0;
	const char *reason;

	*changes = NULL;
	if (kc_check(data, size, &r) != 0) {
		kc_result_free(&r);
		return (-ENOMEM);
	}
	if (r.verdict == KC_OK) {
		error = 0;
		goto out;
	}
	if (r.verdict != KC_BROKEN || r.nnote != 0) {
		snprintf(why, n, "%s", r.nnote != 0 ? r.note[0].why : "unreadable");
		goto out;
	}
	if (r.elf.machine != KC_EM_AARCH64) {
		snprintf(why, n, "only modules for arm64 can be repaired: this one is for %s", kc_machine_name(r.elf.machine));
		goto out;
	}
	if ((c = calloc(r.nref, 2 * sizeof(*c))) == NULL) {
		error = -ENOMEM;
		goto out;
	}
	for (unsigned i = 0; i < r.nref; i++, num += 2)
		if (mend(&r.elf, &r.ref[i], &c[num], &reason) != 0) {
			snprintf(why, n, "%s+%#jx: %s", r.ref[i].func != NULL ? r.ref[i].func : "code",
			    (uintmax_t)(r.ref[i].func != NULL ? r.ref[i].funcoff : r.ref[i].insn[0]), reason);
			goto out;
		}
	for (int i = 0; i < num; i++) {
		uint8_t *p = (uint8_t *)data + c[i].off;

		for (unsigned b = 0; b < 4; b++)
			p[b] = (uint8_t)(c[i].is >> (8 * b));
	}
	error = num;
out:
	kc_result_free(&r);
	if (error > 0) { /* What was written is checked, not believed. */
		if (kc_check(data, size, &r) != 0 || r.verdict != KC_OK) {
			snprintf(why, n, "the repaired module still does not check ok");
			error = -EINVAL;
		}
		kc_result_free(&r);
	}
	if (error > 0)
		*changes = c;
	else
		free(c);
	return (error);
}
