/* Replies: attributes echoed, errors and their paths as XML wants them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/yang.h"

#include "nc-reply.h"

#define B "xmlns=\"" NC_NS_BASE "\""

static int set_up(void **state)
{
	static const struct yang_module modules[] = {
		{ "ietf-netconf", NULL },
		{ "ietf-interfaces", NULL },
		{ "ietf-ip", NULL },
		{ "infix-routing", NULL },
		{ "ietf-ipv4-unicast-routing", NULL },
	};

	return yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), NULL);
}

static int tear_down(void **state)
{
	yang_done();
	return 0;
}

/* The message on the left, its reply's start tag on the right. */
static const struct {
	const char *message, *begin;
} envelopes[] = {
	{ "<rpc " B " message-id=\"1\"><get/></rpc>", "<rpc-reply " B " message-id=\"1\">" },
	{ "<rpc message-id='1' " B "><get/></rpc>", "<rpc-reply " B " message-id='1'>" },
	{ "<n:rpc xmlns:n='" NC_NS_BASE "' message-id='1'><n:get/></n:rpc>",
		"<rpc-reply " B " message-id='1'>" },
	{ "<rpc " B
	  " xmlns:e='urn:e' xmlns:f='urn:f' message-id='&lt;>' e:a='1' e:b = '2'><get/></rpc>",
		"<rpc-reply " B " message-id='&lt;>' xmlns:e='urn:e' e:a='1' e:b = '2'>" },
	{ "<rpc " B " xml:lang='en' message-id='1'><get/></rpc>",
		"<rpc-reply " B " xml:lang='en' message-id='1'>" },
	{ "<rpc " B " a='1'><get/></rpc>", "<rpc-reply " B " a='1'>" },
	{ "<rpc " B " message-id='1'><get>", "<rpc-reply " B " message-id='1'>" },
	{ "<rpc", "<rpc-reply " B ">" },
};

static void test_envelope(void **state)
{
	struct nc_rpc rpc;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(envelopes); i++) {
		_cleanup_(buf_done) struct buf reply = { 0 };

		(void)!nc_rpc_parse(&rpc, envelopes[i].message, strlen(envelopes[i].message), NULL);
		nc_reply_begin(&reply, &rpc);
		assert_string_equal(buf_bytes(&reply), envelopes[i].begin);
	}
}

#define NS_IF	"urn:ietf:params:xml:ns:yang:ietf-interfaces"
#define NS_IP	"urn:ietf:params:xml:ns:yang:ietf-ip"
#define NS_RT	"urn:ietf:params:xml:ns:yang:ietf-routing"
#define NS_IRT	"urn:infix:routing:ns:yang:1.0"
#define NS_V4UR "urn:ietf:params:xml:ns:yang:ietf-ipv4-unicast-routing"

static const struct {
	const char *path, *xpath, *declarations;
} paths[] = {
	{ "/ietf-interfaces:interfaces", "/if:interfaces", " xmlns:if=\"" NS_IF "\"" },
	{ "/ietf-interfaces:interfaces/interface[name='e0']/ietf-ip:ipv4/mtu",
		"/if:interfaces/if:interface[if:name='e0']/ip:ipv4/ip:mtu",
		" xmlns:if=\"" NS_IF "\" xmlns:ip=\"" NS_IP "\"" },
	{ "/ietf-routing:routing/control-plane-protocols/control-plane-protocol"
	  "[type='infix-routing:static'][name='a:b']",
		"/rt:routing/rt:control-plane-protocols/rt:control-plane-protocol"
		"[rt:type='infix-rt:static'][rt:name='a:b']",
		" xmlns:rt=\"" NS_RT "\" xmlns:infix-rt=\"" NS_IRT "\"" },
	{ "/ietf-interfaces:interfaces/interface[name=\"it's\"]/x[.='1'][2]",
		"/if:interfaces/if:interface[if:name=\"it's\"]/if:x[.='1'][2]",
		" xmlns:if=\"" NS_IF "\"" },
	/* What is no such path stays as it is. */
	{ "/no-such-module:a", "/no-such-module:a", "" },
	{ "/interfaces", "/interfaces", "" },
	{ "relative/path", "relative/path", "" },
	{ "/ietf-interfaces:a[name='b", "/ietf-interfaces:a[name='b", "" },
	{ "/ietf-interfaces:a[name=b]", "/ietf-interfaces:a[name=b]", "" },
};

static void test_paths(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_(buf_done) struct buf xpath = { 0 }, declarations = { 0 };

		nc_reply_path(paths[i].path, &xpath, &declarations);
		assert_string_equal(buf_bytes(&xpath), paths[i].xpath);
		assert_string_equal(buf_bytes(&declarations), paths[i].declarations);
	}
}

#define HEAD(type, tag)                                                                            \
	"<rpc-error><error-type>" type "</error-type><error-tag>" tag                              \
	"</error-tag><error-severity>error</error-severity>"
#define TEXT(text) "<error-message xml:lang=\"en\">" text "</error-message>"

static void assert_error(const struct err *err, bool is_base11, const char *expected)
{
	_cleanup_(buf_done) struct buf text = { 0 };

	nc_reply_error(&text, err, is_base11);
	assert_string_equal(buf_bytes(&text), expected);
}

static void test_errors(void **state)
{
	_cleanup_err_ struct err err = { 0 };

	(void)err_set(&err, -EINVAL, "/ietf-interfaces:interfaces/interface[name='<']",
		"\"%s\" & co", "<x>");
	assert_error(&err, true,
		HEAD("application",
			"invalid-value") "<error-path xmlns:if=\"" NS_IF
					 "\">/if:interfaces/if:interface[if:name=&apos;&lt;&apos;]</error-path>" TEXT(
						 "&quot;&lt;x&gt;&quot; &amp; co") "</rpc-error>");
	err_app_tag(&err, "a&b");
	err_add_info(&err, "bad-element", "e");
	err_add_info(&err, "session-id", "4");
	free(TAKE(err.path));
	err.type = ERR_TYPE_PROTOCOL;
	assert_error(&err, true,
		HEAD("protocol", "invalid-value") "<error-app-tag>a&amp;b</error-app-tag>" TEXT(
			"&quot;&lt;x&gt;&quot; &amp; co") "<error-info><bad-element>e</bad-element>"
							  "<session-id>4</session-id></error-info></rpc-error>");
	/* A value cut in the middle of a character, and what XML does not allow. */
	(void)err_set(&err, -EIO, NULL, "caf\xc3 \x01");
	assert_error(
		&err, true, HEAD("application", "operation-failed") TEXT("caf? ?") "</rpc-error>");
	(void)err_tagged(&err, ERR_TAG_MALFORMED_MESSAGE, NULL, "x");
	assert_error(&err, true, HEAD("application", "malformed-message") TEXT("x") "</rpc-error>");
	assert_error(&err, false, HEAD("application", "operation-failed") TEXT("x") "</rpc-error>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
