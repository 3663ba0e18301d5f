/*
 * What filters select of a configuration: subtree filters (RFC 6241 section 6, its examples first), the
 * same said in XPath, and the fields and depth of RFC 8040; with and without access control. Simple
 * expressions are answered by our own walk, all others by libyang: in parentheses each expression goes
 * the other way, and both must agree.
 */
#include "reading.h"

const struct feature *const feature_table[] = { NULL };

/* The data model that RFC 6241's examples are about. */
static const char module[] =
	"module filter-test { yang-version 1.1; namespace \"http://example.com/schema/1.2/config\";"
	" prefix t; import ietf-yang-metadata { prefix md; }"
	" md:annotation ifName { type string; }"
	" identity colour; identity red { base colour; } identity blue { base colour; }"
	" container top {"
	"  container users { list user { key name; leaf name { type string; }"
	"   leaf type { type string; } leaf full-name { type string; }"
	"   container company-info { leaf dept { type uint8; } leaf id { type uint8; } } } }"
	"  container interfaces { list interface { key n; leaf n { type string; }"
	"   leaf in { type uint32; } leaf out { type uint32; } } }"
	"  list pair { key \"a b\"; leaf a { type int8; } leaf b { type string; }"
	"   leaf v { type string; } }"
	"  list mine { key k; ordered-by user; leaf k { type string; } leaf v { type string; } }"
	"  leaf-list tag { type string; } leaf-list number { type uint8; }"
	"  leaf colour { type identityref { base colour; } }"
	"  leaf paint { type string; } leaf on { type boolean; default true; }"
	"  leaf at { type instance-identifier { require-instance false; } }"
	"  container box { presence here; leaf inside { type string; } }"
	" }"
	" leaf title { type string; }"
	"}";
static const char other[] =
	"module filter-other { yang-version 1.1; namespace \"urn:other\"; prefix o;"
	" import filter-test { prefix t; }"
	" augment /t:top { container users { leaf count { type uint8; } } leaf tag2 { type string; } }"
	" container top { leaf mine { type string; } }"
	"}";

#define NS	       " xmlns=\"http://example.com/schema/1.2/config\""
#define TOP(content)   "<top" NS ">" content "</top>"
#define USERS(content) TOP("<users>" content "</users>")
#define USER(content)  "<user>" content "</user>"
#define INFO(dept, id) "<company-info><dept>" dept "</dept><id>" id "</id></company-info>"
#define ROOT                                                                                       \
	USER("<name>root</name><type>superuser</type><full-name>Charlie Root</full-name>" INFO(    \
		"1", "1"))
#define FRED                                                                                       \
	USER("<name>fred</name><type>admin</type><full-name>Fred Flintstone</full-name>" INFO(     \
		"2", "2"))
#define BARNEY                                                                                     \
	USER("<name>barney</name><type>admin</type><full-name>Barney Rubble</full-name>" INFO(     \
		"2", "3"))
#define OTHER_USERS "<users xmlns=\"urn:other\"><count>3</count></users>"
#define OTHER_TOP   "<top xmlns=\"urn:other\"><mine>m</mine></top>"

static const char data[] =
	"{\"filter-test:top\":{\"users\":{\"user\":["
	"{\"name\":\"barney\",\"type\":\"admin\",\"full-name\":\"Barney Rubble\","
	"\"company-info\":{\"dept\":2,\"id\":3}},"
	"{\"name\":\"fred\",\"type\":\"admin\",\"full-name\":\"Fred Flintstone\","
	"\"company-info\":{\"dept\":2,\"id\":2}},"
	"{\"name\":\"root\",\"type\":\"superuser\",\"full-name\":\"Charlie Root\","
	"\"company-info\":{\"dept\":1,\"id\":1}}]},"
	"\"interfaces\":{\"interface\":["
	"{\"@\":{\"filter-test:ifName\":\"eth0\"},\"n\":\"0\",\"in\":45621,\"out\":774344},"
	"{\"@\":{\"filter-test:ifName\":\"eth1\"},\"n\":\"1\",\"in\":1}]},"
	"\"pair\":[{\"a\":1,\"b\":\"x\",\"v\":\"1x\"},{\"a\":1,\"b\":\"y\",\"v\":\"1y\"},"
	"{\"a\":2,\"b\":\"x'\\\"\",\"v\":\"2q\"}],"
	"\"mine\":[{\"k\":\"z\",\"v\":\"1\"},{\"k\":\"a\",\"v\":\"2\"},{\"k\":\"m\",\"v\":\"1\"}],"
	"\"tag\":[\"one\",\"two\"],\"number\":[7,8],\"colour\":\"red\",\"paint\":\"t:red\","
	"\"at\":\"/filter-test:top/paint\",\"box\":{},"
	"\"filter-other:users\":{\"count\":3},\"filter-other:tag2\":\"2\"},"
	"\"filter-test:title\":\"a b\",\"filter-other:top\":{\"mine\":\"m\"}}";

