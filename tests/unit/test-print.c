/*
 * The printer against libyang's: the same trees, in all formats and default modes, are the same bytes;
 * walked without, and with, a look at the clock after every few nodes.
 */
#include "reading.h"

#include "../../src/datastore/walk.h"

const struct feature *const feature_table[] = { NULL };

static const char module[] =
	"module print-test { yang-version 1.1; namespace \"urn:print-test\"; prefix pt;"
	"import ietf-interfaces { prefix if; }"
	"import ietf-yang-metadata { prefix md; } import ietf-yang-types { prefix yang; }"
	"md:annotation note { type string; }"
	"md:annotation level { type uint8; }"
	"identity animal; identity cat { base animal; }"
	"container all {"
	" leaf text { type string; }"
	" leaf empty { type empty; }"
	" leaf flag { type boolean; default \"true\"; }"
	" leaf byte { type int8; } leaf big { type uint64; } leaf dec { type decimal64 {"
	"  fraction-digits 2; } }"
	" leaf bits { type bits { bit a; bit b; } }"
	" leaf colour { type enumeration { enum red; enum blue; } default \"red\"; }"
	" leaf blob { type binary; }"
	" leaf pet { type identityref { base animal; } }"
	" leaf kind { type identityref { base if:interface-type; } }"
	" leaf where { type instance-identifier { require-instance false; } }"
	" leaf either { type union { type int32; type identityref { base if:interface-type; }"
	"  type boolean; type string; } }"
	" leaf expression { type yang:xpath1.0; } leaf ref { type leafref { path \"../big\"; } }"
	" leaf-list many { type uint16; }"
	" leaf-list words { type string; default \"a\"; default \"b\"; ordered-by user; }"
	" container deep { container deeper { presence \"yes\"; leaf x { type string; } } }"
	" container defaulted { leaf y { type string; default \"why\"; } }"
	" list entry { key \"name id\"; leaf name { type string; } leaf id { type uint8; }"
	"  leaf value { type string; default \"none\"; }"
	"  list inner { key \"k\"; leaf k { type string; } } leaf-list tail { type string; } }"
	" list keyless { config false; leaf a { type string; } }"
	" anydata any; anyxml anyx;"
	" leaf counter { config false; type uint32; default \"0\"; }"
	"}"
	"leaf alone { type string; } leaf-list top { type string; }"
	"augment \"/if:interfaces/if:interface\" { leaf extra { type string; } container more {"
	" leaf extra { type string; } } }"
	"}";

static int setup(void **state)
{
	static const struct yang_module modules[] = {
		{ "ietf-interfaces", NULL },
		{ "iana-if-type", NULL },
		{ "ietf-netconf-acm", NULL },
		{ "ietf-netconf-with-defaults", NULL },
		{ "ietf-yang-metadata", NULL },
	};
	_cleanup_err_ struct err err = { 0 };
	struct ly_ctx *ctx;

	loop_init();
	if (yang_init(YANG_DIR, modules, ARRAY_SIZE(modules), &err) < 0)
		fail_msg("%s", err_text(&err));
	ctx = (struct ly_ctx *)yang_ctx();
	if (lys_parse_mem(ctx, module, LYS_IN_YANG, NULL) != LY_SUCCESS ||
		ly_ctx_compile(ctx) != LY_SUCCESS)
		fail_msg("%s", ly_errmsg(ctx));
	return 0;
}

static int teardown(void **state)
{
	lyd_free_all(*store_running());
	*store_running() = NULL;
	oper_done();
	access_done();
	yang_done();
	loop_done();
	return 0;
}

#define ALL(members) "{\"print-test:all\":{" members "}}"

