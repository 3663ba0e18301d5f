/* The envelope: what is well-formed, attributes, namespaces, payload cut out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "nc-rpc.h"

#define B			 "xmlns=\"" NC_NS_BASE "\""
#define RPC(attributes, content) "<rpc " B " message-id=\"1\"" attributes ">" content "</rpc>"

/* As a whole, and in pieces of all sizes, which must come to the same. */
static int parse(struct nc_rpc *rpc, const char *message, struct err *err)
{
	size_t length = strlen(message), size;
	struct nc_rpc pieces;
	int ret = nc_rpc_parse(rpc, message, length, err);

	for (size = 1; size <= length + 1; size++) {
		_cleanup_err_ struct err other = { 0 };
		struct nc_rpc_scan *scan = nc_rpc_scan_new(&pieces, message, length);
		int got;

		do
			got = nc_rpc_scan_more(scan, size, &other);
		while (got == 0);
		nc_rpc_scan_free(scan);
		assert_int_equal(got, ret < 0 ? ret : 1);
		assert_int_equal(pieces.element_count, rpc->element_count);
		assert_int_equal(pieces.attribute_count, rpc->attribute_count);
		assert_int_equal(pieces.has_comments, rpc->has_comments);
		if (err && ret < 0)
			assert_string_equal(err_text(&other), err_text(err));
	}
	return ret;
}

static const char *const good[] = {
	RPC("", "<get/>"),
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" RPC("", "<get/>") "\n",
	"<?xml version='1.0'?>" RPC("", "<get/>"),
	"<?xml version=\"1.0\" encoding='utf-8' standalone='yes' ?>" RPC("", "<get/>"),
	"\xef\xbb\xbf" RPC("", "<get/>"),
	"\xef\xbb\xbf<?xml version=\"1.0\"?>" RPC("", "<get/>"),
	"<!-- - -><rpc> -->" RPC("", "<get/>") "<!----><?pi?>",
	RPC("", "<!-- a --><get ><?x y?></get\n>"),
	RPC(" a='>'", "<get b=\"'\"/>"),
	RPC(" a = '&lt;&#60;&#x3C;&amp;&quot;&apos;&gt;'", "<get/>"),
	RPC("", "<get><x xmlns=''>&#x1F600;<![CDATA[<&]]><y-._\xc3\xa9/></x></get>"),
	RPC(" xml:lang='en'", "<get/>"),
	"<n:rpc xmlns:n='" NC_NS_BASE "' message-id=''><n:get/></n:rpc>",
	"<rpc xmlns='urn:ietf:params:xml:ns:netconf:base:&#49;.0' message-id='1'><get/></rpc>",
};

static const char *const malformed[] = {
	"",
	" ",
	"<rpc",
	"rpc",
	"<rpc/>",
	"<rpc xmlns='urn:x'/>",
	"<hello " B "/>",
	RPC("", "<get>"),
	RPC("", "</get>"),
	RPC("", "<get></Get>"),
	RPC("", "<a><b></a></b>"),
	RPC("", "<get/>") "<x/>",
	RPC("", "<get/>") "x",
	RPC("", "<get/>") "<![CDATA[]]>",
	"x" RPC("", "<get/>"),
	"<!DOCTYPE rpc>" RPC("", "<get/>"),
	"<!DOCTYPE rpc [<!ENTITY a 'b'>]>" RPC("", "<get>&a;</get>"),
	RPC("", "<get><!ELEMENT x></get>"),
	" <?xml version=\"1.0\"?>" RPC("", "<get/>"),
	"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" RPC("", "<get/>"),
	"<?xml version=\"2.0\"?>" RPC("", "<get/>"),
	"<?xml encoding=\"UTF-8\"?>" RPC("", "<get/>"),
	"<?xml?>" RPC("", "<get/>"),
	RPC("", "<?xml version='1.0'?><get/>"),
	RPC("", "<?XML?><get/>"),
	RPC("", "<get>&nbsp;</get>"),
	RPC("", "<get>&amp</get>"),
	RPC("", "<get>&</get>"),
	RPC("", "<get>&#0;</get>"),
	RPC("", "<get>&#x110000;</get>"),
	RPC("", "<get>&#xD800;</get>"),
	RPC("", "<get>&#;</get>"),
	RPC("", "<get>&#x;</get>"),
	RPC("", "<get>]]></get>"),
	RPC("", "<get><!-- -- --></get>"),
	RPC("", "<get><!-- x"),
	RPC("", "<get><![CDATA[x</get>"),
	RPC("", "<get><?x</get>"),
	RPC("", "<get a='<'/>"),
	RPC("", "<get a='1'b='2'/>"),
	RPC("", "<get a='1' a='2'/>"),
	RPC("", "<get a=1/>"),
	RPC("", "<get a/>"),
	RPC("", "<get / >"),
	RPC("", "<get ?>"),
	RPC("", "< get/>"),
	RPC("", "<1get/>"),
	RPC("", "<-get/>"),
	RPC("", "<a:b:c/>"),
	RPC("", "<:get/>"),
	RPC("", "<x:get/>"),
	RPC(" x:a='1'", "<get/>"),
	RPC(" xmlns:x=''", "<get/>"),
	RPC("", "<get>\x01</get>"),
	RPC("", "<get>\x80</get>"),
	RPC("", "<get>\xc0\xaf</get>"),
	RPC("", "<get>\xed\xa0\x80</get>"),
	RPC("", "<get>\xf4\x90\x80\x80</get>"),
	RPC("", "<get>\xef\xbf\xbf</get>"),
	RPC("", "<get>\xe2\x82</get>"),
	RPC("", "<g\xc3\x97t/>"),
};

