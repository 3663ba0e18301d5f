/*
 * What a client gets back. RFC 6241 section 4.2: all attributes of <rpc> return on <rpc-reply>, as they
 * were written; section 4.3: the errors. An error-path is an XPath expression whose prefixes are
 * declared on the element.
 */
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "nc-reply.h"

#define PREFIXES_MAX 16 /* modules on one path */

/* Replies follow the size of what they answer, which is bounded: out has no ceiling of its own. */
static void append(struct buf *out, const char *text, size_t size)
{
	(void)!buf_append(out, text, size);
}

static void append_str(struct buf *out, const char *text)
{
	append(out, text, strlen(text));
}

void nc_reply_escape(struct buf *out, const char *text)
{
	while (*text) {
		size_t plain = strcspn(text, "<>&\"'\r");

		append(out, text, plain);
		text += plain;
		switch (*text) {
		case '<':
			append_str(out, "&lt;");
			break;
		case '>':
			append_str(out, "&gt;");
			break;
		case '&':
			append_str(out, "&amp;");
			break;
		case '"':
			append_str(out, "&quot;");
			break;
		case '\'':
			append_str(out, "&apos;");
			break;
		case '\r':
			append_str(out, "&#xD;");
			break;
		default:
			return;
		}
		text++;
	}
}

/* --- the envelope ----------------------------------------------------------------------------- */

/* The declaration that a prefix on <rpc> has; NULL for "xml". */
static const struct nc_binding *find_binding(const struct nc_rpc *rpc, struct xml_text prefix)
{
	int i;

	for (i = rpc->rpc_scope; i >= 0; i = rpc->bindings[i].outer)
		if (xml_text_equal(rpc->bindings[i].prefix, prefix))
			return &rpc->bindings[i];
	return NULL;
}

static bool is_first_use(const struct nc_rpc *rpc, size_t attribute)
{
	size_t i;

	for (i = 0; i < attribute; i++)
		if (xml_text_equal(rpc->attributes[i].prefix, rpc->attributes[attribute].prefix))
			return false;
	return true;
}

void nc_reply_begin(struct buf *out, const struct nc_rpc *rpc)
{
	size_t i;

	append_str(out, "<rpc-reply xmlns=\"" NC_NS_BASE "\"");
	for (i = 0; i < rpc->rpc_attributes; i++) {
		const struct xml_attribute *attribute = &rpc->attributes[i];
		const struct nc_binding *binding = NULL;

		if (attribute->prefix.size && is_first_use(rpc, i))
			binding = find_binding(rpc, attribute->prefix);
		if (binding) {
			append(out, " ", 1);
			append(out, binding->raw.at, binding->raw.size);
		}
		append(out, " ", 1);
		append(out, attribute->raw.at, attribute->raw.size);
	}
	append(out, ">", 1);
}

/* --- error-path ------------------------------------------------------------------------------- */

/* Modules met on a path, and the prefix each has there. */
struct prefixes {
	const struct lys_module *modules[PREFIXES_MAX];
	char names[PREFIXES_MAX][32];
	size_t count;
};

static bool is_taken(const struct prefixes *prefixes, const char *name)
{
	size_t i;

	for (i = 0; i < prefixes->count; i++)
		if (strcmp(prefixes->names[i], name) == 0)
			return true;
	return false;
}

/* The prefix of the module on this path; NULL when there is no room for it. */
static const char *prefix_of(struct prefixes *prefixes, const struct lys_module *module)
{
	char *name;
	size_t i;

	for (i = 0; i < prefixes->count; i++)
		if (prefixes->modules[i] == module)
			return prefixes->names[i];
	if (prefixes->count == PREFIXES_MAX || strlen(module->prefix) > 24)
		return NULL;
	name = prefixes->names[i];
	(void)snprintf(name, sizeof(prefixes->names[i]), "%.24s", module->prefix);
	if (is_taken(prefixes, name))
		(void)snprintf(name, sizeof(prefixes->names[i]), "%.24s-%zu", module->prefix, i);
	prefixes->modules[prefixes->count++] = module;
	return name;
}

static const struct lys_module *find_module(const char *name, size_t size)
{
	char text[128];

	if (size >= sizeof(text))
		return NULL;
	memcpy(text, name, size);
	text[size] = '\0';
	return ly_ctx_get_module_implemented(yang_ctx(), text);
}

static bool has_identity(const struct lys_module *module, const char *name, size_t size)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(module->identities, i)
	if (strlen(module->identities[i].name) == size &&
		memcmp(module->identities[i].name, name, size) == 0)
		return true;
	return false;
}

static size_t name_size(const char *at)
{
	return strcspn(at, ":/[]='\"");
}

/* One node name at @at, in @module unless it names another; NULL if it is none. */
static const char *put_name(struct buf *out, struct prefixes *prefixes, const char *at,
	const struct lys_module **module)
{
	size_t size = name_size(at);
	const char *prefix;

	if (size && at[size] == ':') {
		*module = find_module(at, size);
		at += size + 1;
		size = name_size(at);
	}
	prefix = *module ? prefix_of(prefixes, *module) : NULL;
	if (!size || !prefix)
		return NULL;
	(void)!buf_printf(out, "%s:%.*s", prefix, (int)size, at);
	return at + size;
}

