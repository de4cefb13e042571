/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations: what is good is read as it is meant, and each kind of mistake gets its own sentence, with file
 * and line.  $1: the folder of examples.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "config.h"

static const char *examples;

static void
examples_are_good(void **state)
{
	static const char *const names[] = { "two-customers.conf", "third-customer.conf" };
	struct config cfg;
	struct uverr err;
	char path[4096], *text, addr[24];
	size_t len;

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", examples, names[i]);
		assert_int_equal(config_read(path, CONFIG_MAXSIZE, &text, &len, &err), 0);
		assert_int_equal(config_parse(&cfg, path, text, len, &err), 0);
		assert_int_equal(cfg.nvnets, i == 0 ? 4 : 2);
		assert_string_equal(cfg.vnets[1].name, i == 0 ? "red-dc" : "green-dc");
		assert_int_equal(cfg.vnets[0].ninterfaces, 1);
		assert_string_equal(cfg.vnets[0].interfaces[0].name, "ep0");
		assert_string_equal(cfg.vnets[0].interfaces[0].link, i == 0 ? "red" : "green");
		assert_int_equal(cfg.vnets[0].interfaces[0].prefixlen, 24);
		assert_string_equal(config_addrstr(&cfg.vnets[0].forwards.v[0].listen, addr),
		    i == 0 ? "127.0.0.1:8081" : "127.0.0.1:8083");
		assert_string_equal(config_addrstr(&cfg.vnets[0].forwards.v[0].to, addr), "10.0.0.2:80");
		assert_string_equal(config_addrstr(&cfg.vnets[1].publishes.v[0].to, addr),
		    i == 0 ? "127.0.0.1:9001" : "127.0.0.1:9003");
		config_free(&cfg);
		free(text);
	}
}

static void
the_gateway_is_good(void **state)
{
	static const char *const names[] = { "gateway.conf", "gateway-phones.conf" };
	struct config cfg;
	struct uverr err;
	char path[4096], *text;
	size_t len;

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", examples, names[i]);
		assert_int_equal(config_read(path, CONFIG_MAXSIZE, &text, &len, &err), 0);
		assert_int_equal(config_parse(&cfg, path, text, len, &err), 0);
		assert_int_equal(cfg.nvnets, 2);
		snprintf(path, sizeof(path), "%s/gateway/blue%s.conf", examples, i == 0 ? "" : "-phone");
		assert_string_equal(cfg.vnets[1].wireguard, path);
		assert_int_equal(cfg.vnets[0].negress, i == 0 ? 6 : 0);
		assert_int_equal(cfg.vnets[1].negress, 0);
		config_free(&cfg);
		free(text);
	}
}

/* The same in each form that libucl has: bare words, JSON, lists, several names in a section. */
static void
all_forms_are_read(void **state)
{
	static const char *const texts[] = {
		"workers = 2; control = \"/c\"\nmodules = /m\n"
		"vnet a { cpu = 1\n interface e0 { link = l; address = 10.0.0.1/24 }\n interface e1 { link = m }\n"
		" forward { listen = 127.0.0.1:81; to = 10.0.0.2:80 } forward { listen = \"*:82\"; to = 10.0.0.2:80 } }",
		"{\"workers\": 2, \"control\": \"/c\", \"modules\": \"/m\", \"vnet\": {\"a\": {\"cpu\": 1, \"interface\":"
		" {\"e0\": {\"link\": \"l\", \"address\": \"10.0.0.1/24\"}, \"e1\": {\"link\": \"m\"}}, \"forward\":"
		" [{\"listen\": \"127.0.0.1:81\", \"to\": \"10.0.0.2:80\"}, {\"listen\": \"0.0.0.0:82\", \"to\":"
		" \"10.0.0.2:80\"}]}}}",
		"workers 2; control: '/c'; modules: \"/m\"; /* a /* nested */ comment */ \"vnet\" \"a\" { cpu 1;\n"
		"interface { e0 { link: l; address: \"10.0.0.1/24\" } e1 { link: m } }\n"
		"forward [ { listen = 127.0.0.1:81, to = 10.0.0.2:80 } ]\n"
		"forward { listen = \"*:82\"; to = 10.0.0.2:80 } }",
	};
	const struct config_vnet *cv;
	struct config cfg;
	struct uverr err;
	char addr[CONFIG_ADDRSTRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (config_parse(&cfg, "c", texts[i], strlen(texts[i]), &err) != 0)
			fail_msg("form %zu: %s", i, err.text);
		assert_int_equal(cfg.workers, 2);
		assert_string_equal(cfg.control, "/c");
		assert_string_equal(cfg.modules, "/m");
		assert_int_equal(cfg.nvnets, 1);
		cv = cfg.vnets;
		assert_int_equal(cv->cpu, 1);
		assert_int_equal(cv->ninterfaces, 2);
		assert_string_equal(cv->interfaces[1].name, "e1");
		assert_int_equal(cv->interfaces[1].prefixlen, -1);
		assert_int_equal(cv->forwards.n, 2);
		assert_string_equal(config_addrstr(&cv->forwards.v[0].listen, addr), "127.0.0.1:81");
		assert_string_equal(config_addrstr(&cv->forwards.v[1].listen, addr), "*:82");
		config_free(&cfg);
	}
}

