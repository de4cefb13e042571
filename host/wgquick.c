/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a wg-quick(8) or wg(8) file: into the configuration protocol of if_wg, and what the stack itself needs.
 *
 * Keys are those of the two tools, in any case of letters and any order: in the protocol a device's keys come before
 * its peers and a peer's public key before its others, so both are gathered first.
 *
 * What has no meaning in a stack is not silently dropped.  A line that would run a program is refused, since a stack
 * is no place for a shell, or passed over with a notice where the configuration says so; DNS is passed over with a
 * notice, for nothing in a stack looks names up; Table is `auto` or `off`, for a stack has one table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uvnet/if_wg.h>
#include "wgquick.h"
#include "wgtext.h"

#define MTU_MIN 576

static const char zero_hex[] = "0000000000000000000000000000000000000000000000000000000000000000";

enum section { SECTION_NONE, SECTION_INTERFACE, SECTION_PEER };

struct reader {
	struct wgquick *q;
	enum wgquick_use use;
	unsigned flags;
	enum section section;
	const char *file;
	int line;
	struct wgbuf device, peers, peer, notices;
	char public[WGTEXT_HEX];	/* the peer's, or "" */
	int has_key, has_port, has_mark;	/* the device */
	int has_psk, has_keepalive;		/* the peer */
};

/* The keys that wg-quick(8) has and wg(8) has not; from the second half on, those that run or save something. */
static const char *const quick_keys[] = {
	"Address", "DNS", "MTU", "Table", "PreUp", "PostUp", "PreDown", "PostDown", "SaveConfig"
};
#define NQUICK ((int)(sizeof(quick_keys) / sizeof(quick_keys[0])))
#define QUICK_COMMANDS 4

/* Functions that read a value return NULL, or what is wrong with it. */
static const char not_key[] = "not a key (44 letters of base64)";

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

static const char *
put_secret(struct wgbuf *b, const char *name, const char *value)
{
	char hex[WGTEXT_HEX];
	const int error = wgtext_hex(value, hex);

	if (error == 0)
		wgbuf_printf(b, "%s=%s\n", name, hex);
	explicit_bzero(hex, sizeof(hex));
	return (error == 0 ? NULL : not_key);
}

static const char *
read_address(struct wgquick *q, char *list)
{
	char *save, *s;
	struct in6_addr addr;
	unsigned n;
	int af;

	for (s = strtok_r(list, ", \t", &save); s != NULL; s = strtok_r(NULL, ", \t", &save)) {
		if (wgtext_prefix(s, &af, &addr, &n) != 0)
			return ("not an address, or address/prefix");
		if (af == AF_INET6) {
			if (q->naddr6 == CONFIG_MAXADDR6)
				return ("more than two IPv6 addresses");
			q->addr6[q->naddr6++] = (struct config_addr6){ .addr = addr, .prefixlen = (int)n };
			continue;
		}
		if (q->addr.s_addr != INADDR_ANY)
			return ("more than one IPv4 address");
		memcpy(&q->addr, &addr, sizeof(q->addr));
		q->prefixlen = n;
	}
	return (NULL);
}

static const char *
read_table(struct wgquick *q, const char *value)
{
	if (strcasecmp(value, "off") == 0)
		q->table_off = 1;
	else if (strcasecmp(value, "auto") != 0)
		return ("a stack has one routing table: auto or off");
	return (NULL);
}

/* Which of quick_keys it is, or -1. */
static int
quick_find(const char *key)
{
	int i;

	for (i = NQUICK - 1; i >= 0 && strcasecmp(key, quick_keys[i]) != 0; i--)
		continue;
	return (i);
}

static const char *
key_quick(struct reader *r, const char *key, char *value)
{
	const int i = quick_find(key);
	unsigned long n;

	if (i < 0)
		return ("not a key of [Interface]");
	if (r->use != WGQUICK_STACK)
		return ("is a key of wg-quick(8); `wg-quick strip` makes a file of wg(8) of such a one");
	if (strcmp(quick_keys[i], "Address") == 0)
		return (read_address(r->q, value));
	if (strcmp(quick_keys[i], "Table") == 0)
		return (read_table(r->q, value));
	if (strcmp(quick_keys[i], "MTU") == 0) {
		if (wgtext_number(value, WG_MTU_MAX, 0, &n) != 0 || n < MTU_MIN)
			return ("not a number from 576 to 1920");
		r->q->mtu = (unsigned)n;
	} else if (i < QUICK_COMMANDS) {
		wgbuf_printf(&r->notices, "%s:%d: DNS: passed over: nothing in a stack looks names up\n", r->file, r->line);
	} else if (strcmp(quick_keys[i], "SaveConfig") != 0 || strcasecmp(value, "false") != 0) {
		if ((r->flags & WGQUICK_SKIP) == 0)
			return ("no commands are run, and nothing is saved: take the line out, or say wireguard_commands ="
			    " \"skip\" in the stack's section");
		wgbuf_printf(&r->notices, "%s:%d: %s: passed over\n", r->file, r->line, quick_keys[i]);
	}
	return (NULL);
}

