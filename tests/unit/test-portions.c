/* What the portions of an edit say together is what the whole text says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/yang.h"

static const struct yang_module modules[] = {
	{ "ietf-netconf", NULL },
	{ "iana-if-type", NULL },
	{ "ietf-interfaces", NULL },
	{ "ietf-system", (const char *const[]){ "authentication", "local-users", NULL } },
};

#define IF_OPEN                                                                                    \
	"<if:interfaces xmlns:if='urn:ietf:params:xml:ns:yang:ietf-interfaces' "                   \
	"xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0'"
#define SYSTEM                                                                                     \
	"<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'><contact>a &amp; b</contact></system>"

static int setup(void **state)
{
	return yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), NULL);
}

static int teardown(void **state)
{
	yang_done();
	return 0;
}

/* @count interfaces, a comment and CDATA among them. */
static char *make_text(const char *attributes, unsigned count)
{
	struct buf text = { 0 };

	assert_int_equal(buf_printf(&text, "%s%s>", IF_OPEN, attributes), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(
			buf_printf(&text,
				"<!-- %u --><if:interface><if:name>i%u</if:name>"
				"<if:description><![CDATA[</if:interface>]]></if:description>"
				"</if:interface>\n",
				i, i),
			0);
	assert_int_equal(buf_printf(&text, "</if:interfaces>%s", SYSTEM), 0);
	return buf_take(&text);
}

static char *print(struct lyd_node *tree)
{
	char *text = NULL;

	lyd_print_mem(&text, tree, LYD_XML, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK);
	lyd_free_all(tree);
	return text ? text : xstrdup("");
}

/* How many portions it took; all of them merged in *ret_text. */
static unsigned gather(const char *text, enum format format, char **ret_text)
{
	struct portions *portions = portions_new(text, strlen(text), format);
	struct lyd_node *all = NULL, *tree;
	_cleanup_err_ struct err err = { 0 };
	unsigned count = 0;
	int r;

	while ((r = portions_next(portions, &tree, &err)) == 1) {
		count++;
		if (tree)
			assert_int_equal(
				lyd_merge_siblings(&all, tree, LYD_MERGE_DESTRUCT), LY_SUCCESS);
	}
	if (r < 0)
		fail_msg("portion %u: %s", count, err_text(&err));
	portions_free(portions);
	*ret_text = print(all);
	return count;
}

static void same_text(const char *text, enum format format, unsigned min, unsigned max)
{
	_cleanup_free_ char *parts = NULL, *whole = NULL;
	struct lyd_node *tree = NULL;
	unsigned count;

	assert_int_equal(format_parse_edit(text, strlen(text), format, NULL, &tree, NULL), 0);
	whole = print(tree);
	count = gather(text, format, &parts);
	assert_string_equal(parts, whole);
	if (count < min || count > max)
		fail_msg("%u portions", count);
}

static void same(const char *attributes, unsigned interfaces, unsigned min, unsigned max)
{
	_cleanup_free_ char *text = make_text(attributes, interfaces);

	same_text(text, FORMAT_XML, min, max);
}

static void test_same(void **state)
{
	same("", 0, 2, 2);
	same("", 1, 2, 2);
	same("", 2000, 8, 20);
	same(" nc:operation='merge'", 2000, 8, 20);
	same(" nc:operation='replace'", 2000, 2, 2); /* concerns the whole */
}

/* Users with many keys below one container; each begins with @head, its name and @rest. */
static char *make_deep(const char *head, const char *rest, unsigned users, unsigned keys)
{
	struct buf text = { 0 };

	assert_int_equal(buf_append_str(&text,
				 "<s:system xmlns:s='urn:ietf:params:xml:ns:yang:ietf-system' "
				 "xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0'>"
				 "<s:contact>c</s:contact><s:authentication>"),
		0);
	for (unsigned i = 0; i < users; i++) {
		assert_int_equal(buf_printf(&text, "%s<s:name>u%u</s:name>%s", head, i, rest), 0);
		for (unsigned k = 0; k < keys; k++)
			assert_int_equal(buf_printf(&text,
						 "<s:authorized-key><s:name>k%u</s:name>"
						 "<s:algorithm>ssh-rsa</s:algorithm>"
						 "<s:key-data>QUJD</s:key-data></s:authorized-key>",
						 k),
				0);
		assert_int_equal(buf_append_str(&text, "</s:user>"), 0);
	}
	assert_int_equal(
		buf_append_str(&text,
			"</s:authentication><s:hostname>h</s:hostname><s:dns-resolver/></s:system>"),
		0);
	return buf_take(&text);
}

static void test_deep(void **state)
{
	static const struct {
		const char *head, *rest;
		unsigned users, keys, min, max;
	} rows[] = {
		{ "<s:user>", "", 3, 10, 1, 1 },
		{ "<s:user>", "", 300, 10, 12, 25 },
		{ "<s:user>\n ", "", 3, 1000, 12, 25 },
		{ "<s:user>", "<s:password>$0$p</s:password>", 3, 1000, 12, 25 },
		/* These stay whole: who knows where the key is, and what an operation is about. */
		{ "<s:user><s:password>$0$p</s:password>", "", 3, 1000, 3, 6 },
		{ "<s:user nc:operation='replace'>", "", 3, 1000, 3, 6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text =
			make_deep(rows[i].head, rows[i].rest, rows[i].users, rows[i].keys);

		same_text(text, FORMAT_XML, rows[i].min, rows[i].max);
	}
}

/* Two lists and a leaf of one container, brackets and quotes in the values. */
static char *make_json(unsigned count)
{
	struct buf text = { 0 };

	assert_int_equal(
		buf_append_str(&text, " {\"ietf-interfaces:interfaces\" :{ \"interface\":["), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(
			buf_printf(&text, "%s{\"name\":\"i%u\",\"description\":\"]}\\\",\\\\\"}\n",
				i ? " , " : "", i),
			0);
	assert_int_equal(
		buf_append_str(&text,
			"] } ,\"ietf-system:system\":{\"contact\":\"x\",\"location\":\"y\","
			"\"dns-resolver\":{\"search\":[\"a.b\",\"c.d\"],\"server\":[{\"name\":\"s\"}]}}\n}\n"),
		0);
	return buf_take(&text);
}

static void test_json(void **state)
{
	static const unsigned counts[] = { 1, 2, 499, 500, 501, 2000 };
	static const char tagged[] = "{\"ietf-system:system\":{\"contact\":\"x\","
				     "\"@contact\":{\"ietf-netconf:operation\":\"create\"}}}";

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		_cleanup_free_ char *text = make_json(counts[i]);

		same_text(text, FORMAT_JSON, 2 + counts[i] / 1000, 4 + counts[i] / 200);
	}
	same_text(tagged, FORMAT_JSON, 1, 1);
	same_text("{}", FORMAT_JSON, 0, 0);
	same_text("{\"ietf-system:system\":{}}", FORMAT_JSON, 1, 1);
}

static void refuse_as(const char *text, size_t size, enum format format)
{
	struct portions *portions = portions_new(text, size, format);
	struct lyd_node *tree;
	int r;

	while ((r = portions_next(portions, &tree, NULL)) == 1)
		lyd_free_all(tree);
	assert_true(r < 0);
	portions_free(portions);
}

static void refuse(const char *text)
{
	refuse_as(text, strlen(text), FORMAT_XML);
}

static void test_bad_json(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{",
		"{}x",
		"{,}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a:b\":1}",
		"{\"ietf-system:system\":{\"contact\":\"x\"}",
		"{\"ietf-system:system\":{\"contact\":\"x\",}}",
		"{\"ietf-system:system\":{,\"contact\":\"x\"}}",
		"{\"ietf-system:system\":{\"contact\":\"x\" \"location\":\"y\"}}",
		"{\"ietf-system:system\":{\"bogus\":1}}",
		"{\"ietf-system:system\":{\"contact\":\"x\"},}",
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\"},]}}",
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\"}}}",
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\"}]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		refuse_as(texts[i], strlen(texts[i]), FORMAT_JSON);
	refuse_as("{\"ietf-system:system\":\0{}}", 27, FORMAT_JSON);
}

static void test_bad(void **state)
{
	_cleanup_free_ char *deep = NULL;

	refuse("text" SYSTEM);
	refuse(SYSTEM "<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'>");
	refuse("<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'><contact>a</system>");
	refuse("<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'>text<contact>a</contact></system>");
	refuse("<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'><bogus/></system>");
	deep = make_deep("<s:user>", "text", 2, 1000);
	refuse(deep);
	deep[strlen(deep) -
		strlen("</s:user></s:authentication><s:hostname>h</s:hostname>"
		       "<s:dns-resolver/></s:system>")] = '\0';
	refuse(deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bad_json),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