static int setup(void **state)
{
	static const struct yang_module modules[] = {
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
		lys_parse_mem(ctx, other, LYS_IN_YANG, NULL) != LY_SUCCESS ||
		ly_ctx_compile(ctx) != LY_SUCCESS)
		fail_msg("%s", ly_errmsg(ctx));
	set_running(data, true);
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

static void check_subtree(
	const char *title, const char *user, const char *filter, const char *expected)
{
	struct ds_read read = { .content = DS_CONTENT_CONFIG, .subtree = filter_of(filter) };

	check_read(title, user, &read, expected);
	ds_filter_free(read.subtree);
}

/* --- subtree ---------------------------------------------------------------------------------- */

static const struct {
	const char *title, *filter, *expected;
} subtrees[] = {
	/* RFC 6241 section 6.4 */
	{ "6.4.2 empty filter", "  \n ", "" },
	{ "6.4.3 entire subtree", USERS(""), USERS(BARNEY FRED ROOT) },
	{ "6.4.3 by its one child", USERS("<user/>"), USERS(BARNEY FRED ROOT) },
	{ "6.4.4 all names", USERS("<user><name/></user>"),
		USERS("<user><name>barney</name></user><user><name>fred</name></user>"
		      "<user><name>root</name></user>") },
	{ "6.4.5 one entry", USERS("<user><name>fred</name></user>"), USERS(FRED) },
	{ "6.4.6 elements of an entry", USERS("<user><name>fred</name><type/><full-name/></user>"),
		USERS("<user><name>fred</name><type>admin</type>"
		      "<full-name>Fred Flintstone</full-name></user>") },
	{ "6.4.7 multiple subtrees",
		USERS("<user><name>root</name><company-info/></user>"
		      "<user><name>fred</name><company-info><id/></company-info></user>"
		      "<user><name>barney</name><type>superuser</type>"
		      "<company-info><dept/></company-info></user>"),
		USERS(USER("<name>root</name>" INFO("1", "1"))
				USER("<name>fred</name><company-info><id>2</id></company-info>")) },
	{ "6.4.8 attributes",
		"<t:top xmlns:t=\"http://example.com/schema/1.2/config\"><t:interfaces>"
		"<t:interface t:ifName=\"eth0\"/></t:interfaces></t:top>",
		TOP("<interfaces><interface xmlns:t=\"http://example.com/schema/1.2/config\""
		    " t:ifName=\"eth0\"><n>0</n><in>45621</in><out>774344</out></interface>"
		    "</interfaces>") },
	{ "attribute with another value",
		"<t:top xmlns:t=\"http://example.com/schema/1.2/config\"><t:interfaces>"
		"<t:interface t:ifName=\"eth2\"/></t:interfaces></t:top>",
		"" },
	{ "attribute without namespace",
		TOP("<interfaces><interface ifName=\"eth0\"/></interfaces>"), "" },
	{ "attribute that is not there", TOP("<users xml:lang=\"en\"/>"), "" },

	/* namespaces */
	{ "wildcard", "<top><users><count/></users></top>", TOP(OTHER_USERS) },
	{ "wildcard in both modules", "<top xmlns=\"\"><mine/></top>",
		TOP("<mine><k>z</k><v>1</v></mine><mine><k>a</k><v>2</v></mine>"
		    "<mine><k>m</k><v>1</v></mine>") OTHER_TOP },
	{ "wildcard below a namespace", TOP("<users xmlns=\"\"/>"),
		TOP("<users>" BARNEY FRED ROOT "</users>" OTHER_USERS) },
	{ "prefix", "<x:top xmlns:x=\"urn:other\"/>", OTHER_TOP },
	{ "another namespace", "<top xmlns=\"urn:none\"/>", "" },
	{ "wrong namespace below", TOP("<users xmlns=\"urn:none\"/>"), "" },
	{ "wrong namespace beside",
		TOP("<users xmlns=\"urn:none\"/><title/><tag2 xmlns=\"urn:other\"/>"),
		TOP("<tag2 xmlns=\"urn:other\">2</tag2>") },
	{ "unknown name", TOP("<nothing/>"), "" },
	{ "unknown name beside", USERS("<user><name>fred</name><nothing/></user>"),
		USERS("<user><name>fred</name></user>") },

	/* content match */
	{ "several content matches", USERS("<user><name>fred</name><type>admin</type></user>"),
		USERS(FRED) },
	{ "one of several fails", USERS("<user><name>fred</name><type>user</type></user>"), "" },
	{ "not a key", USERS("<user><type>admin</type></user>"), USERS(BARNEY FRED) },
	{ "not a key, with selection", USERS("<user><type>admin</type><name/></user>"),
		USERS("<user><name>barney</name><type>admin</type></user>"
		      "<user><name>fred</name><type>admin</type></user>") },
	{ "blanks around", USERS("<user><name>\n fred\t</name></user>"), USERS(FRED) },
	{ "blanks within", USERS("<user><full-name>Fred  Flintstone</full-name></user>"), "" },
	{ "CDATA and references",
		USERS("<user><full-name><![CDATA[Fred]]>&#x20;Flintstone"
		      "</full-name></user>"),
		USERS(FRED) },
	{ "canonical number", USERS("<user><company-info><dept>02</dept></company-info></user>"),
		USERS(USER("<name>barney</name>" INFO("2", "3"))
				USER("<name>fred</name>" INFO("2", "2"))) },
	{ "no number", USERS("<user><company-info><dept>two</dept></company-info></user>"), "" },
	{ "nested mismatch keeps the entry's match",
		USERS("<user><name>fred</name><company-info><id>9</id></company-info></user>"),
		USERS("<user><name>fred</name></user>") },
	{ "text where a container is", TOP("<users>fred</users>"), "" },
	{ "elements below a leaf", TOP("<paint><x/></paint>"), "" },
	{ "leaf-list item", TOP("<tag>two</tag><number/>"),
		TOP("<tag>two</tag><number>7</number><number>8</number>") },
	{ "leaf-list items, both there", TOP("<tag>two</tag><tag>one</tag><paint/>"),
		TOP("<tag>two</tag><tag>one</tag><paint>t:red</paint>") },
	{ "leaf-list items, one is not", TOP("<tag>two</tag><tag>three</tag><paint/>"), "" },
	{ "two values for one leaf", TOP("<paint>t:red</paint><paint>x</paint>"), "" },
	{ "identity with prefix",
		"<top" NS " xmlns:c=\"http://example.com/schema/1.2/config\"><colour>c:red</colour>"
		"<box/></top>",
		TOP("<colour xmlns:t=\"http://example.com/schema/1.2/config\">t:red</colour><box/>") },
	{ "identity without prefix", TOP("<colour>red</colour><box/>"),
		TOP("<colour xmlns:t=\"http://example.com/schema/1.2/config\">t:red</colour><box/>") },
	{ "another identity", TOP("<colour>blue</colour><box/>"), "" },
	{ "text that looks like a prefix",
		"<t:top xmlns:t=\"http://example.com/schema/1.2/config\"><t:paint>t:red</t:paint>"
		"<t:box/></t:top>",
		TOP("<paint>t:red</paint><box/>") },
	{ "instance-identifier",
		"<c:top xmlns:c=\"http://example.com/schema/1.2/config\"><c:at>/c:top/c:paint</c:at>"
		"<c:box/></c:top>",
		TOP("<at xmlns:t=\"http://example.com/schema/1.2/config\">/t:top/t:paint</at><box/>") },
	{ "default that is not reported", TOP("<on>true</on><box/>"), "" },
	{ "default, other value", TOP("<on>false</on><box/>"), "" },
	{ "content match at top level", "<title" NS ">a b</title>" TOP("<paint/>"),
		"<title" NS ">a b</title>" TOP("<paint>t:red</paint>") },
	{ "content mismatch at top level", "<title" NS ">a</title>" TOP("<paint/>"), "" },

	/* keys */
	{ "all keys", TOP("<pair><a>1</a><b>y</b></pair>"),
		TOP("<pair><a>1</a><b>y</b><v>1y</v></pair>") },
	{ "keys in another order, not canonical", TOP("<pair><b>y</b><a>+1</a></pair>"),
		TOP("<pair><a>1</a><b>y</b><v>1y</v></pair>") },
	{ "one of two keys", TOP("<pair><a>1</a><v/></pair>"),
		TOP("<pair><a>1</a><b>x</b><v>1x</v></pair><pair><a>1</a><b>y</b><v>1y</v></pair>") },
	{ "key with both quotes", TOP("<pair><a>2</a><b>x'\"</b><v/></pair>"),
		TOP("<pair><a>2</a><b>x'\"</b><v>2q</v></pair>") },
	{ "key that is no value", TOP("<pair><a>many</a><b>y</b></pair>"), "" },
	{ "key that is not there", TOP("<pair><a>3</a><b>y</b></pair>"), "" },
	{ "the same entry twice",
		USERS("<user><name>fred</name><type/></user><user><name>fred</name>"
		      "<full-name/></user>"),
		USERS("<user><name>fred</name><type>admin</type>"
		      "<full-name>Fred Flintstone</full-name></user>") },
	{ "an entry and all of it",
		USERS("<user><name>fred</name><type/></user>"
		      "<user><name>fred</name></user>"),
		USERS(FRED) },
	{ "a keyed and an unkeyed element",
		USERS("<user><name>fred</name></user><user><type>superuser</type><name/></user>"),
		USERS(FRED "<user><name>root</name><type>superuser</type></user>") },
	{ "ordered by user", TOP("<mine><k>m</k></mine><mine><k>z</k></mine>"),
		TOP("<mine><k>z</k><v>1</v></mine><mine><k>m</k><v>1</v></mine>") },

	/* structure */
	{ "presence container", TOP("<box/>"), TOP("<box/>") },
	{ "within an empty presence container", TOP("<box><inside/></box>"), "" },
	{ "the same container twice", TOP("<users/>") TOP("<paint/>"),
		TOP("<users>" BARNEY FRED ROOT "</users><paint>t:red</paint>") },
	{ "containment beside selection",
		TOP("<users><user><name>fred</name><type/></user></users><users><user><name>root</name>"
		    "<type/></user></users>"),
		USERS("<user><name>fred</name><type>admin</type></user>"
		      "<user><name>root</name><type>superuser</type></user>") },
	{ "comment and instruction", "<!-- x --><?y z?>" TOP("<paint><!-- x --></paint>"),
		TOP("<paint>t:red</paint>") },
};

static void test_subtree(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(subtrees); i++)
		check_subtree(subtrees[i].title, NULL, subtrees[i].filter, subtrees[i].expected);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *text;
		enum err_tag tag;
	} rows[] = {
		{ "text", ERR_TAG_MALFORMED_MESSAGE },
		{ "<a>", ERR_TAG_MALFORMED_MESSAGE },
		{ "</a>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<a></b>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<a/></filter><filter>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<p:a/>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<a p:x=''/>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<a>&e;</a>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<!DOCTYPE a><a/>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<a>\xff</a>", ERR_TAG_MALFORMED_MESSAGE },
		{ "<a>x<b/></a>", ERR_TAG_BAD_ELEMENT },
		{ "<a><b/>x</a>", ERR_TAG_BAD_ELEMENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_err_ struct err err = { 0 };
		struct ds_filter *filter = NULL;

		if (ds_parse_filter(rows[i].text, strlen(rows[i].text), &filter, &err) >= 0)
			fail_msg("%s was taken", rows[i].text);
		assert_null(filter);
		assert_int_equal(err_effective_tag(&err), rows[i].tag);
	}
}

