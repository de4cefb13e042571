/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Assembly inside C.
 *
 * An operand ("m"(x), "r"(&x)) is an ordinary use and gets the base added.
 * Two things are out of the transformer's sight and refused: a text that
 * names a virtual variable's symbol itself, and an operand that must be a
 * constant of the assembler ("i"(&x)), which an instance's address is not.
 *
 * Older LLVM-C cannot take an asm value apart, but all print it as
 *	void (i32) asm sideeffect "text", "=r,i,~{memory}"
 * with quotes and unprintable characters of the strings as \XX.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "vnetcc.h"

static bool
symbol_char(char c)
{
	return (isalnum((unsigned char)c) || c == '_' || c == '.');
}

/* Words that stand before an instruction's name. */
static bool
prefix_word(const char *s, size_t n)
{
	static const char *const words[] = { "lock", "rep", "repe", "repz", "repne", "repnz", "notrack", "data16" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == n && strncmp(words[i], s, n) == 0)
			return (true);
	return (false);
}

/*
 * Does the text use name as a symbol?  The first word of a statement is an
 * instruction or a label, and a word after % is a register or an operand.
 */
bool
inlineasm_names(const char *text, const char *name)
{
	bool first = true;
	char before = '\0';

	for (const char *s = text; *s != '\0';) {
		size_t n = 0;

		while (symbol_char(s[n]))
			n++;
		if (n == 0) {
			if (strchr("\n;{|}", *s) != NULL || *s == ':')
				first = true;
			before = *s++;
			continue;
		}
		if (!first && before != '%' && strlen(name) == n && strncmp(s, name, n) == 0)
			return (true);
		if (!prefix_word(s, n))
			first = false;
		before = '\0';
		s += n;
	}
	return (false);
}

/* Copies the nth quoted string of a printed asm value, undoing \XX. */
static char *
quoted(const char *printed, unsigned nth)
{
	const char *s = strstr(printed, " asm ");
	char *out, *o;

	for (unsigned q = 0; s != NULL && q < 2 * nth + 1; q++) {
		s = strchr(s, '"');
		s = s != NULL ? s + 1 : NULL;
	}
	out = o = xrealloc(NULL, s != NULL ? strlen(s) + 1 : 1, 1);
	for (; s != NULL && *s != '\0' && *s != '"'; s++) {
		char hex[3] = { 0 };

		if (*s == '\\' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			hex[0] = *++s;
			hex[1] = *++s;
			*o++ = (char)strtol(hex, NULL, 16);
		} else if (*s == '\\' && s[1] == '\\')
			*o++ = *++s;
		else
			*o++ = *s;
	}
	*o = '\0';
	return (out);
}

/*
 * The constraint of the operand'th argument of an asm call: outputs have no
 * argument unless they are indirect (=*m), clobbers never have.
 */
static char *
constraint_of(const char *constraints, unsigned operand)
{
	char *copy = xstrdup(constraints), *next = copy, *c, *found = NULL;

	while (found == NULL && (c = strsep(&next, ",")) != NULL) {
		if (c[0] == '~' || (c[0] == '=' && strchr(c, '*') == NULL))
			continue;
		if (c[0] == '!' || operand-- == 0)
			found = xstrdup(c);
	}
	free(copy);
	return (found != NULL ? found : xstrdup(""));
}

/* Could the compiler choose a register or memory for it? */
static bool
takes_address(const char *constraint)
{
	return (strpbrk(constraint, "rmqQRabcdSDgVo*0123456789pAlXfxy") != NULL);
}

/* Does a constant hold the address of a virtual variable? */
static bool
holds(struct program *p, LLVMValueRef global, void *arg)
{
	(void)arg;
	return (!is_moved(p, global)); /* stop at the first */
}

static bool
operands_check(struct program *p, LLVMValueRef call, const char *constraints)
{
	int n = LLVMGetNumOperands(call) - 1; /* the last is the callee */
	bool ok = true;

	for (int i = 0; i < n && ok; i++) {
		LLVMValueRef op = LLVMGetOperand(call, (unsigned)i);
		char *c, *place;

		if (!LLVMIsAConstant(op) || initialiser_walk(p, op, holds, NULL))
			continue;
		c = constraint_of(constraints, (unsigned)i);
		if (!takes_address(c)) {
			place = instruction_place(call);
			complain("%s: asm needs the address of a virtual "
				 "variable as a constant (\"%s\"); it is none: "
				 "use \"r\" or \"m\", or -fno-virtual",
			    place, c);
			free(place);
			ok = false;
		}
		free(c);
	}
	return (ok);
}

static bool
call_check(struct program *p, LLVMValueRef call)
{
	char *printed, *text, *constraints, *place;
	bool ok = true;

	printed = LLVMPrintValueToString(LLVMGetCalledValue(call));
	text = quoted(printed, 0);
	constraints = quoted(printed, 1);
	LLVMDisposeMessage(printed);
	for (size_t i = 0; i < p->index.n && ok; i++) {
		const struct var *v = &p->var[i];

		if (!var_moves(v) || !inlineasm_names(text, v->name))
			continue;
		place = instruction_place(call);
		complain("%s: asm names the virtual variable %s (%s), whose "
			 "base it cannot add: make it an operand, or use "
			 "-fno-virtual=%s",
		    place, v->name, v->place, v->name);
		free(place);
		ok = false;
	}
	ok = ok && operands_check(p, call, constraints);
	free(text);
	free(constraints);
	return (ok);
}

static bool
module_asm_check(const struct program *p)
{
	size_t len;
	const char *text = LLVMGetModuleInlineAsm(p->mod, &len);

	for (size_t i = 0; i < p->index.n && len > 0; i++) {
		const struct var *v = &p->var[i];

		if (!var_moves(v) || !inlineasm_names(text, v->name))
			continue;
		complain("asm outside functions names the virtual variable "
			 "%s (%s); use -fno-virtual=%s",
		    v->name, v->place, v->name);
		return (false);
	}
	return (true);
}

bool
inlineasm_check(struct program *p)
{
	LLVMValueRef f, i;
	LLVMBasicBlockRef b;

	if (!module_asm_check(p))
		return (false);
	for (f = LLVMGetFirstFunction(p->mod); f; f = LLVMGetNextFunction(f))
		for (b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
			for (i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
				if (is_call(i) && LLVMIsAInlineAsm(LLVMGetCalledValue(i)) && !call_check(p, i))
					return (false);
	return (true);
}
