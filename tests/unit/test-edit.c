/*
 * edit-config's operations (RFC 6241 section 7.2), one row each: a configuration, an edit, and what
 * becomes of it. Every edit is also undone, which must leave the configuration as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/feature.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "../../src/datastore/edit.h"
#include "../../src/datastore/schema.h"

static const struct yang_module modules[] = {
	{ "ietf-netconf", NULL },
	{ "iana-if-type", NULL },
	{ "ietf-interfaces", NULL },
	{ "ietf-ip", NULL },
	{ "ietf-system",
		(const char *const[]){
			"authentication", "local-users", "ntp", "ntp-udp-port", NULL } },
};

static const char *const roots[] = { "/ietf-interfaces:interfaces", "/ietf-system:system", NULL };
static const char *const except[] = { "/ietf-system:system/contact", NULL };
static const struct feature everything = { .name = "everything", .roots = roots, .except = except };
const struct feature *const feature_table[] = { &everything, NULL };

#define IF(content)	"{\"ietf-interfaces:interfaces\":{\"interface\":[" content "]}}"
#define ETH(name, more) "{\"name\":\"" name "\",\"type\":\"iana-if-type:ethernetCsmacd\"" more "}"
#define XIF(attributes, content)                                                                   \
	"<interfaces xmlns=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\" "                       \
	"xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\" "                                    \
	"xmlns:yang=\"urn:ietf:params:xml:ns:yang:1\"" attributes ">" content "</interfaces>"
#define XSYS(content)                                                                              \
	"<system xmlns=\"urn:ietf:params:xml:ns:yang:ietf-system\" "                               \
	"xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\" "                                    \
	"xmlns:yang=\"urn:ietf:params:xml:ns:yang:1\">" content "</system>"
#define ORDER(content) "{\"ietf-system:system\":{\"dns-resolver\":{\"search\":[" content "]}}}"

static const struct row {
	const char *name, *before, *edit;
	enum edit_operation operation;
	const char *after; /* NULL: refused with tag and path */
	const char *tag, *path;
} rows[] = {
	{ "merge changes a leaf", IF(ETH("a", ",\"description\":\"x\"")),
		XIF("", "<interface><name>a</name><description>y</description></interface>"),
		EDIT_MERGE, IF(ETH("a", ",\"description\":\"y\"")) },
	{ "merge makes an entry", "{}",
		XIF(" xmlns:t=\"urn:ietf:params:xml:ns:yang:iana-if-type\"",
			"<interface><name>a</name><type>t:ethernetCsmacd</type></interface>"),
		EDIT_MERGE, IF(ETH("a", "")) },
	{ "replace drops what is not given",
		IF(ETH("a", ",\"description\":\"x\",\"enabled\":false")),
		XIF(" xmlns:t=\"urn:ietf:params:xml:ns:yang:iana-if-type\"",
			"<interface nc:operation=\"replace\"><name>a</name><type>t:ethernetCsmacd</type>"
			"<enabled>false</enabled></interface>"),
		EDIT_MERGE, IF(ETH("a", ",\"enabled\":false")) },
	{ "replace of all", IF(ETH("a", "") "," ETH("b", "")),
		XIF(" xmlns:t=\"urn:ietf:params:xml:ns:yang:iana-if-type\"",
			"<interface><name>b</name><type>t:ethernetCsmacd</type></interface>"),
		EDIT_REPLACE, IF(ETH("b", "")) },
	{ "create of what exists", IF(ETH("a", "")),
		XIF("", "<interface nc:operation=\"create\"><name>a</name></interface>"),
		EDIT_MERGE, NULL, "data-exists",
		"/ietf-interfaces:interfaces/interface[name='a']" },
	{ "create of a leaf that exists", IF(ETH("a", ",\"description\":\"x\"")),
		XIF("",
			"<interface><name>a</name><description nc:operation=\"create\">y</description>"
			"</interface>"),
		EDIT_MERGE, NULL, "data-exists",
		"/ietf-interfaces:interfaces/interface[name='a']/description" },
	{ "delete of an entry", IF(ETH("a", "") "," ETH("b", "")),
		XIF("", "<interface nc:operation=\"delete\"><name>a</name></interface>"),
		EDIT_MERGE, IF(ETH("b", "")) },
	{ "delete of what is not there", IF(ETH("a", "")),
		XIF("", "<interface nc:operation=\"delete\"><name>z</name></interface>"),
		EDIT_MERGE, NULL, "data-missing",
		"/ietf-interfaces:interfaces/interface[name='z']" },
	{ "delete of a leaf without its value", IF(ETH("a", ",\"enabled\":false")),
		XIF("", "<interface><name>a</name><enabled nc:operation=\"delete\"/></interface>"),
		EDIT_MERGE, IF(ETH("a", "")) },
	{ "remove of what is not there", IF(ETH("a", "")),
		XIF("", "<interface nc:operation=\"remove\"><name>z</name></interface>"),
		EDIT_MERGE, IF(ETH("a", "")) },
	{ "none descends to an operation", IF(ETH("a", ",\"description\":\"x\"")),
		XIF("", "<interface><name>a</name><description nc:operation=\"delete\"/></interface>"),
		EDIT_NONE, IF(ETH("a", "")) },
	{ "none needs its levels", IF(ETH("a", "")),
		XIF("",
			"<interface><name>z</name><description nc:operation=\"merge\">x</description>"
			"</interface>"),
		EDIT_NONE, NULL, "data-missing",
		"/ietf-interfaces:interfaces/interface[name='z']" },
	{ "none changes nothing by itself", IF(ETH("a", "")),
		XIF("", "<interface><name>a</name><description>x</description></interface>"),
		EDIT_NONE, IF(ETH("a", "")) },
	{ "an entry given twice", "{}",
		XIF("",
			"<interface><name>a</name><description>x</description><description>y</description>"
			"</interface>"),
		EDIT_MERGE, NULL, "bad-element",
		"/ietf-interfaces:interfaces/interface[name='a']/description" },
	{ "a deletion within what is new", "{}",
		XIF("",
			"<interface><name>a</name><description nc:operation=\"delete\">x</description>"
			"</interface>"),
		EDIT_MERGE, NULL, "data-missing",
		"/ietf-interfaces:interfaces/interface[name='a']/description" },
	{ "what no feature owns", "{}", XSYS("<contact>me</contact>"), EDIT_MERGE, NULL,
		"operation-not-supported", "/ietf-system:system/contact" },
	{ "user order: first", ORDER("\"a\",\"b\""),
		XSYS("<dns-resolver><search yang:insert=\"first\">c</search></dns-resolver>"),
		EDIT_MERGE, ORDER("\"c\",\"a\",\"b\"") },
	{ "user order: after", ORDER("\"a\",\"b\""),
		XSYS("<dns-resolver><search yang:insert=\"after\" yang:value=\"a\">c</search></dns-resolver>"),
		EDIT_MERGE, ORDER("\"a\",\"c\",\"b\"") },
	{ "user order: an entry moves", ORDER("\"a\",\"b\",\"c\""),
		XSYS("<dns-resolver><search yang:insert=\"before\" yang:value=\"a\">c</search></dns-resolver>"),
		EDIT_MERGE, ORDER("\"c\",\"a\",\"b\"") },
	{ "user order: beside nobody", ORDER("\"a\""),
		XSYS("<dns-resolver><search yang:insert=\"after\" yang:value=\"z\">c</search></dns-resolver>"),
		EDIT_MERGE, NULL, "bad-attribute",
		"/ietf-system:system/dns-resolver/search[.='c']" },
	{ "user order: a merge leaves what is there", ORDER("\"a\",\"b\",\"c\""),
		XSYS("<dns-resolver><search>c</search><search>d</search><search>a</search></dns-resolver>"),
		EDIT_MERGE, ORDER("\"a\",\"b\",\"c\",\"d\"") },
	{ "user order: that of what replaces", ORDER("\"a\",\"b\",\"c\",\"d\""),
		XSYS("<dns-resolver><search>d</search><search>b</search><search>x</search>"
		     "<search>a</search></dns-resolver>"),
		EDIT_REPLACE, ORDER("\"d\",\"b\",\"x\",\"a\"") },
	{ "user order: of what replaces a container", ORDER("\"a\",\"b\",\"c\""),
		XSYS("<dns-resolver nc:operation=\"replace\"><search>c</search><search>b</search>"
		     "<search>a</search></dns-resolver>"),
		EDIT_MERGE, ORDER("\"c\",\"b\",\"a\"") },
	{ "user order: insert within what replaces", ORDER("\"a\",\"b\",\"c\""),
		XSYS("<dns-resolver nc:operation=\"replace\"><search>a</search>"
		     "<search yang:insert=\"first\">b</search>"
		     "<search yang:insert=\"before\" yang:value=\"a\">c</search></dns-resolver>"),
		EDIT_MERGE, ORDER("\"b\",\"c\",\"a\"") },
	{ "user order: insert within what is new", "{}",
		XSYS("<dns-resolver><search>a</search><search yang:insert=\"first\">b</search>"
		     "<search yang:insert=\"after\" yang:value=\"b\">c</search></dns-resolver>"),
		EDIT_MERGE, ORDER("\"b\",\"c\",\"a\"") },
	{ "user order: beside nobody in what is new", "{}",
		XSYS("<dns-resolver><search yang:insert=\"after\" yang:value=\"z\">c</search></dns-resolver>"),
		EDIT_MERGE, NULL, "bad-attribute",
		"/ietf-system:system/dns-resolver/search[.='c']" },
};

