/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual variable touched outside any stack, and a module that went astray, explained.
 *
 * With no stack set, an access to a virtual variable goes to the null slot, which faults; a store that forgot the
 * distance goes to the template, which is read-only.  Either way the address tells which variable was meant.  Of any
 * other fault in a module's code it is the place, and the stack, that its author wants to know.  The handler says so
 * in one sentence, with write(2) and nothing else, and lets the signal have its way: the same instruction faults again,
 * with whatever handler was there before, or a core dump that shows the very place.
 *
 * The core dump is small, for stacks are not a part of it; the handler adds the one that was current, whatever the
 * program dies of.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uvnet/vnet.h>

#include "kld_impl.h"

#define STACK_SIZE ((size_t)64 << 10)

static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };	/* the first two are explained */
#define NSIGNALS (sizeof(signals) / sizeof(signals[0]))
static struct sigaction previous[NSIGNALS];
static int installed;
static pthread_key_t stack_key;

/* ---- A sentence, without stdio ---- */

struct sentence {
	char text[512];
	size_t n;
};

static void
say(struct sentence *s, const char *what)
{
	while (*what != '\0' && s->n < sizeof(s->text) - 1)
		s->text[s->n++] = *what++;
}

static void
say_hex(struct sentence *s, uintptr_t v)
{
	char digits[2 * sizeof(v) + 3], *p = digits + sizeof(digits);

	*--p = '\0';
	do
		*--p = "0123456789abcdef"[v & 15];
	while ((v >>= 4) != 0);
	*--p = 'x';
	*--p = '0';
	say(s, p);
}

/* VNET_DEFINE(int, ttl) makes vnet_entry_ttl; its author knows it as ttl. */
static const char *
plain_name(const char *symbol)
{
	static const char *const prefix[] = { "vnet_entry_", "pcpu_entry_" };

	for (size_t i = 0; i < 2; i++)
		if (strncmp(symbol, prefix[i], strlen(prefix[i])) == 0)
			return (symbol + strlen(prefix[i]));
	return (symbol);
}

/* name+0x12, in quotes if `quoted`, and the file; or the bare address. */
static void
say_place(struct sentence *s, uintptr_t addr, int quoted)
{
	const char *file = NULL, *symbol;
	uintptr_t offset;

	symbol = kld_symbolize(addr, &file, &offset);
	if (symbol == NULL)
		say_hex(s, addr);
	else {
		say(s, quoted ? "`" : "");
		say(s, plain_name(symbol));
		if (offset != 0 || !quoted) {
			say(s, "+");
			say_hex(s, offset);
		}
		say(s, quoted ? "'" : "");
	}
	if (file != NULL) {
		say(s, " (");
		say(s, file);
		say(s, ")");
	}
}

/* Which variable, and what is missing. */
static void
say_variable(struct sentence *s, uintptr_t template, int outside, enum kld_set set, uintptr_t pc)
{
	if (!outside)
		say(s, "the template of ");
	say(s, set == SET_PCPU ? "per-CPU variable " : "virtual variable ");
	say_place(s, template, 1);
	say(s, !outside ? "" : set == SET_PCPU ? " before dpcpu_init()" : " with no stack set");
	say(s, ", at ");
	say_place(s, pc, 0);
	if (!outside)
		say(s, set == SET_PCPU ? "; DPCPU() is missing" : "; VNET() is missing");
	else if (set != SET_PCPU)
		say(s, "; CURVNET_SET() is missing");
}

/* A module that went astray: where, and in which stack. */
static void
say_astray(struct sentence *s, uintptr_t addr, uintptr_t pc)
{
	say_hex(s, addr);
	say(s, ", at ");
	say_place(s, pc, 0);
	if (curvnet != NULL) {
		say(s, ", in stack \"");
		say(s, curvnet->vnet_name);
		say(s, "\"");
	}
}

/* ---- The handler ---- */

static void
explain(uintptr_t addr, const void *ucontext)
{
	struct sentence s = { .n = 0 };
	uintptr_t template = addr, pc = kld_arch_fault_pc(ucontext);
	int outside = vset_in_null(&template), wrote = kld_arch_fault_write(ucontext);
	enum kld_set set = kld_set_of(template);

	if (!outside && set == SET_NONE && !vset_in_window(pc))
		return;
	say(&s, "vnet: fault: ");
	say(&s, wrote < 0 ? "access to " : wrote ? "write to " : "read of ");
	if (outside || set != SET_NONE)
		say_variable(&s, template, outside, set, pc);
	else
		say_astray(&s, addr, pc);
	s.text[s.n++] = '\n';
	for (size_t at = 0; at < s.n;) {
		ssize_t did = write(STDERR_FILENO, s.text + at, s.n - at);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			break;
		at += (size_t)did;
	}
}

static void
handler(int sig, siginfo_t *info, void *ucontext)
{
	const struct sigaction *prev;
	int saved = errno;
	size_t i;

	for (i = 0; i < NSIGNALS - 1 && signals[i] != sig; i++)
		continue;
	prev = &previous[i];
	if (i < 2 && info->si_code > 0)		/* not sent by kill(2) */
		explain((uintptr_t)info->si_addr, ucontext);
	if (curvnet != NULL)
		vset_instance_dump(vnet_vset, curvnet->vnet_slot);
	errno = saved;
	if ((prev->sa_flags & SA_SIGINFO) != 0) {
		prev->sa_sigaction(sig, info, ucontext);
		return;
	}
	if (prev->sa_handler != SIG_DFL && prev->sa_handler != SIG_IGN) {
		prev->sa_handler(sig);
		return;
	}
	/* The instruction faults once more; a signal that somebody sent must be sent again. */
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
}

/* ---- Installing it ---- */

static void
stack_free(void *stack)
{
	const stack_t off = { .ss_flags = SS_DISABLE };

	sigaltstack(&off, NULL);
	munmap(stack, STACK_SIZE);
}

/* A stack of its own for the handler, so that it can also run when the thread's has overflowed. */
static int
stack_make(struct uverr *err)
{
	stack_t now, mine = { .ss_size = STACK_SIZE };

	if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0)
		return (0);
	mine.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mine.ss_sp == MAP_FAILED)
		return (uverr(err, ENOMEM, "fault handler: no memory for its stack"));
	if (sigaltstack(&mine, NULL) != 0 || pthread_setspecific(stack_key, mine.ss_sp) != 0) {
		stack_free(mine.ss_sp);
		return (uverr(err, ENOMEM, "fault handler: its stack was refused"));
	}
	return (0);
}

int
kld_fault_init(struct uverr *err)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (!installed && pthread_key_create(&stack_key, stack_free) != 0)
		return (uverr(err, EAGAIN, "fault handler: no thread-specific key left"));
	if (!installed) {
		sigemptyset(&sa.sa_mask);
		for (size_t i = 0; i < NSIGNALS; i++)
			if (sigaction(signals[i], &sa, &previous[i]) != 0)
				return (uverr(err, errno, "fault handler: sigaction: %s", strerror(errno)));
		installed = 1;
	}
	return (stack_make(err));
}
