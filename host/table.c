/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers as tables: columns as wide as what is in them. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vnet.h"

#define TABLE_COLUMNS 10

/* Cells are kept until table_print() knows how wide a column is. */
struct table {
	const char *format;		/* a letter a column: l or r */
	char **cells;
	size_t ncells, max;
};

static void __attribute__((format(printf, 2, 3)))
cell(struct table *t, const char *fmt, ...)
{
	va_list ap;
	char **grown, *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (t->ncells == t->max) {
		t->max = t->max > 0 ? 2 * t->max : 64;
		grown = realloc(t->cells, t->max * sizeof(*grown));
		if (grown == NULL)
			abort();
		t->cells = grown;
	}
	t->cells[t->ncells++] = text;
}

/* Print and free. */
static void
table_print(struct table *t)
{
	size_t cols = strlen(t->format), width[TABLE_COLUMNS] = { 0 }, i, len;
	int last;

	for (i = 0; i < t->ncells; i++) {
		len = strlen(t->cells[i]);
		if (len > width[i % cols])
			width[i % cols] = len;
	}
	for (i = 0; i < t->ncells; i++) {
		last = i % cols == cols - 1;
		if (t->format[i % cols] == 'r')
			printf("%*s%s", (int)width[i % cols], t->cells[i], last ? "\n" : "  ");
		else
			printf("%-*s%s", last ? 0 : (int)width[i % cols], t->cells[i], last ? "\n" : "  ");
		free(t->cells[i]);
	}
	free(t->cells);
}

/* Bytes in at most four figures. */
static void
cell_bytes(struct table *t, int64_t bytes)
{
	static const char units[] = "BKMGT";
	double n = (double)bytes;
	int u = 0;

	for (; n >= 1000 && u < 4; u++)
		n /= 1024;
	cell(t, u > 0 && n < 10 ? "%.1f%c" : "%.0f%c", n, units[u]);
}

void
table_ls(const json *answer)
{
	struct table t = { .format = "lrrlrr" };
	const json *st, *ifj;
	unsigned i = 0, k;
	char addrs[256];
	size_t len;

	for (const char *const *h = (const char *const[]){ "NAME", "ID", "CPU", "ADDRESSES", "CONNS", "MEMORY", NULL };
	    *h != NULL; h++)
		cell(&t, "%s", *h);
	while ((st = json_each(answer, "stacks", &i)) != NULL) {
		len = 0;
		addrs[0] = '\0';
		for (k = 0; (ifj = json_each(st, "interfaces", &k)) != NULL;) {
			if (*json_getstr(ifj, "address") == '\0' || len >= sizeof(addrs) - 1)
				continue;
			len += (size_t)snprintf(addrs + len, sizeof(addrs) - len, "%s%s/%" PRId64, len > 0 ? "," : "",
			    json_getstr(ifj, "address"), json_getint(ifj, "prefixlen"));
		}
		cell(&t, "%s", json_getstr(st, "name"));
		cell(&t, "%" PRId64, json_getint(st, "id"));
		cell(&t, "%" PRId64, json_getint(st, "cpu"));
		cell(&t, "%s", addrs[0] != '\0' ? addrs : "-");
		cell(&t, "%" PRId64, json_getint(st, "connections"));
		cell_bytes(&t, json_getint(st, "resident"));
	}
	table_print(&t);
}

/* Where modules' parts go. */
static void
table_spaces(const json *answer)
{
	struct table t = { .format = "lrrrr" };
	const json *s;
	unsigned i = 0;

	for (const char *const *h = (const char *const[]){ "Space", "Size", "Used", "Free", "Largest", NULL }; *h != NULL; h++)
		cell(&t, "%s", *h);
	while ((s = json_each(answer, "spaces", &i)) != NULL) {
		cell(&t, "%s", json_getstr(s, "name"));
		cell(&t, "%" PRIx64, (uint64_t)json_getint(s, "size"));
		cell(&t, "%" PRIx64, (uint64_t)json_getint(s, "used"));
		cell(&t, "%" PRIx64, (uint64_t)json_getint(s, "free"));
		cell(&t, "%" PRIx64, (uint64_t)json_getint(s, "largest"));
	}
	table_print(&t);
}

void
table_kldstat(const json *answer)
{
	struct table t = { .format = "rrrrrrl" };
	const json *f;
	unsigned i = 0;

	for (const char *const *h = (const char *const[]){ "Id", "Refs", "Address", "Size", "Vnet", "Pcpu", "Name", NULL };
	    *h != NULL; h++)
		cell(&t, "%s", *h);
	while ((f = json_each(answer, "files", &i)) != NULL) {
		cell(&t, "%" PRId64, json_getint(f, "id"));
		cell(&t, "%" PRId64, json_getint(f, "refs"));
		cell(&t, "0x%" PRIx64, (uint64_t)json_getint(f, "address"));
		cell(&t, "%" PRIx64, (uint64_t)json_getint(f, "size"));
		cell(&t, "%" PRIx64, (uint64_t)json_getint(f, "vnet_size"));
		cell(&t, "%" PRIx64, (uint64_t)json_getint(f, "pcpu_size"));
		cell(&t, "%s", json_getstr(f, "name"));
	}
	table_print(&t);
	printf("\n");
	table_spaces(answer);
}

