/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to do what (section 6 of the paper): five timers a peer, in one callout.
 *
 * Most are moved by every packet, and hardly ever fire.  So moving one is a store: a deadline.  The callout stands
 * for the earliest deadline there was when it was last armed; one that moved away is noticed when the callout comes, one
 * that comes nearer arms it again.  A peer without traffic and without a session has no callout at all.
 *
 *	RETRANSMIT	an initiation was sent: send another, at most for 90 s
 *	KEEPALIVE	data came and nothing was sent for 10 s: say that we are here
 *	NEW_HANDSHAKE	data was sent and nothing came for 15 s: shake hands anew
 *	ZERO		three times 180 s without a new session: forget the keys
 *	PERSISTENT	as configured: a keepalive, whatever happened
 */
#include "wg.h"

#define NEVER INT64_MAX

static void timers_run(void *arg);

static void
set(struct wg_peer *peer, enum wg_timer t, int64_t when, int64_t now)
{
	peer->p_deadline[t] = when;
	if (when < peer->p_callout_time) {
		peer->p_callout_time = when;
		callout_reset_ns(&peer->p_callout, when - now, timers_run, peer);
	}
}

static void
unset(struct wg_peer *peer, enum wg_timer t)
{
	peer->p_deadline[t] = NEVER;
}

static bool
is_set(const struct wg_peer *peer, enum wg_timer t)
{
	return (peer->p_deadline[t] != NEVER);
}

/* Once a handshake: data that is sent and answered in turns sets NEW_HANDSHAKE as often. */
static void
draw_jitter(struct wg_peer *peer)
{
	uint32_t r;

	wg_random(&r, sizeof(r));
	peer->p_jitter = (int64_t)r % REKEY_TIMEOUT_JITTER;
}

void
wg_timers_init(struct wg_peer *peer)
{
	callout_init(&peer->p_callout, 1);
	wg_timers_stop(peer);
	draw_jitter(peer);
}

void
wg_timers_stop(struct wg_peer *peer)
{
	for (int t = 0; t < WG_NTIMERS; t++)
		unset(peer, t);
	callout_stop(&peer->p_callout);
	peer->p_callout_time = NEVER;
}

/* ---- They fire ---- */

static void
retransmit(struct wg_peer *peer, int64_t now)
{
	if (peer->p_attempts >= MAX_ATTEMPTS) {
		unset(peer, TIMER_KEEPALIVE);
		wg_peer_unstage(peer);
		if (!is_set(peer, TIMER_ZERO))
			set(peer, TIMER_ZERO, now + 3 * REJECT_AFTER_TIME, now);
		return;
	}
	peer->p_attempts++;
	/* Perhaps it is our own address that is wrong by now. */
	memset(&peer->p_endpoint.local6, 0, sizeof(peer->p_endpoint.local6));
	peer->p_endpoint.ifindex = 0;
	wg_send_initiation(peer, now, true);
}

static void
fire(struct wg_peer *peer, enum wg_timer t, int64_t now)
{
	switch (t) {
	case TIMER_RETRANSMIT:
		retransmit(peer, now);
		break;
	case TIMER_KEEPALIVE:
		wg_send_keepalive(peer, now);
		if (peer->p_need_keepalive) {
			peer->p_need_keepalive = false;
			set(peer, TIMER_KEEPALIVE, now + KEEPALIVE_TIMEOUT, now);
		}
		break;
	case TIMER_NEW_HANDSHAKE:
		memset(&peer->p_endpoint.local6, 0, sizeof(peer->p_endpoint.local6));
		peer->p_endpoint.ifindex = 0;
		wg_send_initiation(peer, now, false);
		break;
	case TIMER_ZERO:
		wg_noise_clear(peer);
		wg_session_end_all(peer);
		break;
	case TIMER_PERSISTENT:
		if (peer->p_persistent != 0) {
			wg_send_keepalive(peer, now);
			/* A peer that cannot be reached now is tried again. */
			if (!is_set(peer, TIMER_PERSISTENT))
				wg_timers_traversal(peer, now);
		}
		break;
	case WG_NTIMERS:
		break;
	}
}

static void
timers_run(void *arg)
{
	struct wg_peer *peer = arg;
	const int64_t now = callout_now();
	int64_t first = NEVER;
	int t;

	peer->p_callout_time = NEVER;
	for (t = 0; t < WG_NTIMERS; t++)
		if (peer->p_deadline[t] <= now) {
			unset(peer, t);
			fire(peer, t, now);
		}
	for (t = 0; t < WG_NTIMERS; t++)
		if (peer->p_deadline[t] < first)
			first = peer->p_deadline[t];
	if (first < peer->p_callout_time) {
		peer->p_callout_time = first;
		callout_reset_ns(&peer->p_callout, first - now, timers_run, peer);
	}
}

/* ---- What happened ---- */

void
wg_timers_data_sent(struct wg_peer *peer, int64_t now)
{
	if (!is_set(peer, TIMER_NEW_HANDSHAKE))
		set(peer, TIMER_NEW_HANDSHAKE, now + KEEPALIVE_TIMEOUT + REKEY_TIMEOUT + peer->p_jitter, now);
}

void
wg_timers_data_received(struct wg_peer *peer, int64_t now)
{
	if (!is_set(peer, TIMER_KEEPALIVE))
		set(peer, TIMER_KEEPALIVE, now + KEEPALIVE_TIMEOUT, now);
	else
		peer->p_need_keepalive = true;
}

void
wg_timers_authenticated_sent(struct wg_peer *peer)
{
	unset(peer, TIMER_KEEPALIVE);
}

void
wg_timers_authenticated_received(struct wg_peer *peer)
{
	unset(peer, TIMER_NEW_HANDSHAKE);
}

void
wg_timers_traversal(struct wg_peer *peer, int64_t now)
{
	if (peer->p_persistent != 0)
		set(peer, TIMER_PERSISTENT, now + peer->p_persistent * WG_SECOND, now);
}

void
wg_timers_initiated(struct wg_peer *peer, int64_t now)
{
	draw_jitter(peer);
	set(peer, TIMER_RETRANSMIT, now + REKEY_TIMEOUT + peer->p_jitter, now);
}

void
wg_timers_complete(struct wg_peer *peer)
{
	unset(peer, TIMER_RETRANSMIT);
	peer->p_attempts = 0;
	peer->p_last_minute = false;
}

void
wg_timers_session(struct wg_peer *peer, int64_t now)
{
	draw_jitter(peer);
	set(peer, TIMER_ZERO, now + 3 * REJECT_AFTER_TIME, now);
}

void
wg_timers_setpersistent(struct wg_peer *peer, uint16_t seconds)
{
	const bool on = peer->p_persistent == 0 && seconds != 0;
	const int64_t now = callout_now();

	peer->p_persistent = seconds;
	if (seconds == 0)
		unset(peer, TIMER_PERSISTENT);
	else if (on)	/* the first, when the request is done: its other lines may say where to and with what key */
		set(peer, TIMER_PERSISTENT, now, now);
	else
		wg_timers_traversal(peer, now);
}
