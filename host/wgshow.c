/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Showing a tunnel as wg(8) does: what people and their scripts read already.
 *
 * The private key and pre-shared keys are shown where they were asked for by name, and in showconf and dump, which are
 * for programs; not in the overview, nor in JSON.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "json.h"
#include "wgshow.h"

/* ---- Reading ---- */

static int
is_zero(const char *hex)
{
	return (strspn(hex, "0") == strlen(hex));
}

static struct wgpeer *
peer_add(struct wgdev *dev)
{
	struct wgpeer *grown = dev->peers;

	if ((dev->npeers & (dev->npeers - 1)) == 0)
		grown = realloc(dev->peers, (dev->npeers > 0 ? 2 * dev->npeers : 1) * sizeof(*grown));
	if (grown == NULL)
		return (NULL);
	dev->peers = grown;
	grown += dev->npeers++;
	memset(grown, 0, sizeof(*grown));
	return (grown);
}

static int
allowed_add(struct wgpeer *p, const char *value)
{
	const char **grown = p->allowed;

	if ((p->nallowed & (p->nallowed - 1)) == 0)
		grown = realloc(p->allowed, (p->nallowed > 0 ? 2 * p->nallowed : 1) * sizeof(*grown));
	if (grown == NULL)
		return (-ENOMEM);
	p->allowed = grown;
	p->allowed[p->nallowed++] = value;
	return (0);
}

/* One line; keys that are not known are of a newer if_wg. */
static int
line_parse(struct wgdev *dev, const char *key, const char *value)
{
	struct wgpeer *p = dev->npeers > 0 ? &dev->peers[dev->npeers - 1] : NULL;

	if (strcmp(key, "public_key") == 0) {
		p = peer_add(dev);
		if (p == NULL)
			return (-ENOMEM);
		p->public = value;
	} else if (p == NULL) {
		if (strcmp(key, "private_key") == 0 && !is_zero(value))
			dev->private = value;
		else if (strcmp(key, "listen_port") == 0)
			dev->port = strtoul(value, NULL, 10);
		else if (strcmp(key, "fwmark") == 0)
			dev->mark = strtoul(value, NULL, 10);
	} else if (strcmp(key, "preshared_key") == 0 && !is_zero(value)) {
		p->psk = value;
	} else if (strcmp(key, "endpoint") == 0) {
		p->endpoint = value;
	} else if (strcmp(key, "allowed_ip") == 0) {
		return (allowed_add(p, value));
	} else if (strcmp(key, "last_handshake_time_sec") == 0) {
		p->handshake = strtoull(value, NULL, 10);
	} else if (strcmp(key, "rx_bytes") == 0) {
		p->rx = strtoull(value, NULL, 10);
	} else if (strcmp(key, "tx_bytes") == 0) {
		p->tx = strtoull(value, NULL, 10);
	} else if (strcmp(key, "persistent_keepalive_interval") == 0) {
		p->keepalive = (unsigned)strtoul(value, NULL, 10);
	}
	return (0);
}

int
wgdev_parse(const char *reply, struct wgdev *dev)
{
	char *line, *next, *value;
	int error = 0;

	*dev = (struct wgdev){ .text = strdup(reply), .len = strlen(reply) };
	if (dev->text == NULL)
		return (-ENOMEM);
	for (line = dev->text; *line != '\0' && *line != '\n' && error == 0; line = next) {
		next = line + strcspn(line, "\n");
		if (*next != '\0')
			*next++ = '\0';
		value = strchr(line, '=');
		if (value == NULL) {
			error = -EINVAL;
			break;
		}
		*value++ = '\0';
		error = line_parse(dev, line, value);
	}
	if (error != 0)
		wgdev_free(dev);
	return (error);
}

void
wgdev_free(struct wgdev *dev)
{
	for (size_t i = 0; i < dev->npeers; i++)
		free(dev->peers[i].allowed);
	free(dev->peers);
	explicit_bzero(dev->text, dev->len);
	free(dev->text);
	*dev = (struct wgdev){ 0 };
}

/* ---- Pieces ---- */

/* A key in base64; "(none)" for NULL. */
static const char *
key_text(const char *hex, char base64[static WGTEXT_BASE64])
{
	return (hex != NULL && wgtext_base64(hex, base64) == 0 ? base64 : "(none)");
}

/* The public key of the device; "(none)" where it has no key. */
static const char *
public_text(const struct wgdev *dev, char base64[static WGTEXT_BASE64])
{
	unsigned char private[crypto_scalarmult_SCALARBYTES], public[crypto_scalarmult_BYTES];
	char hex[WGTEXT_HEX];
	size_t n;

	if (dev->private == NULL || sodium_hex2bin(private, sizeof(private), dev->private, strlen(dev->private), NULL, &n,
	    NULL) != 0 || n != sizeof(private) || crypto_scalarmult_base(public, private) != 0)
		return ("(none)");
	explicit_bzero(private, sizeof(private));
	sodium_bin2hex(hex, sizeof(hex), public, sizeof(public));
	return (key_text(hex, base64));
}

