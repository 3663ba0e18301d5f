/*
 * What we can do, and what the client can. YANG 1.0 modules are capabilities of their own (RFC 6020
 * section 5.6.4); all modules are in the YANG library, whose content-id is one too (RFC 8526 section 2).
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "nc-hello.h"
#include "nc-reply.h"
#include "nc-rpc.h"

#define BASE	   "urn:ietf:params:netconf:base:"
#define CAPABILITY "urn:ietf:params:netconf:capability:"

#define CAPABILITY_SIZE_MAX 128 /* a longer one of the client's is none that we look for */

static const char *const fixed[] = {
	BASE "1.0",
	BASE "1.1",
	CAPABILITY "writable-running:1.0",
	CAPABILITY "candidate:1.0",
	CAPABILITY "confirmed-commit:1.0",
	CAPABILITY "confirmed-commit:1.1",
	CAPABILITY "rollback-on-error:1.0",
	CAPABILITY "validate:1.0",
	CAPABILITY "validate:1.1",
	CAPABILITY "startup:1.0",
	CAPABILITY "xpath:1.0",
	CAPABILITY "url:1.0?scheme=https,file",
	CAPABILITY "notification:1.0",
	CAPABILITY "interleave:1.0",
	CAPABILITY "with-defaults:1.0?basic-mode=explicit"
		   "&also-supported=report-all,report-all-tagged,trim",
	CAPABILITY "with-operational-defaults:1.0",
	CAPABILITY "partial-lock:1.0",
};

static struct {
	char **list;
	const char **modules; /* beside it: whose name; NULL: a capability of another kind */
	size_t count, room, module_room;
	char **unannounced;
	size_t unannounced_count;
	struct buf text; /* the hello up to the session-id */
} hello;

/* --- ours ------------------------------------------------------------------------------------- */

/* @module may be NULL. */
static void add(char *capability, const char *module)
{
	ARRAY_GROW(hello.list, hello.count, hello.room);
	ARRAY_GROW(hello.modules, hello.count, hello.module_room);
	hello.modules[hello.count] = module;
	hello.list[hello.count++] = capability;
}

static void append(struct buf *text, const char *piece)
{
	(void)!buf_append_str(text, piece); /* no ceiling: what is appended is the schema's */
}

static void append_features(struct buf *text, const struct lys_module *module)
{
	const struct lysp_feature *feature = NULL;
	const char *before = "&features=";
	uint32_t index = 0;

	while ((feature = lysp_feature_next(feature, module->parsed, &index))) {
		if (!(feature->flags & LYS_FENABLED))
			continue;
		append(text, before);
		append(text, feature->name);
		before = ",";
	}
}

static void append_deviations(struct buf *text, const struct lys_module *module)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(module->deviated_by, i)
	{
		append(text, i ? "," : "&deviations=");
		append(text, module->deviated_by[i]->name);
	}
}

static void add_module(const struct lys_module *module)
{
	struct buf text = { 0 };

	append(&text, module->ns);
	append(&text, "?module=");
	append(&text, module->name);
	if (module->revision) {
		append(&text, "&revision=");
		append(&text, module->revision);
	}
	append_features(&text, module);
	append_deviations(&text, module);
	add(buf_take(&text), module->name);
}

/* libyang's module "yang" stands for the language itself. */
static bool is_announced(const struct lys_module *module)
{
	return module->implemented && module->parsed->version < LYS_VERSION_1_1 &&
		!str_equal(module->name, "yang");
}

static void add_library(void)
{
	const struct lys_module *library =
		ly_ctx_get_module_implemented(yang_ctx(), "ietf-yang-library");

	if (library && library->revision)
		add(xasprintf(CAPABILITY "yang-library:1.1?revision=%s&content-id=%s",
			    library->revision, yang_content_id()),
			NULL);
}

const char *const *nc_hello_capabilities(size_t *ret_count)
{
	const struct lys_module *module;
	uint32_t index = 0;
	size_t i;

	if (!hello.count) {
		for (i = 0; i < ARRAY_SIZE(fixed); i++)
			add(xstrdup(fixed[i]), NULL);
		add_library();
		while ((module = ly_ctx_get_module_iter(yang_ctx(), &index)))
			if (is_announced(module))
				add_module(module);
	}
	*ret_count = hello.count;
	return (const char *const *)hello.list;
}

static void forget_unannounced(void)
{
	for (size_t i = 0; i < hello.unannounced_count; i++)
		free(hello.unannounced[i]);
	free(TAKE(hello.unannounced));
	hello.unannounced_count = 0;
}

void nc_hello_leave_out(char *const *modules, size_t count)
{
	forget_unannounced();
	hello.unannounced = xcalloc(count + 1, sizeof(*hello.unannounced));
	hello.unannounced_count = count;
	for (size_t i = 0; i < count; i++)
		hello.unannounced[i] = xstrdup(modules[i]);
	buf_done(&hello.text);
}

