/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a text to a `struct config`: libucl parses, config-walk.c takes its tree apart, config-check.c looks at the
 * whole.  config-scan.c knows the lines, which libucl does not keep.
 *
 * A text may come through the control socket.  Macros (`.include`, `.load`), which read files, and variables are
 * off for every text; a line that begins with a dot is refused by name, for libucl would pass it as a comment.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucl.h>
#include <unistd.h>
#include "config.h"
#include "wgquick.h"

void
config_error(struct config *cfg, int line, const char *fmt, ...)
{
	char sentence[480], place[32] = "", *grown;
	va_list ap;
	size_t old, add;

	if (cfg->nerrors++ >= CONFIG_MAXERRORS)
		return;
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	if (line > 0)
		snprintf(place, sizeof(place), "%d: ", line);
	old = cfg->errors != NULL ? strlen(cfg->errors) : 0;
	add = strlen(cfg->file) + strlen(place) + strlen(sentence) + 4;
	grown = realloc(cfg->errors, old + add);
	if (grown == NULL)
		return;
	cfg->errors = grown;
	snprintf(grown + old, add, "%s:%s%s%s\n", cfg->file, place[0] != '\0' ? "" : " ", place, sentence);
}

/* libucl's sentence without its own idea of the place; the line is asked from the parser. */
static void
syntax_error(struct config *cfg, struct ucl_parser *parser)
{
	const char *text = ucl_parser_get_error(parser), *p;
	int line = (int)ucl_parser_get_linenum(parser), len, skip = 0;

	if (text == NULL)
		text = "cannot be read";
	if (strncmp(text, "error while parsing ", 20) == 0 && (p = strstr(text, " - ")) != NULL)
		text = p + 3;
	else if (strncmp(text, "error while parsing ", 20) == 0 && (p = strstr(text, "chunk: ")) != NULL)
		text = p + 7;
	else if (sscanf(text, "memory:%d %n", &line, &skip) == 1 && skip > 0)
		text += skip;
	if (sscanf(text, "unmatched open brace at %d", &line) == 1)
		text = "this brace is not closed";
	for (len = (int)strlen(text); len > 0 && strchr("; \n", text[len - 1]) != NULL; len--)
		continue;
	config_error(cfg, line, "syntax: %.*s", len, text);
}

/* A NUL, a macro, or a key that libucl did not show. */
static void
text_check(struct config *cfg, const char *text, size_t len)
{
	int line = 1, blank = 1;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\0')
			config_error(cfg, line, "a NUL byte: this is not a text");
		if (blank && text[i] == '.')
			config_error(cfg, line, "%.*s: macros are not supported",
			    (int)strcspn(text + i, " \t\r\n\"("), text + i);
		if (text[i] == '\n')
			line++;
		blank = text[i] == '\n' || (blank && (text[i] == ' ' || text[i] == '\t'));
		if (cfg->nerrors > 0)
			return;
	}
}

static void
tree_check(struct config *cfg, struct ucl_parser *parser, struct scan *scan)
{
	ucl_object_t *root = ucl_parser_get_object(parser);
	char key[64];
	int lost;

	if (root != NULL && ucl_object_type(root) != UCL_OBJECT) {
		config_error(cfg, 1, "not a configuration: sections `vnet NAME { ... }` are wanted");
	} else {
		if (root != NULL)
			config_walk(cfg, scan, root);
		lost = scan_unseen(scan, key, sizeof(key));
		if (cfg->nerrors == 0 && lost >= 0)
			config_error(cfg, scan_line(scan, lost), "%s: cannot be told apart from what is before it"
			    " (a list and a section of the same name?)", key);
		if (cfg->nerrors == 0)
			config_check(cfg);
	}
	if (root != NULL)
		ucl_object_unref(root);
}

/* Files that a file names lie beside it, unless they say where. */
static void
paths_join(struct config *cfg)
{
	const char *slash = strrchr(cfg->file, '/');
	char *joined, **path;

	for (size_t i = 0; slash != NULL && i < cfg->nvnets; i++) {
		path = &cfg->vnets[i].wireguard;
		if (*path == NULL || **path == '/')
			continue;
		if (asprintf(&joined, "%.*s/%s", (int)(slash - cfg->file), cfg->file, *path) < 0) {
			config_error(cfg, 0, "out of memory");
			return;
		}
		free(*path);
		*path = joined;
	}
}