static char *repeated(const char *begin, const char *middle, size_t count, const char *end)
{
	struct buf text = { 0 };

	assert_int_equal(buf_append_str(&text, begin), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(buf_append_str(&text, middle), 0);
	assert_int_equal(buf_append_str(&text, end), 0);
	return buf_take(&text);
}

static void test_limits(void **state)
{
	_cleanup_free_ char *deep = repeated("", "<a>", 200, "");
	_cleanup_free_ char *wide = repeated("", "<a/>", 10000, "");
	_cleanup_free_ char *scan = repeated(
		"<top" NS "><users>", "<user><type>x</type></user>", 300, "</users></top>");
	_cleanup_err_ struct err err = { 0 };
	struct ds_filter *filter;
	struct ds_read read = { .content = DS_CONTENT_CONFIG };

	assert_true(ds_parse_filter(deep, strlen(deep), &filter, &err) < 0);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_TOO_BIG);
	assert_true(ds_parse_filter(wide, strlen(wide), &filter, &err) < 0);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_TOO_BIG);
	read.subtree = filter_of(scan);
	check_refused("too many to compare", NULL, &read, -E2BIG, ERR_TAG_TOO_BIG, "without");
	ds_filter_free(read.subtree);
}

/* Many entries by key: each is found, in the filter's order. */
static void test_many_keys(void **state)
{
	struct buf filter = { 0 }, expected = { 0 };

	for (int i = 0; i < 500; i++) {
		assert_int_equal(buf_printf(&filter, "<user><name>%s</name><type/></user>",
					 i % 2 ? "fred" : "nobody"),
			0);
	}
	assert_int_equal(
		buf_append_str(&filter, "<user><name>root</name><company-info/></user>"), 0);
	assert_int_equal(buf_append_str(&expected,
				 USERS(USER("<name>fred</name><type>admin</type>")
						 USER("<name>root</name>" INFO("1", "1")))),
		0);
	_cleanup_free_ char *list = buf_take(&filter);
	_cleanup_free_ char *text = xasprintf("<top" NS "><users>%s</users></top>", list);
	_cleanup_free_ char *want = buf_take(&expected);

	check_subtree("many keys", NULL, text, want);
}

