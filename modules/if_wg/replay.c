/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which counters were seen: a window of bits that slides with the newest (RFC 6479, "IPsec Anti-Replay Algorithm
 * without Bit Shifting").
 *
 * A ring of words, one more than the window has: the word of the newest counter is partly ahead of it.  Moving
 * forward clears the words that are entered; nothing is shifted.  Called only with counters that opened a packet, so an
 * attacker cannot move the window.
 */
#include "wg.h"

#define RING (WG_WINDOW / 64 + 1)

bool
wg_replay_take(struct wg_replay *r, uint64_t counter)
{
	uint64_t word = counter / 64, top, bit, *at;

	if (counter >= REJECT_AFTER_MESSAGES || counter + WG_WINDOW < r->next)
		return (false);
	if (counter >= r->next) {
		/* The first packet ever enters its own word only; `top` is the last word entered before. */
		top = r->next > 0 ? (r->next - 1) / 64 : 0;
		if (word - top > RING)
			top = word - RING;
		while (top < word)
			r->bits[++top % RING] = 0;
		r->next = counter + 1;
	}
	at = &r->bits[word % RING];
	bit = UINT64_C(1) << (counter % 64);
	if ((*at & bit) != 0)
		return (false);
	*at |= bit;
	return (true);
}