static int setup(void **state)
{
	_cleanup_err_ struct err err = { 0 };

	loop_init();
	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0 || schema_init(&err) < 0) {
		fprintf(stderr, "%s\n", err_text(&err));
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	schema_done();
	yang_done();
	loop_done();
	return 0;
}

static char *print(const struct lyd_node *tree)
{
	char *text = NULL;

	lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK);
	return text && *text ? text : (free(text), xstrdup("{}"));
}

static void run_row(const struct row *row)
{
	struct lyd_node *tree = NULL, *request = NULL;
	_cleanup_free_ char *before = NULL, *after = NULL, *undone = NULL;
	_cleanup_err_ struct err err = { 0 };
	struct edit edit;
	int r;

	if (format_parse_config(row->before, strlen(row->before), FORMAT_JSON, &tree, &err) < 0 ||
		format_parse_edit(row->edit, strlen(row->edit), FORMAT_XML, NULL, &request, &err) <
			0)
		fail_msg("%s: %s", row->name, err_text(&err));
	before = print(tree);
	edit_begin(&edit, &tree, NULL);
	r = edit_apply(&edit, &request, row->operation, &err);
	after = print(tree);
	if ((r == 0) != (row->after != NULL))
		fail_msg("%s: %d %s, now %s", row->name, r, err_text(&err), after);
	if (r == 0) {
		struct lyd_node *expected = NULL;
		_cleanup_free_ char *text = NULL;

		assert_int_equal(format_parse_config(row->after, strlen(row->after), FORMAT_JSON,
					 &expected, &err),
			0);
		text = print(expected); /* in the schema's order */
		lyd_free_all(expected);
		assert_string_equal(after, text);
	} else {
		assert_string_equal(err_tag_name(err_effective_tag(&err)), row->tag);
		assert_string_equal(err.path, row->path);
	}
	edit_undo(&edit);
	undone = print(tree);
	assert_string_equal(undone, before);
	lyd_free_all(request);
	lyd_free_all(tree);
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		printf("  %s\n", rows[i].name);
		run_row(&rows[i]);
	}
}