/* --- XPath ------------------------------------------------------------------------------------ */

static const struct {
	const char *xpath, *expected; /* NULL: whatever libyang says */
} xpaths[] = {
	{ "/filter-test:top/users/user[name='fred']", USERS(FRED) },
	{ "/filter-test:top/filter-test:users/filter-test:user[filter-test:name=\"fred\"]/type",
		USERS("<user><name>fred</name><type>admin</type></user>") },
	{ " filter-test:top / filter-test:users/user [ name = 'fred' ] / name ",
		USERS("<user><name>fred</name></user>") },
	{ "/filter-test:top/users/user[type='admin'][name='barney']", USERS(BARNEY) },
	{ "/filter-test:top/users/user[type='admin' and name='barney']", USERS(BARNEY) },
	{ "/filter-test:top/users/user[type='admin']/company-info/id", NULL },
	{ "/filter-test:top/users/user[company-info/dept='2']/name", NULL },
	{ "/filter-test:top/users/user[company-info]", NULL },
	{ "/filter-test:top/users/user[nothing]", "" },
	{ "/filter-test:top/users/user[name='x']", "" },
	{ "/filter-test:top/filter-test:users", NULL },
	{ "/filter-test:top/filter-other:users", TOP(OTHER_USERS) },
	{ "/filter-other:top", OTHER_TOP },
	{ "/filter-test:top/pair[a='1'][b='y']", TOP("<pair><a>1</a><b>y</b><v>1y</v></pair>") },
	{ "/filter-test:top/pair[b='y'][a='1']/v", NULL },
	{ "/filter-test:top/pair[a='1']/b", NULL },
	{ "/filter-test:top/tag[.='two']", TOP("<tag>two</tag>") },
	{ "/filter-test:top/tag", NULL },
	{ "/filter-test:top/number[.='7']", NULL },
	{ "/filter-test:top/mine[v='1']", NULL },
	{ "/filter-test:top/colour", NULL },
	{ "/filter-test:top[colour='filter-test:red']/paint", TOP("<paint>t:red</paint>") },
	{ "/filter-test:top[colour='filter-test:blue']/paint", "" },
	{ "/filter-test:top/box", NULL },
	{ "/filter-test:title", "<title" NS ">a b</title>" },
	{ "/filter-test:title | /filter-other:top", OTHER_TOP "<title" NS ">a b</title>" },
	{ "/filter-test:top/paint|/filter-test:top/box", NULL },
	{ "/filter-test:top/users/user[name='fred'] | /filter-test:top/users/user/type", NULL },
	{ "/filter-test:nothing", "" },
};

