/* RESTCONF targets: paths and queries against the real schema, good and bad. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rc-query.h"
#include "rc-uri.h"

static int set_up(void **state)
{
	static const char *const authentication[] = { "authentication", "local-users", NULL };
	static const struct yang_module modules[] = {
		{ "ietf-interfaces", NULL },
		{ "ietf-ip", NULL },
		{ "ietf-system", authentication },
		{ "ietf-netconf-monitoring", NULL },
		{ "infix-containers", NULL },
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

#define IF  "/restconf/data/ietf-interfaces:interfaces"
#define IFP "/ietf-interfaces:interfaces"
#define DNS "/restconf/data/ietf-system:system/dns-resolver"

static const struct {
	const char *uri;
	enum rc_resource resource;
	const char *path; /* instance path; NULL: not asked for */
	bool is_instance;
} good[] = {
	{ "/.well-known/host-meta", RC_RESOURCE_HOST_META, NULL, true },
	{ "/restconf", RC_RESOURCE_API, NULL, true },
	{ "/restconf/", RC_RESOURCE_API, NULL, true },
	{ "/restconf/yang-library-version", RC_RESOURCE_LIBRARY_VERSION, NULL, true },
	{ "/restconf/operations", RC_RESOURCE_OPERATIONS, NULL, true },
	{ "/restconf/operations/", RC_RESOURCE_OPERATIONS, NULL, true },
	{ "/restconf/operations/ietf-system:system-restart", RC_RESOURCE_RPC, NULL, true },
	{ "/restconf/data", RC_RESOURCE_DATASTORE, "", true },
	{ "/restconf/data/", RC_RESOURCE_DATASTORE, "", true },
	{ "/restconf/ds/ietf-datastores:running", RC_RESOURCE_DATASTORE, "", true },
	{ "/restconf/ds/ietf-datastores%3Aoperational/ietf-interfaces:interfaces", RC_RESOURCE_DATA,
		IFP, true },
	{ IF, RC_RESOURCE_DATA, IFP, true },
	{ IF "/", RC_RESOURCE_DATA, IFP, true },
	{ "/restconf/data/ietf-interfaces%3ainterfaces", RC_RESOURCE_DATA, IFP, true },
	{ IF "/interface", RC_RESOURCE_DATA, IFP "/interface", false },
	{ IF "/interface=eth0", RC_RESOURCE_DATA, IFP "/interface[name='eth0']", true },
	{ IF "/ietf-interfaces:interface=eth0", RC_RESOURCE_DATA, IFP "/interface[name='eth0']",
		true },
	{ IF "/interface=", RC_RESOURCE_DATA, IFP "/interface[name='']", true },
	{ IF "/interface=a%2Fb%2Cc%3Dd/enabled", RC_RESOURCE_DATA, NULL, true },
	{ IF "/interface=%2C%22%3A%22%20%2F", RC_RESOURCE_DATA, IFP "/interface[name=',\":\" /']",
		true },
	{ IF "/interface=it%27s", RC_RESOURCE_DATA, IFP "/interface[name=\"it's\"]", true },
	{ IF "/interface=a=b", RC_RESOURCE_DATA, IFP "/interface[name='a=b']", true },
	{ IF "/interface=%c3%a4", RC_RESOURCE_DATA, IFP "/interface[name='\xc3\xa4']", true },
	{ IF "/interface=e/ietf-ip:ipv4/address=192.0.2.1/prefix-length", RC_RESOURCE_DATA,
		IFP "/interface[name='e']/ietf-ip:ipv4/address[ip='192.0.2.1']/prefix-length",
		true },
	{ "/restconf/data/ietf-netconf-monitoring:netconf-state/schemas/schema=a,,yang",
		RC_RESOURCE_DATA,
		"/ietf-netconf-monitoring:netconf-state/schemas"
		"/schema[identifier='a'][version=''][format='yang']",
		true },
	{ DNS "/search", RC_RESOURCE_DATA, "/ietf-system:system/dns-resolver/search", false },
	{ DNS "/search=example.com", RC_RESOURCE_DATA,
		"/ietf-system:system/dns-resolver/search[.='example.com']", true },
	/* a node of a case: choice and case are no part of the path */
	{ "/restconf/data/ietf-system:system/clock/timezone-utc-offset", RC_RESOURCE_DATA, NULL,
		true },
	{ "/restconf/streams/NETCONF/xml", RC_RESOURCE_STREAM, NULL, true },
	{ "/restconf/streams/NETCONF/json", RC_RESOURCE_STREAM, NULL, true },
	{ "/restconf/subscriptions/4294967295", RC_RESOURCE_SUBSCRIPTION, NULL, true },
	{ "/restconf/data/infix-containers:containers/container=web/start", RC_RESOURCE_ACTION,
		"/infix-containers:containers/container[name='web']", true },
};