/* Networks with their ports, as they are meant. */
static void
egress_is_read(void **state)
{
	static const struct {
		const char *text, *net;
		int six, prefixlen;
		uint16_t first, last;
	} good[] = {
		{ "0.0.0.0/0", "0.0.0.0", 0, 0, 1, 65535 },
		{ "10.1.0.0/16:443", "10.1.0.0", 0, 16, 443, 443 },
		{ "192.0.2.7", "192.0.2.7", 0, 32, 1, 65535 },
		{ "192.0.2.7:8000-8099", "192.0.2.7", 0, 32, 8000, 8099 },
		{ "::/0", "::", 1, 0, 1, 65535 },
		{ "2001:db8::1", "2001:db8::1", 1, 128, 1, 65535 },
		{ "[2000::/3]:1-65535", "2000::", 1, 3, 1, 65535 },
		{ "[2001:db8::1]:53", "2001:db8::1", 1, 128, 53, 53 },
		{ "[2001:db8::1]", "2001:db8::1", 1, 128, 1, 65535 },
		{ "default", "0.0.0.0", 0, 0, 1, 65535 },
	};
	struct config_egress r;
	char net[INET6_ADDRSTRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(&r, 0, sizeof(r));
		assert_null(config_egress(good[i].text, &r));
		inet_ntop(r.six ? AF_INET6 : AF_INET, r.six ? (const void *)&r.net6 : &r.net, net, sizeof(net));
		assert_string_equal(net, good[i].net);
		assert_int_equal(r.six, good[i].six);
		assert_int_equal(r.prefixlen, good[i].prefixlen);
		assert_int_equal(r.first, good[i].first);
		assert_int_equal(r.last, good[i].last);
	}
}

#define DC "vnet dc {\n interface ep0 { link = \"l\"; address = \"10.0.0.2/24\"; }\n"