static const char *const documents[] = {
	"{}",
	ALL(""),
	ALL("\"text\":\"\""),
	ALL("\"text\":\"a < b && \\\"c\\\" > 'd' \\\\ \\/ \\u00e9 \\u20ac\""),
	ALL("\"empty\":[null],\"flag\":false,\"byte\":-7,\"big\":\"18446744073709551615\","
	    "\"dec\":\"3.14\",\"bits\":\"a b\",\"colour\":\"blue\",\"blob\":\"AAEC\""),
	" " ALL("\"flag\":true,\"colour\":\"red\""),
	ALL("\"kind\":\"iana-if-type:bridge\""),
	ALL("\"where\":\"/ietf-interfaces:interfaces/interface[name='a\\\"<']/print-test:extra\""),
	ALL("\"where\":\"/print-test:all/entry[name='x'][id='1']/value\""),
	ALL("\"expression\":\"/print-test:all/entry[name='x:y']\""),
	ALL("\"either\":17"),
	ALL("\"either\":\"iana-if-type:bridge\""),
	ALL("\"either\":true"),
	ALL("\"either\":\"yes & no\""),
	ALL("\"big\":\"5\",\"ref\":\"5\""),
	ALL("\"many\":[1,2,3],\"words\":[\"z\",\"y\"]"),
	" " ALL("\"words\":[\"a\",\"b\"]"),
	ALL("\"deep\":{\"deeper\":{}}"),
	ALL("\"deep\":{}"),
	" " ALL("\"deep\":{\"deeper\":{\"x\":\"1\"}},\"defaulted\":{\"y\":\"why\"}"),
	" " ALL("\"entry\":[{\"name\":\"a\",\"id\":1,\"value\":\"none\"},{\"name\":\"a\",\"id\":2,"
		"\"inner\":[{\"k\":\"1\"},{\"k\":\"2\"}],\"tail\":[\"x\",\"y\"]}],\"text\":\"end\""),
	" " ALL("\"keyless\":[{\"a\":\"1\"},{\"a\":\"1\"},{}],\"counter\":0"),
	ALL("\"counter\":4294967295"),
	"{\"print-test:alone\":\"x\",\"print-test:top\":[\"1\",\"2\"]}",
	"{\"print-test:top\":[\"1\",\"2\"],\"print-test:all\":{\"many\":[9]}}",
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\",\"type\":"
	"\"iana-if-type:bridge\",\"print-test:extra\":\"e\",\"print-test:more\":{\"extra\":\"f\"}},"
	"{\"name\":\"b\",\"type\":\"iana-if-type:bridge\",\"enabled\":false}]}}",
	ALL("\"text\":\"t\",\"@text\":{\"print-test:note\":\"n <&\\\">\",\"print-test:level\":3}"),
	ALL("\"many\":[1,2,3,4],\"@many\":[null,{\"print-test:note\":\"two\"},null,"
	    "{\"print-test:level\":4}],\"text\":\"x\""),
	ALL("\"@\":{\"print-test:note\":\"on container\"},\"text\":\"x\""),
	ALL("\"entry\":[{\"@\":{\"print-test:level\":1},\"name\":\"a\",\"id\":1}]"),
	ALL("\"any\":{\"print-test:alone\":\"x\"},\"text\":\"x\""),
};

static const enum with_defaults modes[] = { WITH_DEFAULTS_EXPLICIT, WITH_DEFAULTS_TRIM,
	WITH_DEFAULTS_ALL, WITH_DEFAULTS_ALL_TAGGED };

/* libyang has the annotation in its module's namespace; RFC 6243 section 6 gives it another one. */
static char *with_right_namespace(const char *text)
{
	static const char wrong[] = "\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\"";
	static const char right[] = "\"urn:ietf:params:xml:ns:netconf:default:1.0\"";
	struct buf out = { 0 };
	const char *found;

	for (; (found = strstr(text, wrong)); text = found + strlen(wrong)) {
		assert_int_equal(buf_append(&out, text, (size_t)(found - text)), 0);
		assert_int_equal(buf_append_str(&out, right), 0);
	}
	assert_int_equal(buf_append_str(&out, text), 0);
	return buf_take(&out);
}

