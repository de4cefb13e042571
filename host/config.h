/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration file says, as plain structures.
 *
 * config_parse() reads and checks one text: there is no other way to a `struct config`, so whoever has one knows
 * that names are valid and unique, that no link has three ends, and that every address is one.
 */
#ifndef HOST_CONFIG_H
#define HOST_CONFIG_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uvnet/err.h>
#include <uvnet/net.h>
#include <uvnet/vnet.h>

#define CONFIG_MAXSIZE (16U << 20)	/* bytes of a file */
#define CONFIG_MAXERRORS 20		/* sentences kept; the rest is only counted */
#define CONFIG_MAXWORKERS 1024
#define CONFIG_MINMEMORY (64U << 10)	/* `memory`: an interface and some connections; */
#define CONFIG_MAXMEMORY ((size_t)4 << 30)
#define CONFIG_CONNECTIONS 4096	/* `connections`: of a stack that says nothing */
#define CONFIG_MAXCONNECTIONS 1000000
#define CONFIG_UDPIDLE 60		/* `idle`: seconds without a datagram that end a client's flow */
#define CONFIG_MAXEGRESS 256		/* rules of a stack; each new flow walks them */
#define CONFIG_MEMORY ((size_t)16 << 20)	/* what a stack that says nothing has */

#define CONFIG_MAXADDR6 2		/* IPv6 addresses of an interface, beside the link-local one */
#define CONFIG_UAPILEN 16		/* an interface's name, as wg(8) has it */
#define CONFIG_ADDRSTRLEN (INET6_ADDRSTRLEN + 8)

/* An address with a port, of either family. */
union config_addr {
	struct sockaddr sa;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
};

struct config_addr6 {
	struct in6_addr addr;
	int prefixlen;
};

enum config_kind { CONFIG_LINK, CONFIG_TUN, CONFIG_TAP, CONFIG_PACKET };

struct config_interface {
	char name[IFNAMSIZ_UV];
	enum config_kind kind;
	char link[VNET_NAMELEN];	/* of that kind, else "" */
	char device[IFNAMSIZ_UV];	/* of the others: the host's */
	struct in_addr addr;
	int prefixlen;			/* -1: the interface has no IPv4 address */
	struct config_addr6 addr6[CONFIG_MAXADDR6];
	int naddr6;
	int dhcp;			/* its IPv4 address is a server's */
	int slaac;			/* takes IPv6 addresses that routers advertise */
	int line;
};

/* `forward` (host to stack) or `publish` (stack to host). */
struct config_port {
	union config_addr listen, to;
	int udp;			/* proto: datagrams, else TCP */
	int idle;			/* of UDP, seconds */
	int line;
};

struct config_ports {
	struct config_port *v;
	size_t n;
};

/* What may go out: a network and ports. */
struct config_egress {
	int six;			/* net6, else net */
	struct in_addr net;
	struct in6_addr net6;
	int prefixlen;
	uint16_t first, last;
	int line;
};

struct config_route {
	int six;			/* of IPv6: dst6, gateway6 */
	struct in6_addr dst6, gateway6;
	char ifname[IFNAMSIZ_UV];	/* over that interface, without a gateway; or empty */
	struct in_addr dst, gateway;
	int prefixlen;
	int line;
};

struct config_sysctl {
	char *name, *value;		/* one piece: free the name */
	int line;
};

struct wgquick;

struct config_vnet {
	char name[VNET_NAMELEN];
	int cpu;			/* -1: wherever it fits best */
	size_t memory;			/* the limit of its heap, bytes; 0: the default */
	unsigned connections;		/* through its ports at a time, clients of UDP ones included */
	char *wireguard;		/* a wg-quick file, or NULL; what it says, once it is read (wgload.c) */
	struct wgquick *wg;
	char outside[VNET_NAMELEN];	/* the stack in which the tunnel's datagrams travel, or "": the host */
	int outside_line;
	int wg_skip;			/* lines of it that would run commands are passed over */
	char uapi[CONFIG_UAPILEN];	/* the name of its socket for wg(8), or "" */
	int uapi_line;
	int line;
	struct config_interface *interfaces;
	size_t ninterfaces;
	struct config_ports forwards, publishes;
	struct config_route *routes;	/* the default route, `gateway`, is one */
	size_t nroutes;
	int forwarding;			/* it is a router */
	struct config_sysctl *sysctls;	/* in the order of the file */
	size_t nsysctls;
	struct config_egress *egress;	/* where what comes by its tunnel may go */
	size_t negress;
	int egress_idle;		/* of UDP, seconds; 0: not said */
};

