/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `vnet wg`: a stack's WireGuard in the words of wg(8), over the control socket instead of a socket of its own.
 *
 * Words and files become requests of if_wg's protocol here, on the client's side: names are looked up, key files are
 * read, and the running one sees numbers only.  A set is one request, so it is done whole or not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "vnet.h"
#include "wgquick.h"
#include "wgshow.h"

#define KEYFILE_MAXSIZE 4096

/* One request of the protocol; *reply is free(3)d by the caller.  What went wrong was said. */
static int
ask_wg(const struct options *opt, const char *stack, const char *request, char **reply)
{
	json *j = json_object(), *answer;
	int error;

	json_str(j, "cmd", "wg");
	json_str(j, "name", stack);
	json_str(j, "uapi", request);
	error = client_ask(opt, j, &answer, NULL);
	if (error != 0)
		return (error);
	*reply = strdup(json_getstr(answer, "uapi"));
	json_free(answer);
	return (*reply != NULL ? 0 : -ENOMEM);
}

static int
get_device(const struct options *opt, const char *stack, struct wgdev *dev)
{
	char *reply;
	int error;

	error = ask_wg(opt, stack, "get=1\n\n", &reply);
	if (error != 0)
		return (error);
	error = wgdev_parse(reply, dev);
	if (error != 0)
		complain("wg: the answer of the running vnet cannot be read");
	wgquick_wipe(reply, strlen(reply));
	return (error);
}

static int
set_device(const struct options *opt, const char *request)
{
	char *reply;
	const int error = ask_wg(opt, opt->args[0], request, &reply);

	if (error == 0)
		free(reply);
	return (error == 0 ? EXIT_OK : EXIT_FAIL);
}

/* ---- show, showconf ---- */

static void
print_json(json *j)
{
	char *text = json_emit(j);

	if (text != NULL)
		puts(text);
	free(text);
	json_free(j);
}

/* Every tunnel that there is. */
static int
show_all(const struct options *opt)
{
	json *request = json_object(), *answer, *out = json_object(), *tunnels = json_list(), *j;
	const json *st;
	struct wgdev dev;
	unsigned it = 0, n = 0;
	int error;

	json_str(request, "cmd", "ls");
	error = client_ask(opt, request, &answer, NULL);
	while (error == 0 && (st = json_each(answer, "stacks", &it)) != NULL) {
		if (ucl_object_lookup(st, "wireguard") == NULL)
			continue;
		error = get_device(opt, json_getstr(st, "name"), &dev);
		if (error != 0)
			break;
		if (opt->json) {
			j = wgdev_json(&dev);
			json_str(j, "stack", json_getstr(st, "name"));
			json_append(tunnels, j);
		} else {
			printf("%s", n++ > 0 ? "\n" : "");
			wgdev_show(&dev, json_getstr(st, "name"));
		}
		wgdev_free(&dev);
	}
	json_bool(out, "ok", 1);
	json_put(out, "tunnels", tunnels);
	if (error == 0 && opt->json)
		print_json(out);
	else
		json_free(out);
	json_free(answer);
	return (error == 0 ? EXIT_OK : EXIT_FAIL);
}

static int
show(const struct options *opt, const char *field)
{
	struct wgdev dev;
	int status = EXIT_OK;
	json *j;

	if (get_device(opt, opt->args[0], &dev) != 0)
		return (EXIT_FAIL);
	if (opt->json && field == NULL) {
		j = wgdev_json(&dev);
		json_bool(j, "ok", 1);
		print_json(j);
	} else if (field == NULL) {
		wgdev_show(&dev, NULL);
	} else if (wgdev_field(&dev, field) != 0) {
		fprintf(stderr, "vnet: wg: show: \"%s\" is not a field (see vnet wg --help)\n", field);
		status = EXIT_USAGE;
	}
	wgdev_free(&dev);
	return (status);
}

static int
showconf(const struct options *opt)
{
	struct wgdev dev;

	if (get_device(opt, opt->args[0], &dev) != 0)
		return (EXIT_FAIL);
	wgdev_conf(&dev);
	wgdev_free(&dev);
	return (EXIT_OK);
}

/* ---- set ---- */

