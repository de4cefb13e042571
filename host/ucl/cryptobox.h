/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for rspamd's header of this name, of which its copy of libucl uses the hash of a key: FNV-1a here.
 * See meson.build.
 */
#ifndef UCL_SHIM_CRYPTOBOX_H
#define UCL_SHIM_CRYPTOBOX_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t rspamd_cryptobox_fast_hash_state_t;

static inline void
rspamd_cryptobox_fast_hash_init(rspamd_cryptobox_fast_hash_state_t *state, uint64_t seed)
{
	*state = seed ^ 0xcbf29ce484222325U;
}

static inline void
rspamd_cryptobox_fast_hash_update(rspamd_cryptobox_fast_hash_state_t *state, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		*state = (*state ^ p[i]) * 0x100000001b3U;
}

static inline uint64_t
rspamd_cryptobox_fast_hash_final(rspamd_cryptobox_fast_hash_state_t *state)
{
	return (*state ^ *state >> 32);
}

static inline uint64_t
rspamd_cryptobox_fast_hash(const void *data, size_t len, uint64_t seed)
{
	rspamd_cryptobox_fast_hash_state_t state;

	rspamd_cryptobox_fast_hash_init(&state, seed);
	rspamd_cryptobox_fast_hash_update(&state, data, len);
	return (rspamd_cryptobox_fast_hash_final(&state));
}

#endif