/* User u's keys k@from to k@to-1, each with @attributes. */
static void put_keys(struct buf *text, const char *attributes, unsigned from, unsigned to)
{
	assert_int_equal(buf_append_str(text, "<user><name>u</name>"), 0);
	for (unsigned i = from; i < to; i++)
		assert_int_equal(
			buf_printf(text,
				"<authorized-key%s><name>k%u</name><algorithm>ssh-rsa</algorithm>"
				"<key-data>AAAAB3NzaC1yc2EAAAADAQABAAABgQC7Tn8u5wq2</key-data>"
				"</authorized-key>\n",
				attributes, i),
			0);
	assert_int_equal(buf_append_str(text, "</user>"), 0);
}

/* Applies <authentication>@content</authentication>, in portions or as a whole; 0 or the error's tag. */
static const char *apply(struct edit *edit, const char *content, bool in_portions)
{
	_cleanup_free_ char *text = xasprintf(XSYS("<authentication>%s</authentication>"), content);
	struct lyd_node *request = NULL;
	_cleanup_err_ struct err err = { 0 };
	struct portions *portions;
	unsigned count = 0;
	int r;

	if (!in_portions) {
		r = format_parse_edit(text, strlen(text), FORMAT_XML, NULL, &request, &err);
		if (r == 0)
			r = edit_apply(edit, &request, EDIT_MERGE, &err);
		lyd_free_all(request);
		return r < 0 ? err_tag_name(err_effective_tag(&err)) : NULL;
	}
	portions = portions_new(text, strlen(text), FORMAT_XML);
	while ((r = edit_apply_portion(edit, portions, EDIT_MERGE, &err)) == 1)
		count++;
	portions_free(portions);
	if (r == 0)
		assert_in_range(count, strlen(text) / 30000, strlen(text) / 20000 + 3);
	return r < 0 ? err_tag_name(err_effective_tag(&err)) : NULL;
}