static const char *
key_interface(struct reader *r, const char *key, char *value)
{
	unsigned long n = 0;

	if (strcasecmp(key, "PrivateKey") == 0) {
		r->has_key = 1;
		return (put_secret(&r->device, "private_key", value));
	}
	if (strcasecmp(key, "ListenPort") == 0) {
		if (wgtext_number(value, 65535, 0, &n) != 0)
			return ("not a port's number");
		r->has_port = 1;
		r->q->listen = (uint16_t)n;
		if (r->use != WGQUICK_STACK)
			wgbuf_printf(&r->device, "listen_port=%lu\n", n);
		return (NULL);
	}
	if (strcasecmp(key, "FwMark") == 0) {
		if (strcasecmp(value, "off") != 0 && wgtext_number(value, UINT32_MAX, 1, &n) != 0)
			return ("not a number of 32 bits, or off");
		r->has_mark = 1;
		wgbuf_printf(&r->device, "fwmark=%lu\n", n);
		return (NULL);
	}
	return (key_quick(r, key, value));
}

static const char *
read_allowed(struct reader *r, char *list)
{
	char *save, *s;
	struct in6_addr addr;
	unsigned n;
	int af;

	for (s = strtok_r(list, ", \t", &save); s != NULL; s = strtok_r(NULL, ", \t", &save)) {
		if (wgtext_prefix(s, &af, &addr, &n) != 0)
			return ("not an address, or address/prefix");
		wgbuf_printf(&r->peer, "allowed_ip=%s\n", s);
	}
	return (NULL);
}

static const char *
key_peer(struct reader *r, const char *key, char *value)
{
	unsigned long n = 0;

	if (strcasecmp(key, "PublicKey") == 0)
		return (wgtext_hex(value, r->public) == 0 ? NULL : not_key);
	if (strcasecmp(key, "PresharedKey") == 0) {
		r->has_psk = 1;
		return (put_secret(&r->peer, "preshared_key", value));
	}
	if (strcasecmp(key, "Endpoint") == 0) {
		if (wgtext_isendpoint(value))
			wgbuf_printf(&r->peer, "endpoint=%s\n", value);
		else if ((r->flags & WGQUICK_NAMES) == 0)
			return ("not ADDRESS:PORT");
		return (NULL);
	}
	if (strcasecmp(key, "PersistentKeepalive") == 0) {
		if (strcasecmp(value, "off") != 0 && wgtext_number(value, 65535, 0, &n) != 0)
			return ("not a number of seconds to 65535, or off");
		r->has_keepalive = 1;
		wgbuf_printf(&r->peer, "persistent_keepalive_interval=%lu\n", n);
		return (NULL);
	}
	if (strcasecmp(key, "AllowedIPs") == 0)
		return (read_allowed(r, value));
	return ("not a key of [Peer]");
}

/* A section ends: a peer is put behind the others, its key first. */
static const char *
section_end(struct reader *r)
{
	if (r->section != SECTION_PEER)
		return (NULL);
	if (r->public[0] == '\0')
		return ("the [Peer] before has no PublicKey");
	wgbuf_printf(&r->peers, "public_key=%s\n", r->public);
	if (r->use != WGQUICK_STACK)
		wgbuf_printf(&r->peers, "replace_allowed_ips=true\n");
	if (r->use == WGQUICK_SYNCCONF && !r->has_psk)
		wgbuf_printf(&r->peers, "preshared_key=%s\n", zero_hex);
	if (r->use == WGQUICK_SYNCCONF && !r->has_keepalive)
		wgbuf_printf(&r->peers, "persistent_keepalive_interval=0\n");
	wgbuf_put(&r->peers, r->peer.s, r->peer.len);
	r->peers.failed |= r->peer.failed;
	wgbuf_free(&r->peer);
	r->public[0] = '\0';
	r->has_psk = r->has_keepalive = 0;
	return (NULL);
}

/* One line, which is taken apart: what is left of it is its key. */
static const char *
line_read(struct reader *r, char *line)
{
	const char *fault;
	char *value;

	if (*line == '\0')
		return (NULL);
	if (strcasecmp(line, "[Interface]") == 0 || strcasecmp(line, "[Peer]") == 0) {
		fault = section_end(r);
		r->section = line[1] == 'I' || line[1] == 'i' ? SECTION_INTERFACE : SECTION_PEER;
		return (fault);
	}
	value = strchr(line, '=');
	if (value == NULL)
		return ("not KEY = VALUE, [Interface] or [Peer]");
	*value++ = '\0';
	trim(line);
	value = trim(value);
	switch (r->section) {
	case SECTION_INTERFACE:
		return (key_interface(r, line, value));
	case SECTION_PEER:
		return (key_peer(r, line, value));
	default:
		return ("comes before [Interface] and [Peer]");
	}
}

