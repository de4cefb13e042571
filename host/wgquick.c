/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a wg-quick(8) file: into the configuration protocol of if_wg, and what the stack itself needs.
 *
 * Keys are those of wg(8) and wg-quick(8), in any case of letters.  What would run a program is refused: a stack is
 * no place for a shell.  DNS and Table are the reader's business and are passed over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "wg.h"

#define VALUE_MAX 4096

/* Base64 of 32 bytes (44 letters) as 64 hexadecimal digits; -EINVAL. */
static int
key_hex(const char *s, char hex[65])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned have = 0, n = 0;
	const char *at;

	if (strlen(s) != 44 || s[43] != '=')
		return (-EINVAL);
	for (int i = 0; i < 43; i++) {
		at = strchr(letters, s[i]);
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

static char *
trim(char *s)
{
	char *end = s + strlen(s);

	while (*s == ' ' || *s == '\t')
		s++;
	while (end > s && strchr(" \t\r", end[-1]) != NULL)
		*--end = '\0';
	return (s);
}

static int
put_secret(FILE *f, const char *name, const char *value)
{
	char hex[65];
	int error = key_hex(value, hex);

	if (error == 0)
		fprintf(f, "%s=%s\n", name, hex);
	explicit_bzero(hex, sizeof(hex));
	return (error);
}

static int
number(const char *s, unsigned long max, unsigned long *n)
{
	char *end;

	*n = strtoul(s, &end, 10);
	return (*s >= '0' && *s <= '9' && *end == '\0' && *n <= max ? 0 : -EINVAL);
}

static int
address(struct wgquick *q, char *list)
{
	char *save, *s, *slash;
	struct in6_addr in6;
	struct in_addr in;
	unsigned long n;

	for (s = strtok_r(list, ", ", &save); s != NULL; s = strtok_r(NULL, ", ", &save)) {
		slash = strchr(s, '/');
		if (slash != NULL)
			*slash++ = '\0';
		if (inet_pton(AF_INET6, s, &in6) == 1) {
			n = 128;
			if (slash != NULL && number(slash, 128, &n) != 0)
				return (-EINVAL);
			if (q->naddr6 == CONFIG_MAXADDR6)
				return (-E2BIG);
			q->addr6[q->naddr6++] = (struct config_addr6){ .addr = in6, .prefixlen = (int)n };
			continue;
		}
		n = 32;
		if (inet_pton(AF_INET, s, &in) != 1 || (slash != NULL && number(slash, 32, &n) != 0))
			return (-EINVAL);
		if (q->addr.s_addr != INADDR_ANY)
			return (-E2BIG);
		q->addr = in;
		q->prefixlen = (unsigned)n;
	}
	return (0);
}

static int
key_interface(struct wgquick *q, FILE *f, const char *key, char *value)
{
	unsigned long n;

	if (strcasecmp(key, "PrivateKey") == 0)
		return (put_secret(f, "private_key", value));
	if (strcasecmp(key, "ListenPort") == 0) {
		if (number(value, 65535, &n) != 0)
			return (-EINVAL);
		q->listen = (uint16_t)n;
		return (0);
	}
	if (strcasecmp(key, "MTU") == 0) {
		if (number(value, WG_MTU_MAX, &n) != 0 || n < 576)
			return (-EINVAL);
		q->mtu = (unsigned)n;
		return (0);
	}
	if (strcasecmp(key, "Address") == 0)
		return (address(q, value));
	if (strcasecmp(key, "DNS") == 0 || strcasecmp(key, "Table") == 0)
		return (0);
	if (strcasecmp(key, "PreUp") == 0 || strcasecmp(key, "PostUp") == 0 || strcasecmp(key, "PreDown") == 0 ||
	    strcasecmp(key, "PostDown") == 0 || strcasecmp(key, "SaveConfig") == 0)
		return (-EPERM);
	return (-EPROTO);
}

static int
key_peer(FILE *f, const char *key, char *value)
{
	char *save, *s;
	unsigned long n;

	if (strcasecmp(key, "PublicKey") == 0)
		return (put_secret(f, "public_key", value));
	if (strcasecmp(key, "PresharedKey") == 0)
		return (put_secret(f, "preshared_key", value));
	if (strcasecmp(key, "Endpoint") == 0) {
		fprintf(f, "endpoint=%s\n", value);	/* if_wg says whether it is one */
		return (0);
	}
	if (strcasecmp(key, "PersistentKeepalive") == 0) {
		n = 0;
		if (strcasecmp(value, "off") != 0 && number(value, 65535, &n) != 0)
			return (-EINVAL);
		fprintf(f, "persistent_keepalive_interval=%lu\n", n);
		return (0);
	}
	if (strcasecmp(key, "AllowedIPs") == 0) {
		for (s = strtok_r(value, ", \t", &save); s != NULL; s = strtok_r(NULL, ", \t", &save))
			fprintf(f, "allowed_ip=%s\n", s);
		return (0);
	}
	return (-EPROTO);
}

/* One line; *section: 0 none, 1 [Interface], 2 [Peer]. */
static int
line_read(struct wgquick *q, FILE *f, char *line, int *section)
{
	char *value;

	line[strcspn(line, "#")] = '\0';
	line = trim(line);
	if (*line == '\0')
		return (0);
	if (strcasecmp(line, "[Interface]") == 0 || strcasecmp(line, "[Peer]") == 0) {
		*section = line[1] == 'I' || line[1] == 'i' ? 1 : 2;
		return (0);
	}
	value = strchr(line, '=');
	if (value == NULL || *section == 0)
		return (-EPROTO);
	*value++ = '\0';
	line = trim(line);
	value = trim(value);
	return (*section == 1 ? key_interface(q, f, line, value) : key_peer(f, line, value));
}

static const char *
reason(int error)
{
	switch (error) {
	case -EPERM:
		return ("commands are not run, and nothing is saved: take the line out");
	case -E2BIG:
		return ("more than one IPv4 address");
	case -EPROTO:
		return ("not a key of this section");
	default:
		return ("not a value of its kind");
	}
}

int
wgquick_parse(const char *file, const char *text, size_t len, struct wgquick *q, struct uverr *err)
{
	char line[VALUE_MAX];
	size_t n, size;
	FILE *f;
	int error = 0, section = 0;

	*q = (struct wgquick){ 0 };
	f = open_memstream(&q->uapi, &size);
	if (f == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	fputs("set=1\n", f);
	for (int lineno = 1; len > 0; lineno++) {
		const char *end = memchr(text, '\n', len);

		n = end != NULL ? (size_t)(end - text) : len;
		error = -EINVAL;
		if (n < sizeof(line) && memchr(text, '\0', n) == NULL) {
			memcpy(line, text, n);
			line[n] = '\0';
			error = line_read(q, f, line, &section);
		}
		if (error != 0) {
			uverr(err, EINVAL, "%s:%d: %.24s: %s", file, lineno, trim(line), reason(error));
			break;
		}
		text += n + (end != NULL);
		len -= n + (end != NULL);
	}
	explicit_bzero(line, sizeof(line));
	fputc('\n', f);
	if (ferror(f) | fclose(f))
		error = uverr(err, ENOMEM, "out of memory");
	if (error != 0)
		wgquick_free(q);
	return (error != 0 ? -EINVAL : 0);
}

void
wgquick_free(struct wgquick *q)
{
	if (q->uapi != NULL)
		explicit_bzero(q->uapi, strlen(q->uapi));
	free(q->uapi);
	q->uapi = NULL;
}
