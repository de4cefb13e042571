/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `vnet ping`, the client's side: a request, then a line of JSON for each answer, printed as ping(8) of FreeBSD does.
 *
 * SIGINT shuts the sending side of the connection down, by which the server knows that it is to stop; its last line
 * has the sums.  A second one ends this program at once.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "vnet.h"

enum { EXIT_SILENCE = 2 };	/* sent, and nothing came back */

static volatile sig_atomic_t ping_fd = -1;

static void
ping_stop(int sig)
{
	(void)sig;
	shutdown(ping_fd, SHUT_WR);
}

static double
ms(const json *line, const char *key)
{
	return ((double)json_getint(line, key) / 1e6);
}

static void
sums_print(const char *to, const json *line)
{
	const int64_t sent = json_getint(line, "transmitted"), received = json_getint(line, "received");

	printf("\n--- %s ping statistics ---\n%" PRId64 " packets transmitted, %" PRId64 " packets received", to, sent, received);
	if (json_getint(line, "duplicates") > 0)
		printf(", +%" PRId64 " duplicates", json_getint(line, "duplicates"));
	printf(", %.1f%% packet loss\n", sent > 0 ? (double)(sent - received) * 100 / (double)sent : 0);
	if (received > 0)
		printf("round-trip min/avg/max/stddev = %.3f/%.3f/%.3f/%.3f ms\n", ms(line, "min_ns"), ms(line, "avg_ns"),
		    ms(line, "max_ns"), ms(line, "stddev_ns"));
}

static void
answer_print(const char *to, const json *line)
{
	const char *error = json_getstr(line, "error"), *from = json_getstr(line, "from");
	const int six = strchr(to, ':') != NULL;

	if (*json_getstr(line, "to") != '\0') {
		printf("PING %s (%s): %" PRId64 " data bytes\n", to, to, json_getint(line, "size"));
		return;
	}
	if (json_getint(line, "bytes") == 0) {
		printf("%s%sicmp_seq=%" PRId64 " %s\n", from, *from != '\0' ? ": " : "", json_getint(line, "seq"), error);
		return;
	}
	printf("%" PRId64 " bytes from %s%s icmp_seq=%" PRId64 " %s=%" PRId64 " time=%.3f ms%s%s%s\n",
	    json_getint(line, "bytes"), from, six ? "," : ":", json_getint(line, "seq"), six ? "hlim" : "ttl",
	    json_getint(line, "ttl"), ms(line, "time_ns"), json_getbool(line, "duplicate") ? " (DUP!)" : "",
	    *error != '\0' ? " " : "", error);
}

/* Lines until the last; the exit status. */
static int
answers_read(const struct options *opt, FILE *in)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t len;
	int status = EXIT_FAIL, over = 0;
	struct uverr err;
	json *line;

	while (!over && (len = getline(&text, &size, in)) > 0) {
		if (json_parse(text, (size_t)len, &line, &err) != 0) {
			complain(err.text);
			goto out;
		}
		over = ucl_object_lookup(line, "ok") != NULL;
		if (over && !json_getbool(line, "ok")) {
			complain(json_getstr(line, "error"));
		} else {
			if (opt->json)
				fputs(text, stdout);
			else
				(over ? sums_print : answer_print)(opt->args[1], line);
			if (over)
				status = json_getint(line, "received") > 0 ? EXIT_OK : EXIT_SILENCE;
		}
		json_free(line);
	}
	if (!over)
		complain("the running vnet broke the connection off");
out:
	free(text);
	return (status);
}

int
ping_main(const struct options *opt)
{
	struct sigaction stop = { .sa_handler = ping_stop, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
	json *j = request_new("ping");
	struct uverr err;
	char *line;
	int fd, status = EXIT_FAIL;
	FILE *in;

	json_str(j, "name", opt->args[0]);
	json_str(j, "address", opt->args[1]);
	json_int(j, "count", opt->count);
	json_int(j, "interval", (int64_t)(opt->interval * 1e3 + 0.5));
	json_int(j, "size", opt->size);
	json_int(j, "wait", opt->wait);
	line = json_emit(j);
	json_free(j);
	if (line == NULL) {
		complain("out of memory");
		return (EXIT_FAIL);
	}
	line[strlen(line)] = '\n';	/* in the place of the NUL */
	fd = server_open(opt, 0, &err);
	if (fd < 0) {
		complain(err.text);
		goto out;
	}
	ping_fd = fd;
	sigaction(SIGINT, &stop, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	in = fdopen(fd, "r");
	if (in == NULL || send(fd, line, strcspn(line, "\n") + 1, MSG_NOSIGNAL) < 0) {
		complain("no answer from the running vnet");
		close(fd);
		goto out;
	}
	status = answers_read(opt, in);
	fclose(in);
out:
	free(line);
	return (status);
}