int
config_parse(struct config *cfg, const char *file, const char *text, size_t len, struct uverr *err)
{
	struct ucl_parser *parser;
	struct scan *scan = NULL;
	char *copy;

	*cfg = (struct config){ .file = file };
	/* libucl wants a byte behind the text; text_check() wants an end to it. */
	copy = malloc(len + 1);
	parser = ucl_parser_new(UCL_PARSER_DISABLE_MACRO | UCL_PARSER_NO_TIME | UCL_PARSER_NO_FILEVARS);
	if (copy == NULL || parser == NULL) {
		config_error(cfg, 0, "out of memory");
		goto out;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (len > CONFIG_MAXSIZE)
		config_error(cfg, 0, "larger than %u bytes", CONFIG_MAXSIZE);
	else
		text_check(cfg, copy, len);
	if (cfg->nerrors > 0)
		goto out;
	scan = scan_text(copy, len);
	if (scan == NULL)
		config_error(cfg, 0, "out of memory");
	else if (scan_deep(scan) > 0)
		config_error(cfg, scan_deep(scan), "sections are nested too deep (is a brace not closed?)");
	else if (len > 0 && !ucl_parser_add_chunk_full(parser, (const unsigned char *)copy, len, 0, UCL_DUPLICATE_APPEND,
	    UCL_PARSE_UCL))
		syntax_error(cfg, parser);
	else
		tree_check(cfg, parser, scan);
	paths_join(cfg);
out:
	scan_free(scan);
	if (parser != NULL)
		ucl_parser_free(parser);
	free(copy);
	if (cfg->nerrors == 0)
		return (0);
	if (cfg->errors == NULL)
		return (uverr(err, ENOMEM, "%s: out of memory", file));
	return (uverr(err, EINVAL, "%.*s", (int)strcspn(cfg->errors, "\n"), cfg->errors));
}

void
config_free(struct config *cfg)
{
	for (size_t i = 0; i < cfg->nvnets; i++) {
		free(cfg->vnets[i].wireguard);
		for (size_t n = 0; n < cfg->vnets[i].nsysctls; n++)
			free(cfg->vnets[i].sysctls[n].name);
		free(cfg->vnets[i].sysctls);
		if (cfg->vnets[i].wg != NULL)
			wgquick_free(cfg->vnets[i].wg);
		free(cfg->vnets[i].wg);
		free(cfg->vnets[i].interfaces);
		free(cfg->vnets[i].forwards.v);
		free(cfg->vnets[i].publishes.v);
		free(cfg->vnets[i].routes);
		free(cfg->vnets[i].egress);
	}
	free(cfg->vnets);
	free(cfg->modules);
	free(cfg->control);
	free(cfg->uapi_folder);
	free(cfg->errors);
	*cfg = (struct config){ 0 };
}

int
config_read(const char *file, size_t max, char **text, size_t *len, struct uverr *err)
{
	char *buf = NULL, *grown;
	size_t size = 0, used = 0;
	ssize_t n;
	int fd, error = 0;

	fd = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (uverr(err, errno, "%s: %s", file, strerror(errno)));
	for (;;) {
		if (used == size) {
			size = size > 0 ? 2 * size : 16384;
			grown = realloc(buf, size);
			if (grown == NULL) {
				error = ENOMEM;
				break;
			}
			buf = grown;
		}
		n = read(fd, buf + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = errno;
		if (n <= 0)
			break;
		used += (size_t)n;
		if (used > max) {
			error = EFBIG;
			break;
		}
	}
	close(fd);
	if (error != 0) {
		free(buf);
		return (uverr(err, error, "%s: %s", file, strerror(error)));
	}
	*text = buf;
	*len = used;
	return (0);
}

/* The part of an address before its port, without the brackets of IPv6.  0 or -EINVAL. */
static int
sockaddr_host(const char *host, int wild, union config_addr *addr)
{
	if (wild && strcmp(host, "*") == 0)
		return (0);
	if (inet_pton(AF_INET, host, &addr->sin.sin_addr) != 1)
		return (-EINVAL);
	if (addr->sin.sin_addr.s_addr == INADDR_ANY)
		return (wild ? 0 : -EINVAL);
	return (IN_MULTICAST(ntohl(addr->sin.sin_addr.s_addr)) || addr->sin.sin_addr.s_addr == INADDR_NONE ? -EINVAL : 0);
}

static int
sockaddr_host6(const char *host, int wild, union config_addr *addr)
{
	const struct in6_addr *in6 = &addr->sin6.sin6_addr;

	addr->sa.sa_family = AF_INET6;
	if (inet_pton(AF_INET6, host, &addr->sin6.sin6_addr) != 1 || (!wild && IN6_IS_ADDR_UNSPECIFIED(in6)))
		return (-EINVAL);
	/* A link-local address would need its interface; a mapped one is IPv4. */
	return (IN6_IS_ADDR_MULTICAST(in6) || IN6_IS_ADDR_V4MAPPED(in6) || IN6_IS_ADDR_LINKLOCAL(in6) ? -EINVAL : 0);
}

int
config_sockaddr(const char *s, int wild, union config_addr *addr)
{
	const char *colon = strrchr(s, ':');
	char host[INET6_ADDRSTRLEN];
	unsigned long port = 0;
	size_t n;
	int six;

	if (colon == NULL || colon == s || (n = (size_t)(colon - s)) >= sizeof(host))
		return (-EINVAL);
	six = s[0] == '[' && colon[-1] == ']' && n > 2;
	memcpy(host, s + six, n - 2 * (size_t)six);
	host[n - 2 * (size_t)six] = '\0';
	for (s = colon + 1; *s >= '0' && *s <= '9' && port <= 65535; s++)
		port = port * 10 + (unsigned)(*s - '0');
	if (*s != '\0' || port < 1 || port > 65535)
		return (-EINVAL);
	memset(addr, 0, sizeof(*addr));
	addr->sa.sa_family = AF_INET;
	addr->sin.sin_port = htons((uint16_t)port);	/* at the same place in both */
	return (six ? sockaddr_host6(host, wild, addr) : sockaddr_host(host, wild, addr));
}

socklen_t
config_addrlen(const union config_addr *addr)
{
	return (addr->sa.sa_family == AF_INET6 ? sizeof(addr->sin6) : sizeof(addr->sin));
}

int
config_addrany(const union config_addr *addr)
{
	return (addr->sa.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&addr->sin6.sin6_addr) :
	    addr->sin.sin_addr.s_addr == INADDR_ANY);
}

int
config_addrcmp(const union config_addr *a, const union config_addr *b)
{
	int cmp = a->sa.sa_family - b->sa.sa_family;

	if (cmp == 0 && a->sa.sa_family == AF_INET6)
		cmp = memcmp(&a->sin6.sin6_addr, &b->sin6.sin6_addr, sizeof(a->sin6.sin6_addr));
	else if (cmp == 0)
		cmp = memcmp(&a->sin.sin_addr, &b->sin.sin_addr, sizeof(a->sin.sin_addr));
	return (cmp != 0 ? cmp : ntohs(a->sin.sin_port) - ntohs(b->sin.sin_port));
}

const char *
config_prefix6(const char *s, int net, struct in6_addr *addr, int *prefixlen)
{
	const char *slash = strchr(s, '/');
	char host[INET6_ADDRSTRLEN], *end;
	size_t len = slash != NULL ? (size_t)(slash - s) : 0;

	if (slash == NULL || len >= sizeof(host) || slash[1] < '0' || slash[1] > '9' || strlen(slash + 1) > 3)
		return ("is not an address/prefix");
	memcpy(host, s, len);
	host[len] = '\0';
	if (inet_pton(AF_INET6, host, addr) != 1)
		return ("is not an address/prefix");
	*prefixlen = (int)strtol(slash + 1, &end, 10);
	if (*end != '\0' || *prefixlen > 128)
		return ("has a prefix that is not 0 to 128");
	for (int bit = *prefixlen; net && bit < 128; bit++)
		if ((addr->s6_addr[bit / 8] & 0x80 >> bit % 8) != 0)
			return ("is not a network: there are bits behind the prefix");
	if (net)
		return (NULL);
	if (IN6_IS_ADDR_UNSPECIFIED(addr) || IN6_IS_ADDR_LOOPBACK(addr) || IN6_IS_ADDR_MULTICAST(addr) ||
	    IN6_IS_ADDR_V4MAPPED(addr))
		return ("is not a host's address");
	if (IN6_IS_ADDR_LINKLOCAL(addr))
		return ("is link-local; an interface makes that one itself");
	return (NULL);
}

const char *
config_prefix(const char *s, int net, struct in_addr *addr, int *prefixlen)
{
	const char *slash = strchr(s, '/');
	char host[INET_ADDRSTRLEN], *end;
	size_t len;

	if (net && strcmp(s, "default") == 0)
		s = "0.0.0.0/0", slash = s + 7;
	len = slash != NULL ? (size_t)(slash - s) : 0;
	if (slash == NULL || len >= sizeof(host) || slash[1] < '0' || slash[1] > '9' || strlen(slash + 1) > 2)
		return ("is not an address/prefix");
	memcpy(host, s, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, addr) != 1)
		return ("is not an address/prefix");
	*prefixlen = (int)strtol(slash + 1, &end, 10);
	if (*end != '\0' || *prefixlen > 32)
		return ("has a prefix that is not 0 to 32");
	if (net && *prefixlen < 32 && (ntohl(addr->s_addr) & 0xffffffffU >> *prefixlen) != 0)
		return ("is not a network: there are bits behind the prefix");
	return (NULL);
}

