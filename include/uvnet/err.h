/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a failure tells its user: a sentence beside the number.
 *
 * A function that can fail for a reason its caller cannot guess takes a `struct uverr *` last and returns a
 * negative errno.  The sentence says what failed, where, and what to do; callers that add a place put it in
 * front with uverr_prefix().  There is no hidden state: the caller owns the structure, commonly on its stack.
 */
#ifndef UVNET_ERR_H
#define UVNET_ERR_H

struct uverr {
	char text[512];
};

/*
 * Write the sentence; a longer one is cut.  `err` may be NULL, then only the number goes up.
 * Returns -error, so that `return (uverr(err, EINVAL, "..."))` is the whole of a failing path.
 */
int uverr(struct uverr *err, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put a place in front of a sentence that is already there: "file: " + what it said. */
void uverr_prefix(struct uverr *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
