/* SPDX-License-Identifier: BSD-2-Clause */
/* A file of wg-quick(8) or of wg(8), as requests of if_wg's protocol and what the stack itself needs (wgquick.c). */
#ifndef HOST_WGQUICK_H
#define HOST_WGQUICK_H

#include "config.h"
#include "wgtext.h"

#define WGQUICK_MAXSIZE (4U << 20)	/* bytes of a file */

/* What the file is read for. */
enum wgquick_use {
	WGQUICK_STACK,		/* a stack's tunnel; the keys of wg-quick(8) as well */
	WGQUICK_SETCONF,	/* as `wg setconf` does: all that is not said is not */
	WGQUICK_SYNCCONF,	/* the same, but the peers that the file does not have are the caller's to remove */
	WGQUICK_ADDCONF		/* beside what is there */
};

#define WGQUICK_NAMES 1		/* endpoints may be names, and are then left out */
#define WGQUICK_SKIP 2		/* lines that would run commands are passed over, with a notice */
#define WGQUICK_DISK 4		/* of wgquick_load() */

struct wgquick {
	char *uapi;			/* "set=1\n...\n\n" */
	char *notices;			/* lines of sentences, or NULL */
	uint16_t listen;		/* WGQUICK_STACK only, where it is not in `uapi` */
	unsigned mtu;			/* 0: not said */
	int table_off;			/* no routes to the allowed IPs */
	struct in_addr addr;		/* the first IPv4 one, or 0.0.0.0 */
	unsigned prefixlen;
	struct config_addr6 addr6[CONFIG_MAXADDR6];
	int naddr6;
};

/*
 * Read a text.  Pure.  -EINVAL, with file, line and key (never with a value: it may be a secret), or -ENOMEM.
 * wgquick_free() is due after success, and wipes.
 */
int wgquick_parse(const char *file, const char *text, size_t len, enum wgquick_use use, unsigned flags,
    struct wgquick *q, struct uverr *err);
void wgquick_free(struct wgquick *q);

/*
 * Replace the names in a text's endpoints by addresses.  *text is malloc(3)ed and may become another.  Errors name file
 * and line.
 */
int wgquick_resolve(const char *file, char **text, size_t *len, struct uverr *err);

/*
 * Read the file of every tunnel of a configuration: from the disk with WGQUICK_DISK, and then names are looked up
 * unless there is WGQUICK_NAMES as well; else of `files` (JSON: texts by path; NULL: none).  Errors name the stack, the
 * file and the line.
 */
struct ucl_object_s;
int wgquick_load(struct config *cfg, const struct ucl_object_s *files, unsigned flags, struct uverr *err);
/* What there is to say about them, a line each. */
void wgquick_notices(const struct config *cfg, struct wgbuf *out);

/* Wipe and free a file's text. */
void wgquick_wipe(char *text, size_t len);

#endif