static void test_well_formed(void **state)
{
	struct nc_rpc rpc;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_err_ struct err err = { 0 };

		if (parse(&rpc, good[i], &err) < 0)
			fail_msg("refused: %s: %s", good[i], err_text(&err));
		assert_true(nc_element_is(&rpc.elements[0], NC_NS_BASE, "get"));
	}
	for (i = 0; i < ARRAY_SIZE(malformed); i++) {
		_cleanup_err_ struct err err = { 0 };

		if (parse(&rpc, malformed[i], &err) != -EBADMSG ||
			err_effective_tag(&err) != ERR_TAG_MALFORMED_MESSAGE)
			fail_msg("accepted: %s", malformed[i]);
		assert_int_equal(err.type, ERR_TYPE_RPC);
	}
}

/* Every proper prefix of a message is malformed, and reading it stays within its bytes. */
static void test_prefixes(void **state)
{
	static const char message[] =
		"<?xml version='1.0'?><rpc " B " message-id='7' a='\xc3\xa9'>"
		"<!-- c --><get x='&lt;'>&amp;<![CDATA[]]]]><?p i?></get></rpc>";
	struct nc_rpc rpc;
	size_t size;

	for (size = 0; size < sizeof(message) - 1; size++) {
		_cleanup_free_ char *copy = xmalloc(size + 1);

		memcpy(copy, message, size);
		copy[size] = '<'; /* must not be looked at */
		copy = xrealloc(copy, size ? size : 1);
		assert_int_equal(nc_rpc_parse(&rpc, copy, size, NULL), -EBADMSG);
		nc_rpc_parse_head(&rpc, copy, size);
		assert_int_equal(rpc.rpc_attributes,
			size > (size_t)(strstr(message, "<!--") - message - 1) ? 2 : 0);
	}
	assert_int_equal(nc_rpc_parse(&rpc, message, size, NULL), 0);
}

static const struct {
	const char *message;
	enum err_tag tag;
	const char *info; /* name=value of the first */
} wrong[] = {
	{ "<rpc " B "><get/></rpc>", ERR_TAG_MISSING_ATTRIBUTE, "bad-attribute=message-id" },
	{ "<rpc " B " xmlns:x='urn:x' x:message-id='1'><get/></rpc>", ERR_TAG_MISSING_ATTRIBUTE,
		"bad-attribute=message-id" },
	{ RPC("", ""), ERR_TAG_MISSING_ELEMENT, "bad-element=rpc" },
	{ RPC("", "<!-- x -->"), ERR_TAG_MISSING_ELEMENT, "bad-element=rpc" },
	{ RPC("", "<get/><get/>"), ERR_TAG_BAD_ELEMENT, "bad-element=rpc" },
	{ RPC("", "x<get/>"), ERR_TAG_BAD_ELEMENT, "bad-element=rpc" },
	{ RPC("", "<get/><![CDATA[]]>"), ERR_TAG_BAD_ELEMENT, "bad-element=rpc" },
};

static void test_wrong(void **state)
{
	struct nc_rpc rpc;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_err_ struct err err = { 0 };
		char info[64];

		assert_true(parse(&rpc, wrong[i].message, &err) < 0);
		assert_int_equal(err_effective_tag(&err), wrong[i].tag);
		assert_non_null(err.info[0].name);
		(void)snprintf(info, sizeof(info), "%s=%s", err.info[0].name, err.info[0].value);
		assert_string_equal(info, wrong[i].info);
	}
}

static void assert_text(struct xml_text text, const char *expected)
{
	if (!xml_text_is(text, expected))
		fail_msg("\"%.*s\" is not \"%s\"", (int)text.size, text.at, expected);
}

