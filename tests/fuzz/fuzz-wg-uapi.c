/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: any bytes as a request of the configuration protocol of WireGuard.  Every request has an answer; one
 * that names a mistake changes nothing.  Seeds: corpus/wg-uapi.
 */
#include "wg-world.h"

#define REQUEST_MAX 400		/* peers have a callout each, and a line of a peer has 75 bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *
nowhere(void *arg, const struct wg_endpoint *to, size_t len)
{
	(void)arg;
	(void)to;
	(void)len;
	return (NULL);
}

static void
commit(void *arg, size_t len)
{
	(void)arg;
	(void)len;
	abort();
}

/* What the host does not do for everybody. */
static uint32_t marked;

static int
listen_at(void *arg, uint16_t *port)
{
	(void)arg;
	return (*port == 13 ? -EADDRINUSE : 0);
}

static int
mark_with(void *arg, uint32_t mark)
{
	(void)arg;
	if (mark == 13)
		return (-EPERM);
	marked = mark;
	return (0);
}

static const struct wg_port_ops ops = { .reserve = nowhere, .commit = commit, .listen = listen_at, .mark = mark_with };

static char *
ask(const void *request, size_t len, int *error)
{
	struct uverr err = { .text = "" };
	char *reply, end[32];
	size_t n;

	*error = wg_uapi(world[0].sc.sc_ifp, request, len, &reply, &err);
	if (reply == NULL || (*error != 0) != (err.text[0] != '\0'))
		abort();
	n = (size_t)snprintf(end, sizeof(end), "errno=%d\n\n", -*error);
	if (strlen(reply) < n || strcmp(reply + strlen(reply) - n, end) != 0)
		abort();
	return (reply);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char start[] = "set=1\npublic_key=DE9EDB7D7B7DC1B4D35B61C2ECE435373f8343c85b78674dadfc7e146f882b4f\n"
	    "endpoint=[2001:db8::1]:51820\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\n\n";
	static const char get[] = "get=1\n\n";
	char *before, *after;
	int error;

	marked = 0;
	if (size > REQUEST_MAX)
		return (-1);
	world_make(0, &ops);
	CURVNET_SET(&world[0].vnet);
	free(ask(start, sizeof(start) - 1, &error));
	if (error != 0)
		abort();
	before = ask(get, sizeof(get) - 1, &error);
	free(ask(data, size, &error));
	if (error != 0) {
		after = ask(get, sizeof(get) - 1, &error);
		if (strcmp(before, after) != 0 || marked != 0)
			abort();
		free(after);
	}
	free(before);
	CURVNET_RESTORE();
	world_unmake(0);
	if (world_pkts != 0)
		abort();
	return (0);
}