static const struct {
	const char *text, *errors;
} bad[] = {
	/* The text as such. */
	{ "", "c: describes no stack: at least one section `vnet NAME { ... }` is wanted\n" },
	{ "workers = 2\n", "c: describes no stack: at least one section `vnet NAME { ... }` is wanted\n" },
	{ "vnet a {\n", "c:1: syntax: this brace is not closed\n" },
	{ "vnet a { }\n\n}\n", "c:3: syntax: object closed with } is not opened with { at line 1\n" },
	{ "vnet a {\n  cpu = \"1\n}\n", "c:2: syntax: 'unexpected newline', character: '0x0a'\n" },
	{ "vnet a { }\n  .include \"/etc/passwd\"\n", "c:2: .include: macros are not supported\n" },
	{ ".load(key = x) \"/etc/passwd\"\n", "c:1: .load: macros are not supported\n" },
	/* Keys. */
	{ "vnet a {\n}\nmemory = 4M\n", "c:3: memory: unknown key\n" },
	{ DC " memory = \"4X\";\n}\n", "c:3: vnet \"dc\": memory: \"4X\" is not a size from 64K to 4G\n" },
	{ DC " connections = 0;\n}\n", "c:3: vnet \"dc\": connections: not a whole number from 1 to 1000000\n" },
	{ DC " memory = \"63K\";\n}\n", "c:3: vnet \"dc\": memory: \"63K\" is not a size from 64K to 4G\n" },
	{ "vnet a {\n interface e {\n link = l; mtu = 9000;\n } }",
	    "c:3: vnet \"a\": interface e.mtu: unknown key\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:1\"; tls = yes; }\n}\n",
	    "c:3: vnet \"dc\": publish.tls: unknown key\n" },
	{ "vnet = 5\n", "c:1: vnet: not a section: vnet NAME { ... }\n" },
	{ "vnet a;\n", "c:1: vnet: not a section: vnet NAME { ... }\n" },
	{ "vnet a { interface = x }", "c:1: vnet \"a\": interface: not a section: interface NAME { ... }\n" },
	{ "vnet a { forward = x }",
	    "c:1: vnet \"a\": forward: not a section: forward { listen = \"ADDRESS:PORT\"; to = \"ADDRESS:PORT\"; }\n" },
	/* Values. */
	{ "workers = 0; vnet a { }", "c:1: workers: not a whole number from 1 to 1024\n" },
	{ "workers = x\nvnet a { }", "c:1: workers: not a whole number from 1 to 1024\n" },
	{ "vnet a { cpu = -1 }", "c:1: vnet \"a\": cpu: not a whole number from 0 to 65535\n" },
	{ "vnet a {\n cpu = 0;\n cpu = 1;\n}", "c:2: vnet \"a\": cpu: given more than once\n" },
	{ "control = yes; vnet a { }", "c:1: control: not a string (write it in quotes)\n" },
	{ "modules = \"\"; vnet a { }", "c:1: modules: an empty path\n" },
	{ "vnet a {\n interface e { link = { x = 1 } } }", "c:2: vnet \"a\": interface e.link: a section, where a value is"
	    " wanted\n" },
	/* Names. */
	{ "vnet \"a b\" { }", "c:1: vnet: \"a b\" is not a name (letters, digits, - _ .; at most 63)\n" },
	{ "vnet vnet0 { }", "c:1: vnet: \"vnet0\" is the name of the default stack, which is always there\n" },
	{ "vnet a { }\nvnet b { }\nvnet a { }\n", "c:3: vnet \"a\": the name is taken by line 1\n" },
	{ "vnet a { interface this-is-too-long { link = l } }",
	    "c:1: vnet \"a\": interface: \"this-is-too-long\" is not a name of at most 15 letters\n" },
	{ "vnet a { interface e { link = \"../x\" } }", "c:1: vnet \"a\": interface e.link: \"../x\" is not a name\n" },
	{ "vnet a {\n interface e { link = l }\n interface e { link = m }\n}",
	    "c:3: vnet \"a\": interface e: the name is taken by line 2\n" },
	/* Links. */
	{ "vnet a {\n interface e { }\n}", "c:2: vnet \"a\": interface e: has no `link`\n" },
	{ "vnet a { interface e { link = l } }\nvnet b { interface e { link = l } }\nvnet d { interface e { link = l } }",
	    "c:3: vnet \"d\": interface e: link \"l\" has two ends already, in lines 1 and 2 (more would need a bridge)\n" },
	/* Addresses. */
	{ DC " publish {\n listen = \"10.0.0.300:80\"; to = \"127.0.0.1:1\"; }\n}\n",
	    "c:4: vnet \"dc\": publish.listen: \"10.0.0.300:80\" is not an address:port\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:0\"; }\n}\n",
	    "c:3: vnet \"dc\": publish.to: \"127.0.0.1:0\" is not an address:port\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"*:80\"; }\n}\n",
	    "c:3: vnet \"dc\": publish.to: \"*:80\" is not an address:port\n" },
	{ DC " publish { listen = \"10.0.0.2:65536\"; to = \"127.0.0.1:80x\"; }\n}\n",
	    "c:3: vnet \"dc\": publish.listen: \"10.0.0.2:65536\" is not an address:port\n"
	    "c:3: vnet \"dc\": publish.to: \"127.0.0.1:80x\" is not an address:port\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:1\"; proto = sctp; }\n}\n",
	    "c:3: vnet \"dc\": publish.proto: \"sctp\" is neither \"tcp\" nor \"udp\"\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:1\"; idle = 5; }\n}\n",
	    "c:3: vnet \"dc\": publish: `idle` is for proto = \"udp\" only; a TCP connection ends itself\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:1\"; proto = udp; idle = 0; }\n}\n",
	    "c:3: vnet \"dc\": publish.idle: not a whole number from 1 to 86400\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:1\"; proto = udp; }\n"
	    " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:1\"; }\n"
	    " publish { listen = \"*:80\"; to = \"127.0.0.1:1\"; proto = udp; }\n}\n",
	    "c:3: vnet \"dc\": publish.listen: 10.0.0.2:80 is taken by line 5\n" },
	{ DC " gateway = \"10.0.1.1\";\n}\n",
	    "c:3: vnet \"dc\": gateway 10.0.1.1: no interface of this stack has a network with that address\n" },
	{ DC " gateway = \"10.0.0.2\";\n}\n", "c:3: vnet \"dc\": gateway 10.0.0.2: is this stack itself\n" },
	{ DC " gateway = \"10.0.0.1\";\n route { to = default; gateway = \"10.0.0.3\"; }\n}\n",
	    "c:4: vnet \"dc\": route to 0.0.0.0/0: there is one in line 3\n" },
	{ DC " route { to = \"10.1.0.1/16\"; gateway = \"10.0.0.1\"; }\n}\n",
	    "c:3: vnet \"dc\": route.to: \"10.1.0.1/16\" is not a network: there are bits behind the prefix\n" },
	{ DC " route { to = \"10.1.0.0/16\"; interface = ep0; }\n}\n",
	    "c:3: vnet \"dc\": route.interface: ep0: is Ethernet; a route over it needs a `gateway`\n" },
	{ DC " route { to = \"10.1.0.0/16\"; interface = wg0; }\n}\n",
	    "c:3: vnet \"dc\": route.interface: wg0: this stack has no tunnel of that name\n" },
	{ DC " route { to = \"10.1.0.0/16\"; interface = wg0; gateway = \"10.0.0.1\"; }\n}\n",
	    "c:3: vnet \"dc\": route: has a `gateway` and an `interface`\n" },
	{ DC " route { to = \"10.1.0.0/16\"; }\n}\n", "c:3: vnet \"dc\": route: has no `gateway`\n" },
	{ DC " sysctl = 7;\n}\n", "c:3: vnet \"dc\": sysctl: not \"NAME=VALUE\"\n" },
	{ DC " sysctl = [ \"a.b=1\", \"=2\" ];\n}\n", "c:3: vnet \"dc\": sysctl: not \"NAME=VALUE\"\n" },
	{ DC " forward { listen = \"127.0.0.1:81\"; to = \"10.0.0.2:80\"; }\n publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:81\"; }\n}\n",
	    "c:4: vnet \"dc\": publish.to: 127.0.0.1:81 is the forward in line 3, which leads here: round and round\n" },
	{ DC " publish { listen = \"*:80\"; to = \"127.0.0.1:81\"; }\n}\nvnet site {\n interface ep0 { link = \"l\"; address = "
	    "\"10.0.0.1/24\"; }\n forward { listen = \"*:81\"; to = \"10.0.0.2:80\"; }\n}\n",
	    "c:3: vnet \"dc\": publish.to: 127.0.0.1:81 is the forward in line 7, which leads here: round and round\n" },
	{ DC " forwarding = maybe;\n}\n", "c:3: vnet \"dc\": forwarding: not `true` or `false`, once\n" },
	{ DC " publish { listen = \"10.0.0.2:80\" }\n}\n", "c:3: vnet \"dc\": publish: has no `to`\n" },
	{ DC " forward { to = \"10.0.0.2:80\" }\n}\n", "c:3: vnet \"dc\": forward: has no `listen`\n" },
	{ "vnet a { interface e { link = l; address = 10.0.0.1 } }",
	    "c:1: vnet \"a\": interface e.address: \"10.0.0.1\" is not an address/prefix\n" },
	{ "vnet a { interface e { link = l; address = 10.0.0.1/33 } }",
	    "c:1: vnet \"a\": interface e.address: \"10.0.0.1/33\" has a prefix that is not 0 to 32\n" },
	{ "vnet a { interface e { link = l; address = [ DHCP, 10.0.0.1/24 ] } }",
	    "c:1: vnet \"a\": interface e.address: an IPv4 address, and DHCP\n" },
	{ "vnet a { interface e { link = l; address = \"fd00::1/129\" } }",
	    "c:1: vnet \"a\": interface e.address: \"fd00::1/129\" has a prefix that is not 0 to 128\n" },
	{ "vnet a { interface e { link = l; address = \"ff02::1/64\" } }",
	    "c:1: vnet \"a\": interface e.address: \"ff02::1/64\" is not a host's address\n" },
	{ "vnet a { interface e { link = l; address = [\"10.0.0.1/24\", \"10.0.0.2/24\"] } }",
	    "c:1: vnet \"a\": interface e.address: more than one IPv4 address\n" },
	{ "vnet a { interface e { link = l; address = \"fd00::1/64\" } }\nvnet b { interface e { link = l; address ="
	    " \"fd00::1/64\" } }",
	    "c:2: vnet \"b\": interface e: the other end of link \"l\", in line 1, has the same address\n" },
	{ "vnet a { interface e { link = l; address = 10.0.0.0/24 } }",
	    "c:1: vnet \"a\": interface e.address: 10.0.0.0/24 is not a host's address\n" },
	{ "vnet a { interface e { link = l; address = 224.0.0.1/4 } }",
	    "c:1: vnet \"a\": interface e.address: 224.0.0.1/4 is not a host's address\n" },
	{ "vnet a { interface e { link = l; address = 10.0.0.1/24 } }\nvnet b { interface e { link = l; address ="
	    " 10.0.0.1/24 } }",
	    "c:2: vnet \"b\": interface e: the other end of link \"l\", in line 1, has the same address\n" },
	{ "vnet a { interface e { link = l; address = 10.0.0.1/24 }\ninterface f { link = m; address = 10.0.0.1/24 } }",
	    "c:2: vnet \"a\": interface f: interface e, in line 1, has the same address\n" },
	/* Tunnels. */
	{ "vnet a { uapi = u }", "c:1: vnet \"a\": uapi: is for a stack with `wireguard`\n" },
	{ "vnet a { wireguard = w; uapi = 0123456789abcdef }",
	    "c:1: vnet \"a\": uapi: \"0123456789abcdef\" is not a name of at most 15 letters\n" },
	{ "vnet a { wireguard = w; uapi = u }\nvnet b { wireguard = w; uapi = u }",
	    "c:2: vnet \"b\": uapi: \"u\" is taken by line 1\n" },
	{ "vnet a { wireguard_outside = b }", "c:1: vnet \"a\": wireguard_outside: is for a stack with `wireguard`\n" },
	{ "vnet a { wireguard = w; wireguard_outside = b }\nvnet b { }",
	    "c:1: vnet \"a\": wireguard_outside: \"b\" must stand before it, but is in line 2\n" },
	{ "vnet a { wireguard = w; wireguard_outside = a }",
	    "c:1: vnet \"a\": wireguard_outside: \"a\" must stand before it, but is in line 1\n" },
	{ "vnet a { wireguard = w; wireguard_commands = run }",
	    "c:1: vnet \"a\": wireguard_commands: \"run\" is neither \"refuse\" nor \"skip\"\n" },
	{ "uapi_folder = \"\"; vnet a { }", "c:1: uapi_folder: an empty path\n" },
	/* Egress. */
	{ "vnet a {\n wireguard = w; egress = [\"10.0.0.1/8\"];\n}",
	    "c:2: vnet \"a\": egress: \"10.0.0.1/8\" is not a network: there are bits behind the prefix\n" },
	{ "vnet a {\n wireguard = w;\n egress = \"10.0.0.0/8:0\";\n egress = [\"::/0\", \"[::/0]:9-8\"];\n}",
	    "c:3: vnet \"a\": egress: \"10.0.0.0/8:0\" has no port, or ports A-B, from 1 to 65535 behind the colon\n"
	    "c:4: vnet \"a\": egress: \"[::/0]:9-8\" has no port, or ports A-B, from 1 to 65535 behind the colon\n" },
	{ "vnet a { wireguard = w; egress = [\"[::/0\", \"[::/0]x\", \"world\"] }",
	    "c:1: vnet \"a\": egress: \"[::/0\" is not NETWORK/PREFIX:PORT\n"
	    "c:1: vnet \"a\": egress: \"[::/0]x\" is not NETWORK/PREFIX:PORT\n"
	    "c:1: vnet \"a\": egress: \"world\" is not an address/prefix\n" },
	{ "vnet a { wireguard = w; egress = [\"10.0.0.0/8:80,443\"] }",
	    "c:1: vnet \"a\": egress: \"10.0.0.0/8:80,443\" has no port, or ports A-B, from 1 to 65535 behind the colon\n" },
	{ "vnet a { wireguard = w; egress = [\"127.0.0.1:80\", \"::1\"] }",
	    "c:1: vnet \"a\": egress: \"127.0.0.1:80\" is the host's loopback, which never goes out; `publish` leads to a port"
	    " of it\n"
	    "c:1: vnet \"a\": egress: \"::1\" is the host's loopback, which never goes out; `publish` leads to a port of it\n" },
	{ "vnet a {\n egress = \"10.0.0.0/8\";\n}",
	    "c:2: vnet \"a\": egress: is the way out of a tunnel's peers; this stack has no `wireguard`\n" },
	{ "vnet a { wireguard = w; egress_idle = 5 }", "c:1: vnet \"a\": egress_idle: there is no `egress`\n" },
	{ "vnet a { wireguard = w; egress = \"::/0\"; egress_idle = 0 }",
	    "c:1: vnet \"a\": egress_idle: not a whole number from 1 to 86400\n" },
	{ "vnet a { wireguard = w; egress = { x = 1 } }", "c:1: vnet \"a\": egress: not a string (write it in quotes)\n" },
	{ "vnet a {\n wireguard = w; egress = \"0.0.0.0/0\";\n route { to = default; interface = wg0 }\n}",
	    "c:3: vnet \"a\": a route to everything leaves nothing to `egress`, in line 2\n" },
	/* Listeners. */
	{ DC " publish { listen = \"10.0.0.9:80\"; to = \"127.0.0.1:1\"; }\n}\n",
	    "c:3: vnet \"dc\": publish.listen: 10.0.0.9:80: no interface of this stack has that address\n" },
	{ DC " publish { listen = \"10.0.0.2:80\"; to = \"127.0.0.1:1\"; }\n"
	    " publish { listen = \"*:80\"; to = \"127.0.0.1:2\"; }\n}\n",
	    "c:3: vnet \"dc\": publish.listen: 10.0.0.2:80 is taken by line 4\n" },
	{ "vnet a { forward { listen = \"127.0.0.1:81\"; to = \"10.0.0.2:80\"; } }\n"
	    "vnet b { forward { listen = \"127.0.0.1:81\"; to = \"10.0.0.2:80\"; } }\n",
	    "c:2: vnet \"b\": forward.listen: 127.0.0.1:81 is taken by line 1\n" },
};