static void test_elements(void **state)
{
	static const char message[] = RPC(" xmlns:e='urn:e' e:user='fred &amp; co' z='\"'",
		"<edit-config><target> <running/>\n</target>"
		"<default-operation><!-- x -->no<![CDATA[ne]]>&#33;</default-operation>"
		"<e:config e:a='1'><x xmlns='urn:x'><y/></x></e:config></edit-config>");
	const struct nc_element *op, *child;
	_cleanup_free_ char *value = NULL;
	struct nc_rpc rpc;

	assert_int_equal(parse(&rpc, message, NULL), 0);
	assert_int_equal(rpc.rpc_attributes, 3);
	assert_text(rpc.attributes[1].raw, "e:user='fred &amp; co'");
	op = &rpc.elements[0];
	assert_true(nc_element_is(op, NC_NS_BASE, "edit-config"));
	child = nc_rpc_child(&rpc, op);
	assert_true(nc_element_is(child, NC_NS_BASE, "target"));
	assert_text(child->inner, " <running/>\n");
	assert_false(child->has_text);
	assert_true(nc_element_is(nc_rpc_child(&rpc, child), NC_NS_BASE, "running"));
	assert_text(nc_rpc_child(&rpc, child)->outer, "<running/>");
	assert_null(nc_rpc_next(&rpc, nc_rpc_child(&rpc, child)));
	assert_int_equal(nc_rpc_value(&rpc, child, &value, NULL), -EINVAL);
	child = nc_rpc_next(&rpc, child);
	assert_true(child->has_text);
	assert_null(nc_rpc_child(&rpc, child));
	assert_int_equal(nc_rpc_value(&rpc, child, &value, NULL), 0);
	assert_string_equal(value, "none!");
	child = nc_rpc_next(&rpc, child);
	assert_true(nc_element_is(child, "urn:e", "config"));
	assert_null(nc_rpc_attribute(&rpc, child, "a"));
	assert_text(child->inner, "<x xmlns='urn:x'><y/></x>");
	assert_text(nc_rpc_namespace(&rpc, child, XML_LITERAL("e")), "urn:e");
	assert_null(nc_rpc_next(&rpc, child));
}

/* What stands in <config> on the left, what is handed on on the right. */
static const struct {
	const char *attributes, *config, *content;
	bool is_copied;
} contents[] = {
	{ "", "", "", false },
	{ "", " <!-- x --> ", "", false },
	{ "", "<a xmlns='urn:a'/><b xmlns='urn:b'>1</b>", NULL, false },
	{ "", "<!-- x --><a xmlns='urn:a'><!-- y -->1<?p i?>2</a><!-- z -->",
		"<a xmlns='urn:a'>12</a>", true },
	{ "", "<a xmlns='urn:a'>]]<!-- y -->><![CDATA[<!-- -->]]></a>",
		"<a xmlns='urn:a'>]]&gt;<![CDATA[<!-- -->]]></a>", true },
	{ "", "<a/>", "<a " B "/>", true },
	{ "", "<a xmlns='urn:a'/> <b>1</b>", "<a xmlns='urn:a'/> <b " B ">1</b>", true },
	{ " xmlns:p='urn:p'", "<a xmlns='urn:a'><p:b/></a>",
		"<a xmlns:p='urn:p' xmlns='urn:a'><p:b/></a>", true },
	{ " xmlns:p='urn:p'", "<p:a xmlns:p='urn:q' xmlns='urn:a'/>", NULL, true },
	{ " xmlns:p=\"urn:'p\"", "<p:a/>", "<p:a xmlns:p=\"urn:'p\" " B "/>", true },
	{ " xmlns:p='urn:p' xmlns:q='urn:q'", "<!-- <x> --><p:a><q:b></q:b></p:a>",
		"<p:a xmlns:q='urn:q' xmlns:p='urn:p' " B "><q:b></q:b></p:a>", true },
};

static void test_content(void **state)
{
	struct nc_rpc rpc;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(contents); i++) {
		_cleanup_free_ char *message = xasprintf("<rpc " B " message-id='1'%s><edit-config>"
							 "<config>%s</config></edit-config></rpc>",
			contents[i].attributes, contents[i].config);
		const char *expected =
			contents[i].content ? contents[i].content : contents[i].config;
		_cleanup_(buf_done) struct buf scratch = { 0 };
		struct xml_text text;

		assert_int_equal(parse(&rpc, message, NULL), 0);
		assert_int_equal(nc_rpc_content(&rpc, nc_rpc_child(&rpc, &rpc.elements[0]),
					 &scratch, &text, NULL),
			0);
		assert_text(text, expected);
		assert_int_equal(scratch.length > 0, contents[i].is_copied);
	}
}