/* Put the request together. */
static void
request_make(struct reader *r, struct wgbuf *out)
{
	const int all = r->use == WGQUICK_SETCONF || r->use == WGQUICK_SYNCCONF;

	wgbuf_printf(out, "set=1\n");
	if (all && !r->has_key)
		wgbuf_printf(out, "private_key=%s\n", zero_hex);
	if (all && !r->has_port)
		wgbuf_printf(out, "listen_port=0\n");
	if (all && !r->has_mark)
		wgbuf_printf(out, "fwmark=0\n");
	wgbuf_put(out, r->device.s, r->device.len);
	if (r->use == WGQUICK_SETCONF)
		wgbuf_printf(out, "replace_peers=true\n");
	wgbuf_put(out, r->peers.s, r->peers.len);
	wgbuf_printf(out, "\n");
	out->failed |= r->device.failed | r->peers.failed | r->notices.failed;
}

int
wgquick_parse(const char *file, const char *text, size_t len, enum wgquick_use use, unsigned flags,
    struct wgquick *q, struct uverr *err)
{
	struct reader r = { .q = q, .use = use, .flags = flags, .file = file };
	struct wgbuf out = { 0 };
	const char *fault = NULL;
	char *copy, *line, *next;
	int error = 0;

	*q = (struct wgquick){ 0 };
	if (memchr(text, '\0', len) != NULL)
		return (uverr(err, EINVAL, "%s: a NUL byte: this is not a text", file));
	copy = malloc(len + 1);
	if (copy == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (line = copy; line != NULL && fault == NULL; line = next) {
		r.line++;
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		line = trim(line);
		fault = line_read(&r, line);
		if (fault != NULL)
			error = uverr(err, EINVAL, "%s:%d: %.24s: %s", file, r.line, line, fault);
	}
	if (error == 0 && (fault = section_end(&r)) != NULL)
		error = uverr(err, EINVAL, "%s:%d: %s", file, r.line, fault);
	wgquick_wipe(copy, len);
	request_make(&r, &out);
	if (error == 0 && out.failed)
		error = uverr(err, ENOMEM, "out of memory");
	wgbuf_free(&r.device);
	wgbuf_free(&r.peers);
	wgbuf_free(&r.peer);
	if (error != 0) {
		wgbuf_free(&r.notices);
		wgbuf_free(&out);
		return (error);
	}
	q->notices = r.notices.s;
	q->uapi = out.s;
	return (0);
}

void
wgquick_free(struct wgquick *q)
{
	if (q->uapi != NULL)
		explicit_bzero(q->uapi, strlen(q->uapi));
	free(q->uapi);
	free(q->notices);
	*q = (struct wgquick){ 0 };
}

void
wgquick_wipe(char *text, size_t len)
{
	explicit_bzero(text, len);
	free(text);
}

/* The value of a line "Endpoint = VALUE" that is no address, as [*value, end); 0: no such line. */
static int
line_name(const char *line, const char *end, const char **value, const char **value_end)
{
	char word[280];
	const char *hash = memchr(line, '#', (size_t)(end - line)), *equals;

	if (hash != NULL)
		end = hash;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	if (end - line < 8 || strncasecmp(line, "Endpoint", 8) != 0)
		return (0);
	for (equals = line + 8; equals < end && (*equals == ' ' || *equals == '\t'); equals++)
		continue;
	if (equals == end || *equals != '=')
		return (0);
	for (line = equals + 1; line < end && (*line == ' ' || *line == '\t'); line++)
		continue;
	while (end > line && strchr(" \t\r", end[-1]) != NULL)
		end--;
	if (line == end || (size_t)(end - line) >= sizeof(word))
		return (0);		/* the reader says what is wrong with it */
	memcpy(word, line, (size_t)(end - line));
	word[end - line] = '\0';
	*value = line;
	*value_end = end;
	return (!wgtext_isendpoint(word));
}

int
wgquick_resolve(const char *file, char **text, size_t *len, struct uverr *err)
{
	const char *at = *text, *stop = *text + *len, *end, *from, *to, *why;
	char name[280], addr[WGTEXT_ENDPOINT];
	struct wgbuf out = { 0 };
	int error = 0, names = 0, line = 1;

	for (; at < stop && error == 0; at = end, line++) {
		end = memchr(at, '\n', (size_t)(stop - at));
		end = end != NULL ? end + 1 : stop;
		if (!line_name(at, end - (end[-1] == '\n'), &from, &to)) {
			wgbuf_put(&out, at, (size_t)(end - at));
			continue;
		}
		names++;
		snprintf(name, sizeof(name), "%.*s", (int)(to - from), from);
		error = wgtext_resolve(name, addr, &why);
		if (error != 0)
			uverr(err, -error, "%s:%d: Endpoint: %s: %s", file, line, name, why);
		wgbuf_printf(&out, "Endpoint = %s\n", addr);
	}
	if (error == 0 && out.failed)
		error = uverr(err, ENOMEM, "out of memory");
	if (error != 0 || names == 0) {
		wgbuf_free(&out);
		return (error);
	}
	wgquick_wipe(*text, *len);
	*text = out.s;
	*len = out.len;
	return (0);
}
