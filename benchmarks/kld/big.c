/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A module of some 170 KB and 600 relocations, that is as well a shared object: 300 functions, each calls another
 * and is named in a table; the rest is data.
 */
#define X10(m, n) m(n, 0) m(n, 1) m(n, 2) m(n, 3) m(n, 4) m(n, 5) m(n, 6) m(n, 7) m(n, 8) m(n, 9)
#define X100(m, n) X10(m, n##0) X10(m, n##1) X10(m, n##2) X10(m, n##3) X10(m, n##4) X10(m, n##5) X10(m, n##6) \
	X10(m, n##7) X10(m, n##8) X10(m, n##9)
#define X300(m) X100(m, 1) X100(m, 2) X100(m, 3)

#define DECLARE(n, k) int big_##n##k(int);
#define ENTRY(n, k) big_##n##k,
/* Calls the function whose last figure is 3 more, modulo 10. */
#define THEN(k) THEN_##k
#define THEN_0 3
#define THEN_1 4
#define THEN_2 5
#define THEN_3 6
#define THEN_4 7
#define THEN_5 8
#define THEN_6 9
#define THEN_7 0
#define THEN_8 1
#define THEN_9 2
#define CALL(n, k) big_##n##k
#define CALL_(n, k) CALL(n, k)
#define DEFINE(n, k) \
	__attribute__((noinline)) int big_##n##k(int x) \
	{ \
		return (x <= 0 ? n##k : CALL_(n, THEN(k))(x - n##k) ^ (x * n##k)); \
	}

X300(DECLARE)
X300(DEFINE)

extern int (*const big_table[])(int);
extern int big_data[28000];
int (*const big_table[])(int) = { X300(ENTRY) };
int big_data[28000] = { 1, 2, 3, [27999] = 4 };
