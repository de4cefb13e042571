/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: any text as a file of wg-quick(8) or wg(8), for each use that there is of one.  It is refused with a
 * sentence, or becomes one request whose lines are of the protocol's form.  Seeds: corpus/wgquick.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uvnet/if_wg.h>
#include "wgquick.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
request_check(const char *s, enum wgquick_use use)
{
	static const char *const keys[] = {
		"private_key", "listen_port", "fwmark", "replace_peers", "public_key", "preshared_key", "endpoint",
		"persistent_keepalive_interval", "replace_allowed_ips", "allowed_ip"
	};
	int peers = 0;
	size_t i, n;

	if (strncmp(s, "set=1\n", 6) != 0)
		abort();
	for (s += 6; *s != '\n'; s += n + 1) {
		n = strcspn(s, "\n");
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (strncmp(s, keys[i], strlen(keys[i])) == 0 && s[strlen(keys[i])] == '=')
				break;
		if (s[n] != '\n' || i == sizeof(keys) / sizeof(keys[0]))
			abort();
		peers += i == 4;
		if (i == 4 && n != strlen("public_key=") + 64)
			abort();
		if ((i < 4) != (peers == 0) || (i == 1 && use == WGQUICK_STACK) || (i == 3 && use != WGQUICK_SETCONF))
			abort();
	}
	if (s[1] != '\0')
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uverr err = { .text = "" };
	struct wgquick q;
	enum wgquick_use use;
	unsigned flags;

	if (size < 1)
		return (0);
	use = data[0] & 3;
	flags = data[0] >> 2 & 3;
	if (wgquick_parse("fuzz", (const char *)data + 1, size - 1, use, flags, &q, &err) != 0) {
		if (err.text[0] == '\0')
			abort();
		return (0);
	}
	request_check(q.uapi, use);
	if (q.naddr6 > CONFIG_MAXADDR6 || q.prefixlen > 32 || (q.mtu != 0 && (q.mtu < 576 || q.mtu > WG_MTU_MAX)))
		abort();
	for (int i = 0; i < q.naddr6; i++)
		if (q.addr6[i].prefixlen < 0 || q.addr6[i].prefixlen > 128)
			abort();
	wgquick_free(&q);
	return (0);
}
