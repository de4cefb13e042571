/* SPDX-License-Identifier: BSD-2-Clause */
/* What if_wg's protocol says of a device, as structures and as wg(8) prints it (wgshow.c). */
#ifndef HOST_WGSHOW_H
#define HOST_WGSHOW_H

#include "json.h"
#include "wgtext.h"

/* A peer; texts are the reply's. */
struct wgpeer {
	const char *public, *psk, *endpoint;	/* keys in hexadecimal; NULL: none */
	const char **allowed;
	size_t nallowed;
	unsigned long long handshake, rx, tx;	/* seconds since 1970, bytes */
	unsigned keepalive;
};

struct wgdev {
	char *text;				/* the reply, taken apart */
	size_t len;
	const char *private;			/* NULL: none */
	unsigned long port, mark;
	struct wgpeer *peers;
	size_t npeers;
};

/* Take the reply to "get=1" apart; 0, -ENOMEM, or -EINVAL where it is none.  wgdev_free() wipes. */
int wgdev_parse(const char *reply, struct wgdev *dev);
void wgdev_free(struct wgdev *dev);

/*
 * Print it as `wg show`, `wg show wg0 FIELD` and `wg showconf` do; -EINVAL: no such field.  `stack`: whose it is, where
 * several are shown, or NULL.  The same as a JSON object, without keys that are secret.
 */
void wgdev_show(const struct wgdev *dev, const char *stack);
int wgdev_field(const struct wgdev *dev, const char *field);
void wgdev_conf(const struct wgdev *dev);
json *wgdev_json(const struct wgdev *dev);

#endif