void
table_link(const json *answer)
{
	struct table t = { .format = "lllrrrr" };
	const json *l, *e;
	unsigned i = 0, k;

	for (const char *const *h = (const char *const[]){ "LINK", "STATE", "END", "IN", "BYTES", "OUT", "BYTES", NULL };
	    *h != NULL; h++)
		cell(&t, "%s", *h);
	while ((l = json_each(answer, "links", &i)) != NULL) {
		for (k = 0; (e = json_each(l, "ends", &k)) != NULL;) {
			cell(&t, "%s", json_getstr(l, "name"));
			cell(&t, "%s", json_getstr(l, "state"));
			cell(&t, "%s:%s", json_getstr(e, "vnet"), json_getstr(e, "interface"));
			cell(&t, "%" PRId64, json_getint(e, "ipackets"));
			cell_bytes(&t, json_getint(e, "ibytes"));
			cell(&t, "%" PRId64, json_getint(e, "opackets"));
			cell_bytes(&t, json_getint(e, "obytes"));
		}
	}
	table_print(&t);
}

void
table_route(const json *answer)
{
	struct table t = { .format = "lll" };
	const json *rt;
	unsigned i = 0;

	for (const char *const *h = (const char *const[]){ "TO", "GATEWAY", "INTERFACE", NULL }; *h != NULL; h++)
		cell(&t, "%s", *h);
	while ((rt = json_each(answer, "routes", &i)) != NULL) {
		if (json_getint(rt, "prefixlen") == 0)
			cell(&t, "default");
		else
			cell(&t, "%s/%" PRId64, json_getstr(rt, "to"), json_getint(rt, "prefixlen"));
		cell(&t, "%s", *json_getstr(rt, "gateway") != '\0' ? json_getstr(rt, "gateway") : "-");
		cell(&t, "%s", json_getstr(rt, "interface"));
	}
	table_print(&t);
}

/* As ifconfig(8) of FreeBSD has it. */
void
table_ifconfig(const json *answer)
{
	const json *ifc, *a;
	unsigned i = 0, k;

	while ((ifc = json_each(answer, "interfaces", &i)) != NULL) {
		printf("%s: carrier %s, mtu %" PRId64 "\n", json_getstr(ifc, "name"), json_getstr(ifc, "carrier"),
		    json_getint(ifc, "mtu"));
		if (*json_getstr(ifc, "link") != '\0')
			printf("\tlink %s\n", json_getstr(ifc, "link"));
		if (*json_getstr(ifc, "device") != '\0')
			printf("\tdevice %s\n", json_getstr(ifc, "device"));
		if (strcmp(json_getstr(ifc, "ether"), "00:00:00:00:00:00") != 0)
			printf("\tether %s\n", json_getstr(ifc, "ether"));
		for (k = 0; (a = json_each(ifc, "addresses", &k)) != NULL;)
			printf("\tinet%s %s/%" PRId64 "%s%s\n", strchr(json_getstr(a, "address"), ':') != NULL ? "6" : "",
			    json_getstr(a, "address"), json_getint(a, "prefixlen"), *json_getstr(a, "state") != '\0' ? " " : "",
			    json_getstr(a, "state"));
		printf("\tin %" PRId64 " packets, %" PRId64 " bytes, %" PRId64 " dropped\n", json_getint(ifc, "ipackets"),
		    json_getint(ifc, "ibytes"), json_getint(ifc, "idrops"));
		printf("\tout %" PRId64 " packets, %" PRId64 " bytes, %" PRId64 " dropped\n", json_getint(ifc, "opackets"),
		    json_getint(ifc, "obytes"), json_getint(ifc, "odrops"));
	}
}

void
table_netstat(const json *answer)
{
	struct table t = { .format = "lrrlll" };
	const json *so;
	unsigned i = 0;

	for (const char *const *h = (const char *const[]){ "PROTO", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "STATE", NULL };
	    *h != NULL; h++)
		cell(&t, "%s", *h);
	while ((so = json_each(answer, "sockets", &i)) != NULL) {
		cell(&t, "%s", json_getstr(so, "proto"));
		cell(&t, "%" PRId64, json_getint(so, "recvq"));
		cell(&t, "%" PRId64, json_getint(so, "sendq"));
		cell(&t, "%s", json_getstr(so, "local"));
		cell(&t, "%s", *json_getstr(so, "remote") != '\0' ? json_getstr(so, "remote") : "-");
		cell(&t, "%s", json_getstr(so, "state"));
	}
	table_print(&t);
}

/* As sysctl(8) has it: "name: value", and what was set "name: old -> value". */
void
table_sysctl(const json *answer)
{
	const json *v;
	unsigned i = 0;

	while ((v = json_each(answer, "variables", &i)) != NULL) {
		printf("%s: ", json_getstr(v, "name"));
		if (ucl_object_lookup(v, "old") != NULL)
			printf("%s -> ", json_getstr(v, "old"));
		printf("%s\n", json_getstr(v, "value"));
	}
}

void
table_sysctl_values(const json *answer)
{
	const json *v;
	unsigned i = 0;

	while ((v = json_each(answer, "variables", &i)) != NULL)
		printf("%s\n", json_getstr(v, "value"));
}

void
table_sysctl_descriptions(const json *answer)
{
	const json *v;
	unsigned i = 0;

	while ((v = json_each(answer, "variables", &i)) != NULL)
		printf("%s: %s\n", json_getstr(v, "name"), json_getstr(v, "description"));
}