/* libyang's text, JSON without the outer braces. */
static char *reference(const struct lyd_node *tree, enum format format, enum with_defaults mode)
{
	struct buf text = { 0 };
	_cleanup_free_ char *all = NULL;

	if (tree && format_print(&text, tree, format, true, mode, false, NULL) < 0)
		fail_msg("libyang does not print");
	all = buf_take(&text);
	if (format == FORMAT_XML)
		return with_right_namespace(all);
	if (!*all)
		return TAKE(all);
	assert_true(all[0] == '{' && all[strlen(all) - 1] == '}');
	return xstrndup(all + 1, strlen(all) - 2);
}

/* Stops at every look, so that each node is also the first of a slice. */
static bool always(void)
{
	return true;
}

static char *printed(const struct lyd_node *tree, enum format format, enum with_defaults mode,
	bool (*should_stop)(void))
{
	struct buf text = { 0 };
	struct walk walk = { .tree = tree };
	int r;

	print_init(&walk.print, &text, format, mode);
	walk_start(&walk);
	do
		r = walk_run(&walk, should_stop, NULL);
	while (r > 0);
	assert_int_equal(r, 0);
	walk_end(&walk);
	return buf_take(&text);
}

static void compare(const struct lyd_node *tree, enum format format, enum with_defaults mode,
	bool (*should_stop)(void))
{
	_cleanup_free_ char *theirs = reference(tree, format, mode);
	_cleanup_free_ char *ours = printed(tree, format, mode, should_stop);

	if (!str_equal(ours, theirs))
		fail_msg("mode %d:\n  ours   %s\n  theirs %s", mode, ours, theirs);
}

/* libyang leaves empty containers where all that was in them is trimmed; they say nothing. */
static void test_trimmed(void **state)
{
	static const struct {
		const char *json, *xml;
	} rows[] = {
		{ ALL("\"flag\":true,\"colour\":\"red\""), "" },
		{ ALL("\"words\":[\"a\",\"b\"],\"defaulted\":{\"y\":\"why\"}"), "" },
		{ ALL("\"counter\":0"), "" },
		/* libyang 3 leaves the prefix out. */
		{ ALL("\"pet\":\"cat\""),
			"<all xmlns=\"urn:print-test\"><pet xmlns:pt=\"urn:print-test\">pt:cat</pet></all>" },
		{ ALL("\"deep\":{\"deeper\":{}},\"flag\":true"),
			"<all xmlns=\"urn:print-test\"><deep><deeper/></deep></all>" },
		{ ALL("\"flag\":false,\"colour\":\"red\""),
			"<all xmlns=\"urn:print-test\"><flag>false</flag></all>" },
		{ ALL("\"entry\":[{\"name\":\"a\",\"id\":1,\"value\":\"none\"}]"),
			"<all xmlns=\"urn:print-test\"><entry><name>a</name><id>1</id></entry></all>" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lyd_node *tree = parse_json(rows[i].json, false);
		_cleanup_free_ char *ours = printed(tree, FORMAT_XML, WITH_DEFAULTS_TRIM, NULL);

		assert_string_equal(ours, rows[i].xml);
		lyd_free_all(tree);
	}
}

/* Only what nobody set is default data; libyang tags every value that equals the default. */
static void test_tagged(void **state)
{
	struct lyd_node *tree = parse_json(ALL("\"flag\":true,\"words\":[\"a\",\"b\"]"), false);
	_cleanup_free_ char *json = printed(tree, FORMAT_JSON, WITH_DEFAULTS_ALL_TAGGED, NULL);
	_cleanup_free_ char *xml = NULL;

	assert_string_equal(json, "\"print-test:all\":{\"flag\":true,\"words\":[\"a\",\"b\"]}");
	assert_int_equal(lyd_new_implicit_tree(tree, LYD_IMPLICIT_NO_STATE, NULL), LY_SUCCESS);
	xml = printed(tree, FORMAT_XML, WITH_DEFAULTS_ALL_TAGGED, NULL);
#define TAG " xmlns:ncwd=\"urn:ietf:params:xml:ns:netconf:default:1.0\" ncwd:default=\"true\""
	assert_string_equal(xml,
		"<all xmlns=\"urn:print-test\"><flag>true</flag><colour" TAG ">red</colour>"
		"<words>a</words><words>b</words><defaulted><y" TAG ">why</y></defaulted></all>");
	lyd_free_all(tree);
}

static void test_documents(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(documents) * 2; i++) {
		struct lyd_node *tree = parse_json(documents[i / 2], i % 2);

		for (size_t k = 0; k < ARRAY_SIZE(modes); k++) {
			bool is_special = documents[i / 2][0] == ' ';

			/* All of it is trimmed: see test_trimmed(); explicit values: test_tagged(). */
			if (is_special &&
				(modes[k] == WITH_DEFAULTS_TRIM ||
					modes[k] == WITH_DEFAULTS_ALL_TAGGED))
				continue;
			compare(tree, FORMAT_XML, modes[k], NULL);
			compare(tree, FORMAT_JSON, modes[k], NULL);
		}
		lyd_free_all(tree);
	}
}