/* What is said in portions that reach deep is what the whole says, and undone like it. */
static void test_portions(void **state)
{
	static const unsigned counts[] = { 0, 1, 100, 170, 180, 2000 };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		_cleanup_(buf_done) struct buf text = { 0 };
		struct lyd_node *trees[2] = { NULL, NULL };
		_cleanup_free_ char *whole = NULL, *parts = NULL;
		struct edit edits[2];

		put_keys(&text, "", 0, counts[i]);
		assert_int_equal(buf_append_str(&text,
					 "<user><name>v</name><password>$0$x</password></user>"),
			0);
		for (int k = 0; k < 2; k++) {
			edit_begin(&edits[k], &trees[k], NULL);
			assert_null(apply(&edits[k], buf_bytes(&text), k));
		}
		whole = print(trees[0]);
		parts = print(trees[1]);
		assert_string_equal(parts, whole);
		for (int k = 0; k < 2; k++) {
			edit_undo(&edits[k]);
			assert_null(trees[k]);
		}
	}
}

static void test_portions_once(void **state)
{
	_cleanup_(buf_done) struct buf twice = { 0 }, entry_twice = { 0 }, removes = { 0 };
	struct lyd_node *tree = NULL;
	struct edit edit;

	/* Nothing of what is to be removed is there: whose memory comes round again is not given twice. */
	put_keys(&removes, " nc:operation=\"remove\"", 0, 3000);
	edit_begin(&edit, &tree, NULL);
	assert_null(apply(&edit, buf_bytes(&removes), true));
	edit_undo(&edit);

	assert_int_equal(buf_append_str(&twice, "<user><name>w</name></user>"), 0);
	put_keys(&twice, "", 0, 2000);
	buf_truncate(&twice, twice.length - strlen("</user>"));
	assert_int_equal(
		buf_append_str(&twice, "<authorized-key><name>k7</name></authorized-key></user>"),
		0);
	edit_begin(&edit, &tree, NULL);
	assert_string_equal(apply(&edit, buf_bytes(&twice), true), "bad-element");
	edit_undo(&edit);

	put_keys(&entry_twice, "", 0, 1000);
	put_keys(&entry_twice, "", 1000, 2000);
	edit_begin(&edit, &tree, NULL);
	assert_string_equal(apply(&edit, buf_bytes(&entry_twice), true), "bad-element");
	edit_undo(&edit);
	assert_null(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_portions),
		cmocka_unit_test(test_portions_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
