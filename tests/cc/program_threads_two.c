/* SPDX-License-Identifier: BSD-2-Clause */
/* The other unit of program_threads.c. */
_Thread_local int elsewhere = 100;
int elsewhere_next(void);

int
elsewhere_next(void)
{
	return (++elsewhere);
}