static void check_xpath(const char *xpath, const char *expected)
{
	struct ds_read read = { .content = DS_CONTENT_CONFIG, .xpath = (char *)xpath };

	check_read(xpath, NULL, &read, expected);
}

/* The texts as sets: siblings of different schema nodes may come in another order. */
static void check_same(const char *title, const char *a, const char *b)
{
	struct lyd_node *left = NULL, *right = NULL;
	const struct ly_ctx *ctx = yang_ctx();

	assert_int_equal(lyd_parse_data_mem(ctx, a, LYD_XML, LYD_PARSE_ONLY, 0, &left), LY_SUCCESS);
	assert_int_equal(
		lyd_parse_data_mem(ctx, b, LYD_XML, LYD_PARSE_ONLY, 0, &right), LY_SUCCESS);
	if (lyd_compare_siblings(left, right, LYD_COMPARE_FULL_RECURSION) != LY_SUCCESS)
		fail_msg("%s:\n  ours    %s\n  libyang %s", title, a, b);
	lyd_free_all(left);
	lyd_free_all(right);
}

static void test_xpath(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(xpaths); i++) {
		_cleanup_free_ char *general = xasprintf("(%s)", xpaths[i].xpath);
		struct ds_read read = { .content = DS_CONTENT_CONFIG, .xpath = general };
		struct answer theirs = read_as(NULL, &read), ours;

		if (!theirs.text)
			fail_msg("%s: %s", general, err_text(&theirs.err));
		read.xpath = (char *)xpaths[i].xpath;
		ours = read_as(NULL, &read);
		if (!ours.text)
			fail_msg("%s: %s", xpaths[i].xpath, err_text(&ours.err));
		check_same(xpaths[i].xpath, ours.text, theirs.text);
		if (xpaths[i].expected)
			check_same(xpaths[i].xpath, ours.text, xpaths[i].expected);
		answer_done(&ours);
		answer_done(&theirs);
	}
}

