/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * library.ko, library-pcpu.ko: C that knows nothing of stacks, CPUs or modules, compiled by vnetcc.
 */
int library_next(void);

static int count = 40;
static int *const counted[] = { &count };

int
library_next(void)
{
	static int calls;

	calls++;
	return (++*counted[0] * 100 + calls);
}

#ifdef CONSTRUCTORS
int library_log(int *log);

/* Where this instance writes what happens to it, once it is told; until then here. */
static int early[8];
static int *writes = early;
static int n;

static void
note(int what)
{
	writes[n++] = what;
}

__attribute__((constructor(200))) static void
second(void)
{
	note(2);
}

__attribute__((constructor(150))) static void
first(void)
{
	count += 2;
	note(1);
}

__attribute__((constructor)) static void
third(void)
{
	note(3);
}

__attribute__((destructor)) static void
last_but_one(void)
{
	note(-1);
}

__attribute__((destructor(150))) static void
last(void)
{
	note(-2);
}

/* Its events up to now, and from now on, go to `log`; returns how many there are. */
int
library_log(int *log)
{
	for (int i = 0; i < n; i++)
		log[i] = writes[i];
	writes = log;
	return (n);
}
#endif
