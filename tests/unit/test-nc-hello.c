/* Hello: which clients are spoken to, in which version; what we say ourselves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "nc-hello.h"
#include "nc-rpc.h"

#define HELLO(content) "<hello xmlns=\"" NC_NS_BASE "\">" content "</hello>"
#define CAPS(content)  HELLO("<capabilities>" content "</capabilities>")
#define CAP(uri)       "<capability>" uri "</capability>"
#define BASE	       "urn:ietf:params:netconf:base:"

static const struct {
	const char *message;
	int version; /* 10, 11; 0: refused */
} hellos[] = {
	{ CAPS(CAP(BASE "1.0")), 10 },
	{ CAPS(CAP(BASE "1.1")), 11 },
	{ CAPS(CAP(BASE "1.0") CAP(BASE "1.1") CAP("urn:x")), 11 },
	{ CAPS(CAP("\n  " BASE "1.1 \n")), 11 },
	{ CAPS(CAP(BASE "1.1?a=b&amp;c")), 11 },
	{ CAPS("<capability><!-- x -->urn:ietf:params:<![CDATA[netconf:base:1.1]]></capability>"),
		11 },
	{ "<?xml version=\"1.0\"?>" CAPS(CAP(BASE "1.1")), 11 },
	{ "<n:hello xmlns:n='" NC_NS_BASE "'><n:capabilities><n:capability>" BASE
	  "1.0</n:capability></n:capabilities></n:hello>",
		10 },
	{ CAPS(""), 0 },
	{ HELLO(""), 0 },
	{ CAPS(CAP("urn:ietf:params:netconf:base:1.2")), 0 },
	{ CAPS(CAP("urn:ietf:params:netconf:base:1.11")), 0 },
	{ HELLO(CAP(BASE "1.1")), 0 },
	{ HELLO("<capabilities>" CAP(BASE "1.1") "</capabilities><session-id>1</session-id>"), 0 },
	{ "<hello><capabilities>" CAP(BASE "1.1") "</capabilities></hello>", 0 },
	{ "<hello xmlns='urn:x'><capabilities>" CAP(BASE "1.1") "</capabilities></hello>", 0 },
	{ "<rpc xmlns='" NC_NS_BASE "'/>", 0 },
	{ CAPS(CAP(BASE "1.1")) "x", 0 },
	{ "<hello", 0 },
	{ "", 0 },
	{ "\xff", 0 },
};

static void test_clients(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hellos); i++) {
		bool is_base11 = false;
		int ret = nc_hello_parse(
			hellos[i].message, strlen(hellos[i].message), &is_base11, NULL);
		int version = ret < 0 ? 0 : is_base11 ? 11 : 10;

		if (version != hellos[i].version)
			fail_msg("%s: %d", hellos[i].message, version);
	}
}

static bool has(const char *const *list, size_t count, const char *start)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (str_starts(list[i], start))
			return true;
	return false;
}

static void test_ours(void **state)
{
	static const char *const features[] = { "startup", "xpath", NULL };
	static const struct yang_module modules[] = {
		{ "ietf-netconf", features },
		{ "ietf-yang-library", NULL },
		{ "ietf-interfaces", NULL },
		{ "ietf-system", NULL },
		{ "infix-system", NULL },
	};
	_cleanup_(buf_done) struct buf text = { 0 };
	const char *const *list;
	size_t count;

	assert_int_equal(yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), NULL), 0);
	list = nc_hello_capabilities(&count);
	assert_string_equal(list[0], BASE "1.0");
	assert_string_equal(list[1], BASE "1.1");
	assert_true(has(list, count,
		NC_NS_BASE "?module=ietf-netconf&revision=2013-09-29&features="
			   "startup,xpath"));
	assert_true(has(list, count,
		"urn:ietf:params:netconf:capability:yang-library:1.1?revision=2019-01-04&content-id="));
	/* YANG 1.0, with who deviates from it; YANG 1.1 modules are in the YANG library alone. */
	assert_true(has(list, count,
		"urn:ietf:params:xml:ns:yang:ietf-system?module=ietf-system"
		"&revision=2014-08-06"));
	assert_false(has(list, count, "urn:ietf:params:xml:ns:yang:ietf-interfaces"));
	assert_false(has(list, count, "urn:ietf:params:xml:ns:yang:1?"));
	nc_hello_print(&text, 4294967295);
	assert_non_null(strstr(buf_bytes(&text), "&amp;content-id="));
	assert_true(str_ends(
		buf_bytes(&text), "</capabilities><session-id>4294967295</session-id></hello>"));
	nc_hello_done();
	yang_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
