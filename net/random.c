/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers that nobody can guess: ephemeral ports, initial sequence numbers.
 *
 * RFC 6528 computes an initial sequence number as a clock plus a keyed hash of the addresses, so that a connection
 * that reuses its predecessor's four-tuple starts above it.  That wants a cipher of our own here or libcrypto in
 * every stack.  Instead every number is the kernel's (getrandom(2)), fetched some at a time: unguessable, with no
 * state that two stacks or a fork could share.  What is given up is the order of incarnations; the reuse of a
 * four-tuple within TIME_WAIT is what it was for, and tcp_new_port() does not hand out such a port.
 */
#include <sys/random.h>

#include "lwip/opt.h"
#include "inet_impl.h"

#define RANDOM_BATCH 16

static uint32_t random_word[RANDOM_BATCH];
static unsigned random_left;

uint32_t
inet_random(void)
{
	uint32_t word;

	if (random_left == 0) {
		/* Up to 256 bytes come whole or not at all, and without a signal's interruption. */
		if (getrandom(random_word, sizeof(random_word), 0) != sizeof(random_word))
			inet_panic("getrandom failed", __FILE__, __LINE__);
		random_left = RANDOM_BATCH;
	}
	word = random_word[--random_left];
	random_word[random_left] = 0;
	return (word);
}
