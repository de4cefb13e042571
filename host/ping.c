/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `vnet ping`, the server's side: echo requests from within a stack (RFC 792, RFC 4443), their answers to the client.
 *
 * The control socket's loop hands the connection over to the stack's worker, where a ping is a descriptor, a delay
 * and an ICMP socket in the stack, as a relay is a descriptor and a TCP socket.  So the workers stop once, when it
 * begins; times are taken on the worker; and what is not pinged has nothing.  The client gets a line of JSON for each
 * answer (request.h), and a last one with the sums when all is over, or when it shuts its side down.  A client
 * that does not take its lines is given up.
 *
 * Times are kept for the last PING_WINDOW requests, by their sequence numbers; an answer to an older one is late.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uvnet/callout.h>
#include "ping.h"
#include "relay.h"

#define PING_WINDOW 1024
#define PING_STACKMAX 16		/* of a stack at a time */
#define HEADER 8			/* type, code, checksum, identifier, sequence number */
#define MS 1000000LL

struct ping {
	LIST_ENTRY(ping) pg_le;
	struct stack *pg_stack;
	int pg_fd;
	struct watch pg_watch;
	struct delay pg_delay;
	struct socket *pg_so;
	union config_addr pg_to;
	uint16_t pg_id;
	int64_t pg_count;			/* 0: until the client leaves */
	int64_t pg_interval, pg_wait, pg_due;	/* ns */
	size_t pg_size;				/* bytes behind the header */
	int64_t pg_sent, pg_received, pg_dups;
	double pg_min, pg_max, pg_sum, pg_sumsq;	/* ns */
	struct {
		int64_t time;			/* of sending; 0: none of that number */
		int answered;
	} pg_window[PING_WINDOW];
	int pg_dead;
	struct corpse pg_corpse;
};

#define PING_OF(ptr, member) ((struct ping *)((char *)(ptr) - offsetof(struct ping, member)))
#define SIX(pg) ((pg)->pg_to.sa.sa_family == AF_INET6)

/* What an ICMP message without an error carries of it. */
struct message {
	unsigned type, code;
	const unsigned char *icmp;	/* from the type on */
	size_t len;
	unsigned ttl;
};

/* ---- To the client ---- */