/* Control characters and line ends that libyang would lose are kept by a parser of our text. */
static void test_characters(void **state)
{
	struct lyd_node *tree = parse_json(
		ALL("\"text\":\"a\\rb\\nc\",\"@text\":{\"print-test:note\":\"\\t\\n\\r\"}"), false);
	_cleanup_free_ char *xml = printed(tree, FORMAT_XML, WITH_DEFAULTS_EXPLICIT, NULL);

	_cleanup_free_ char *json = printed(tree, FORMAT_JSON, WITH_DEFAULTS_EXPLICIT, NULL);

	assert_non_null(strstr(xml, ":note=\"&#x9;&#xA;&#xD;\">a&#xD;b\nc</text>"));
	assert_non_null(strstr(json, "\"text\":\"a\\u000Db\\u000Ac\""));
	lyd_free_all(tree);
}

static struct lyd_node *many_interfaces(unsigned count)
{
	struct buf json = { 0 };
	struct lyd_node *tree;

	assert_int_equal(
		buf_append_str(&json, "{\"ietf-interfaces:interfaces\":{\"interface\":["), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(
			buf_printf(&json,
				"%s{\"name\":\"eth%u\",\"type\":\"iana-if-type:bridge\","
				"\"description\":\"port <%u>\",\"print-test:extra\":\"e\"}",
				i ? "," : "", i, i),
			0);
	assert_int_equal(buf_append_str(&json, "]},\"print-test:top\":[\"a\",\"b\"]}"), 0);
	tree = parse_json(buf_bytes(&json), true);
	buf_done(&json);
	return tree;
}

static void test_slices(void **state)
{
	struct lyd_node *tree = many_interfaces(500);

	for (size_t k = 0; k < ARRAY_SIZE(modes); k++) {
		compare(tree, FORMAT_XML, modes[k], always);
		compare(tree, FORMAT_JSON, modes[k], always);
	}
	lyd_free_all(tree);
}

/* Dropped half way, nothing leaks and nothing is left open. */
static void test_dropped(void **state)
{
	struct lyd_node *tree = many_interfaces(100);
	_cleanup_(buf_done) struct buf text = { 0 };
	struct walk walk = { .tree = tree };

	print_init(&walk.print, &text, FORMAT_JSON, WITH_DEFAULTS_ALL);
	walk_start(&walk);
	assert_int_equal(walk_run(&walk, always, NULL), 1);
	assert_true(text.length > 0);
	walk_end(&walk);
	walk_end(&walk);
	lyd_free_all(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_trimmed),
		cmocka_unit_test(test_tagged),
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_dropped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
