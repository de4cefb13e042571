/* SPDX-License-Identifier: BSD-2-Clause */
/* WireGuard's keys and values as texts: of wg(8), in base64, and of the configuration protocol, in hexadecimal. */
#ifndef HOST_WGTEXT_H
#define HOST_WGTEXT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define WGTEXT_HEX 65		/* a key in hexadecimal, with its NUL */
#define WGTEXT_BASE64 45	/* and in base64 */
#define WGTEXT_ENDPOINT 64	/* "[2001:db8::1]:51820" */

/* A text that grows, and may hold secrets: what it leaves behind is wiped.  Zero-filled it is an empty one. */
struct wgbuf {
	char *s;		/* NULL while nothing was put into it */
	size_t len, max;
	int failed;		/* no memory: something is missing */
};
void wgbuf_printf(struct wgbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wgbuf_put(struct wgbuf *b, const char *s, size_t len);
void wgbuf_free(struct wgbuf *b);

/* A key from base64 to hexadecimal, and back (which cannot fail on what the protocol says).  0 or -EINVAL. */
int wgtext_hex(const char *base64, char hex[static WGTEXT_HEX]);
int wgtext_base64(const char *hex, char base64[static WGTEXT_BASE64]);

/* A decimal number of at most `max`; with `hex`, also one that begins with 0x.  0 or -EINVAL. */
int wgtext_number(const char *s, unsigned long max, int hex, unsigned long *n);

/* "10.0.0.0/8", "fd00::/8"; without a slash, one address.  Bits behind the prefix stay.  0 or -EINVAL. */
int wgtext_prefix(const char *s, int *af, struct in6_addr *addr, unsigned *prefixlen);

/* Whether it is "192.0.2.1:51820" or "[2001:db8::1]:51820", as the protocol wants it. */
int wgtext_isendpoint(const char *s);

/* Look up "HOST:PORT", with names as well, by getaddrinfo(3).  0 or -errno, and then why. */
int wgtext_resolve(const char *s, char endpoint[static WGTEXT_ENDPOINT], const char **why);

#endif