static const struct {
	const char *uri;
	int ret;
} bad[] = {
	{ "", -ENOENT },
	{ "/", -ENOENT },
	{ "/restconfig", -ENOENT },
	{ "/Restconf/data", -ENOENT },
	{ "/restconf/datax", -ENOENT },
	{ "/restconf//data", -ENOENT },
	{ "/restconf/../restconf/data", -ENOENT },
	{ "/restconf/yang-library-version/x", -ENOENT },
	{ "/restconf/operations/system-restart", -ENOENT },
	{ "/restconf/operations/ietf-system:nothing", -ENOENT },
	{ "/restconf/operations/ietf-system:system", -ENOENT },
	{ "/restconf/operations/ietf-system:system-restart/x", -ENOENT },
	{ "/restconf/streams", -ENOENT },
	{ "/restconf/streams/", -ENOENT },
	{ "/restconf/streams/NETCONF", -ENOENT },
	{ "/restconf/streams/NETCONF/xml/", -ENOENT },
	{ "/restconf/streams/netconf/xml", -ENOENT },
	{ "/restconf/subscriptions", -ENOENT },
	{ "/restconf/subscriptions/0", -ENOENT },
	{ "/restconf/subscriptions/-1", -ENOENT },
	{ "/restconf/subscriptions/1/x", -ENOENT },
	{ "/restconf/subscriptions/4294967296", -ENOENT },
	{ "/restconf/ds", -ENOENT },
	{ "/restconf/ds/", -ENOENT },
	{ "/restconf/ds/running", -ENOENT },
	{ "/restconf/ds/ietf-datastores:dynamic", -ENOENT },
	{ "/restconf/data//ietf-interfaces:interfaces", -ENOENT },
	{ "/restconf/data/interfaces", -ENOENT },
	{ "/restconf/data/nowhere:interfaces", -ENOENT },
	{ "/restconf/data/ietf-interfaces:", -ENOENT },
	{ "/restconf/data/:interfaces", -ENOENT },
	{ "/restconf/data/ietf-system:system-restart", -ENOENT },
	{ IF "/x", -ENOENT },
	{ IF "//interface=eth0", -ENOENT },
	{ IF "/interface=eth0//mtu", -ENOENT },
	{ IF "/interface=eth0/ipv4", -ENOENT },
	{ IF "/interface=eth0/%2e%2e", -ENOENT },
	{ "/restconf/data/infix-containers:containers/container=web/start/x", -ENOENT },
	{ "/restconf/data/infix-containers:containers/container/start", -EINVAL },
	{ "/restconf/data/infix-containers:containers/container=web/start=1", -EINVAL },
	{ IF "=x", -EINVAL },
	{ IF "/interface/enabled", -EINVAL },
	{ IF "/interface=a,b", -EINVAL },
	{ IF "/interface=eth0,", -EINVAL },
	{ IF "/interface=eth0/enabled=true", -EINVAL },
	{ IF "/interface=%", -EINVAL },
	{ IF "/interface=%4", -EINVAL },
	{ IF "/interface=%4g", -EINVAL },
	{ IF "/interface=%00", -EINVAL },
	{ IF "/interface=%01", -EINVAL },
	{ IF "/interface=%ff", -EINVAL },
	{ DNS "/search=a,b", -EINVAL },
	{ DNS "/search=a/x", -ENOENT },
	{ "/restconf/data/ietf-netconf-monitoring:netconf-state/schemas/schema=a,b", -EINVAL },
	{ "/restconf/data/ietf-netconf-monitoring:netconf-state/schemas/schema=a,b,c,d", -EINVAL },
};

static void test_good(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *text = xstrdup(good[i].uri), *path = NULL;
		_cleanup_err_ struct err err = { 0 };
		struct rc_uri uri;

		if (rc_uri_parse(text, &uri, &err) < 0)
			fail_msg("%s: %s", good[i].uri, err_text(&err));
		assert_int_equal(uri.resource, good[i].resource);
		assert_int_equal(rc_uri_is_instance(&uri), good[i].is_instance);
		if (!good[i].path)
			continue;
		assert_int_equal(rc_uri_path(&uri, &path, &err), 0);
		assert_string_equal(path, good[i].path);
	}
}

static void test_bad(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *text = xstrdup(bad[i].uri);
		_cleanup_err_ struct err err = { 0 };
		struct rc_uri uri;
		int ret = rc_uri_parse(text, &uri, &err);

		if (ret != bad[i].ret)
			fail_msg("%s: %d instead of %d", bad[i].uri, ret, bad[i].ret);
		assert_int_equal(err.code, ret);
	}
}

