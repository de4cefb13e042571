/* SPDX-License-Identifier: BSD-2-Clause */
/* Variables of all kinds, as definitions. */

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "traps.h"

long
trap_local_static(int n)
{
	static int calls = 10;
	{
		static int calls = 100;

		calls += n;
		if (calls & 1)
			return (calls);
	}
	return (++calls);
}

int tentative_var;
int tentative_var;
static int tentative_static;
static int tentative_static;
int tentative_array[];
int tentative_array[3];

long
trap_tentative(int n)
{
	tentative_var += n;
	tentative_static += 2 * n;
	tentative_array[n % 3]++;
	return (tentative_var * 1000 + tentative_static + tentative_array[0] + tentative_array[2]);
}

__attribute__((weak)) int weak_alone = 5;
__attribute__((weak)) int weak_replaced = 6; /* traps_two.c has 7000 */
extern int weak_nowhere __attribute__((weak));

long
trap_weak(int n)
{
	weak_alone += n;
	weak_replaced += n;
	return (weak_alone + weak_replaced + (&weak_nowhere != NULL));
}

long
trap_extern_other(int n)
{
	other_counter += n;
	*other_pointer += 3;
	return (other_counter * 10 + *other_pointer);
}

static int same = 1;

long
trap_same_static(int n)
{
	same *= 2;
	return (same % 1000003 + other_same_static(n));
}

static volatile int vol;
static volatile uint64_t vol_pair[2];

long
trap_volatile_var(int n)
{
	vol++;
	vol += n;
	vol_pair[n & 1] += (uint64_t)vol;
	return ((long)(vol_pair[0] + vol_pair[1] * 3) + vol);
}

static _Atomic int atom = 4;
static atomic_flag flag = ATOMIC_FLAG_INIT;
static struct node *_Atomic atom_pointer = &other_node;

long
trap_atomic_var(int n)
{
	int expected = 4;
	long r;

	atomic_fetch_add(&atom, n);
	atomic_compare_exchange_strong(&atom, &expected, 7);
	r = atomic_flag_test_and_set(&flag);
	atomic_load(&atom_pointer)->value += 2;
	return (r * 100000 + atomic_load(&atom) + atomic_load(&atom_pointer)->value);
}

static char before_aligned = 1;
static _Alignas(256) char aligned[64];
static char after_aligned = 2;

long
trap_over_aligned(int n)
{
	before_aligned++;
	after_aligned = (char)(after_aligned + n);
	aligned[n % 64] += before_aligned;
	/* Tells an instance whose copy has another alignment. */
	return (aligned[n % 64] + after_aligned + 1000 * (long)((uintptr_t)aligned % 256));
}

static struct {
	unsigned a : 3, b : 7, c : 22;
	signed d : 5;
	unsigned long e : 40;
} bits = { 1, 2, 3, -4, 5 };

long
trap_bit_field(int n)
{
	bits.a++;
	bits.b += (unsigned)n;
	bits.c ^= bits.b;
	bits.d--;
	bits.e += bits.c;
	return ((long)(bits.a + 10 * bits.b + 1000 * bits.c + bits.e) + bits.d);
}

static union {
	uint32_t word;
	uint8_t byte[4];
	float f;
} both = { .byte = { 1, 2, 3, 4 } };

long
trap_union_member(int n)
{
	both.byte[n % 4]++;
	both.word = both.word * 3 + 1;
	return (both.word);
}

static struct item {
	short s;
	struct {
		int x, y;
	} in[3];
	char name[6];
} items[4] = { { .name = "a" }, { 1, { { 1, 2 }, { 3, 4 } }, "b" } };

long
trap_struct_array(int n)
{
	struct item *it = &items[n % 4];

	it->s++;
	items[1].in[n % 3].y += it->s;
	items[3].name[0] = (char)('a' + n % 26);
	return (items[1].in[0].y + items[1].in[1].y * 7 + items[3].name[0] + items[0].name[0]);
}

/* An index into an object of one byte "must" be zero. */
static unsigned char one;
static _Bool yes;

long
trap_one_byte(int n)
{
	one = (unsigned char)(one + n);
	yes = !yes;
	return (one + yes * 1000L);
}

/* Nobody writes it: the optimiser must not use what the template points to. */
static int pointed = 3;
static int *never_written = &pointed;
static int never_scalar = 17;

long
trap_never_written(int n)
{
	*never_written += n + never_scalar;
	return (pointed);
}

static int stored_once;
static int *pointer_once;

long
trap_store_once(int n)
{
	long r = stored_once + (pointer_once != NULL ? *pointer_once : -1);

	if (n == 3) {
		stored_once = 42;
		pointer_once = &stored_once;
	}
	return (r);
}

static char text[] = "abcdef";
static char *text_pointer = text + 2;
static const char *literal = "literal";

long
trap_string_literal(int n)
{
	text_pointer[0] = (char)('a' + n % 26);
	if (n == 5)
		literal = "another";
	return (text[2] * 1000L + literal[0] + (long)strlen(literal));
}

static struct block {
	long v[20];
} block_a = { { 1, 2, 3 } }, block_b;

long
trap_struct_copy(int n)
{
	block_b = block_a;
	block_a.v[n % 20] += block_b.v[0] + n;
	memmove(&block_b.v[1], &block_b.v[0], 10 * sizeof(long));
	memcpy(&block_a.v[10], &block_b.v[1], 5 * sizeof(long));
	return (block_a.v[10] + block_a.v[n % 20]);
}

static char large[70000];
static int large_index[1000] = { [999] = 1 };

long
trap_large(int n)
{
	large[69999] = (char)(large[69999] + n);
	large[n * 1000 % 70000] = (char)n;
	large_index[999] += large[69999];
	return (large_index[999] + large[1000]);
}

static long double wide = 1.5L;
static double _Complex complex_var;
typedef int vec __attribute__((vector_size(16)));
static vec vector = { 1, 2, 3, 4 };

long
trap_long_double(int n)
{
	wide += n;
	complex_var += n * 0.5;
	vector += (vec) { n, n, n, n };
	return ((long)(wide * 2) + (long)(__real__ complex_var * 2) + vector[0] * 3 + vector[3]);
}

/* STEADY: compiled with the promise that nobody enters another instance. */
#ifndef STEADY
static long seen;

long
cross_call(long v)
{
	seen = v;
	host_enter();
	seen = v + 1;
	host_leave();
	return (seen);
}

/* As CURVNET_SET and CURVNET_RESTORE do it, with the base named here. */
extern _Thread_local uintptr_t SET_BASE;

#ifndef PLAIN
long
cross_store(long v, unsigned long other)
{
	uintptr_t save = SET_BASE;

	seen = v;
	set_base(other);
	seen = v + 1;
	set_base(save);
	return (seen);
}
#endif

/* The switch is in a function of this unit. */
__attribute__((noinline)) static void
enter(void)
{
	host_enter();
}

long
cross_nested(long v)
{
	seen = v;
	enter();
	seen = v + 1;
	host_leave();
	return (seen);
}

/* Declared not to depend on anything, which is true within an instance. */
__attribute__((const, noinline)) static long *
place(void)
{
	return (&seen);
}

long
cross_const(long v)
{
	*place() = v;
	host_enter();
	*place() = v + 1;
	host_leave();
	return (*place());
}

long
cross_read(void)
{
	return (seen);
}
#endif