static bool is_left_out(const char *module)
{
	for (size_t i = 0; module && i < hello.unannounced_count; i++)
		if (str_equal(module, hello.unannounced[i]))
			return true;
	return false;
}

void nc_hello_done(void)
{
	size_t i;

	forget_unannounced();
	free(hello.modules);
	for (i = 0; i < hello.count; i++)
		free(hello.list[i]);
	free(hello.list);
	buf_done(&hello.text);
	memset(&hello, 0, sizeof(hello));
}

void nc_hello_print(struct buf *out, uint32_t session_id)
{
	size_t count, i;
	const char *const *list = nc_hello_capabilities(&count);

	if (!hello.text.length) {
		append(&hello.text, "<hello xmlns=\"" NC_NS_BASE "\"><capabilities>");
		for (i = 0; i < count; i++) {
			if (is_left_out(hello.modules[i]))
				continue;
			append(&hello.text, "<capability>");
			nc_reply_escape(&hello.text, list[i]);
			append(&hello.text, "</capability>");
		}
		append(&hello.text, "</capabilities>");
	}
	(void)!buf_append(out, buf_bytes(&hello.text), hello.text.length);
	(void)!buf_printf(out, "<session-id>%u</session-id></hello>", session_id);
}

/* --- the client's ----------------------------------------------------------------------------- */

struct scan {
	struct xml xml;
	char capability[CAPABILITY_SIZE_MAX];
	size_t size; /* may exceed the array: then it is none of ours */
	bool is_in_capability;
	bool has_base10, has_base11, has_session_id;
};

/*
 * Of namespaces only the root's own declaration is looked at: elements of other namespaces do not belong
 * here, and ones that look like ours and are not do no harm.
 */
static bool is_base(const struct xml *xml)
{
	size_t i;

	for (i = 0; i < xml->attribute_count; i++) {
		const struct xml_attribute *attribute = &xml->attributes[i];

		if (xml->prefix.size
				? xml_text_is(attribute->prefix, "xmlns") &&
					xml_text_equal(attribute->name, xml->prefix)
				: !attribute->prefix.size && xml_text_is(attribute->name, "xmlns"))
			return xml_text_is(attribute->value, NC_NS_BASE);
	}
	return false;
}

static int take_start(struct scan *scan, struct err *err)
{
	const struct xml *xml = &scan->xml;

	if (xml->depth == 1 && (!xml_text_is(xml->name, "hello") || !is_base(xml)))
		return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "no <hello>");
	if (xml->depth == 2 && xml_text_is(xml->name, "session-id"))
		scan->has_session_id = true;
	scan->is_in_capability = xml->depth == 3 && xml_text_is(xml->name, "capability");
	scan->size = 0;
	return 0;
}

static void take_text(struct scan *scan)
{
	size_t i;

	if (!scan->is_in_capability)
		return;
	for (i = 0; i < scan->xml.text.size; i++) {
		if (strchr(" \t\r\n", scan->xml.text.at[i]))
			continue;
		if (scan->size < sizeof(scan->capability) - 1)
			scan->capability[scan->size] = scan->xml.text.at[i];
		scan->size++;
	}
}

static void take_end(struct scan *scan)
{
	char *parameters;

	if (scan->is_in_capability && scan->size < sizeof(scan->capability)) {
		scan->capability[scan->size] = '\0';
		parameters = strchr(scan->capability, '?');
		if (parameters)
			*parameters = '\0';
		scan->has_base10 |= str_equal(scan->capability, BASE "1.0");
		scan->has_base11 |= str_equal(scan->capability, BASE "1.1");
	}
	scan->is_in_capability = false;
}

int nc_hello_parse(const char *message, size_t size, bool *ret_base11, struct err *err)
{
	struct scan scan = { 0 };
	int event, ret;

	if (!xml_is_text(message, size))
		return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "no UTF-8 text");
	xml_init(&scan.xml, message, size);
	while ((event = xml_next(&scan.xml, err)) != XML_DONE) {
		if (event < 0)
			return event;
		if (event == XML_START) {
			ret = take_start(&scan, err);
			if (ret < 0)
				return ret;
		} else if (event == XML_TEXT) {
			take_text(&scan);
		} else {
			take_end(&scan);
		}
	}
	if (scan.has_session_id)
		return err_tagged(
			err, ERR_TAG_BAD_ELEMENT, NULL, "a client's <hello> has no session-id");
	if (!scan.has_base10 && !scan.has_base11)
		return err_set(err, -EPROTONOSUPPORT, NULL, "no base capability in common");
	*ret_base11 = scan.has_base11;
	return 0;
}
