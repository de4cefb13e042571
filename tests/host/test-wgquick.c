/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of wg-quick(8) and wg(8): what they mean, and what is said where they have no meaning in a stack.
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
#include "wgquick.h"

/* Alice's and Bob's keys of RFC 7748, 6.1, in both forms. */
#define KEY "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
#define KEY_HEX "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define PEER "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
#define PEER_HEX "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define ZERO_HEX "0000000000000000000000000000000000000000000000000000000000000000"

static void
check(const char *text, enum wgquick_use use, unsigned flags, const char *uapi, const char *notices)
{
	struct wgquick q;
	struct uverr err;

	if (wgquick_parse("x.conf", text, strlen(text), use, flags, &q, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(q.uapi, uapi);
	if (notices == NULL)
		assert_null(q.notices);
	else
		assert_string_equal(q.notices, notices);
	wgquick_free(&q);
}

static void
keys_come_in_any_order(void **state)
{
	static const char text[] = "[peer]\nallowedips = 10.0.0.0/8,fd00::/8\t# all\nAllowedIPs=\nPRESHAREDKEY=" KEY "\r\n"
	    "PersistentKeepalive = 25\nPublicKey = " PEER "\nEndpoint = [2001:db8::1]:7\n\n[Interface]\nListenPort = 51820\n"
	    "PrivateKey = " KEY "\nFwMark = 0x10";
	static const char peer[] = "preshared_key=" KEY_HEX "\npersistent_keepalive_interval=25\nendpoint=[2001:db8::1]:7\n\n";

	char uapi[2048];

	(void)state;
	snprintf(uapi, sizeof(uapi), "set=1\nprivate_key=" KEY_HEX "\nfwmark=16\npublic_key=" PEER_HEX
	    "\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\n%s", peer);
	check(text, WGQUICK_STACK, 0, uapi, NULL);
	snprintf(uapi, sizeof(uapi), "set=1\nlisten_port=51820\nprivate_key=" KEY_HEX "\nfwmark=16\nreplace_peers=true\n"
	    "public_key=" PEER_HEX "\nreplace_allowed_ips=true\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\n%s", peer);
	check(text, WGQUICK_SETCONF, 0, uapi, NULL);
}

static void
what_is_not_said_is_taken_back_by_setconf_and_syncconf(void **state)
{
	static const char text[] = "[Peer]\nPublicKey = " PEER "\n";
	static const char none[] = "private_key=" ZERO_HEX "\nlisten_port=0\nfwmark=0\n";
	static const char peer[] = "public_key=" PEER_HEX "\nreplace_allowed_ips=true\n";
	char uapi[2048];

	(void)state;
	snprintf(uapi, sizeof(uapi), "set=1\n%sreplace_peers=true\n%s\n", none, peer);
	check(text, WGQUICK_SETCONF, 0, uapi, NULL);
	snprintf(uapi, sizeof(uapi), "set=1\n%s%spreshared_key=" ZERO_HEX "\npersistent_keepalive_interval=0\n\n", none, peer);
	check(text, WGQUICK_SYNCCONF, 0, uapi, NULL);
	snprintf(uapi, sizeof(uapi), "set=1\n%s\n", peer);
	check(text, WGQUICK_ADDCONF, 0, uapi, NULL);
	check("", WGQUICK_ADDCONF, 0, "set=1\n\n", NULL);
}

static void
what_the_stack_needs_is_read(void **state)
{
	static const char text[] = "[Interface]\nAddress = 10.9.0.1/24, fd09::1/64\nAddress = fd09::2\nMTU = 1280\n"
	    "Table = off\nListenPort = 7\nSaveConfig = false\n";
	struct wgquick q;
	struct uverr err;

	(void)state;
	assert_int_equal(wgquick_parse("x.conf", text, strlen(text), WGQUICK_STACK, 0, &q, &err), 0);
	assert_int_equal(q.addr.s_addr, htonl(0x0a090001));
	assert_int_equal(q.prefixlen, 24);
	assert_int_equal(q.naddr6, 2);
	assert_int_equal(q.addr6[0].prefixlen, 64);
	assert_int_equal(q.addr6[1].prefixlen, 128);
	assert_int_equal(q.mtu, 1280);
	assert_int_equal(q.listen, 7);
	assert_true(q.table_off);
	wgquick_free(&q);
}

static void
what_is_passed_over_is_said(void **state)
{
	(void)state;
	check("[Interface]\nDNS = 10.0.0.1, example.net\n", WGQUICK_STACK, 0, "set=1\n\n",
	    "x.conf:2: DNS: passed over: nothing in a stack looks names up\n");
	check("[Interface]\nPostUp = iptables -A FORWARD -i %i\npredown = true\nSaveConfig = true\n", WGQUICK_STACK,
	    WGQUICK_SKIP, "set=1\n\n",
	    "x.conf:2: PostUp: passed over\nx.conf:3: PreDown: passed over\nx.conf:4: SaveConfig: passed over\n");
	check("[Peer]\nPublicKey=" PEER "\nEndpoint = vpn.example.net:51820\n", WGQUICK_STACK, WGQUICK_NAMES,
	    "set=1\npublic_key=" PEER_HEX "\n\n", NULL);
}

static void
mistakes_are_named_without_secrets(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "x", "x.conf:1: x: not KEY = VALUE, [Interface] or [Peer]" },
		{ "PrivateKey = " KEY, "x.conf:1: PrivateKey: comes before [Interface] and [Peer]" },
		{ "[Interface]\nPrivateKey = dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp=",
		    "x.conf:2: PrivateKey: not a key (44 letters of base64)" },
		{ "[Interface]\nColour = red", "x.conf:2: Colour: not a key of [Interface]" },
		{ "[Interface]\nPublicKey = " PEER, "x.conf:2: PublicKey: not a key of [Interface]" },
		{ "[Interface]\nTable = 1234", "x.conf:2: Table: a stack has one routing table: auto or off" },
		{ "[Interface]\nMTU = 9000", "x.conf:2: MTU: not a number from 576 to 1920" },
		{ "[Interface]\nListenPort = 65536", "x.conf:2: ListenPort: not a port's number" },
		{ "[Interface]\nAddress = 10.0.0.1, 10.0.0.2", "x.conf:2: Address: more than one IPv4 address" },
		{ "[Interface]\nAddress = 10.0.0.1/33", "x.conf:2: Address: not an address, or address/prefix" },
		{ "[Interface]\nPostUp = reboot", "x.conf:2: PostUp: no commands are run, and nothing is saved: take the line out,"
		    " or say wireguard_commands = \"skip\" in the stack's section" },
		{ "[Interface]\nSaveConfig = true", "x.conf:2: SaveConfig: no commands are run, and nothing is saved: take the"
		    " line out, or say wireguard_commands = \"skip\" in the stack's section" },
		{ "[Peer]\nAllowedIPs = 10.0.0.0/8\n[Interface]", "x.conf:3: [Interface]: the [Peer] before has no PublicKey" },
		{ "[Peer]\n", "x.conf:2: the [Peer] before has no PublicKey" },
		{ "[Peer]\nAllowedIPs = 10/8", "x.conf:2: AllowedIPs: not an address, or address/prefix" },
		{ "[Peer]\nEndpoint = vpn.example.net:1", "x.conf:2: Endpoint: not ADDRESS:PORT" },
		{ "[Peer]\nEndpoint = 192.0.2.1:0", "x.conf:2: Endpoint: not ADDRESS:PORT" },
		{ "[Peer]\nPersistentKeepalive = -1", "x.conf:2: PersistentKeepalive: not a number of seconds to 65535, or off" },
	};
	struct wgquick q;
	struct uverr err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(wgquick_parse("x.conf", bad[i].text, strlen(bad[i].text), WGQUICK_STACK, 0, &q, &err), -22);
		assert_string_equal(err.text, bad[i].error);
	}
	assert_int_equal(wgquick_parse("x.conf", "\0", 1, WGQUICK_STACK, 0, &q, &err), -22);
	assert_string_equal(err.text, "x.conf: a NUL byte: this is not a text");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(wgquick_parse("x.conf", "[Interface]\nDNS = 1.1.1.1", 25, WGQUICK_SETCONF, 0, &q, &err), -22);
		assert_string_equal(err.text, "x.conf:2: DNS: is a key of wg-quick(8); `wg-quick strip` makes a file of wg(8) of such"
		    " a one");
	}
}

