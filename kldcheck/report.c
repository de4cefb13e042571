/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdicts as text and as JSON: see report.h. */
#include "print.h"
#include "report.h"

static const char *const causes[] = { "relaxed", "relative", "relaxed-or-relative" };

static const char *const cause_text[] = {
	"relaxed by the linker: link with --no-relax",
	"made PC-relative by the compiler, because the variable is static or hidden: use VNET_DEFINE_STATIC or "
	"DPCPU_DEFINE_STATIC as FreeBSD has them, or drop static",
	"relaxed by the linker (link with --no-relax), or made PC-relative by the compiler because the variable is static "
	"or hidden (drop static): the file does not tell",
};

static const char explanation[] =
    "    The kernel gives each instance its own copy of the set, and redirects the words that relocations name.\n"
    "    These instructions compute the address from the program counter instead, so they reach the module's\n"
    "    own copy, which no instance uses; with the instance's base added to it, the address is wild.\n";

/* Names come from the file: what a terminal might obey is not printed. */
static void
put_name(FILE *out, const char *s)
{
	for (; *s != '\0'; s++)
		putc((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f ? '?' : *s, out);
}

static void
put_place(FILE *out, const char *name, uint64_t off, uint64_t addr)
{
	if (name != NULL) {
		put_name(out, name);
		if (off != 0)
			fprintf(out, "+%#jx", (uintmax_t)off);
	} else
		fprintf(out, "%#jx", (uintmax_t)addr);
}

static void
insn_text(const struct kc_elf *e, uint64_t addr, char *buf, size_t size)
{
	const uint8_t *p = NULL;
	size_t n = 16;

	for (; n > 0 && (p = kc_elf_bytes(e, addr, n)) == NULL;)
		n--;
	snprintf(buf, size, "?");
	if (p != NULL)
		kc_print(e, p, n, addr, buf, size);
}

void
kc_report_text(FILE *out, const char *name, const struct kc_result *r, bool explain)
{
	put_name(out, name);
	fprintf(out, ": %s", kc_verdict_names[r->verdict]);
	if (r->verdict == KC_OK)
		fprintf(out, " (%s)\n", r->summary);
	else if (r->verdict == KC_BROKEN)
		fprintf(out, " (%u reference%s that the kernel cannot redirect)\n", r->nref, r->nref == 1 ? "" : "s");
	else
		putc('\n', out);
	for (unsigned i = 0; i < r->nref; i++) {
		const struct kc_ref *ref = &r->ref[i];

		fputs("  ", out);
		put_place(out, ref->func, ref->funcoff, ref->insn[ref->n - 1]);
		fputs(": ", out);
		put_place(out, ref->var, ref->varoff, ref->target);
		fprintf(out, " in %s, %s\n", kc_set_names[ref->set], cause_text[ref->cause]);
		for (unsigned k = 0; k < ref->n; k++) {
			char text[160];

			insn_text(&r->elf, ref->insn[k], text, sizeof(text));
			fprintf(out, "    %8jx:  %s\n", (uintmax_t)ref->insn[k], text);
		}
		if (explain && ref->slot != 0)
			fprintf(out, "    The GOT still has the address, at %#jx, where the kernel would redirect it.\n",
			    (uintmax_t)ref->slot);
	}
	if (explain && r->nref != 0)
		fputs(explanation, out);
	for (unsigned i = 0; i < r->nnote; i++) {
		const struct kc_note *n = &r->note[i];

		fputs("  ", out);
		if (n->addr != 0) {
			put_place(out, n->func, n->funcoff, n->addr);
			fputs(": ", out);
		}
		put_name(out, n->why);
		putc('\n', out);
		if (explain && n->addr != 0) {
			char text[160];

			insn_text(&r->elf, n->addr, text, sizeof(text));
			fprintf(out, "    %8jx:  %s\n", (uintmax_t)n->addr, text);
		}
	}
}

void
kc_json_string(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\u%04x", c); /* bytes as Latin-1: names need not be UTF-8 */
		else
			putc(c, out);
	}
	putc('"', out);
}

static void
json_place(FILE *out, const char *key, const char *name, uint64_t off)
{
	fprintf(out, "\"%s\": ", key);
	if (name == NULL)
		fputs("null", out);
	else
		kc_json_string(out, name);
	fprintf(out, ", \"%s_offset\": %ju, ", key, (uintmax_t)off);
}

void
kc_report_json(FILE *out, const char *name, const struct kc_result *r, bool first)
{
	fputs(first ? "\n  {\"file\": " : ",\n  {\"file\": ", out);
	kc_json_string(out, name);
	fprintf(out, ", \"verdict\": \"%s\", \"machine\": \"%s\", \"references\": [", kc_verdict_names[r->verdict],
	    kc_machine_name(r->elf.machine));
	for (unsigned i = 0; i < r->nref; i++) {
		const struct kc_ref *ref = &r->ref[i];

		fputs(i == 0 ? "\n    {" : ",\n    {", out);
		json_place(out, "function", ref->func, ref->funcoff);
		json_place(out, "variable", ref->var, ref->varoff);
		fprintf(out, "\"address\": %ju, \"set\": \"%s\", \"cause\": \"%s\", \"got_slot\": %ju, \"instructions\": [",
		    (uintmax_t)ref->target, kc_set_names[ref->set], causes[ref->cause], (uintmax_t)ref->slot);
		for (unsigned k = 0; k < ref->n; k++) {
			char text[160];

			insn_text(&r->elf, ref->insn[k], text, sizeof(text));
			fprintf(out, "%s{\"address\": %ju, \"text\": ", k == 0 ? "" : ", ", (uintmax_t)ref->insn[k]);
			kc_json_string(out, text);
			putc('}', out);
		}
		fputs("]}", out);
	}
	fputs("], \"notes\": [", out);
	for (unsigned i = 0; i < r->nnote; i++) {
		const struct kc_note *n = &r->note[i];

		fputs(i == 0 ? "\n    {" : ",\n    {", out);
		json_place(out, "function", n->func, n->funcoff);
		fprintf(out, "\"address\": %ju, \"why\": ", (uintmax_t)n->addr);
		kc_json_string(out, n->why);
		putc('}', out);
	}
	fputs("]}", out);
}
