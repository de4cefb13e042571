/* SPDX-License-Identifier: BSD-2-Clause */
/* An ordinary program: prints what its variables have become, and ends with the status it is given. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int first;
int *head = &first;
static int n = 5;
extern int other;
int *get(void);
static const struct {
	int *p;
	const char *s;
} table[] = { { &n, "n" }, { &other, "other" } };
_Alignas(4096) static char page[10];

__attribute__((constructor)) static void
begin(void)
{
	n += 100;
}

static void
bye(void)
{
	printf("bye %d\n", n);
}

static void *
thread(void *arg)
{
	n++;
	return (arg);
}

int
main(int argc, char **argv)
{
	pthread_t t;

	atexit(bye);
	(*head)++;
	(*get())++;
	for (int i = 0; i < 5000000; i++) {
		n += i & 1;
		*table[1].p += 1;
		page[i % 10]++;
	}
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	printf("%d %d %d %d %s\n", first, *table[0].p, other, page[3] + (int)((unsigned long)page % 4096), table[1].s);
	if (argc > 1)
		exit(atoi(argv[1]));
	return (0);
}
