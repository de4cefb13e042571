/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of variables, wherever C lets them be written. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "traps.h"

static int a, b, c;
static int array[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static int *const const_table[] = { &a, &b, &other_counter, &array[3] };

long
trap_const_table(int n)
{
	*const_table[n % 4] += n;
	return (a + 10 * b + 100 * array[3] + other_counter);
}

struct desc {
	const char *name;
	int *const *table;
	size_t n;
};

static int *const small_table[] = { &b, &c };
static const struct desc descs[] = {
	{ "one", const_table, 4 },
	{ "two", small_table, 2 },
};
static const struct desc *const desc_list[] = { &descs[0], &descs[1], NULL };

long
trap_table_of_tables(int n)
{
	long sum = 0;

	for (const struct desc *const *d = desc_list; *d != NULL; d++) {
		*(*d)->table[(size_t)n % (*d)->n] += 1;
		sum = sum * 31 + *(*d)->table[0] + (*d)->name[0];
	}
	return (sum);
}

static struct {
	long pad;
	int *p;
	struct node *list;
	void (*fn)(void);
} holder = { 1, &c, &other_node, NULL };

long
trap_initial_address(int n)
{
	*holder.p += n;
	holder.list->value++;
	holder.pad += holder.fn == NULL;
	return (c + holder.list->value + holder.pad);
}

static int *offset = &array[5];
static int *negative = &array[0] - 1;
static struct item {
	char x;
	int y[4];
} item;
static int *member = &item.y[2];

long
trap_initial_offset(int n)
{
	*offset += n;
	negative[2] += 1;
	*member += 5;
	if (n == 4)
		offset = &array[1];
	return (array[5] + 100 * array[1] + 10000L * item.y[2]);
}

static uintptr_t integer = (uintptr_t)&a;
static uintptr_t integer_sum = (uintptr_t)&array + 2 * sizeof(int);

long
trap_initial_integer(int n)
{
	*(int *)integer += n;
	*(int *)integer_sum += 2;
	return (a + array[2]);
}

extern struct node ring_b;
static struct node ring_a = { &ring_b, 1 };
struct node ring_b = { &ring_a, 2 };
static struct node *self = (struct node *)&self;

long
trap_initial_cycle(int n)
{
	struct node *i = &ring_a;

	for (int k = 0; k < n; k++)
		i = i->next;
	i->value += n;
	return (
	    ring_a.value + 1000 * ring_b.value + (self == (struct node *)&self) + 2 * (ring_b.next->next == &ring_b));
}

long
trap_phi_ternary(int n)
{
	for (int i = 0; i < 5; i++) {
		int *p = (i + n) & 1 ? &a : &b;

		*p += i;
		*((i + n) % 3 ? &array[2] : &c) += 1;
	}
	return (a + 100 * b + 1000 * array[2] + c);
}

static int *
choose(int n)
{
	switch (n % 6) {
	case 0:
		return (&a);
	case 1:
		return (&b);
	case 2:
		return (&c);
	case 3:
		return (&array[1]);
	case 4:
		return (&item.y[1]);
	default:
		return (NULL);
	}
}

long
trap_phi_switch(int n)
{
	int *p = choose(n);

	if (p != NULL)
		*p += n;
	p = other_address(n);
	*p += 1;
	return (a + 7 * b + 49 * c + 343 * array[1] + item.y[1] + *p);
}

/* Several edges from one block to one PHI. */
long
trap_phi_same_block(int n)
{
	int *p;

	switch (n % 8) {
	case 0:
	case 2:
	case 5:
		p = &a;
		break;
	case 1:
	case 7:
		p = &b;
		break;
	default:
		p = &c;
	}
	*p += 1;
	p = n % 3 == 0 || n % 5 == 0 || n % 7 == 0 ? &array[n % 8] : &array[0];
	*p += 1;
	return (a + b * 3 + c * 5 + array[0]);
}

long
trap_constant_expr(int n)
{
	ptrdiff_t distance = &array[6] - &array[2];
	int *end = (int *)((char *)array + sizeof(array));
	long in = (uintptr_t)end - (uintptr_t)array;

	((int *)(void *)&item)[1] += n;
	*(int *)((uintptr_t)&array[1] & ~(uintptr_t)3) += n;
	return (distance + in + item.y[0] + array[1] + ((uintptr_t)&array[4] % 4 == 0));
}

long
trap_compare(int n)
{
	int *p = n & 1 ? &a : &array[7];

	return ((p == &a) + 2 * (p == &array[7]) + 4 * (p < &array[8] && p >= array) + 8 * (&a != &b) +
	    16 * (&array[8] > &array[7]));
}

static long
add(int n)
{
	return (a += n);
}

static long
sub(int n)
{
	return (b -= n);
}

static long (*functions[2])(int) = { add, sub };
static long (*const const_functions[2])(int) = { sub, add };

long
trap_function_table(int n)
{
	long (*t)(int) = functions[0];
	long r = functions[n & 1](n) + const_functions[n & 1](1);

	functions[0] = functions[1];
	functions[1] = t;
	return (r);
}

long
trap_computed_goto(int n)
{
	static void *labels[] = { &&first, &&second, &&third };
	static const void *const fixed[] = { &&second, &&third };
	static int visits;
	void *t = labels[0];

	labels[0] = labels[n % 3];
	labels[n % 3] = t;
	goto *labels[0];
first:
	visits += 1;
	goto *fixed[n & 1];
second:
	visits += 10;
	return (visits);
third:
	visits += 100;
	return (visits);
}

/* "const" promises what is no longer so: the function reads the base now. */
__attribute__((const, noinline)) static int *
location(void)
{
	static int place;

	return (&place);
}

long
trap_const_attribute(int n)
{
	*location() += n;
	return (*location());
}

__attribute__((pure, noinline)) static long
sum_pure(void)
{
	return (a + b + c);
}

long
trap_pure_call(int n)
{
	long r = sum_pure();

	a += n;
	r = r * 3 + sum_pure();
	return (r);
}

int original = 5;
extern int second_name __attribute__((alias("original")));
static int original_array[4];
extern int array_alias[4] __attribute__((alias("original_array")));
static int *alias_pointer = &second_name;

long
trap_alias(int n)
{
	original += n;
	second_name += 1;
	array_alias[n % 4] += second_name;
	*alias_pointer += 2;
	return (original + original_array[0] + original_array[3]);
}

static char sized[24];

long
trap_object_size(int n)
{
	char *p = n & 1 ? sized : sized + 8;
	size_t left = __builtin_dynamic_object_size(p, 0);

	/* What is left of it, the most there can be, or "unknown", as the optimiser knows; never anything else. */
	sized[n % 24]++;
	return ((long)__builtin_object_size(sized, 0) + 100 * (long)__builtin_object_size(&sized[4], 1) +
	    (left == (size_t)(sized + sizeof(sized) - p) || left == sizeof(sized) || left == (size_t)-1) * 10000L + sized[1]);
}

long
trap_asm_operand(int n)
{
	int *p;

	__asm__("addl %1, %0" : "+m"(a) : "r"(n) : "cc");
	__asm__("movq %1, %0" : "=r"(p) : "r"(&b));
	*p += 1;
	__asm__ volatile("incl %0" : "+m"(array[2]) : : "cc", "memory");
	return (a + b + array[2]);
}

static long
total(int n, ...)
{
	va_list ap;
	long sum = 0;

	va_start(ap, n);
	for (int i = 0; i < n; i++)
		sum += *va_arg(ap, int *);
	va_end(ap);
	return (sum);
}

long
trap_varargs(int n)
{
	a += n;
	return (total(4, &a, &b, &array[n % 8], other_pointer));
}

struct pair {
	int *p, *q;
};

struct four {
	long v[4];
};

static struct four four = { { 1, 2, 3, 4 } };

static long
by_value(struct pair p, struct four f)
{
	*p.p += 1;
	f.v[0] += *p.q;
	return (f.v[0] + f.v[3]);
}

long
trap_by_value(int n)
{
	struct pair p = { &a, &array[1] };
	const struct pair both[] = { { &b, &c }, { &c, &a } };

	four.v[3] += n;
	return (by_value(p, four) + by_value(both[n & 1], four));
}

static jmp_buf env;

static void
jump(int n)
{
	a += n;
	longjmp(env, n);
}

long
trap_long_jump(int n)
{
	volatile int r = setjmp(env);

	if (r == 0)
		jump(n + 1);
	return (a + r);
}

static int matrix[8][8];
static int *row = matrix[3];

long
trap_loop(int n)
{
	long sum = 0;

	for (int i = 0; i < 8; i++)
		for (int k = 0; k < 8; k++)
			matrix[i][k] += array[k] * n + i;
	for (int i = 0; i < 8; i++)
		sum += row[i];
	memset(matrix[n % 8], 0, sizeof(matrix[0]));
	return (sum);
}
