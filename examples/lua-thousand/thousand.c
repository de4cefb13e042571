/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thousand Lua interpreters in one process, by a library that has one (script.c).
 *
 * vnetcc has made its variables virtual: each instance has its own.  This host makes a thousand instances, starts the
 * library in each, lets all of them take steps in turn, and ends them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uvnet/vinst.h>

#include "script.h"

#define INSTANCES 1000
#define STEPS 20

static const char text[] =
	"local seen = 0\n"
	"function step(n)\n"
	"	seen = seen + 1\n"
	"	add(n * seen)\n"
	"end\n";

int
main(void)
{
	/* No static variable: main() begins in an instance, too, and the others would not see what it has in there. */
	struct vinst *all[INSTANCES], *before;
	long right = 0, total;
	int wrong = 0;

	for (int i = 0; i < INSTANCES; i++) {
		all[i] = vinst_create();
		if (all[i] == NULL) {
			perror("vinst_create");
			return (1);
		}
		before = vinst_enter(all[i]);
		if (script_start(text) != 0)
			return (1);
		vinst_leave(before);
	}
	for (int s = 1; s <= STEPS; s++)
		for (int i = 0; i < INSTANCES; i++) {
			before = vinst_enter(all[i]);
			script_step(i);
			vinst_leave(before);
		}
	for (int s = 1; s <= STEPS + 1; s++)
		right += s;
	for (int i = 0; i < INSTANCES; i++) {
		before = vinst_enter(all[i]);
		total = script_step(i);
		script_end();
		vinst_leave(before);
		wrong += total != i * right;
		wrong += vinst_destroy(all[i]) != 0;
	}
	printf("%d interpreters took %d steps each; %d went wrong\n", INSTANCES, STEPS + 1, wrong);
	return (wrong != 0);
}