/* A line; whether it was taken whole. */
static int
ping_say(struct ping *pg, json *j)
{
	char *line = json_emit(j);
	size_t len;
	int ok = 0;

	json_free(j);
	if (line != NULL) {
		len = strlen(line);
		line[len++] = '\n';	/* in the place of the NUL */
		ok = send(pg->pg_fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
		free(line);
	}
	return (ok);
}

static json *
ping_sums(const struct ping *pg)
{
	const double n = (double)(pg->pg_received + pg->pg_dups);
	json *j = json_object();
	double avg, variance;

	json_bool(j, "ok", 1);
	json_int(j, "transmitted", pg->pg_sent);
	json_int(j, "received", pg->pg_received);
	json_int(j, "duplicates", pg->pg_dups);
	if (n > 0) {
		avg = pg->pg_sum / n;
		variance = pg->pg_sumsq / n - avg * avg;
		json_int(j, "min_ns", (int64_t)pg->pg_min);
		json_int(j, "avg_ns", (int64_t)avg);
		json_int(j, "max_ns", (int64_t)pg->pg_max);
		json_int(j, "stddev_ns", (int64_t)sqrt(variance > 0 ? variance : 0));
	}
	return (j);
}

/* With the stack current; `last` is the client's last line, taken over. */
static void
ping_end(struct ping *pg, json *last)
{
	struct worker *w = pg->pg_stack->st_worker;

	ping_say(pg, last);
	pg->pg_dead = 1;
	worker_undelay(w, &pg->pg_delay);
	inet->soclose(pg->pg_so);
	close(pg->pg_fd);
	LIST_REMOVE(pg, pg_le);
	pg->pg_stack->st_npings--;
	worker_bury(w, &pg->pg_corpse, pg);	/* a batch of events may point to it */
}

void
ping_destroy(struct ping *pg)
{
	json *j = json_object();

	json_bool(j, "ok", 0);
	json_str(j, "error", "the stack was destroyed");
	ping_end(pg, j);
}

/* ---- Out ---- */

/* RFC 1071. */
static uint16_t
checksum(const unsigned char *p, size_t len)
{
	uint32_t sum = 0;

	for (; len > 1; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (len > 0)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (htons((uint16_t)~sum));
}

/* An echo request with that number in the worker's buffer; its length. */
static size_t
ping_make(const struct ping *pg, unsigned char *p, uint16_t seq)
{
	const uint16_t id = htons(pg->pg_id), nseq = htons(seq);
	uint16_t sum;

	memset(p, 0, HEADER);
	p[0] = SIX(pg) ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	memcpy(p + 4, &id, sizeof(id));
	memcpy(p + 6, &nseq, sizeof(nseq));
	for (size_t i = 0; i < pg->pg_size; i++)
		p[HEADER + i] = (unsigned char)i;
	if (!SIX(pg)) {
		sum = checksum(p, HEADER + pg->pg_size);
		memcpy(p + 2, &sum, sizeof(sum));
	}
	return (HEADER + pg->pg_size);
}

static int
ping_send(struct ping *pg)
{
	unsigned char *buf = worker_buf(pg->pg_stack->st_worker);
	const uint16_t seq = (uint16_t)pg->pg_sent;
	const size_t len = ping_make(pg, buf, seq);
	ssize_t n;
	json *j;

	pg->pg_window[seq % PING_WINDOW].time = callout_now();
	pg->pg_window[seq % PING_WINDOW].answered = 0;
	pg->pg_sent++;
	n = inet->sosendto(pg->pg_so, buf, len, &pg->pg_to.sa);
	if (n >= 0)
		return (1);
	j = json_object();
	json_int(j, "seq", seq);
	json_str(j, "error", n == -ENETUNREACH ? "no route to host" : strerror((int)-n));
	return (ping_say(pg, j));
}

/* The next request is due, or the wait for the last answers is over. */
static void
ping_tick(struct delay *d)
{
	struct ping *pg = PING_OF(d, pg_delay);
	int64_t now;

	CURVNET_SET(pg->pg_stack->st_vnet);
	if (pg->pg_count != 0 && pg->pg_sent >= pg->pg_count) {
		ping_end(pg, ping_sums(pg));
	} else if (!ping_send(pg)) {
		ping_end(pg, NULL);
	} else {
		now = callout_now();
		pg->pg_due = pg->pg_due + pg->pg_interval > now ? pg->pg_due + pg->pg_interval : now + pg->pg_interval;
		worker_delay(pg->pg_stack->st_worker, d,
		    pg->pg_count != 0 && pg->pg_sent >= pg->pg_count ? pg->pg_wait : pg->pg_due - now);
	}
	CURVNET_RESTORE();
}

/* ---- In ---- */

/* Where the ICMP message is in a packet; 0: it is none, or cut short. */
static int
message_parse(int six, const unsigned char *p, size_t len, struct message *m)
{
	const size_t skip = six ? sizeof(struct ip6_hdr) : len > 0 ? (size_t)(p[0] & 0x0f) * 4 : 0;

	if (skip < sizeof(struct ip) || len < skip + HEADER)
		return (0);
	if (p[six ? offsetof(struct ip6_hdr, ip6_nxt) : offsetof(struct ip, ip_p)] != (six ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return (0);
	m->ttl = p[six ? offsetof(struct ip6_hdr, ip6_hlim) : offsetof(struct ip, ip_ttl)];
	m->icmp = p + skip;
	m->len = len - skip;
	m->type = m->icmp[0];
	m->code = m->icmp[1];
	return (1);
}

/* The sequence number of an echo request or reply of that type, if it has our identifier; else -1. */
static int
message_seq(const struct ping *pg, const struct message *m, unsigned type)
{
	if (m->type != type || (m->icmp[4] << 8 | m->icmp[5]) != pg->pg_id)
		return (-1);
	return (m->icmp[6] << 8 | m->icmp[7]);
}

/* What an error message says, or NULL where it is no error. */
static const char *
message_error(int six, const struct message *m)
{
	static const char *const unreach[] = { "destination net unreachable", "destination host unreachable",
	    "destination protocol unreachable", "destination port unreachable", "fragmentation needed" };
	static const char *const unreach6[] = { "no route to destination", "communication administratively prohibited",
	    "beyond scope of source address", "address unreachable", "port unreachable" };

	if (!six && m->type == ICMP_UNREACH)
		return (m->code < sizeof(unreach) / sizeof(unreach[0]) ? unreach[m->code] : "destination unreachable");
	if (six && m->type == ICMP6_DST_UNREACH)
		return (m->code < sizeof(unreach6) / sizeof(unreach6[0]) ? unreach6[m->code] : "destination unreachable");
	if (six && m->type == ICMP6_PACKET_TOO_BIG)
		return ("packet too big");
	if (m->type == (six ? ICMP6_TIME_EXCEEDED : ICMP_TIMXCEED))
		return ("time to live exceeded");
	if (m->type == (six ? ICMP6_PARAM_PROB : ICMP_PARAMPROB))
		return ("parameter problem");
	return (NULL);
}

static int
payload_isright(const struct message *m)
{
	for (size_t i = HEADER; i < m->len; i++)
		if (m->icmp[i] != (unsigned char)(i - HEADER))
			return (0);
	return (1);
}

/* An answer to request `seq`; whether the client took the line. */
static int
ping_answer(struct ping *pg, const struct message *m, uint16_t seq, const char *from)
{
	const double ns = (double)(callout_now() - pg->pg_window[seq % PING_WINDOW].time);
	const int dup = pg->pg_window[seq % PING_WINDOW].answered;
	json *j;

	pg->pg_window[seq % PING_WINDOW].answered = 1;
	if (dup)
		pg->pg_dups++;
	else
		pg->pg_received++;
	pg->pg_min = pg->pg_received + pg->pg_dups == 1 || ns < pg->pg_min ? ns : pg->pg_min;
	pg->pg_max = ns > pg->pg_max ? ns : pg->pg_max;
	pg->pg_sum += ns;
	pg->pg_sumsq += ns * ns;
	if (ns > (double)pg->pg_wait)		/* counted, not shown: ping(8), -W */
		return (1);
	j = json_object();
	json_int(j, "seq", seq);
	json_str(j, "from", from);
	json_int(j, "bytes", (int64_t)m->len);
	json_int(j, "ttl", m->ttl);
	json_int(j, "time_ns", (int64_t)ns);
	if (dup)
		json_bool(j, "duplicate", 1);
	if (m->len != HEADER + pg->pg_size || !payload_isright(m))
		json_str(j, "error", "wrong data");
	return (ping_say(pg, j));
}

/* One ICMP packet: an answer, an error about a request, or not ours.  0: the client is gone. */
static int
ping_packet(struct ping *pg, const unsigned char *p, size_t len, const char *from)
{
	const int six = SIX(pg);
	struct message m, about;
	const char *error;
	int seq;
	json *j;

	if (!message_parse(six, p, len, &m))
		return (1);
	seq = message_seq(pg, &m, six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
	if (seq >= 0) {
		/* Numbers come again after 65,536; the window has the latest with that remainder. */
		if (pg->pg_sent <= seq || (uint16_t)(pg->pg_sent - 1 - seq) >= PING_WINDOW)
			return (1);
		return (ping_answer(pg, &m, (uint16_t)seq, from));
	}
	error = message_error(six, &m);
	if (error == NULL || !message_parse(six, m.icmp + HEADER, m.len - HEADER, &about))
		return (1);
	seq = message_seq(pg, &about, six ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
	if (seq < 0)
		return (1);
	j = json_object();
	json_int(j, "seq", seq);
	json_str(j, "from", from);
	json_str(j, "error", error);
	return (ping_say(pg, j));
}

/* From the worker's round, the stack current. */
static void
ping_upcall(struct socket *so, void *arg)
{
	struct ping *pg = arg;
	unsigned char *buf = worker_buf(pg->pg_stack->st_worker);
	char text[INET6_ADDRSTRLEN];
	union config_addr from;
	ssize_t n;

	while (!pg->pg_dead && (n = inet->soreceivefrom(so, buf, WORKER_BUFSIZE, &from.sa)) >= 0) {
		inet_ntop(from.sa.sa_family, SIX(pg) ? (const void *)&from.sin6.sin6_addr : &from.sin.sin_addr, text,
		    sizeof(text));
		if (!ping_packet(pg, buf, (size_t)n, text))
			ping_end(pg, NULL);
		else if (pg->pg_count != 0 && pg->pg_received >= pg->pg_count)
			ping_end(pg, ping_sums(pg));
	}
}

/* The client shut its side down: it wants the sums.  What it may say is not listened to. */
static void
ping_event(struct watch *watch, uint32_t events)
{
	struct ping *pg = PING_OF(watch, pg_watch);
	char buf[256];
	ssize_t n;

	(void)events;
	if (pg->pg_dead)
		return;
	n = recv(pg->pg_fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	CURVNET_SET(pg->pg_stack->st_vnet);
	ping_end(pg, ping_sums(pg));
	CURVNET_RESTORE();
}

/* ---- Beginning ---- */

/* An address, of IPv6 also ADDRESS%INTERFACE; the stack is current. */
static int
address_parse(const char *text, union config_addr *to, struct uverr *err)
{
	char addr[INET6_ADDRSTRLEN];
	const char *scope = strchr(text, '%');
	const size_t len = scope != NULL ? (size_t)(scope - text) : strlen(text);
	const struct ifnet *ifp;

	*to = (union config_addr){ 0 };
	memcpy(addr, text, len < sizeof(addr) ? len : 0);
	addr[len < sizeof(addr) ? len : 0] = '\0';
	if (scope == NULL && inet_pton(AF_INET, addr, &to->sin.sin_addr) == 1) {
		to->sin.sin_family = AF_INET;
		return (0);
	}
	if (inet_pton(AF_INET6, addr, &to->sin6.sin6_addr) != 1)
		return (uverr(err, EINVAL, "\"%.64s\" is not an address", text));
	to->sin6.sin6_family = AF_INET6;
	if (!IN6_IS_ADDR_LINKLOCAL(&to->sin6.sin6_addr) && !IN6_IS_ADDR_MC_LINKLOCAL(&to->sin6.sin6_addr))
		return (scope == NULL ? 0 : uverr(err, EINVAL, "\"%.64s\": only a link-local address has an interface", text));
	if (scope == NULL)
		return (uverr(err, EINVAL, "\"%.64s\" is link-local, and wants its interface: %s%%INTERFACE", text, addr));
	ifp = inet->ifunit(scope + 1);
	if (ifp == NULL)
		return (uverr(err, ENXIO, "\"%.64s\": the stack has no such interface", text));
	to->sin6.sin6_scope_id = inet->if_getindex(ifp);
	return (0);
}

int
ping_create(struct stack *st, const struct request *req, int fd, struct uverr *err)
{
	static uint16_t ids;		/* the main thread's */
	struct ping *pg;
	json *j;
	int error;

	if (st->st_npings >= PING_STACKMAX || !forward_hasroom(fd))
		return (uverr(err, EMFILE, "%d pings at a time are what a stack may have", PING_STACKMAX));
	pg = calloc(1, sizeof(*pg));
	if (pg == NULL)
		return (uverr(err, ENOMEM, "out of memory"));
	pg->pg_stack = st;
	pg->pg_fd = fd;
	pg->pg_watch.w_func = ping_event;
	pg->pg_delay.d_func = ping_tick;
	pg->pg_id = ids++;
	pg->pg_count = req->count;
	pg->pg_interval = req->interval * MS;
	pg->pg_wait = req->wait * MS;
	pg->pg_size = (size_t)req->size;
	error = address_parse(req->address, &pg->pg_to, err);
	if (error != 0)
		goto fail;
	error = inet->socreate(pg->pg_to.sa.sa_family, &pg->pg_so, SOCK_RAW, SIX(pg) ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (error != 0) {
		uverr(err, -error, "%s", error == -ENOMEM ? "the stack is at its memory limit" : strerror(-error));
		goto fail;
	}
	error = worker_watch(st->st_worker, fd, EPOLLIN | EPOLLRDHUP, &pg->pg_watch);
	if (error != 0) {
		uverr(err, -error, "%s", strerror(-error));
		goto fail_socket;
	}
	inet->soupcall_set(pg->pg_so, ping_upcall, pg);
	LIST_INSERT_HEAD(&st->st_pings, pg, pg_le);
	st->st_npings++;
	pg->pg_due = callout_now();
	worker_delay(st->st_worker, &pg->pg_delay, 0);
	j = json_object();
	json_str(j, "to", req->address);
	json_int(j, "size", req->size);
	ping_say(pg, j);
	return (0);
fail_socket:
	inet->soclose(pg->pg_so);
fail:
	free(pg);
	return (error);
}
