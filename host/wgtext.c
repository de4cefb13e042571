/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WireGuard's values as texts (wgtext.h).
 *
 * Keys pass through here on their way between files, the command line and if_wg, always as texts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "wgtext.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- Texts that grow ---- */

/* Room for `len` bytes and a NUL behind what is there. */
static int
reserve(struct wgbuf *b, size_t len)
{
	size_t max = b->max > 0 ? b->max : 256;
	char *grown;

	if (b->failed)
		return (-ENOMEM);
	while (max - b->len <= len)
		max *= 2;
	if (max == b->max)
		return (0);
	grown = malloc(max);
	if (grown == NULL) {
		b->failed = 1;
		return (-ENOMEM);
	}
	if (b->s != NULL) {
		memcpy(grown, b->s, b->len);
		explicit_bzero(b->s, b->len);
		free(b->s);
	}
	b->s = grown;
	b->max = max;
	return (0);
}

void
wgbuf_put(struct wgbuf *b, const char *s, size_t len)
{
	if (reserve(b, len) != 0)
		return;
	if (len > 0)
		memcpy(b->s + b->len, s, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void
wgbuf_printf(struct wgbuf *b, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0 || reserve(b, (size_t)len) != 0)
		return;
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
}

void
wgbuf_free(struct wgbuf *b)
{
	if (b->s != NULL)
		explicit_bzero(b->s, b->len);
	free(b->s);
	*b = (struct wgbuf){ 0 };
}

/* ---- Values ---- */

int
wgtext_hex(const char *base64, char hex[static WGTEXT_HEX])
{
	uint32_t bits = 0;
	unsigned have = 0, n = 0;
	const char *at;

	if (strlen(base64) != WGTEXT_BASE64 - 1 || base64[43] != '=')
		return (-EINVAL);
	for (int i = 0; i < 43; i++) {
		at = strchr(letters, base64[i]);
		if (at == NULL)
			return (-EINVAL);
		bits = bits << 6 | (uint32_t)(at - letters);
		have += 6;
		if (have >= 8) {
			have -= 8;
			snprintf(hex + 2 * n++, 3, "%02x", bits >> have & 0xff);
		}
	}
	return ((bits & ((1U << have) - 1)) == 0 ? 0 : -EINVAL);
}

static int
digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return (ch - '0');
	ch |= 0x20;
	return (ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1);
}

int
wgtext_base64(const char *hex, char base64[static WGTEXT_BASE64])
{
	uint32_t bits = 0;
	unsigned have = 0, n = 0;
	int d;

	if (strlen(hex) != WGTEXT_HEX - 1)
		return (-EINVAL);
	for (int i = 0; i < 64; i++) {
		d = digit(hex[i]);
		if (d < 0)
			return (-EINVAL);
		bits = bits << 4 | (uint32_t)d;
		have += 4;
		if (have >= 6) {
			have -= 6;
			base64[n++] = letters[bits >> have & 63];
		}
	}
	base64[n++] = letters[bits << (6 - have) & 63];
	base64[n++] = '=';
	base64[n] = '\0';
	return (0);
}

int
wgtext_number(const char *s, unsigned long max, int hex, unsigned long *n)
{
	char *end;

	hex = hex && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	if (hex ? digit(s[2]) < 0 : *s < '0' || *s > '9')
		return (-EINVAL);
	errno = 0;
	*n = strtoul(s, &end, hex ? 16 : 10);
	return (*end == '\0' && errno == 0 && *n <= max ? 0 : -EINVAL);
}

int
wgtext_prefix(const char *s, int *af, struct in6_addr *addr, unsigned *prefixlen)
{
	char host[INET6_ADDRSTRLEN];
	const size_t len = strcspn(s, "/");
	unsigned long n;

	if (len >= sizeof(host))
		return (-EINVAL);
	memcpy(host, s, len);
	host[len] = '\0';
	*af = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(*af, host, addr) != 1)
		return (-EINVAL);
	n = *af == AF_INET ? 32 : 128;
	if (s[len] == '/' && wgtext_number(s + len + 1, n, 0, &n) != 0)
		return (-EINVAL);
	*prefixlen = (unsigned)n;
	return (0);
}

/* Cut "HOST:PORT", "[HOST]:PORT" at its last colon; the port, or NULL. */
static const char *
split(const char *s, char *host, size_t size)
{
	const char *colon = strrchr(s, ':');
	const int brackets = *s == '[';
	size_t len;

	if (colon == NULL || colon == s || (brackets && colon[-1] != ']'))
		return (NULL);
	len = (size_t)(colon - s) - 2 * (size_t)brackets;
	if (len == 0 || len >= size)
		return (NULL);
	memcpy(host, s + brackets, len);
	host[len] = '\0';
	return (colon + 1);
}

int
wgtext_isendpoint(const char *s)
{
	char host[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	const char *port = split(s, host, sizeof(host));
	unsigned long n;

	return (port != NULL && inet_pton(*s == '[' ? AF_INET6 : AF_INET, host, &addr) == 1 &&
	    wgtext_number(port, 65535, 0, &n) == 0 && n > 0);
}

int
wgtext_resolve(const char *s, char endpoint[static WGTEXT_ENDPOINT], const char **why)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	char host[NI_MAXHOST], addr[INET6_ADDRSTRLEN], number[NI_MAXSERV];
	const char *port = split(s, host, sizeof(host));
	struct addrinfo *ai;
	int error;

	*why = "not HOST:PORT";
	if (port == NULL)
		return (-EINVAL);
	error = getaddrinfo(host, port, &hints, &ai);
	if (error == 0) {
		error = getnameinfo(ai->ai_addr, ai->ai_addrlen, addr, sizeof(addr), number, sizeof(number),
		    NI_NUMERICHOST | NI_NUMERICSERV);
		if (error == 0)
			snprintf(endpoint, WGTEXT_ENDPOINT, ai->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", addr, number);
		freeaddrinfo(ai);
	}
	if (error != 0) {
		*why = gai_strerror(error);
		return (-EHOSTUNREACH);
	}
	*why = "not an address:port";		/* of a link, or port 0 */
	return (wgtext_isendpoint(endpoint) ? 0 : -EINVAL);
}
