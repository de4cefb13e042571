/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SCRIPT_H
#define SCRIPT_H

/* Starts the interpreter with a script that defines step(n).  0, or -1 with a message. */
int script_start(const char *text);

/* Calls step(n).  Returns what the script has given to add() so far, or -1 with a message. */
long script_step(long n);

void script_end(void);

#endif
