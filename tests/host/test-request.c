/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests on the control socket: what is not exactly right is refused, and the sentence says what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "request.h"

static void
good_requests_are_read(void **state)
{
	struct request req;
	struct uverr err;
	unsigned it = 0;
	const char *text = "{\"cmd\":\"create\",\"file\":\"a.conf\",\"text\":\"vnet a {\\n\\t# \\\"$x\\\"\\n}\\n\"}";

	(void)state;
	assert_int_equal(request_parse(text, strlen(text), &req, &err), 0);
	assert_int_equal(req.cmd, REQUEST_CREATE);
	assert_string_equal(req.file, "a.conf");
	assert_string_equal(req.text, "vnet a {\n\t# \"$x\"\n}\n");
	request_free(&req);
	text = "{\"cmd\":\"destroy\",\"names\":[\"a\",\"b\"]}";
	assert_int_equal(request_parse(text, strlen(text), &req, &err), 0);
	assert_string_equal(ucl_object_tostring(json_each(req.object, "names", &it)), "a");
	assert_string_equal(ucl_object_tostring(json_each(req.object, "names", &it)), "b");
	assert_null(json_each(req.object, "names", &it));
	request_free(&req);
	text = "{\"cmd\":\"create\",\"file\":\"a\",\"text\":\"\",\"wireguard\":{\"/etc/a.conf\":\"x\\ny\",\"b\":\"\"}}";
	assert_int_equal(request_parse(text, strlen(text), &req, &err), 0);
	assert_string_equal(json_getstr(req.wireguard, "/etc/a.conf"), "x\ny");
	request_free(&req);
	text = "{\"cmd\":\"link\",\"name\":\"red\",\"state\":\"down\"}";
	assert_int_equal(request_parse(text, strlen(text), &req, &err), 0);
	assert_string_equal(req.state, "down");
	request_free(&req);
	text = "{\"cmd\":\"ping\",\"name\":\"a\",\"address\":\"10.0.0.2\",\"size\":0,\"count\":3}";
	assert_int_equal(request_parse(text, strlen(text), &req, &err), 0);
	assert_string_equal(req.address, "10.0.0.2");
	assert_true(req.size == 0 && req.count == 3 && req.interval == 1000 && req.wait == 10000);
	request_free(&req);
}

static void
bad_requests_are_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "", "not a JSON object" },
		{ "[]", "not a JSON object" },
		{ "{}", "the request has no \"cmd\"" },
		{ "{\"cmd\":1}", "the request has no \"cmd\"" },
		{ "{\"cmd\":[\"ls\"]}", "the request has no \"cmd\"" },
		{ "{\"cmd\":\"ls\",\"cmd\":\"ls\"}", "the request has no \"cmd\"" },
		{ "{\"cmd\":\"rm\"}", "unknown command \"rm\"" },
		{ "{\"cmd\":\"ls\",\"x\":1}", "ls: unknown key \"x\"" },
		{ "{\"cmd\":\"create\",\"file\":\"x\"}", "create: \"text\" is missing" },
		{ "{\"cmd\":\"create\",\"file\":\"x\",\"text\":{}}", "create: \"text\" is not a string" },
		{ "{\"cmd\":\"create\",\"file\":\"x\",\"text\":\"a\\u0000b\"}", "create: \"text\" is not a string" },
		{ "{\"cmd\":\"create\",\"file\":\"x\",\"text\":\"\",\"wireguard\":\"\"}",
		    "create: \"wireguard\" is not an object of strings" },
		{ "{\"cmd\":\"create\",\"file\":\"x\",\"text\":\"\",\"wireguard\":{\"a\":\"\",\"b\":1}}",
		    "create: \"wireguard\" is not an object of strings" },
		{ "{\"cmd\":\"wg\",\"name\":\"a\"}", "wg: \"uapi\" is missing" },
		{ "{\"cmd\":\"destroy\",\"names\":\"a\"}", "destroy: \"names\" is not a list of strings" },
		{ "{\"cmd\":\"destroy\",\"names\":[]}", "destroy: \"names\" is not a list of strings" },
		{ "{\"cmd\":\"destroy\",\"names\":[\"a\",1]}", "destroy: \"names\" is not a list of strings" },
		{ "{\"cmd\":\"kldload\",\"path\":\"x.ko\"}", "kldload: \"path\" is not absolute" },
		{ "{\"cmd\":\"link\",\"name\":\"a\",\"state\":\"cut\"}", "link: \"cut\" is neither up nor down" },
		{ "{\"cmd\":\"link\",\"state\":\"up\"}", "link: \"name\" is missing" },
		{ "{\"cmd\":\"ping\",\"name\":\"a\"}", "ping: \"address\" is missing" },
		{ "{\"cmd\":\"ping\",\"name\":\"a\",\"address\":\"b\",\"count\":\"3\"}",
		    "ping: \"count\" is not a whole number from 0 to 1000000000" },
		{ "{\"cmd\":\"ping\",\"name\":\"a\",\"address\":\"b\",\"size\":65488}",
		    "ping: \"size\" is not a whole number from 0 to 65487" },
		{ "{\"cmd\":\"ping\",\"name\":\"a\",\"address\":\"b\",\"interval\":0.5}",
		    "ping: \"interval\" is not a whole number from 1 to 86400000" },
	};
	struct request req;
	struct uverr err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(request_parse(bad[i].text, strlen(bad[i].text), &req, &err) < 0);
		assert_string_equal(err.text, bad[i].error);
	}
}

/* libucl frees its tree by recursion: such a request used to end the process, and all customers with it. */
static void
deep_nesting_is_refused(void **state)
{
	static const char *const heads[] = { "{\"cmd\":", "", "a=" };
	static const char levels[] = { '[', '{' };
	const size_t size = REQUEST_MAXSIZE - 100;
	char *text = malloc(size + 1);
	struct request req;
	struct uverr err;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < 6; i++) {
		memset(text, levels[i / 3], size);
		memcpy(text, heads[i % 3], strlen(heads[i % 3]));
		assert_true(request_parse(text, size, &req, &err) < 0);
		assert_string_equal(err.text, "not a request: nested too deep");
	}
	free(text);
}

static void
an_answer_survives_the_way(void **state)
{
	json *j = json_object(), *back;
	struct uverr err;
	char *text;

	(void)state;
	json_bool(j, "ok", 1);
	json_str(j, "s", "a \"b\"\n\t\\c ${D}");
	json_int(j, "n", INT64_MIN + 1);
	text = json_emit(j);
	assert_int_equal(json_parse(text, strlen(text), &back, &err), 0);
	assert_true(json_getbool(back, "ok"));
	assert_string_equal(json_getstr(back, "s"), "a \"b\"\n\t\\c ${D}");
	assert_true(json_getint(back, "n") == INT64_MIN + 1);
	json_free(back);
	json_free(j);
	free(text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_requests_are_read),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(an_answer_survives_the_way),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