static void test_datastores(void **state)
{
	static const struct {
		const char *uri;
		bool is_ds;
		enum ds ds;
	} cases[] = {
		{ "/restconf/data", false, DS_RUNNING },
		{ "/restconf/ds/ietf-datastores:running", true, DS_RUNNING },
		{ "/restconf/ds/ietf-datastores:startup", true, DS_STARTUP },
		{ "/restconf/ds/ietf-datastores:operational", true, DS_OPERATIONAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xstrdup(cases[i].uri);
		struct rc_uri uri;

		assert_int_equal(rc_uri_parse(text, &uri, NULL), 0);
		assert_int_equal(uri.is_ds, cases[i].is_ds);
		assert_int_equal(uri.ds, cases[i].ds);
	}
}

/* No text is as deep, long or full as the limits and breaks them. */
static void test_limits(void **state)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_free_ char *both = xstrdup(IF "/interface=%22%27"), *path = NULL;
	struct rc_uri uri;
	size_t i;

	assert_int_equal(buf_append_str(&text, IF "/interface=a"), 0);
	for (i = 0; i < 4000; i++)
		assert_int_equal(buf_append_str(&text, ",a"), 0);
	assert_int_equal(rc_uri_parse(buf_bytes(&text), &uri, NULL), -EINVAL);
	assert_int_equal(rc_uri_parse(both, &uri, NULL), 0);
	assert_string_equal(uri.values[0], "\"'");
	assert_int_equal(rc_uri_path(&uri, &path, NULL), -EINVAL);
}