/* A quoted value; an identity's name changes its module for the prefix. */
static const char *put_value(struct buf *out, struct prefixes *prefixes, const char *at)
{
	const char *end = strchr(at + 1, *at), *colon;
	const struct lys_module *module;
	const char *prefix;

	if (!end)
		return NULL;
	colon = memchr(at + 1, ':', (size_t)(end - at - 1));
	module = colon ? find_module(at + 1, (size_t)(colon - at - 1)) : NULL;
	if (module && has_identity(module, colon + 1, (size_t)(end - colon - 1))) {
		prefix = prefix_of(prefixes, module);
		if (prefix) {
			(void)!buf_printf(out, "%c%s", *at, prefix);
			at = colon;
		}
	}
	append(out, at, (size_t)(end + 1 - at));
	return end + 1;
}

/* [key='value'], [.='value'] or [3]. */
static const char *put_predicate(
	struct buf *out, struct prefixes *prefixes, const char *at, const struct lys_module *module)
{
	size_t size;

	append(out, at++, 1);
	size = strspn(at, ".0123456789");
	append(out, at, size);
	at += size;
	if (!size) {
		at = put_name(out, prefixes, at, &module);
		if (!at)
			return NULL;
	}
	if (*at == '=') {
		append(out, at++, 1);
		at = *at == '\'' || *at == '"' ? put_value(out, prefixes, at) : NULL;
	}
	if (!at || *at != ']')
		return NULL;
	append(out, at, 1);
	return at + 1;
}

void nc_reply_path(const char *path, struct buf *ret_xpath, struct buf *ret_declarations)
{
	const struct lys_module *module = NULL;
	struct prefixes prefixes = { .count = 0 };
	const char *at = path;
	size_t i;

	while (at && *at == '/') {
		append(ret_xpath, at++, 1);
		at = put_name(ret_xpath, &prefixes, at, &module);
		while (at && *at == '[')
			at = put_predicate(ret_xpath, &prefixes, at, module);
	}
	if (!at || *at) {
		/* Not such a path: better as it is than not at all. */
		buf_clear(ret_xpath);
		append_str(ret_xpath, path);
		return;
	}
	for (i = 0; i < prefixes.count; i++) {
		(void)!buf_printf(ret_declarations, " xmlns:%s=\"", prefixes.names[i]);
		nc_reply_escape(ret_declarations, prefixes.modules[i]->ns);
		append_str(ret_declarations, "\"");
	}
}

/* --- errors ----------------------------------------------------------------------------------- */

/* Text that need not be XML's: libyang may cut a value in the middle of a character. */
static void put_text(struct buf *out, const char *text)
{
	_cleanup_free_ char *clean = NULL;
	char *c;

	if (!xml_is_text(text, strlen(text))) {
		clean = xstrdup(text);
		for (c = clean; *c; c++)
			if ((unsigned char)*c >= 0x80 || (unsigned char)*c < ' ')
				*c = '?';
	}
	nc_reply_escape(out, clean ? clean : text);
}

static void put_path(struct buf *out, const char *path)
{
	_cleanup_(buf_done) struct buf xpath = { 0 }, declarations = { 0 };

	nc_reply_path(path, &xpath, &declarations);
	append_str(out, "<error-path");
	append(out, buf_bytes(&declarations), declarations.length);
	append_str(out, ">");
	put_text(out, buf_bytes(&xpath));
	append_str(out, "</error-path>");
}

static void put_info(struct buf *out, const struct err *err)
{
	size_t i;

	if (!err->info[0].name && !err->info_xml)
		return;
	append_str(out, "<error-info>");
	for (i = 0; i < ERR_INFO_MAX && err->info[i].name; i++) {
		(void)!buf_printf(out, "<%s>", err->info[i].name);
		put_text(out, err->info[i].value);
		(void)!buf_printf(out, "</%s>", err->info[i].name);
	}
	if (err->info_xml)
		append_str(out, err->info_xml);
	append_str(out, "</error-info>");
}

void nc_reply_error(struct buf *out, const struct err *err, bool is_base11)
{
	enum err_tag tag = err_effective_tag(err);

	if (tag == ERR_TAG_MALFORMED_MESSAGE && !is_base11)
		tag = ERR_TAG_OPERATION_FAILED;
	(void)!buf_printf(out,
		"<rpc-error><error-type>%s</error-type><error-tag>%s</error-tag>"
		"<error-severity>error</error-severity>",
		err_type_name(err->type), err_tag_name(tag));
	if (err->app_tag) {
		append_str(out, "<error-app-tag>");
		put_text(out, err->app_tag);
		append_str(out, "</error-app-tag>");
	}
	if (err->path && err->path[0])
		put_path(out, err->path);
	append_str(out, "<error-message xml:lang=\"en\">");
	put_text(out, err_text(err));
	append_str(out, "</error-message>");
	put_info(out, err);
	append_str(out, "</rpc-error>");
}