static void test_general_xpath(void **state)
{
	/* A name that several modules have: libyang takes the first, we all. */
	check_xpath("/filter-test:top/users[count]", TOP(OTHER_USERS));
	check_xpath("/top/mine[k='a']", TOP("<mine><k>a</k><v>2</v></mine>"));
	check_xpath("/top/mine",
		TOP("<mine><k>z</k><v>1</v></mine><mine><k>a</k><v>2</v></mine>"
		    "<mine><k>m</k><v>1</v></mine>") OTHER_TOP);
	check_xpath("//user[starts-with(name, 'f')]/type",
		USERS("<user><name>fred</name><type>admin</type></user>"));
	check_xpath("/filter-test:top/users/user[2]", USERS(FRED));
	check_xpath("/filter-test:top/users/user[last()]/name",
		USERS("<user><name>root</name></user>"));
	check_xpath("/filter-test:top/users/user[company-info/dept > 1 and name != 'fred']",
		USERS(BARNEY));
	check_xpath("/filter-test:top/*[count(*) = 1]", TOP(OTHER_USERS));
	check_xpath("//nothing", "");
}

static void test_xpath_errors(void **state)
{
	static const char *const wrong[] = {
		"",
		"/filter-test:top/users/user[name='fred'",
		"/filter-test:top/users/user[name='fred]",
		"count(/filter-test:top)",
		"'literal'",
		"1 + 1",
		"$variable",
		"/no-such-module:top",
		"/filter-test:top[no-such-module:x]",
		"//no-such-module:top",
		"/filter-test:top/",
		"| /filter-test:top",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct ds_read read = { .content = DS_CONTENT_CONFIG, .xpath = (char *)wrong[i] };

		check_refused(wrong[i], NULL, &read, -EINVAL, ERR_TAG_INVALID_VALUE, "");
	}
}

static void test_root(void **state)
{
	struct ds_read all = { .content = DS_CONTENT_CONFIG }, root = all;
	struct answer answer = read_as(NULL, &all);

	root.xpath = (char *)" / ";
	check_read("the root", NULL, &root, answer.text);
	answer_done(&answer);
}

/* --- paths, fields, depth --------------------------------------------------------------------- */