static const char *
or_none(const char *s)
{
	return (s != NULL ? s : "(none)");
}

static void
print_allowed(const struct wgpeer *p, const char *separator)
{
	if (p->nallowed == 0)
		printf("(none)");
	for (size_t i = 0; i < p->nallowed; i++)
		printf("%s%s", i > 0 ? separator : "", p->allowed[i]);
}

static void
print_keepalive(const struct wgpeer *p)
{
	if (p->keepalive == 0)
		printf("off");
	else
		printf("%u", p->keepalive);
}

static void
print_mark(const struct wgdev *dev)
{
	if (dev->mark == 0)
		printf("off");
	else
		printf("0x%lx", dev->mark);
}

/* ---- The overview ---- */

/* "1 hour, 2 minutes, 3 seconds ago". */
static void
print_ago(unsigned long long then)
{
	static const struct {
		const char *name;
		unsigned long long seconds;
	} units[] = { { "year", 31536000 }, { "day", 86400 }, { "hour", 3600 }, { "minute", 60 }, { "second", 1 } };
	const time_t now = time(NULL);
	unsigned long long left, n;
	int parts = 0;

	if ((unsigned long long)now <= then) {
		printf("Now");
		return;
	}
	left = (unsigned long long)now - then;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		n = left / units[i].seconds;
		left %= units[i].seconds;
		if (n > 0)
			printf("%s%llu %s%s", parts++ > 0 ? ", " : "", n, units[i].name, n == 1 ? "" : "s");
	}
	printf(" ago");
}

static void
print_bytes(unsigned long long bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	int u = 0;

	for (; n >= 1024 && u < 4; u++)
		n /= 1024;
	printf(u == 0 ? "%.0f %s" : "%.2f %s", n, units[u]);
}

/* The one that shook hands last comes first. */
static int
peer_cmp(const void *a, const void *b)
{
	const struct wgpeer *x = *(const struct wgpeer *const *)a, *y = *(const struct wgpeer *const *)b;

	if (x->handshake != y->handshake)
		return (x->handshake > y->handshake ? -1 : 1);
	return (x < y ? -1 : x > y);
}

static void
peer_show(const struct wgpeer *p)
{
	char key[WGTEXT_BASE64];

	printf("\npeer: %s\n", key_text(p->public, key));
	if (p->psk != NULL)
		printf("  preshared key: (hidden)\n");
	if (p->endpoint != NULL)
		printf("  endpoint: %s\n", p->endpoint);
	printf("  allowed ips: ");
	print_allowed(p, ", ");
	printf("\n");
	if (p->handshake != 0) {
		printf("  latest handshake: ");
		print_ago(p->handshake);
		printf("\n");
	}
	if (p->rx != 0 || p->tx != 0) {
		printf("  transfer: ");
		print_bytes(p->rx);
		printf(" received, ");
		print_bytes(p->tx);
		printf(" sent\n");
	}
	if (p->keepalive != 0)
		printf("  persistent keepalive: every %u second%s\n", p->keepalive, p->keepalive == 1 ? "" : "s");
}

void
wgdev_show(const struct wgdev *dev, const char *stack)
{
	const struct wgpeer **sorted = calloc(dev->npeers + 1, sizeof(*sorted));
	char key[WGTEXT_BASE64];

	if (stack != NULL)
		printf("interface: wg0 of %s\n", stack);
	else
		printf("interface: wg0\n");
	if (dev->private != NULL)
		printf("  public key: %s\n  private key: (hidden)\n", public_text(dev, key));
	if (dev->port != 0)
		printf("  listening port: %lu\n", dev->port);
	if (dev->mark != 0)
		printf("  fwmark: 0x%lx\n", dev->mark);
	for (size_t i = 0; i < dev->npeers && sorted != NULL; i++)
		sorted[i] = &dev->peers[i];
	if (sorted != NULL)
		qsort(sorted, dev->npeers, sizeof(*sorted), peer_cmp);
	for (size_t i = 0; i < dev->npeers; i++)
		peer_show(sorted != NULL ? sorted[i] : &dev->peers[i]);
	free(sorted);
}

/* ---- Fields ---- */

static void
dump(const struct wgdev *dev)
{
	char key[WGTEXT_BASE64];

	printf("%s\t", key_text(dev->private, key));
	printf("%s\t%lu\t", public_text(dev, key), dev->port);
	print_mark(dev);
	printf("\n");
	for (const struct wgpeer *p = dev->peers; p < dev->peers + dev->npeers; p++) {
		printf("%s\t", key_text(p->public, key));
		printf("%s\t%s\t", key_text(p->psk, key), or_none(p->endpoint));
		print_allowed(p, ",");
		printf("\t%llu\t%llu\t%llu\t", p->handshake, p->rx, p->tx);
		print_keepalive(p);
		printf("\n");
	}
	explicit_bzero(key, sizeof(key));
}