struct config {
	const char *file;		/* for messages; the caller's */
	char *modules, *control, *uapi_folder;	/* NULL: not said */
	unsigned workers;		/* 0: not said */
	struct config_vnet *vnets;
	size_t nvnets;
	char *errors;			/* sentences, a line each; NULL: none */
	size_t nerrors;
};

/*
 * Parse and check a text.  On failure the return is -EINVAL or -ENOMEM, err has the first sentence and
 * cfg->errors all of them; config_free() is due in either case.  Pure: touches nothing but its arguments.
 */
int config_parse(struct config *cfg, const char *file, const char *text, size_t len, struct uverr *err);
void config_free(struct config *cfg);

/* Read a file whole, at most `max` bytes; the text is the caller's to free. */
int config_read(const char *file, size_t max, char **text, size_t *len, struct uverr *err);

/*
 * Read a file and parse it, of at most CONFIG_MAXSIZE bytes, and the files of its tunnels (`flags`: wgquick_load()'s).
 * Everything that is wrong is said on standard error.  config_free() is due in either case.  0 or -errno.
 */
int config_load(struct config *cfg, const char *file, unsigned flags);

/* Note a fault; its sentence gets the file and, when it is known (not 0), the line in front. */
void config_error(struct config *cfg, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* What no single value shows: uniqueness, ends of links, and so on.  By config_parse(). */
void config_check(struct config *cfg);

/* "10.0.0.1:80", "*:80", "[fd00::1]:80", "[::]:80".  `wild`: whether the address may be any.  0 or -EINVAL. */
int config_sockaddr(const char *s, int wild, union config_addr *addr);
socklen_t config_addrlen(const union config_addr *addr);
int config_addrany(const union config_addr *addr);
/* By family, then address, then port: as strcmp(3). */
int config_addrcmp(const union config_addr *a, const union config_addr *b);
/* "10.0.0.1/24"; with `net`, "10.0.0.0/24", or "default", without bits of a host.  NULL, or what is wrong with it. */
const char *config_prefix(const char *s, int net, struct in_addr *addr, int *prefixlen);
/* Of IPv6: "fd00::1/64", of a host; with `net`, "fd00::/64" or "::/0".  NULL, or what is wrong with it. */
const char *config_prefix6(const char *s, int net, struct in6_addr *addr, int *prefixlen);
/* "10.0.0.0/8", "0.0.0.0/0:443", "192.0.2.7:8000-8099", "[2000::/3]:443", "::/0".  NULL, or what is wrong with it. */
const char *config_egress(const char *s, struct config_egress *r);
/* "4M", "512K", "1G": bytes, or 0 when it is not a size. */
size_t config_size(const char *s);
/* Letters, digits, `-`, `_`, `.`; does not begin with `.` or `-`; fits `size` bytes. */
int config_name_ok(const char *s, size_t size);
/* The sentence's form of an address: "10.0.0.1:80". */
const char *config_addrstr(const union config_addr *addr, char buf[static CONFIG_ADDRSTRLEN]);

/* Fill the structures from libucl's tree.  By config_parse(). */
struct scan;
struct ucl_object_s;
void config_walk(struct config *cfg, struct scan *scan, const struct ucl_object_s *root);

/* ---- Where keys stand (config-scan.c) ---- */

/* Find the keys of a text.  NULL: no memory. */
struct scan *scan_text(const char *text, size_t len);
void scan_free(struct scan *s);

/* The line where sections or lists are nested deeper than any configuration or request needs; 0: nowhere. */
int scan_deep(const struct scan *s);

/*
 * The next key of that name in a section (0: the whole file) that was not asked for before: a handle, or -1.
 * Asked for in the order of the text, the handles are the keys in that order.
 */
int scan_key(struct scan *s, int section, const char *key);

/* The line of a handle; 0 for -1. */
int scan_line(const struct scan *s, int handle);

/* A key that nobody asked for, or -1; its name is cut to fit. */
int scan_unseen(const struct scan *s, char *name, size_t size);

#endif
