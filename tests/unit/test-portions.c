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
	{ "ietf-system", NULL },
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
	return text;
}

/* How many portions it took; all of them merged in *ret_text. */
static unsigned gather(const char *text, char **ret_text)
{
	struct portions *portions = portions_new(text, strlen(text), FORMAT_XML);
	struct lyd_node *all = NULL, *tree;
	unsigned count = 0;
	int r;

	while ((r = portions_next(portions, &tree, NULL)) == 1) {
		count++;
		if (tree)
			assert_int_equal(
				lyd_merge_siblings(&all, tree, LYD_MERGE_DESTRUCT), LY_SUCCESS);
	}
	assert_int_equal(r, 0);
	portions_free(portions);
	*ret_text = print(all);
	return count;
}

static void same(const char *attributes, unsigned interfaces, unsigned min, unsigned max)
{
	_cleanup_free_ char *text = make_text(attributes, interfaces), *parts = NULL, *whole = NULL;
	struct lyd_node *tree = NULL;
	unsigned count;

	assert_int_equal(format_parse_edit(text, strlen(text), FORMAT_XML, NULL, &tree, NULL), 0);
	whole = print(tree);
	count = gather(text, &parts);
	assert_string_equal(parts, whole);
	assert_true(count >= min && count <= max);
}

static void test_same(void **state)
{
	same("", 0, 2, 2);
	same("", 1, 2, 2);
	same("", 2000, 8, 20);
	same(" nc:operation='merge'", 2000, 8, 20);
	same(" nc:operation='replace'", 2000, 2, 2); /* concerns the whole */
}

static void refuse(const char *text)
{
	struct portions *portions = portions_new(text, strlen(text), FORMAT_XML);
	struct lyd_node *tree;
	int r;

	while ((r = portions_next(portions, &tree, NULL)) == 1)
		lyd_free_all(tree);
	assert_true(r < 0);
	portions_free(portions);
}

static void test_bad(void **state)
{
	refuse("text" SYSTEM);
	refuse(SYSTEM "<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'>");
	refuse("<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'><contact>a</system>");
	refuse("<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'>text<contact>a</contact></system>");
	refuse("<system xmlns='urn:ietf:params:xml:ns:yang:ietf-system'><bogus/></system>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