/* A key of a file, which may be empty: no key. */
static int
key_file(const char *file, char hex[static WGTEXT_HEX], struct uverr *err)
{
	char *text, line[WGTEXT_BASE64] = "";
	size_t len, n;
	int error;

	error = config_read(file, KEYFILE_MAXSIZE, &text, &len, err);
	if (error != 0)
		return (error);
	for (n = len; n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL; n--)
		continue;
	memset(hex, '0', WGTEXT_HEX - 1);
	hex[WGTEXT_HEX - 1] = '\0';
	if (n > 0 && n < sizeof(line)) {
		memcpy(line, text, n);
		error = wgtext_hex(line, hex);
	} else if (n > 0) {
		error = -EINVAL;
	}
	wgquick_wipe(text, len);
	explicit_bzero(line, sizeof(line));
	return (error == 0 ? 0 : uverr(err, EINVAL, "%s: not a key (44 letters of base64)", file));
}

static int
set_secret(struct wgbuf *out, const char *name, const char *file, struct uverr *err)
{
	char hex[WGTEXT_HEX];
	const int error = key_file(file, hex, err);

	if (error == 0)
		wgbuf_printf(out, "%s=%s\n", name, hex);
	explicit_bzero(hex, sizeof(hex));
	return (error);
}

static int
set_number(struct wgbuf *out, const char *word, const char *name, const char *value, unsigned long max, int hex,
    struct uverr *err)
{
	unsigned long n = 0;

	if (!(hex || strcmp(word, "persistent-keepalive") == 0) || strcmp(value, "off") != 0)
		if (wgtext_number(value, max, hex, &n) != 0)
			return (uverr(err, EINVAL, "%s: \"%.64s\" is not a number to %lu", word, value, max));
	wgbuf_printf(out, "%s=%lu\n", name, n);
	return (0);
}

