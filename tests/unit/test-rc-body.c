/* Envelopes of RESTCONF bodies, in both formats; error paths of what is parsed below a node. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rc-body.h"
#include "rc-tree.h"

static int set_up(void **state)
{
	static const struct yang_module modules[] = {
		{ "ietf-interfaces", NULL },
		{ "ietf-ip", NULL },
		{ "ietf-system", NULL },
		{ "iana-if-type", NULL },
	};
	_cleanup_err_ struct err err = { 0 };

	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0)
		fail_msg("%s", err_text(&err));
	return 0;
}

static int tear_down(void **state)
{
	yang_done();
	return 0;
}

static const struct rc_envelope envelope = { "m", "urn:m", "data" };

static const struct {
	enum format format;
	const char *body;
	const char *content; /* NULL: refused with ret */
	int ret;
} cases[] = {
	{ FORMAT_JSON, "{\"m:data\":{}}", "{}", 0 },
	{ FORMAT_JSON, " {\t\"m:data\" : { \"a:b\" : [1, {\"}\":\"\\\"]\"}] }\n}\r\n",
		"{ \"a:b\" : [1, {\"}\":\"\\\"]\"}] }", 0 },
	{ FORMAT_JSON, "{\"m:data\":{\"x\":{\"y\":[[[]]]}}}", "{\"x\":{\"y\":[[[]]]}}", 0 },
	{ FORMAT_JSON, "", NULL, -EBADMSG },
	{ FORMAT_JSON, "[]", NULL, -EBADMSG },
	{ FORMAT_JSON, "{}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"data\":{}}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"n:data\":{}}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"m:dat\":{}}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"m:data\":[]}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"m:data\":null}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"m:data\"}", NULL, -EBADMSG },
	{ FORMAT_JSON, "{\"m:data\":{}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"m:data\":{", NULL, -EBADMSG },
	{ FORMAT_JSON, "{\"m:data\":{\"a", NULL, -EBADMSG },
	{ FORMAT_JSON, "{\"m:data\":{\"a\\", NULL, -EBADMSG },
	{ FORMAT_JSON, "{\"m:data\":{},\"x\":{}}", NULL, -EINVAL },
	{ FORMAT_JSON, "{\"m:data\":{}}x", NULL, -EBADMSG },
	{ FORMAT_XML, "<data xmlns=\"urn:m\"/>", "", 0 },
	{ FORMAT_XML, "<data xmlns=\"urn:m\"></data>", "", 0 },
	{ FORMAT_XML, "<?xml version=\"1.0\"?>\n<data xmlns=\"urn:m\"> <a/> </data>\n",
		" <a xmlns=\"urn:m\"/> ", 0 },
	{ FORMAT_XML,
		"<p:data xmlns:p=\"urn:m\" xmlns='urn:x'><a>1</a><b y=\"2\"><c/></b></p:data>",
		"<a xmlns:p=\"urn:m\" xmlns='urn:x'>1</a>"
		"<b xmlns:p=\"urn:m\" xmlns='urn:x' y=\"2\"><c/></b>",
		0 },
	{ FORMAT_XML, "<data xmlns=\"urn:m\" xmlns:p=\"urn:p\"><a xmlns=\"urn:a\"/></data>",
		"<a xmlns:p=\"urn:p\" xmlns=\"urn:a\"/>", 0 },
	{ FORMAT_XML, "<data xmlns=\"urn:m\" z=\"1\"><a xmlns:p=\"q\"/><!-- c --></data>",
		"<a xmlns=\"urn:m\" xmlns:p=\"q\"/><!-- c -->", 0 },
	{ FORMAT_XML, "", NULL, -EBADMSG },
	{ FORMAT_XML, "x", NULL, -EBADMSG },
	{ FORMAT_XML, "<data/>", NULL, -EINVAL },
	{ FORMAT_XML, "<data xmlns=\"urn:n\"/>", NULL, -EINVAL },
	{ FORMAT_XML, "<data xmlns:p=\"urn:m\"/>", NULL, -EINVAL },
	{ FORMAT_XML, "<p:data xmlns=\"urn:m\" xmlns:p=\"urn:p\"/>", NULL, -EINVAL },
	{ FORMAT_XML, "<date xmlns=\"urn:m\"/>", NULL, -EINVAL },
	{ FORMAT_XML, "<data xmlns=\"urn:m\">text</data>", NULL, -EBADMSG },
	{ FORMAT_XML, "<data xmlns=\"urn:m\"><a/>", NULL, -EBADMSG },
	{ FORMAT_XML, "<data xmlns=\"urn:m\"/><data xmlns=\"urn:m\"/>", NULL, -EBADMSG },
	{ FORMAT_XML, "<data xmlns=\"urn:m\">\xff</data>", NULL, -EBADMSG },
};

