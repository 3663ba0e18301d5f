/*
 * YANG-push: whom a change concerns (push-index.c), what has to be read again for it (push-scope.c), and what
 * is told of it (push-diff.c).
 */
#include "reading.h"

#include "ashlar/feature.h"

#include "../../src/datastore/push-diff.h"
#include "../../src/datastore/push-index.h"
#include "../../src/datastore/push-scope.h"
#include "../../src/datastore/xpath.h"

const struct feature *const feature_table[] = { NULL };

#define MANY 10000

static const char module[] =
	"module push-test { yang-version 1.1; namespace \"urn:push\"; prefix t;"
	" container top {"
	"  list item { key name; leaf name { type string; } leaf kind { type string; }"
	"   leaf value { type string; } container in { leaf deep { type string; } } }"
	"  list mine { key k; ordered-by user; leaf k { type string; } leaf v { type string; } }"
	"  leaf-list tag { type string; }"
	"  container state { config false; list row { leaf a { type string; } }"
	"   leaf-list user { type string; } }"
	" }"
	"}";

static struct ds_filter *parse(const char *xpath)
{
	_cleanup_err_ struct err err = { 0 };
	struct ds_filter *filter = NULL;

	if (xpath_filter(xpath, &filter, &err) != 1)
		fail_msg("%s: %s", xpath, err_text(&err));
	return filter;
}

/* --- index ------------------------------------------------------------------------------------ */

struct sought {
	const struct push_watcher *watcher;
	size_t count;
	bool is_found;
};

static void on_found(struct push_watcher *watcher, void *arg)
{
	struct sought *sought = arg;

	sought->count++;
	sought->is_found |= watcher == sought->watcher;
}

static const struct lyd_node *parent_of(const struct lyd_node *node, void *arg)
{
	return lyd_parent(node);
}

/* The node of a path, made with its parents; they are freed by its top. */
static struct lyd_node *make(const char *path, const char *value, struct lyd_node **ret_top)
{
	struct lyd_node *node = NULL;

	if (lyd_new_path2(NULL, yang_ctx(), path, value, 0, 0, 0, ret_top, &node) != LY_SUCCESS)
		fail_msg("%s: %s", path, ly_errmsg(yang_ctx()));
	return node;
}

static struct sought search(const char *path, const struct push_watcher *watcher)
{
	struct sought sought = { .watcher = watcher };
	struct push_step steps[16];
	struct lyd_node *top = NULL, *node = make(path, NULL, &top);
	size_t count = push_index_way(node, parent_of, NULL, steps, ARRAY_SIZE(steps));

	push_index_find(steps, count, on_found, &sought);
	lyd_free_all(top);
	return sought;
}

static void check_found(const char *xpath, const char *path, bool is_expected)
{
	_cleanup_(ds_filter_freep) struct ds_filter *filter = xpath ? parse(xpath) : NULL;
	struct push_watcher watcher = { 0 };
	struct sought sought;

	push_index_add(&watcher, filter);
	assert_false(push_index_is_empty());
	sought = search(path, &watcher);
	if (sought.is_found != is_expected || sought.count > 1)
		fail_msg("%s: %s found %zu times", xpath ? xpath : "all", path, sought.count);
	push_index_remove(&watcher);
	assert_true(push_index_is_empty());
}

