/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCP segment or UDP datagram in a frame: where it is, and its checksums.
 *
 * Sums are kept in the byte order that the bytes come in: the one's complement sum does not mind (RFC 1071, 2B), so
 * nothing is swapped, and eight bytes are added at a time.
 */
#include "tap.h"

#define PROTO_TCP 6
#define PROTO_UDP 17

bool
tap_seg_find(const uint8_t *frame, size_t len, unsigned l2, bool large, struct tap_seg *t)
{
	const uint8_t *ip = frame + l2;
	unsigned end, proto;

	if (len < l2 + 20 || len > UINT16_MAX + l2)
		return (false);
	t->ip = l2;
	t->six = ip[0] >> 4 == 6;
	if (t->six) {
		if (len < l2 + 40)
			return (false);
		proto = ip[6];
		t->l4 = l2 + 40;
		end = t->l4 + tap_get16(ip + 4);
	} else {
		if (ip[0] >> 4 != 4 || (ip[0] & 0xf) < 5 || (tap_get16(ip + 6) & 0x3fff) != 0)
			return (false);
		proto = ip[9];
		t->l4 = l2 + (ip[0] & 0xfU) * 4;
		end = l2 + tap_get16(ip + 2);
	}
	if (l2 == ETHER_SIZE && tap_get16(frame + 12) != (t->six ? 0x86dd : 0x0800))
		return (false);
	t->end = large ? (unsigned)len : end;
	t->udp = proto == PROTO_UDP;
	if ((!t->udp && proto != PROTO_TCP) || t->end > len || t->end < t->l4 + (t->udp ? 8 : 20))
		return (false);
	t->sum = t->udp ? 6 : 16;
	if (t->udp) {
		t->payload = t->l4 + 8;
		return (large || tap_get16(frame + t->l4 + 4) == t->end - t->l4);
	}
	t->payload = t->l4 + (frame[t->l4 + 12] >> 4) * 4U;
	return (t->payload >= t->l4 + 20 && t->payload <= t->end);
}

uint64_t
tap_sum(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t a, b, even = 0, odd = 0;
	uint16_t last = 0;

	/* Halves of 32 bits into 64: no carry is lost below 16 GiB. */
	for (; len >= 16; len -= 16, p += 16) {
		memcpy(&a, p, 8);
		memcpy(&b, p + 8, 8);
		even += (a & UINT32_MAX) + (a >> 32);
		odd += (b & UINT32_MAX) + (b >> 32);
	}
	sum += even + odd;
	for (; len >= 2; len -= 2, p += 2) {
		memcpy(&last, p, 2);
		sum += last;
	}
	if (len > 0) {
		last = 0;
		memcpy(&last, p, 1);
		sum += last;
	}
	return (sum);
}

uint16_t
tap_fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return ((uint16_t)sum);
}

uint64_t
tap_sum_pseudo(const uint8_t *frame, const struct tap_seg *t, unsigned len)
{
	const uint8_t rest[4] = { 0, t->udp ? PROTO_UDP : PROTO_TCP, (uint8_t)(len >> 8), (uint8_t)len };

	return (tap_sum(tap_sum(0, rest, sizeof(rest)), frame + t->ip + (t->six ? 8 : 12), t->six ? 32 : 8));
}

void
tap_setlen(uint8_t *frame, const struct tap_seg *t, unsigned end)
{
	uint8_t *ip = frame + t->ip;
	uint16_t sum;

	if (t->udp)
		tap_put16(frame + t->l4 + 4, end - t->l4);
	if (t->six) {
		tap_put16(ip + 4, end - t->l4);
		return;
	}
	tap_put16(ip + 2, end - t->ip);
	memset(ip + 10, 0, 2);
	sum = (uint16_t)~tap_fold(tap_sum(0, ip, t->l4 - t->ip));
	memcpy(ip + 10, &sum, 2);
}