static const struct {
	const char *path, *fields;
	unsigned depth;
	const char *json; /* NULL: nothing is found */
} resources[] = {
	{ "/filter-test:top/users/user[name='fred']", NULL, 0,
		"\"filter-test:user\":[{\"name\":\"fred\",\"type\":\"admin\",\"full-name\":"
		"\"Fred Flintstone\",\"company-info\":{\"dept\":2,\"id\":2}}]" },
	{ "/filter-test:top/users/user[name='fred']/type", NULL, 0,
		"\"filter-test:type\":\"admin\"" },
	{ "/filter-test:top/users/user[name='fred']/name", NULL, 0,
		"\"filter-test:name\":\"fred\"" },
	{ "/filter-test:top/filter-other:users", NULL, 0, "\"filter-other:users\":{\"count\":3}" },
	{ "/filter-test:top/tag[.='one']", NULL, 0, "\"filter-test:tag\":[\"one\"]" },
	{ "/filter-test:top/on", NULL, 0, "\"filter-test:on\":true" }, /* a default in use */
	{ "/filter-test:top/box", NULL, 0, "\"filter-test:box\":{}" },
	{ "/filter-test:top/pair[a='1'][b='x']", NULL, 0,
		"\"filter-test:pair\":[{\"a\":1,\"b\":\"x\",\"v\":\"1x\"}]" },
	{ "/filter-test:title", NULL, 0, "\"filter-test:title\":\"a b\"" },
	{ "/filter-test:top/users/user[name='wilma']", NULL, 0, NULL },
	{ "/filter-test:top/users/user[name='wilma']/type", NULL, 0, NULL },
	{ "/filter-test:top/tag[.='three']", NULL, 0, NULL },
	{ "/filter-test:top/box/inside", NULL, 0, NULL },

	{ "/filter-test:top/users/user[name='fred']", "type", 0,
		"\"filter-test:user\":[{\"name\":\"fred\",\"type\":\"admin\"}]" },
	{ "/filter-test:top/users/user[name='fred']", "full-name;company-info/id", 0,
		"\"filter-test:user\":[{\"name\":\"fred\",\"full-name\":\"Fred Flintstone\","
		"\"company-info\":{\"id\":2}}]" },
	{ "/filter-test:top/users/user[name='fred']", "company-info(dept;id)", 0,
		"\"filter-test:user\":[{\"name\":\"fred\",\"company-info\":{\"dept\":2,\"id\":2}}]" },
	{ "/filter-test:top/users", "user/company-info(id);user(type)", 0,
		"\"filter-test:users\":{\"user\":["
		"{\"name\":\"barney\",\"company-info\":{\"id\":3},\"type\":\"admin\"},"
		"{\"name\":\"fred\",\"company-info\":{\"id\":2},\"type\":\"admin\"},"
		"{\"name\":\"root\",\"company-info\":{\"id\":1},\"type\":\"superuser\"}]}" },
	{ "/filter-test:top", "filter-other:users;number", 0,
		"\"filter-test:top\":{\"filter-other:users\":{\"count\":3},\"number\":[7,8]}" },
	{ "/filter-test:top/users/user[name='wilma']", "type", 0, NULL },
	{ "/filter-test:top", "box/inside", 0, "\"filter-test:top\":{}" },
	{ "/", "filter-test:title;filter-other:top/mine", 0,
		"\"filter-test:title\":\"a b\",\"filter-other:top\":{\"mine\":\"m\"}" },

	{ "/filter-test:top/users", NULL, 1, "\"filter-test:users\":{}" },
	{ "/filter-test:top/users", NULL, 2,
		"\"filter-test:users\":{\"user\":[{\"name\":\"barney\"},{\"name\":\"fred\"},"
		"{\"name\":\"root\"}]}" },
	{ "/filter-test:top/users/user[name='fred']", NULL, 1,
		"\"filter-test:user\":[{\"name\":\"fred\"}]" },
	{ "/filter-test:top/users/user[name='fred']", NULL, 2,
		"\"filter-test:user\":[{\"name\":\"fred\",\"type\":\"admin\",\"full-name\":"
		"\"Fred Flintstone\",\"company-info\":{}}]" },
	{ "/filter-test:top/users", "user/company-info", 1,
		"\"filter-test:users\":{\"user\":[{\"name\":\"barney\",\"company-info\":{}},"
		"{\"name\":\"fred\",\"company-info\":{}},{\"name\":\"root\",\"company-info\":{}}]}" },
	{ "/filter-test:top/users", "user/company-info", 2,
		"\"filter-test:users\":{\"user\":["
		"{\"name\":\"barney\",\"company-info\":{\"dept\":2,\"id\":3}},"
		"{\"name\":\"fred\",\"company-info\":{\"dept\":2,\"id\":2}},"
		"{\"name\":\"root\",\"company-info\":{\"dept\":1,\"id\":1}}]}" },
	{ "/", NULL, 1, "" },
	{ "/", NULL, 2,
		"\"filter-other:top\":{},\"filter-test:top\":{},\"filter-test:title\":\"a b\"" },
};

static void test_resources(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		_cleanup_free_ char *title = xasprintf("%s fields=%s depth=%u", resources[i].path,
			resources[i].fields ? resources[i].fields : "", resources[i].depth);
		struct ds_read read = {
			.content = DS_CONTENT_CONFIG,
			.path = (char *)resources[i].path,
			.fields = (char *)resources[i].fields,
			.depth = resources[i].depth,
			.format = FORMAT_JSON,
		};

		if (resources[i].json)
			check_read(title, NULL, &read, resources[i].json);
		else
			check_refused(title, NULL, &read, -ENOENT, ERR_TAG_INVALID_VALUE, "exist");
	}
}

static void test_xml_resource(void **state)
{
	struct ds_read read = { .content = DS_CONTENT_CONFIG,
		.path = (char *)"/filter-test:top/users/user[name='fred']/company-info" };

	check_read(
		"XML", NULL, &read, "<company-info" NS "><dept>2</dept><id>2</id></company-info>");
}

static void test_bad_paths(void **state)
{
	static const struct {
		const char *path;
		enum err_tag tag;
	} rows[] = {
		{ "", ERR_TAG_INVALID_VALUE }, { "filter-test:top", ERR_TAG_INVALID_VALUE },
		{ "/filter-test:top/", ERR_TAG_INVALID_VALUE },
		{ "/filter-test:top/users/user[1]", ERR_TAG_INVALID_VALUE },
		{ "/filter-test:top//user", ERR_TAG_INVALID_VALUE },
		{ "/filter-test:top | /filter-other:top", ERR_TAG_INVALID_VALUE },
		{ "/no-such-module:top", ERR_TAG_INVALID_VALUE },
		{ "/filter-test:nothing", ERR_TAG_UNKNOWN_ELEMENT },
		{ "/filter-test:top/count", ERR_TAG_UNKNOWN_ELEMENT },
		{ "/filter-test:top/tag2", ERR_TAG_UNKNOWN_ELEMENT }, /* another module's */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ds_read read = { .content = DS_CONTENT_CONFIG,
			.path = (char *)rows[i].path };

		check_refused(rows[i].path, NULL, &read, -EINVAL, rows[i].tag, "");
	}
}