/* "443" or "8000-8099"; 0 or -EINVAL. */
static int
ports_read(const char *s, uint16_t *first, uint16_t *last)
{
	unsigned long n[2];
	char *end;

	for (int i = 0; i < 2; i++) {
		if (*s < '0' || *s > '9')
			return (-EINVAL);
		n[i] = strtoul(s, &end, 10);
		if (n[i] < 1 || n[i] > 65535 || (*end != '\0' && (*end != '-' || i == 1)))
			return (-EINVAL);
		if (*end == '\0' && i == 0)
			n[++i] = n[0];
		s = end + 1;
	}
	*first = (uint16_t)n[0];
	*last = (uint16_t)n[1];
	return (n[0] <= n[1] ? 0 : -EINVAL);
}

const char *
config_egress(const char *s, struct config_egress *r)
{
	const int bracket = *s == '[';
	const char *end, *ports = NULL, *fault;
	char net[INET6_ADDRSTRLEN + 8];

	s += bracket;
	r->six = strchr(s, ':') != strrchr(s, ':') || bracket;
	end = bracket ? strchr(s, ']') : r->six ? NULL : strchr(s, ':');
	if (bracket && (end == NULL || (end[1] != '\0' && end[1] != ':')))
		return ("is not NETWORK/PREFIX:PORT");
	if (end != NULL && end[bracket] == ':')
		ports = end + bracket + 1;
	if (end == NULL)
		end = s + strlen(s);
	if (end - s > INET6_ADDRSTRLEN)
		return ("is not an address/prefix");
	/* An address alone is just that one. */
	snprintf(net, sizeof(net), "%.*s%s", (int)(end - s), s,
	    memchr(s, '/', (size_t)(end - s)) != NULL || strcmp(s, "default") == 0 ? "" : r->six ? "/128" : "/32");
	r->first = 1;
	r->last = 65535;
	if (ports != NULL && ports_read(ports, &r->first, &r->last) != 0)
		return ("has no port, or ports A-B, from 1 to 65535 behind the colon");
	fault = r->six ? config_prefix6(net, 1, &r->net6, &r->prefixlen) : config_prefix(net, 1, &r->net, &r->prefixlen);
	if (fault == NULL && (r->six ? r->prefixlen == 128 && IN6_IS_ADDR_LOOPBACK(&r->net6) :
	    r->prefixlen >= 8 && ntohl(r->net.s_addr) >> 24 == 127))
		return ("is the host's loopback, which never goes out; `publish` leads to a port of it");
	return (fault);
}