/* A nearer declaration of the same prefix wins, an undeclared default is not put back. */
static void test_scopes(void **state)
{
	static const char message[] =
		"<n:rpc xmlns:n='" NC_NS_BASE "' xmlns='urn:d' xmlns:p='urn:p' message-id='1'>"
		"<n:edit-config xmlns:p='urn:q'><n:config xmlns=''><a><p:b/></a></n:config>"
		"</n:edit-config></n:rpc>";
	_cleanup_(buf_done) struct buf scratch = { 0 };
	struct nc_rpc rpc;
	struct xml_text text;
	struct err err = { 0 };

	assert_int_equal(parse(&rpc, message, NULL), 0);
	assert_int_equal(
		nc_rpc_content(&rpc, nc_rpc_child(&rpc, &rpc.elements[0]), &scratch, &text, NULL),
		0);
	assert_text(text, "<a xmlns:p='urn:q' xmlns:n='" NC_NS_BASE "'><p:b/></a>");
	assert_int_equal(nc_rpc_whole(&rpc, &rpc.elements[0], &scratch, &text, NULL), 0);
	assert_text(text,
		"<n:edit-config xmlns='urn:d' xmlns:n='" NC_NS_BASE
		"' xmlns:p='urn:q'><n:config xmlns=''><a><p:b/></a></n:config></n:edit-config>");
	assert_int_equal(
		parse(&rpc, RPC("", "<edit-config><config>x<a/></config></edit-config>"), NULL), 0);
	assert_int_equal(
		nc_rpc_content(&rpc, nc_rpc_child(&rpc, &rpc.elements[0]), &scratch, &text, &err),
		-EINVAL);
	assert_int_equal(err_effective_tag(&err), ERR_TAG_BAD_ELEMENT);
	err_done(&err);
}

/* Parameters may be without namespace, the operation may not. */
static void test_no_namespace(void **state)
{
	static const char message[] =
		"<n:rpc xmlns:n='" NC_NS_BASE "' message-id='1'><n:edit-config>"
		"<config/></n:edit-config></n:rpc>";
	static const char operation[] =
		"<n:rpc xmlns:n='" NC_NS_BASE "' message-id='1'><edit-config/></n:rpc>";
	struct nc_rpc rpc;

	assert_int_equal(parse(&rpc, message, NULL), 0);
	assert_true(nc_element_is(&rpc.elements[1], NC_NS_BASE, "config"));
	assert_false(nc_element_is(&rpc.elements[1], NC_NS_MONITORING, "config"));
	assert_int_equal(parse(&rpc, operation, NULL), 0);
	assert_false(nc_element_is(&rpc.elements[0], NC_NS_BASE, "edit-config"));
}

/* A message made of @count times @part within @before and @after. */
static char *repeat(const char *before, const char *part, size_t count, const char *after)
{
	struct buf text = { 0 };

	assert_int_equal(buf_append_str(&text, before), 0);
	while (count--)
		assert_int_equal(buf_append_str(&text, part), 0);
	assert_int_equal(buf_append_str(&text, after), 0);
	return buf_take(&text);
}

static void test_limits(void **state)
{
	_cleanup_free_ char *deep = repeat("", "<a>", 300, "");
	_cleanup_free_ char *many = NULL, *two = NULL, *declarations = NULL, *echo = NULL;
	struct nc_rpc rpc;

	many = repeat("<rpc " B " message-id='1'><x>", "<y/>", 1000, "</x></rpc>");
	assert_int_equal(parse(&rpc, many, NULL), 0);
	assert_true(rpc.overflow);
	assert_int_equal(rpc.element_count, NC_RPC_ELEMENTS_MAX);
	two = repeat("<rpc " B " message-id='1'><x>", "<y/>", 1000, "</x><z/></rpc>");
	assert_int_equal(parse(&rpc, two, NULL), -EINVAL);
	assert_int_equal(parse(&rpc, deep, NULL), -EBADMSG);
	declarations = repeat(
		"<rpc " B " message-id='1'><get>", "<a xmlns:a='urn:a'/>", 100, "</get></rpc>");
	assert_int_equal(parse(&rpc, declarations, NULL), -EBADMSG);
	echo = repeat("<rpc " B " message-id='", "x", NC_RPC_ECHO_MAX, "'><get/></rpc>");
	assert_int_equal(parse(&rpc, echo, NULL), -EBADMSG);
	assert_int_equal(rpc.rpc_attributes, 0);
}

static void test_decode(void **state)
{
	_cleanup_free_ char *text = xml_text_decode(XML_LITERAL("a&#x1F600;\r\n\r&lt;\tb"), false);
	_cleanup_free_ char *attribute = xml_text_decode(XML_LITERAL("a\r\nb\tc&#10;\n"), true);

	assert_string_equal(text, "a\xf0\x9f\x98\x80\n\n<\tb");
	assert_string_equal(attribute, "a b c\n ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well_formed),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_no_namespace),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
