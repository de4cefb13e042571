/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request on the control socket: one JSON object on one line.
 *
 *	{"cmd": "ls"}					{"cmd": "kldload", "path": "/abs/x.ko"}
 *	{"cmd": "create", "file": NAME, "text": TEXT}	{"cmd": "kldunload", "name": "x"}
 *		(and, of the tunnels that it has, "wireguard": {PATH: TEXT, ...})
 *	{"cmd": "destroy", "names": ["a", "b"]}		{"cmd": "kldstat"}
 *	{"cmd": "route", "name": "a"}			{"cmd": "route", "name": "a", "delete": "10.1.0.0/16"}
 *	{"cmd": "route", "name": "a", "add": "10.1.0.0/16", "gateway": "10.0.0.1"}
 *	{"cmd": "ifconfig", "name": "a"}		{"cmd": "netstat", "name": "a"}
 *	{"cmd": "wg", "name": "a", "uapi": "get=1\n\n"}	(the answer has "uapi" as well)
 *	{"cmd": "sysctl", "name": "a"}			{"cmd": "sysctl", "name": "a", "names": ["net.inet.ip", "net.inet.ip.ttl=9"]}
 *	{"cmd": "link"}		{"cmd": "link", "name": "red", "state": "down"}
 *	{"cmd": "ping", "name": "a", "address": "10.0.0.2", "count": 3, "interval": 1000, "size": 56, "wait": 10000}
 *
 * The answer is one as well: {"ok": true, ...} or {"ok": false, "error": "..."}.  Of a ping it is the last line of several:
 * before it are {"to": ...}, and {"seq": ...} for each answer and error.  It ends when `count` are through (0: never), or
 * when the client shuts its side of the connection down.  Its times are milliseconds; all four numbers may be missing.
 */
#ifndef HOST_REQUEST_H
#define HOST_REQUEST_H

#include "json.h"

#define REQUEST_MAXSIZE (4U << 20)	/* tens of thousands of a tunnel's peers */
#define REQUEST_MAXPING 65487		/* bytes of a ping: what an IPv6 packet leaves whose length has 16 bits */

enum request_cmd {
	REQUEST_LS, REQUEST_CREATE, REQUEST_DESTROY, REQUEST_KLDLOAD, REQUEST_KLDUNLOAD, REQUEST_KLDSTAT,
	REQUEST_LINK, REQUEST_ROUTE, REQUEST_IFCONFIG, REQUEST_NETSTAT, REQUEST_PING, REQUEST_WG,
	REQUEST_SYSCTL, REQUEST_NCMDS
};
extern const char *const request_names[REQUEST_NCMDS];

/* Strings are the object's; "" where the command has none. */
struct request {
	enum request_cmd cmd;
	json *object;
	const json *wireguard;		/* texts by path; NULL: missing */
	const char *file, *text, *path, *name, *state, *add, *delete, *gateway, *address, *uapi;
	int64_t count, interval, size, wait;
};

/* Read a request; every key is known and of its kind afterwards.  request_free() is due only after success. */
int request_parse(const char *text, size_t len, struct request *req, struct uverr *err);
void request_free(struct request *req);

#endif