static void test_found(void **state)
{
	static const char item_a[] = "/push-test:top/item[name='a']";

	check_found(NULL, item_a, true);
	check_found("/push-test:top", item_a, true);
	check_found("/push-test:top/item", item_a, true);
	check_found("/push-test:top/item[name='a']", item_a, true);
	check_found("/push-test:top/item[name='b']", item_a, false);
	check_found("/push-test:top/mine", item_a, false);
	/* Above what is selected: it may be made or go with it. */
	check_found("/push-test:top/item[name='a']/in/deep", item_a, true);
	check_found(
		"/push-test:top/item[name='a']/in/deep", "/push-test:top/item[name='a']/in", true);
	check_found("/push-test:top/item[name='a']/in/deep", "/push-test:top/item[name='a']/value",
		false);
	check_found("/push-test:top/item/in/deep", "/push-test:top/item[name='a']/in/deep", true);
	/* What decides is watched as what is selected. */
	check_found(
		"/push-test:top/item[kind='x']/value", "/push-test:top/item[name='a']/kind", true);
	check_found("/push-test:top/item[kind='x']/value", "/push-test:top/item[name='a']/in/deep",
		false);
	check_found("/push-test:top/tag[.='x']", "/push-test:top/tag[.='x']", true);
	check_found("/push-test:top/tag[.='x']", "/push-test:top/tag[.='y']", false);
	check_found("/push-test:top/item[name='b'] | /push-test:top/item[name='a']/value", item_a,
		true);
}

/* Many watchers of other entries: one search finds its own and touches no other. */
static void test_many(void **state)
{
	struct push_watcher *watchers = xcalloc(MANY, sizeof(*watchers));
	struct sought sought;

	for (size_t i = 0; i < MANY; i++) {
		_cleanup_free_ char *xpath = xasprintf("/push-test:top/item[name='n%zu']/value", i);
		_cleanup_(ds_filter_freep) struct ds_filter *filter = parse(xpath);

		push_index_add(&watchers[i], filter);
	}
	sought = search("/push-test:top/item[name='n77']/value", &watchers[77]);
	assert_true(sought.is_found);
	assert_int_equal(sought.count, 1);
	assert_int_equal(search("/push-test:top/item[name='other']", NULL).count, 0);
	assert_int_equal(search("/push-test:top/mine[k='n77']", NULL).count, 0);
	assert_int_equal(search("/push-test:top", NULL).count, MANY);
	for (size_t i = 0; i < MANY; i += 2)
		push_index_remove(&watchers[i]);
	assert_int_equal(search("/push-test:top", NULL).count, MANY / 2);
	assert_int_equal(search("/push-test:top/item[name='n78']", NULL).count, 0);
	for (size_t i = 1; i < MANY; i += 2)
		push_index_remove(&watchers[i]);
	assert_true(push_index_is_empty());
	free(watchers);
}

/* --- scope ------------------------------------------------------------------------------------ */

static void check_scope(const char *xpath, const char *path, const char *expected)
{
	_cleanup_(ds_filter_freep) struct ds_filter *filter = xpath ? parse(xpath) : NULL;
	_cleanup_free_ char *scope = push_scope_path(filter, path);

	if (!str_equal(scope, expected))
		fail_msg("%s, %s: %s instead of %s", xpath ? xpath : "all", path,
			scope ? scope : "everything", expected ? expected : "everything");
}

static void test_scope(void **state)
{
	static const char deep[] = "/push-test:top/item[name='/a']/in/deep";

	check_scope(NULL, deep, deep);
	check_scope("/push-test:top", deep, deep);
	check_scope("/push-test:top/item[name='/a']", deep, deep);
	check_scope("/push-test:top/item/in", deep, deep);
	/* Another leaf decides: all that it decides on is looked at. */
	check_scope("/push-test:top/item[kind='x']/in", deep, "/push-test:top/item[name='/a']");
	check_scope("/push-test:top[tag]/item", deep, "/push-test:top");
	/* The order of entries counts, or nothing tells them apart: so do the others. */
	check_scope(NULL, "/push-test:top/mine[k='b']", "/push-test:top");
	check_scope(NULL, "/push-test:top/mine[k='b']/v", "/push-test:top/mine[k='b']/v");
}