/* "10.0.0.0/8,fd00::/8" instead of what there is, or each with + or - before it. */
static int
set_allowed(struct wgbuf *out, const char *list, struct uverr *err)
{
	char *copy = strdup(list), *save, *s;
	struct in6_addr addr;
	unsigned n;
	int af, error = 0;

	if (copy == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	if (*list != '+' && *list != '-')
		wgbuf_printf(out, "replace_allowed_ips=true\n");
	for (s = strtok_r(copy, ", ", &save); s != NULL && error == 0; s = strtok_r(NULL, ", ", &save)) {
		if (wgtext_prefix(s + (*s == '+' || *s == '-'), &af, &addr, &n) != 0)
			error = uverr(err, EINVAL, "allowed-ips: \"%.64s\" is not an address, or address/prefix", s);
		wgbuf_printf(out, "allowed_ip=%s\n", s + (*s == '+'));
	}
	free(copy);
	return (error);
}

static int
set_endpoint(struct wgbuf *out, const char *value, struct uverr *err)
{
	char endpoint[WGTEXT_ENDPOINT];
	const char *why;
	const int error = wgtext_resolve(value, endpoint, &why);

	if (error != 0)
		return (uverr(err, -error, "endpoint: %.64s: %s", value, why));
	wgbuf_printf(out, "endpoint=%s\n", endpoint);
	return (0);
}

/* A word and its value; *peer: whether a peer was named before. */
static int
set_word(struct wgbuf *out, const char *word, const char *value, int *peer, struct uverr *err)
{
	char hex[WGTEXT_HEX];

	if (strcmp(word, "peer") == 0) {
		*peer = 1;
		if (wgtext_hex(value, hex) != 0)
			return (uverr(err, EINVAL, "peer: \"%.64s\" is not a key (44 letters of base64)", value));
		wgbuf_printf(out, "public_key=%s\n", hex);
		return (0);
	}
	if (!*peer && strcmp(word, "private-key") == 0)
		return (set_secret(out, "private_key", value, err));
	if (!*peer && strcmp(word, "listen-port") == 0)
		return (set_number(out, word, "listen_port", value, 65535, 0, err));
	if (!*peer && strcmp(word, "fwmark") == 0)
		return (set_number(out, word, "fwmark", value, UINT32_MAX, 1, err));
	if (*peer && strcmp(word, "preshared-key") == 0)
		return (set_secret(out, "preshared_key", value, err));
	if (*peer && strcmp(word, "endpoint") == 0)
		return (set_endpoint(out, value, err));
	if (*peer && strcmp(word, "persistent-keepalive") == 0)
		return (set_number(out, word, "persistent_keepalive_interval", value, 65535, 0, err));
	if (*peer && strcmp(word, "allowed-ips") == 0)
		return (set_allowed(out, value, err));
	return (uverr(err, EINVAL, "\"%.64s\" is not a word of wg(8) %s", word, *peer ? "for a peer" :
	    "for the interface"));
}

static int
set(const struct options *opt)
{
	struct wgbuf out = { 0 };
	struct uverr err;
	int error = 0, peer = 0, status = EXIT_USAGE;

	wgbuf_printf(&out, "set=1\n");
	for (int i = 2; i < opt->nargs && error == 0; i++) {
		if (peer && strcmp(opt->args[i], "remove") == 0) {
			wgbuf_printf(&out, "remove=true\n");
		} else if (i + 1 == opt->nargs) {
			error = uverr(&err, EINVAL, "\"%.64s\" wants a value behind it", opt->args[i]);
		} else {
			error = set_word(&out, opt->args[i], opt->args[i + 1], &peer, &err);
			i++;
		}
	}
	wgbuf_printf(&out, "\n");
	if (error == 0 && out.failed)
		error = uverr(&err, ENOMEM, "out of memory");
	if (error == 0)
		status = set_device(opt, out.s);
	else
		fprintf(stderr, "vnet: wg: set: %s\n", err.text);
	wgbuf_free(&out);
	return (status);
}

/* ---- Files ---- */

/* The whole of what syncconf does: a file's request, and the peers that it does not have removed before. */
static int
sync_request(const struct options *opt, const char *request, struct wgbuf *out)
{
	const char *rest = strstr(request, "public_key=");
	char line[WGTEXT_HEX + 16];
	struct wgdev dev;
	int error;

	error = get_device(opt, opt->args[0], &dev);
	if (error != 0)
		return (error);
	if (rest == NULL)
		rest = request + strlen(request) - 1;	/* the empty line */
	wgbuf_put(out, request, (size_t)(rest - request));
	for (size_t i = 0; i < dev.npeers; i++) {
		snprintf(line, sizeof(line), "public_key=%s\n", dev.peers[i].public);
		if (strstr(rest, line) == NULL)
			wgbuf_printf(out, "%sremove=true\n", line);
	}
	wgbuf_printf(out, "%s", rest);
	wgdev_free(&dev);
	return (0);
}

static int
conf(const struct options *opt, enum wgquick_use use)
{
	const char *file = opt->args[2];
	struct wgbuf out = { 0 };
	struct wgquick q;
	struct uverr err;
	char *text;
	size_t len;
	int error, status = EXIT_FAIL;

	error = config_read(file, WGQUICK_MAXSIZE, &text, &len, &err);
	if (error == 0) {
		file = strcmp(file, "-") == 0 ? "(standard input)" : file;
		error = wgquick_resolve(file, &text, &len, &err);
		if (error == 0)
			error = wgquick_parse(file, text, len, use, 0, &q, &err);
		wgquick_wipe(text, len);
	}
	if (error != 0) {
		complain(err.text);
		return (EXIT_FAIL);
	}
	if (use != WGQUICK_SYNCCONF)
		status = set_device(opt, q.uapi);
	else if (sync_request(opt, q.uapi, &out) == 0)
		status = set_device(opt, out.s);
	wgbuf_free(&out);
	wgquick_free(&q);
	return (status);
}

int
wg_main(const struct options *opt)
{
	const char *word = opt->nargs > 1 ? opt->args[1] : "show";

	if (opt->nargs == 0)
		return (show_all(opt));
	if (strcmp(word, "show") == 0 && opt->nargs <= 3)
		return (show(opt, opt->nargs == 3 ? opt->args[2] : NULL));
	if (strcmp(word, "showconf") == 0 && opt->nargs == 2)
		return (showconf(opt));
	if (strcmp(word, "set") == 0 && opt->nargs > 2)
		return (set(opt));
	if (strcmp(word, "setconf") == 0 && opt->nargs == 3)
		return (conf(opt, WGQUICK_SETCONF));
	if (strcmp(word, "addconf") == 0 && opt->nargs == 3)
		return (conf(opt, WGQUICK_ADDCONF));
	if (strcmp(word, "syncconf") == 0 && opt->nargs == 3)
		return (conf(opt, WGQUICK_SYNCCONF));
	fprintf(stderr, "vnet: wg: what follows the stack's name is: show [FIELD], showconf, set WORD VALUE..., setconf FILE,"
	    " addconf FILE, or syncconf FILE\n");
	return (EXIT_USAGE);
}
