/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: any bytes as a clear-signed message, a detached signature, a file of keys.  What passes has the frame. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "armor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char first[] = "-----BEGIN PGP SIGNED MESSAGE-----";
	struct slice file = { (const char *)data, size }, block;
	struct uverr err;
	size_t at = 0, last;

	if (size == 0)
		return (0);
	if (armor_check_message(file, &err) == 0 && memcmp(file.p, first, strlen(first)) != 0)
		abort();
	armor_check_signature(file, &err);
	while (last = at, armor_next_key(file, &at, &block))
		if (at <= last || at > size || block.n > size)
			abort();
	return (0);
}