/* What is read for a change is the part of the whole that is about it. */
static void test_narrow(void **state)
{
	static const char data[] =
		"{\"push-test:top\":{\"item\":["
		"{\"name\":\"a\",\"kind\":\"x\",\"value\":\"1\",\"in\":{\"deep\":\"d\"}},"
		"{\"name\":\"b\",\"kind\":\"y\",\"value\":\"2\"}]}}";
	static const struct {
		const char *xpath, *path, *expected;
	} cases[] = {
		{ NULL, "/push-test:top/item[name='a']/value",
			"<top xmlns=\"urn:push\"><item><name>a</name><value>1</value></item></top>" },
		{ "/push-test:top/item/value", "/push-test:top/item[name='b']",
			"<top xmlns=\"urn:push\"><item><name>b</name><value>2</value></item></top>" },
		{ "/push-test:top/item[kind='x']/value", "/push-test:top/item[name='b']", "" },
		{ "/push-test:top/item[kind='x']/value", "/push-test:top/item[name='a']",
			"<top xmlns=\"urn:push\"><item><name>a</name><value>1</value></item></top>" },
		{ "/push-test:top/item[name='b']", "/push-test:top/item[name='a']", "" },
		{ "/push-test:top/item/kind", "/push-test:top/item[name='a']/in", "" },
	};

	set_running(data, false);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(ds_filter_freep) struct ds_filter *filter =
			cases[i].xpath ? parse(cases[i].xpath) : NULL;
		_cleanup_(ds_filter_freep) struct ds_filter *narrow = filter_new();
		struct ds_read read = { .ds = DS_RUNNING, .subtree = narrow };

		assert_int_equal(push_scope_add(narrow, filter, cases[i].path, NULL), 0);
		check_read(cases[i].path, NULL, &read, cases[i].expected);
	}
}

/* --- differences ------------------------------------------------------------------------------ */

static void check_diff(const char *told_json, const char *now_json, const char *path,
	unsigned excluded, const char *expected)
{
	struct push_edits edits = { .excluded = excluded };
	struct lyd_node *told = parse_json(told_json, false), *now = parse_json(now_json, false);
	_cleanup_(buf_done) struct buf text = { 0 };

	assert_true(push_diff(&edits, told, now, path));
	assert_int_equal(push_edits_print(&edits, now, NULL, FORMAT_XML, &text, NULL), 0);
	if (!str_equal(buf_bytes(&text), expected))
		fail_msg("%s → %s:\n  got      %s\n  expected %s", told_json, now_json,
			buf_bytes(&text), expected);
	push_edits_done(&edits);
	lyd_free_all(told);
	lyd_free_all(now);
}

#define TOP(content) "{\"push-test:top\":{" content "}}"
#define EDIT(number, operation, target, rest)                                                      \
	"<edit><edit-id>" number "</edit-id><operation>" operation                                 \
	"</operation><target>/push-test:top" target "</target>" rest "</edit>"
#define X " xmlns=\"urn:push\""

static void test_diff(void **state)
{
	static const char one[] = TOP("\"item\":[{\"name\":\"a/1\",\"value\":\"1\"}]");
	static const char two[] = TOP("\"item\":[{\"name\":\"a/1\",\"value\":\"2\"}]");

	check_diff(one, one, NULL, 0, "");
	check_diff(one, two, NULL, 0,
		EDIT("1", "replace", "/item=a%2F1/value", "<value><value" X ">2</value></value>"));
	check_diff(one, two, "/push-test:top/item[name='a/1']/value", 0,
		EDIT("1", "replace", "/item=a%2F1/value", "<value><value" X ">2</value></value>"));
	check_diff(one, two, NULL, 1U << PUSH_REPLACE, "");
	check_diff(one, TOP("\"item\":[{\"name\":\"a/1\"}]"), NULL, 0,
		EDIT("1", "delete", "/item=a%2F1/value", ""));
	check_diff("{}", one, "/push-test:top/item[name='a/1']/value", 0,
		EDIT("1", "create", "",
			"<value><top" X
			"><item><name>a/1</name><value>1</value></item></top></value>"));
	check_diff(TOP("\"tag\":[\"x\"]"), TOP("\"tag\":[\"y\"]"), NULL, 0,
		EDIT("1", "delete", "/tag=x", "")
			EDIT("2", "create", "/tag=y", "<value><tag" X ">y</tag></value>"));
}