/* A peer's field behind its key and a tab. */
static void
peer_field(const struct wgpeer *p, const char *field)
{
	char key[WGTEXT_BASE64];

	printf("%s", key_text(p->public, key));
	if (strcmp(field, "preshared-keys") == 0) {
		printf("\t%s", key_text(p->psk, key));
	} else if (strcmp(field, "endpoints") == 0) {
		printf("\t%s", or_none(p->endpoint));
	} else if (strcmp(field, "allowed-ips") == 0) {
		printf("\t");
		print_allowed(p, " ");
	} else if (strcmp(field, "latest-handshakes") == 0) {
		printf("\t%llu", p->handshake);
	} else if (strcmp(field, "transfer") == 0) {
		printf("\t%llu\t%llu", p->rx, p->tx);
	} else if (strcmp(field, "persistent-keepalive") == 0) {
		printf("\t");
		print_keepalive(p);
	}
	printf("\n");
}

int
wgdev_field(const struct wgdev *dev, const char *field)
{
	static const char *const of_peers[] = {
		"peers", "preshared-keys", "endpoints", "allowed-ips", "latest-handshakes", "transfer", "persistent-keepalive"
	};
	char key[WGTEXT_BASE64];

	if (strcmp(field, "public-key") == 0) {
		printf("%s\n", public_text(dev, key));
	} else if (strcmp(field, "private-key") == 0) {
		printf("%s\n", key_text(dev->private, key));
	} else if (strcmp(field, "listen-port") == 0) {
		printf("%lu\n", dev->port);
	} else if (strcmp(field, "fwmark") == 0) {
		print_mark(dev);
		printf("\n");
	} else if (strcmp(field, "dump") == 0) {
		dump(dev);
	} else {
		for (size_t i = 0; i < sizeof(of_peers) / sizeof(of_peers[0]); i++) {
			if (strcmp(field, of_peers[i]) != 0)
				continue;
			for (size_t k = 0; k < dev->npeers; k++)
				peer_field(&dev->peers[k], field);
			return (0);
		}
		return (-EINVAL);
	}
	return (0);
}

/* ---- Files ---- */

void
wgdev_conf(const struct wgdev *dev)
{
	char key[WGTEXT_BASE64];

	printf("[Interface]\n");
	if (dev->port != 0)
		printf("ListenPort = %lu\n", dev->port);
	if (dev->mark != 0)
		printf("FwMark = 0x%lx\n", dev->mark);
	if (dev->private != NULL)
		printf("PrivateKey = %s\n", key_text(dev->private, key));
	for (const struct wgpeer *p = dev->peers; p < dev->peers + dev->npeers; p++) {
		printf("\n[Peer]\nPublicKey = %s\n", key_text(p->public, key));
		if (p->psk != NULL)
			printf("PresharedKey = %s\n", key_text(p->psk, key));
		if (p->nallowed > 0) {
			printf("AllowedIPs = ");
			print_allowed(p, ", ");
			printf("\n");
		}
		if (p->endpoint != NULL)
			printf("Endpoint = %s\n", p->endpoint);
		if (p->keepalive != 0)
			printf("PersistentKeepalive = %u\n", p->keepalive);
	}
	explicit_bzero(key, sizeof(key));
}

json *
wgdev_json(const struct wgdev *dev)
{
	json *j = json_object(), *peers = json_list(), *o, *list;
	char key[WGTEXT_BASE64];

	json_str(j, "interface", "wg0");
	if (dev->private != NULL)
		json_str(j, "public_key", public_text(dev, key));
	json_int(j, "listen_port", (int64_t)dev->port);
	json_int(j, "fwmark", (int64_t)dev->mark);
	for (const struct wgpeer *p = dev->peers; p < dev->peers + dev->npeers; p++) {
		o = json_object();
		list = json_list();
		json_str(o, "public_key", key_text(p->public, key));
		json_bool(o, "preshared_key", p->psk != NULL);
		if (p->endpoint != NULL)
			json_str(o, "endpoint", p->endpoint);
		for (size_t i = 0; i < p->nallowed; i++)
			json_append_str(list, p->allowed[i]);
		json_put(o, "allowed_ips", list);
		json_int(o, "latest_handshake", (int64_t)p->handshake);
		json_int(o, "rx_bytes", (int64_t)p->rx);
		json_int(o, "tx_bytes", (int64_t)p->tx);
		json_int(o, "persistent_keepalive", p->keepalive);
		json_append(peers, o);
	}
	json_put(j, "peers", peers);
	return (j);
}