static void test_unwrap(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_done) struct buf body = { 0 }, out = { 0 };
		_cleanup_err_ struct err err = { 0 };
		int ret;

		assert_int_equal(buf_append_str(&body, cases[i].body), 0);
		ret = rc_body_unwrap(&body, cases[i].format, &envelope, &out, &err);
		if (ret != cases[i].ret)
			fail_msg("%s: %d instead of %d", cases[i].body, ret, cases[i].ret);
		assert_int_equal(err.code, ret);
		if (cases[i].content)
			assert_string_equal(buf_bytes(&out), cases[i].content);
	}
}

static void test_nul(void **state)
{
	static const char text[] = "{\"m:data\":{}}\0{}";
	_cleanup_(buf_done) struct buf body = { 0 }, out = { 0 };

	assert_int_equal(buf_append(&body, text, sizeof(text) - 1), 0);
	assert_int_equal(rc_body_unwrap(&body, FORMAT_JSON, &envelope, &out, NULL), -EBADMSG);
}

static void test_depth(void **state)
{
	_cleanup_(buf_done) struct buf body = { 0 }, out = { 0 };
	size_t i;

	assert_int_equal(buf_append_str(&body, "{\"m:data\":"), 0);
	for (i = 0; i < 100000; i++)
		assert_int_equal(buf_append_str(&body, "{\"a\":["), 0);
	assert_int_equal(rc_body_unwrap(&body, FORMAT_JSON, &envelope, &out, NULL), -EBADMSG);
}

static void test_operation(void **state)
{
	static const struct {
		enum format format;
		const char *body, *content;
	} calls[] = {
		{ FORMAT_JSON, "", "{\"ietf-system:set-current-datetime\":{}}" },
		{ FORMAT_JSON, "{\"ietf-system:input\":{\"a\":1}}",
			"{\"ietf-system:set-current-datetime\":{\"a\":1}}" },
		{ FORMAT_XML,
			"<input xmlns=\"urn:ietf:params:xml:ns:yang:ietf-system\"><a/></input>",
			"<set-current-datetime xmlns=\"urn:ietf:params:xml:ns:yang:ietf-system\">"
			"<a xmlns=\"urn:ietf:params:xml:ns:yang:ietf-system\"/>"
			"</set-current-datetime>" },
	};
	const struct lysc_node *rpc = path_schema("/ietf-system:set-current-datetime");
	size_t i;

	assert_non_null(rpc);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		_cleanup_(buf_done) struct buf body = { 0 }, out = { 0 };

		assert_int_equal(buf_append_str(&body, calls[i].body), 0);
		assert_int_equal(rc_body_operation(&body, calls[i].format, rpc, &out, NULL), 0);
		assert_string_equal(buf_bytes(&out), calls[i].content);
	}
}

/* Wherever libyang begins its path, the client gets the whole one. */
static void test_paths(void **state)
{
#define ENTRY "/ietf-interfaces:interfaces/interface[name='a]\"/b']"
	static const struct {
		const char *path, *whole;
	} paths[] = {
		{ ENTRY "/enabled", ENTRY "/enabled" },
		{ ENTRY, ENTRY },
		{ "/ietf-interfaces:interfaces/interface/enabled", ENTRY "/enabled" },
		{ "/ietf-interfaces:interfaces/interface/ietf-ip:ipv4/mtu",
			ENTRY "/ietf-ip:ipv4/mtu" },
		{ "/ietf-interfaces:enabled", ENTRY "/enabled" },
		{ "/ietf-ip:ipv4/mtu", ENTRY "/ietf-ip:ipv4/mtu" },
		{ "/ietf-interfaces:interfaces/interface-x", ENTRY "/interfaces/interface-x" },
		{ "relative", "relative" },
	};
	struct lyd_node *top = NULL, *node = NULL;
	size_t i;

	assert_int_equal(
		lyd_new_path2(NULL, yang_ctx(), ENTRY, NULL, 0, LYD_ANYDATA_STRING, 0, &top, &node),
		LY_SUCCESS);
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_err_ struct err err = { 0 };

		err_set(&err, -EINVAL, paths[i].path, "x");
		rc_tree_complete_path(node, &err);
		assert_string_equal(err.path, paths[i].whole);
		rc_tree_complete_path(NULL, &err);
		assert_string_equal(err.path, paths[i].whole);
	}
	lyd_free_all(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unwrap),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_operation),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