#define MINE(names) TOP("\"mine\":[" names "]")
#define K(name)	    "{\"k\":\"" name "\"}"

static void test_order(void **state)
{
	check_diff(MINE(K("a") "," K("b") "," K("c")), MINE(K("a") "," K("c") "," K("b")), NULL, 0,
		EDIT("1", "move", "/mine=c",
			"<point>/push-test:top/mine=a</point><where>after</where>"));
	check_diff(MINE(K("a") "," K("b")), MINE(K("n") "," K("a") "," K("b")), NULL, 0,
		EDIT("1", "insert", "/mine=n",
			"<where>first</where><value><mine" X "><k>n</k></mine></value>"));
	/* Each finds the one before it in place, though the later one was seen first. */
	check_diff(MINE(K("a")), MINE(K("a") "," K("m") "," K("n")), NULL, 0,
		EDIT("1", "insert", "/mine=m",
			"<point>/push-test:top/mine=a</point><where>after</where>"
			"<value><mine" X "><k>m</k></mine></value>") EDIT("2", "insert", "/mine=n",
			"<point>/push-test:top/mine=m</point><where>after</where>"
			"<value><mine" X "><k>n</k></mine></value>"));
}

static void test_keyless(void **state)
{
	/* Entries without keys cannot be told apart. */
	check_diff(TOP("\"state\":{\"row\":[{\"a\":\"1\"}]}"),
		TOP("\"state\":{\"row\":[{\"a\":\"1\"},{\"a\":\"2\"}]}"), NULL, 0,
		EDIT("1", "replace", "/state",
			"<value><state" X
			"><row><a>1</a></row><row><a>2</a></row></state></value>"));
	/* Items can, by their values. */
	check_diff(TOP("\"state\":{\"user\":[\"a\",\"b\"]}"), TOP("\"state\":{\"user\":[\"b\"]}"),
		NULL, 0, EDIT("1", "delete", "/state/user=a", ""));
}

/* Of several changes the last counts; what was made and not told yet is still made. */
static void test_gathered(void **state)
{
	static const char *const steps[] = {
		TOP("\"tag\":[\"t\"]"),
		TOP("\"tag\":[\"t\"],\"item\":[{\"name\":\"a\",\"value\":\"1\"}]"),
		TOP("\"tag\":[\"t\"],\"item\":[{\"name\":\"a\",\"value\":\"2\"},{\"name\":\"b\"}]"),
		TOP("\"tag\":[\"t\"],\"item\":[{\"name\":\"a\",\"value\":\"2\"}]"),
	};
	struct push_edits edits = { 0 };
	struct lyd_node *told = parse_json(steps[0], false);
	_cleanup_(buf_done) struct buf text = { 0 };

	for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
		struct lyd_node *now = parse_json(steps[i], false);

		assert_true(push_diff(&edits, told, now, NULL));
		lyd_free_all(told);
		told = now;
	}
	assert_int_equal(push_edits_print(&edits, told, NULL, FORMAT_XML, &text, NULL), 0);
	assert_string_equal(buf_bytes(&text),
		EDIT("1", "create", "/item=a",
			"<value><item" X "><name>a</name><value>2</value></item></value>")
			EDIT("2", "delete", "/item=b", ""));
	push_edits_done(&edits);
	lyd_free_all(told);
}

static int setup(void **state)
{
	static const struct yang_module modules[] = {
		{ "ietf-netconf-acm", NULL },
		{ "ietf-netconf-with-defaults", NULL },
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
	oper_done();
	store_done();
	access_done();
	yang_done();
	loop_done();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_keyless),
		cmocka_unit_test(test_gathered),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
