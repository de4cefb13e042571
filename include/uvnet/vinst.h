/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instances of a program or library that vnetcc has compiled: each has its own copy of every global variable.
 *
 *	struct vinst *vi = vinst_create(), *before;
 *
 *	before = vinst_enter(vi);
 *	lib_call();				// sees the variables of vi
 *	vinst_leave(before);
 *	vinst_destroy(vi);
 *
 * The thread that starts the program is in an instance from the beginning, so a program that knows nothing of this
 * runs as it is.  A thread that the instance's code creates is in the instance of its creator.  Threads made
 * otherwise are in none, and there the access to a virtual variable faults.
 *
 * A thread-local variable is one for each thread in each instance.  It comes into being, as initialised, when the
 * thread enters the instance for the first time (the program is aborted if there is no memory for it), and goes with
 * the thread or with the instance, whichever ends first.
 *
 * Of the code: what a thread does in one instance needs the locks that it would need in a program; two instances
 * share none of their variables and need none.  What is not virtual is shared by all: the heap, open files, stdio,
 * signal dispositions, the working directory, and the variables inside of libc (vnetcc -fvirtual-report names the
 * calls that lead to them).  A signal handler runs in the instance that its thread is in.  After fork(2) the child
 * has all instances, and the thread that forked.  longjmp(3) does not leave an instance: who jumps out of one that it
 * has entered leaves it first.
 */
#ifndef UVNET_VINST_H
#define UVNET_VINST_H

struct vinst;

/*
 * Makes an instance: the variables as the program was linked, then its constructors run in it.  The caller stays in
 * the instance it was in.  Any thread may call it.  NULL, with errno ENOMEM, if there is no memory.
 */
struct vinst *vinst_create(void);

/*
 * Ends an instance: its atexit(3) functions and destructors run in it, in reverse order; then its variables are gone.
 * What it took from the heap stays.  No thread may be in it (the caller included) nor enter it again; the instance
 * the program started in cannot be ended.  0, or -1 with errno EBUSY for that one.
 */
int vinst_destroy(struct vinst *vi);

/* The calling thread enters vi (NULL: none).  Returns where it was before, for vinst_leave. */
struct vinst *vinst_enter(struct vinst *vi);
void vinst_leave(struct vinst *before);

/* The calling thread's instance, or NULL. */
struct vinst *vinst_self(void);

#endif