static void
each_mistake_has_its_sentence(void **state)
{
	struct config cfg;
	struct uverr err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(config_parse(&cfg, "c", bad[i].text, strlen(bad[i].text), &err), -22);
		assert_string_equal(cfg.errors, bad[i].errors);
		assert_int_equal(strncmp(err.text, cfg.errors, strlen(err.text)), 0);
		config_free(&cfg);
	}
}

/* More mistakes than are kept are still counted; a NUL is not the end. */
static void
mistakes_are_bounded(void **state)
{
	struct config cfg;
	struct uverr err;
	char text[4096] = "";

	(void)state;
	for (int i = 0; i < 100; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "key%d = 1\n", i);
	assert_int_equal(config_parse(&cfg, "c", text, strlen(text), &err), -22);
	assert_int_equal(cfg.nerrors, 100);
	config_free(&cfg);
	assert_int_equal(config_parse(&cfg, "c", "vnet a {}\n\0x", 12, &err), -22);
	assert_string_equal(err.text, "c:2: a NUL byte: this is not a text");
	config_free(&cfg);
}

/* libucl frees its tree by recursion, so 50,000 levels are a stack overflow there. */
static void
deep_nesting_is_refused(void **state)
{
	static const char *const levels[] = { "vnet a {", "[", "a {b=\"}\";#}\n", "{", "a\t" };
	const size_t size = 1 << 20;
	char *text = malloc(size + 32);
	struct config cfg;
	struct uverr err;
	size_t n;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		for (n = 0; n < size; n += strlen(levels[i]))
			strcpy(text + n, levels[i]);
		strcpy(text + n, "{}");
		assert_int_equal(config_parse(&cfg, "c", text, n + 2, &err), -22);
		assert_non_null(strstr(err.text, "nested too deep"));
		config_free(&cfg);
	}
	free(text);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_are_good),
		cmocka_unit_test(the_gateway_is_good),
		cmocka_unit_test(all_forms_are_read),
		cmocka_unit_test(egress_is_read),
		cmocka_unit_test(each_mistake_has_its_sentence),
		cmocka_unit_test(mistakes_are_bounded),
		cmocka_unit_test(deep_nesting_is_refused),
	};

	examples = argc > 1 ? argv[1] : "examples";
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
