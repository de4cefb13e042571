/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that ask a running vnet: one request, one answer (request.h), printed as a table or as it came.
 *
 * Paths are made absolute and files are read here: the server opens nothing that a request names but modules.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "config.h"
#include "control.h"
#include "vnet.h"
#include "wgquick.h"

#define CLIENT_TIMEOUT 60	/* seconds; a module or many stacks may take a while */
#define ANSWER_MAXSIZE (256U << 20)

int
server_open(const struct options *opt, int seconds, struct uverr *err)
{
	struct timeval tv = { .tv_sec = seconds };
	struct sockaddr_un sun;
	int fd, error;

	error = control_address(opt->socket, NULL, &sun, err);
	if (error != 0)
		return (error);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (uverr(err, errno, "socket: %s", strerror(errno)));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0) {
		error = errno;
		close(fd);
		return (uverr(err, error, "%s: %s", sun.sun_path, error == ENOENT || error == ECONNREFUSED ?
		    "no vnet is running there (-s names another control socket)" : strerror(error)));
	}
	if (!control_peer_ok(fd)) {
		close(fd);
		return (uverr(err, EPERM, "%s: belongs to another user's process", sun.sun_path));
	}
	return (fd);
}

/* Send the request and read the answer whole, both as text. */
static int
exchange(int fd, const char *request, char **answer, struct uverr *err)
{
	size_t len = strlen(request), size = 0, used = 0;
	char *buf = NULL, *grown;
	ssize_t n;

	while (len > 0) {
		n = send(fd, request, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;		/* a server that refuses early has said why */
		request += n;
		len -= (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	for (;;) {
		if (used + 1 >= size) {
			size = size > 0 ? 2 * size : 16384;
			grown = size <= ANSWER_MAXSIZE ? realloc(buf, size) : NULL;
			if (grown == NULL) {
				free(buf);
				return (uverr(err, ENOMEM, "out of memory for the answer"));
			}
			buf = grown;
		}
		n = recv(fd, buf + used, size - used - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	/* A server that refuses early closes on what it did not read: a reset, behind an answer that is whole. */
	if (used == 0 || (n < 0 && buf[used - 1] != '\n')) {
		free(buf);
		return (uverr(err, n < 0 ? errno : EIO, "no answer from the running vnet%s%s", n < 0 ? ": " : "",
		    n < 0 ? strerror(errno) : ""));
	}
	buf[used] = '\0';
	*answer = buf;
	return (0);
}

int
client_ask(const struct options *opt, json *request, json **answer, char **text)
{
	struct uverr err;
	char *line = NULL, *got = NULL;
	int fd, error;

	*answer = NULL;
	fd = error = server_open(opt, CLIENT_TIMEOUT, &err);
	if (fd >= 0) {
		line = json_emit(request);
		error = line == NULL ? uverr(&err, ENOMEM, "out of memory") : exchange(fd, line, &got, &err);
		if (error == 0)
			error = json_parse(got, strlen(got), answer, &err);
		close(fd);
	}
	if (error < 0) {
		complain(err.text);
	} else if (!json_getbool(*answer, "ok")) {
		complain(json_getstr(*answer, json_getstr(*answer, "errors")[0] != '\0' ? "errors" : "error"));
		json_free(*answer);
		*answer = NULL;
		error = -EINVAL;
	}
	json_free(request);
	free(line);
	if (text != NULL && error == 0)
		*text = got;
	else
		free(got);
	return (error);
}

/* Ask, and print the answer; the request is taken over. */
static int
ask(const struct options *opt, json *request, void (*table)(const json *answer))
{
	json *answer;
	char *text;

	if (client_ask(opt, request, &answer, &text) != 0)
		return (EXIT_FAIL);
	if (opt->json)
		fputs(text, stdout);
	else if (table != NULL)
		table(answer);
	json_free(answer);
	free(text);
	return (EXIT_OK);
}

json *
request_new(const char *cmd)
{
	json *j = json_object();

	json_str(j, "cmd", cmd);
	return (j);
}

int
ls_main(const struct options *opt)
{
	return (ask(opt, request_new("ls"), table_ls));
}

int
kldstat_main(const struct options *opt)
{
	return (ask(opt, request_new("kldstat"), table_kldstat));
}

/* The files of the tunnels of a configuration, where it is one: if not, the running one says what is wrong with it. */
static int
tunnels_read(const char *file, const char *conf, json *files, struct uverr *err)
{
	struct config cfg;
	struct uverr unused;
	const char *path;
	char *text, *copy;
	size_t len;
	int error = 0;

	(void)config_parse(&cfg, file, conf, strlen(conf), &unused);
	for (size_t i = 0; i < cfg.nvnets && error == 0; i++) {
		path = cfg.vnets[i].wireguard;
		if (path == NULL || ucl_object_lookup(files, path) != NULL)
			continue;
		error = config_read(path, WGQUICK_MAXSIZE, &text, &len, err);
		if (error != 0)
			break;
		error = wgquick_resolve(path, &text, &len, err);
		if (error == 0 && memchr(text, '\0', len) != NULL)
			error = uverr(err, EINVAL, "%s: a NUL byte: this is not a text", path);
		copy = error == 0 ? strndup(text, len) : NULL;
		if (copy != NULL) {
			json_str(files, path, copy);
			wgquick_wipe(copy, len);
		}
		wgquick_wipe(text, len);
	}
	config_free(&cfg);
	return (error);
}

/* What was passed over. */
static void
notices_say(const json *answer)
{
	complain(json_getstr(answer, "notices"));
}

int
create_main(const struct options *opt)
{
	json *j, *files;
	struct uverr err;
	char *text, *copy;
	size_t len;

	if (config_read(opt->args[0], REQUEST_MAXSIZE, &text, &len, &err) != 0) {
		complain(err.text);
		return (EXIT_FAIL);
	}
	if (memchr(text, '\0', len) != NULL || (copy = strndup(text, len)) == NULL) {
		fprintf(stderr, "vnet: %s: a NUL byte: this is not a text\n", opt->args[0]);
		free(text);
		return (EXIT_FAIL);
	}
	files = json_object();
	if (tunnels_read(opt->args[0], copy, files, &err) != 0) {
		complain(err.text);
		json_free(files);
		free(copy);
		free(text);
		return (EXIT_FAIL);
	}
	j = request_new("create");
	json_put(j, "wireguard", files);
	json_str(j, "file", strcmp(opt->args[0], "-") == 0 ? "(standard input)" : opt->args[0]);
	json_str(j, "text", copy);
	free(copy);
	free(text);
	return (ask(opt, j, notices_say));
}

int
destroy_main(const struct options *opt)
{
	json *j = request_new("destroy"), *names = json_list();

	for (int i = 0; i < opt->nargs; i++)
		json_append_str(names, opt->args[i]);
	json_put(j, "names", names);
	return (ask(opt, j, NULL));
}

int
kldload_main(const struct options *opt)
{
	char path[PATH_MAX];
	json *j;

	if (realpath(opt->args[0], path) == NULL) {
		fprintf(stderr, "vnet: %s: %s\n", opt->args[0], strerror(errno));
		return (EXIT_FAIL);
	}
	j = request_new("kldload");
	json_str(j, "path", path);
	return (ask(opt, j, NULL));
}

int
kldunload_main(const struct options *opt)
{
	json *j = request_new("kldunload");

	json_str(j, "name", opt->args[0]);
	return (ask(opt, j, NULL));
}

int
link_main(const struct options *opt)
{
	json *j;

	if (opt->nargs == 2 && strcmp(opt->args[1], "up") != 0 && strcmp(opt->args[1], "down") != 0) {
		fprintf(stderr, "vnet: link: \"%s\" is neither up nor down\n", opt->args[1]);
		return (EXIT_USAGE);
	}
	j = request_new("link");
	if (opt->nargs > 0)
		json_str(j, "name", opt->args[0]);
	if (opt->nargs > 1)
		json_str(j, "state", opt->args[1]);
	return (ask(opt, j, opt->nargs == 2 ? NULL : table_link));
}

/* vnet route NAME [add TO GATEWAY | delete TO] */
int
route_main(const struct options *opt)
{
	const int add = opt->nargs == 4 && strcmp(opt->args[1], "add") == 0;
	const int delete = opt->nargs == 3 && strcmp(opt->args[1], "delete") == 0;
	json *j;

	if (opt->nargs > 1 && !add && !delete) {
		complain("route: what follows the stack's name is: add NETWORK GATEWAY|INTERFACE, or: delete NETWORK");
		return (EXIT_USAGE);
	}
	j = request_new("route");
	json_str(j, "name", opt->args[0]);
	if (opt->nargs > 1)
		json_str(j, add ? "add" : "delete", opt->args[2]);
	if (add)
		json_str(j, "gateway", opt->args[3]);
	return (ask(opt, j, opt->nargs > 1 ? NULL : table_route));
}

/* A command that takes a stack's name and nothing else. */
static int
ask_stack(const struct options *opt, const char *cmd, void (*table)(const json *answer))
{
	json *j = request_new(cmd);

	json_str(j, "name", opt->args[0]);
	return (ask(opt, j, table));
}

int
ifconfig_main(const struct options *opt)
{
	return (ask_stack(opt, "ifconfig", table_ifconfig));
}

int
netstat_main(const struct options *opt)
{
	return (ask_stack(opt, "netstat", table_netstat));
}

/* vnet sysctl [-a] NAME [VARIABLE[=VALUE]]... */
int
sysctl_main(const struct options *opt)
{
	json *j, *names;

	if (opt->nargs == 1 && !opt->all) {
		complain("sysctl: which variable? (-a: all)");
		return (EXIT_USAGE);
	}
	j = request_new("sysctl");
	json_str(j, "name", opt->args[0]);
	if (opt->nargs > 1 && !opt->all) {
		names = json_list();
		for (int i = 1; i < opt->nargs; i++)
			json_append_str(names, opt->args[i]);
		json_put(j, "names", names);
	}
	return (ask(opt, j, opt->value_only ? table_sysctl_values : opt->describe ? table_sysctl_descriptions : table_sysctl));
}