static void
names_in_endpoints_are_replaced(void **state)
{
	static const char before[] = "[Peer]\n\tendpoint=127.1:51820 # home\nEndpoint = 192.0.2.1:7\n#Endpoint = x:1";
	char *text = strdup(before);
	size_t len = strlen(before);
	struct uverr err;

	(void)state;
	assert_int_equal(wgquick_resolve("x.conf", &text, &len, &err), 0);
	assert_int_equal(strlen(text), len);
	/* 127.1 is a name to us, and every machine knows it. */
	assert_string_equal(text, "[Peer]\nEndpoint = 127.0.0.1:51820\nEndpoint = 192.0.2.1:7\n#Endpoint = x:1");
	free(text);
	text = strdup("[Peer]\nEndpoint = :1:\n");
	len = strlen(text);
	assert_true(wgquick_resolve("x.conf", &text, &len, &err) < 0);
	assert_memory_equal(err.text, "x.conf:2: Endpoint: :1:: ", 25);
	free(text);
}

static void
keys_go_there_and_back(void **state)
{
	char hex[WGTEXT_HEX], base64[WGTEXT_BASE64];

	(void)state;
	assert_int_equal(wgtext_hex(KEY, hex), 0);
	assert_string_equal(hex, KEY_HEX);
	assert_int_equal(wgtext_base64(hex, base64), 0);
	assert_string_equal(base64, KEY);
	assert_int_equal(wgtext_base64("12", base64), -22);
	assert_int_equal(wgtext_hex("", hex), -22);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_come_in_any_order),
		cmocka_unit_test(what_is_not_said_is_taken_back_by_setconf_and_syncconf),
		cmocka_unit_test(what_the_stack_needs_is_read),
		cmocka_unit_test(what_is_passed_over_is_said),
		cmocka_unit_test(mistakes_are_named_without_secrets),
		cmocka_unit_test(names_in_endpoints_are_replaced),
		cmocka_unit_test(keys_go_there_and_back),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