size_t
config_size(const char *s)
{
	static const char units[] = "KMG";
	const char *unit;
	unsigned long n;
	char *end;

	if (*s < '0' || *s > '9')
		return (0);
	n = strtoul(s, &end, 10);
	if (*end == '\0')
		return (n);
	unit = strchr(units, *end);
	if (unit == NULL || end[1] != '\0' || n > SIZE_MAX >> 30)
		return (0);
	return (n << 10 * (unit - units + 1));
}

int
config_name_ok(const char *s, size_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = strlen(s);

	return (len > 0 && len < size && strspn(s, letters) == len && *s != '.' && *s != '-');
}

const char *
config_addrstr(const union config_addr *addr, char buf[static CONFIG_ADDRSTRLEN])
{
	char host[INET6_ADDRSTRLEN] = "*";

	if (addr->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr->sin6.sin6_addr, host, sizeof(host));
		snprintf(buf, CONFIG_ADDRSTRLEN, "[%s]:%u", host, ntohs(addr->sin6.sin6_port));
		return (buf);
	}
	if (addr->sin.sin_addr.s_addr != INADDR_ANY)
		inet_ntop(AF_INET, &addr->sin.sin_addr, host, sizeof(host));
	snprintf(buf, CONFIG_ADDRSTRLEN, "%s:%u", host, ntohs(addr->sin.sin_port));
	return (buf);
}