static void test_bad_fields(void **state)
{
	static const char *const wrong[] = { "", ";", "type;", ";type", "type;;name", "(type)",
		"type(", "type)", "company-info()", "company-info(id", "company-info(id))",
		"company-info/(id)", "company-info//id", "/type", "type/", "nothing",
		"company-info(nothing)", "type/name", "no-such-module:type", "filter-other:type",
		":type", "filter-test:", "ty pe", "1type", "type,name", "company-info(id)type",
		"type\n" };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct ds_read read = {
			.content = DS_CONTENT_CONFIG,
			.path = (char *)"/filter-test:top/users/user[name='fred']",
			.fields = (char *)wrong[i],
		};

		check_refused(wrong[i], NULL, &read, -EINVAL, ERR_TAG_INVALID_VALUE, "fields");
	}
}

/* --- access control --------------------------------------------------------------------------- */

#define DENY(name, path)                                                                           \
	"{\"name\":\"" name "\",\"path\":\"" path "\",\"access-operations\":\"read\","             \
	"\"action\":\"deny\"}"

static void test_access(void **state)
{
	_cleanup_free_ char *text = xasprintf(
		"%.*s,\"ietf-netconf-acm:nacm\":{\"groups\":{\"group\":[{\"name\":\"g\",\"user-name\":"
		"[\"guest\"]}]},\"rule-list\":[{\"name\":\"l\",\"group\":[\"g\"],\"rule\":[" DENY(
			"1", "/filter-test:top/users/user[name='root']") "," DENY("2",
			"/filter-test:top/users/user/type") "," DENY("3",
			"/filter-test:top/pair/b") "," DENY("4", "/filter-test:title") "," DENY("5",
			"/filter-test:top/interfaces") "]}]}}",
		(int)strlen(data) - 1, data);
	struct ds_read read = { .content = DS_CONTENT_CONFIG, .format = FORMAT_JSON };

	set_running(text, true);
	check_subtree("entry and leaf", "guest", USERS(""),
		USERS(USER("<name>barney</name><full-name>Barney Rubble</full-name>" INFO("2", "3"))
				USER("<name>fred</name><full-name>Fred Flintstone</full-name>" INFO(
					"2", "2"))));
	check_subtree("the same, permitted", NULL, USERS("<user><name/></user>"),
		USERS("<user><name>barney</name></user><user><name>fred</name></user>"
		      "<user><name>root</name></user>"));
	check_subtree("content match on what is denied", "guest",
		USERS("<user><type>admin</type><name/></user>"), "");
	check_subtree("by the key of what is denied", "guest",
		USERS("<user><name>root</name></user>"), "");
	check_subtree("by a denied key", "guest", TOP("<pair><a>1</a><b>y</b></pair>"), "");
	check_subtree("entry with a denied key", "guest", TOP("<pair><a>1</a></pair>"), "");
	check_subtree("the same, all", "guest", TOP("<pair/>"), "");
	check_subtree("content match at top level", "guest",
		"<title" NS ">a b</title>" TOP("<paint/>"), "");
	check_subtree("all below", "guest", TOP("<interfaces/>"), "");

	/* An expression cannot tell what is denied either. */
	read.xpath = (char *)"//user[type='admin']/name";
	check_read("general", "guest", &read, "");
	read.xpath = (char *)"//user[starts-with(name, 'r') or starts-with(name, 'f')]/name";
	check_read("general", "guest", &read,
		"\"filter-test:top\":{\"users\":{\"user\":[{\"name\":\"fred\"}]}}");
	read.xpath = NULL;
	read.path = (char *)"/filter-test:top/users/user[name='root']";
	check_refused("path", "guest", &read, -ENOENT, ERR_TAG_INVALID_VALUE, "exist");
	read.path = (char *)"/filter-test:top/users/user[name='fred']/type";
	check_refused("path", "guest", &read, -ENOENT, ERR_TAG_INVALID_VALUE, "exist");
	check_read("path", NULL, &read, "\"filter-test:type\":\"admin\"");
	set_running(data, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subtree),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_xpath),
		cmocka_unit_test(test_general_xpath),
		cmocka_unit_test(test_xpath_errors),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_xml_resource),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_bad_fields),
		cmocka_unit_test(test_access),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