static void test_point(void **state)
{
	static const struct {
		const char *point, *predicates; /* NULL: refused */
	} cases[] = {
		{ "/ietf-system:system/dns-resolver/server=a%2Cb", "[name='a,b']" },
		{ "/restconf/data/ietf-system:system/dns-resolver/server=a", "[name='a']" },
		{ "/ietf-system:system/dns-resolver/search=a", "[.='a']" },
		{ "ietf-system:system/dns-resolver/server=a", NULL },
		{ "/ietf-system:system/dns-resolver/server", NULL },
		{ "/ietf-system:system/nothing", NULL },
		{ "/", NULL },
		{ "", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xstrdup(cases[i].point), *predicates = NULL;
		struct rc_uri uri;
		int ret = rc_uri_parse_point(text, &uri, NULL);

		assert_int_equal(ret, cases[i].predicates ? 0 : -EINVAL);
		if (ret < 0)
			continue;
		assert_int_equal(rc_uri_predicates(&uri, &predicates, NULL), 0);
		assert_string_equal(predicates, cases[i].predicates);
	}
}

/* What rc_uri_append() says of a node is what rc_uri_parse() finds it by. */
static void test_append(void **state)
{
	static const struct {
		const char *path, *value, *uri;
	} cases[] = {
		{ IFP "/interface[name='a,b/c d\"%']/ietf-ip:ipv4/enabled", "true",
			"/ietf-interfaces:interfaces/interface=a%2Cb%2Fc%20d%22%25/ietf-ip:ipv4/enabled" },
		{ "/ietf-system:system/dns-resolver/search", "a.example",
			"/ietf-system:system/dns-resolver/search=a.example" },
		{ "/ietf-netconf-monitoring:netconf-state/schemas"
		  "/schema[identifier='a'][version=''][format='ietf-netconf-monitoring:yang']",
			NULL,
			"/ietf-netconf-monitoring:netconf-state/schemas"
			"/schema=a,,ietf-netconf-monitoring%3Ayang" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_done) struct buf out = { 0 };
		struct lyd_node *top = NULL, *node;
		struct rc_uri uri;
		_cleanup_free_ char *path = NULL;

		assert_int_equal(lyd_new_path2(NULL, yang_ctx(), cases[i].path, cases[i].value, 0,
					 LYD_ANYDATA_STRING, 0, &top, &node),
			LY_SUCCESS);
		assert_int_equal(buf_append_str(&out, RC_URI_DATA), 0);
		rc_uri_append(&out, node);
		assert_string_equal(buf_bytes(&out) + strlen(RC_URI_DATA), cases[i].uri);
		assert_int_equal(rc_uri_parse(buf_bytes(&out), &uri, NULL), 0);
		assert_int_equal(rc_uri_path(&uri, &path, NULL), 0);
		assert_int_equal(lyd_find_path(top, path, 0, NULL), LY_SUCCESS);
		lyd_free_all(top);
	}
}

#define ALL (RC_QUERY_CONTENT | RC_QUERY_DEPTH | RC_QUERY_FIELDS | RC_QUERY_DEFAULTS)

static void test_query(void **state)
{
	static const struct {
		const char *text;
		unsigned allowed;
		int ret;
		struct rc_query query;
	} cases[] = {
		{ NULL, 0, 0, { 0 } },
		{ "content=all", ALL, 0, { .content = DS_CONTENT_ALL } },
		{ "content=nonconfig&depth=3", ALL, 0,
			{ .content = DS_CONTENT_NONCONFIG, .depth = 3 } },
		{ "depth=unbounded", ALL, 0, { 0 } },
		{ "depth=65535", ALL, 0, { .depth = 65535 } },
		{ "fields=a%3Bb(c%2fd)", ALL, 0, { .fields = "a;b(c/d)" } },
		{ "with-defaults=report-all-tagged", ALL, 0,
			{ .has_defaults = true, .defaults = WITH_DEFAULTS_ALL_TAGGED } },
		{ "insert=first", RC_QUERY_INSERT, 0, { .insert = RC_INSERT_FIRST } },
		{ "point=%2Fa%3Ab=%252C&insert=after", RC_QUERY_INSERT, 0,
			{ .insert = RC_INSERT_AFTER, .point = (char *)"/a:b=%2C" } },
		{ "", ALL, -EINVAL, { 0 } },
		{ "depth", ALL, -EINVAL, { 0 } },
		{ "&depth=1", ALL, -EINVAL, { 0 } },
		{ "depth=1&", ALL, -EINVAL, { 0 } },
		{ "depth=0", ALL, -EINVAL, { 0 } },
		{ "depth=65536", ALL, -EINVAL, { 0 } },
		{ "depth=+1", ALL, -EINVAL, { 0 } },
		{ "depth=", ALL, -EINVAL, { 0 } },
		{ "Depth=1", ALL, -EINVAL, { 0 } },
		{ "depth=1&depth=1", ALL, -EINVAL, { 0 } },
		{ "depth=1", ALL & ~RC_QUERY_DEPTH, -EINVAL, { 0 } },
		{ "content=All", ALL, -EINVAL, { 0 } },
		{ "fields=", ALL, -EINVAL, { 0 } },
		{ "fields=%zz", ALL, -EINVAL, { 0 } },
		{ "with-origin=", ALL, -EINVAL, { 0 } },
		{ "filter=x", ALL, -EINVAL, { 0 } },
		{ "insert=", RC_QUERY_INSERT, -EINVAL, { 0 } },
		{ "insert=first", ALL, -EINVAL, { 0 } },
		{ "insert=before", RC_QUERY_INSERT, -EINVAL, { 0 } },
		{ "insert=last&point=%2Fa", RC_QUERY_INSERT, -EINVAL, { 0 } },
		{ "point=%2Fa", RC_QUERY_INSERT, -EINVAL, { 0 } },
		{ "plan", RC_QUERY_TRANSACTION, 0, { .is_plan = true } },
		{ "plan=&comment=a%20b", RC_QUERY_TRANSACTION, 0,
			{ .is_plan = true, .comment = "a b" } },
		{ "plan=1", RC_QUERY_TRANSACTION, -EINVAL, { 0 } },
		{ "plan", RC_QUERY_INSERT, -EINVAL, { 0 } },
		{ "plan&plan", RC_QUERY_TRANSACTION, -EINVAL, { 0 } },
		{ "comment", RC_QUERY_TRANSACTION, -EINVAL, { 0 } },
		{ "comment=", RC_QUERY_TRANSACTION, -EINVAL, { 0 } },
		{ "comment=%07", RC_QUERY_TRANSACTION, -EINVAL, { 0 } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct rc_query *wanted = &cases[i].query;
		_cleanup_free_ char *text = xstrdup(cases[i].text);
		struct rc_query query;
		int ret = rc_query_parse(text, cases[i].allowed, &query, NULL);

		if (ret != cases[i].ret)
			fail_msg("%s: %d instead of %d", cases[i].text, ret, cases[i].ret);
		if (ret < 0)
			continue;
		assert_int_equal(query.content, wanted->content);
		assert_int_equal(query.depth, wanted->depth);
		assert_int_equal(query.has_defaults, wanted->has_defaults);
		assert_int_equal(query.defaults, wanted->defaults);
		assert_int_equal(query.insert, wanted->insert);
		assert_true(
			query.fields ? strcmp(query.fields, wanted->fields) == 0 : !wanted->fields);
		assert_int_equal(query.is_plan, wanted->is_plan);
		assert_true(query.comment ? strcmp(query.comment, wanted->comment) == 0
					  : !wanted->comment);
		assert_true(query.point ? strcmp(query.point, wanted->point) == 0 : !wanted->point);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_datastores),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_point),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
