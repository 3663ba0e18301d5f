/*
 * libyang's errors as ours. libyang tells a class, a text and a path; the error-tag a client is owed
 * (RFC 6241 appendix A) follows from class and text. Of a value that its type refuses libyang says what
 * is wrong; what would be right is added here, from the type of the node that the path leads to.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#include "allowed.h"
#include "compat.h"
#include "lyerr.h"

#define VALUE_SHOWN 80 /* bytes of a wrong value that are repeated */

/*
 * Text of a libyang message → tag, where the class does not tell, and the error-info element that holds
 * what the message quotes first. First match counts.
 */
static const struct message {
	const char *text;
	enum err_tag tag;
	const char *info; /* may be NULL */
} messages[] = {
	{ "No module with namespace", ERR_TAG_UNKNOWN_NAMESPACE, "bad-namespace" },
	{ "No module named", ERR_TAG_UNKNOWN_NAMESPACE, "bad-namespace" },
	{ "Unknown XML prefix", ERR_TAG_UNKNOWN_NAMESPACE, NULL },
	{ "Missing XML namespace", ERR_TAG_UNKNOWN_NAMESPACE, NULL },
	{ "missing its key", ERR_TAG_MISSING_ELEMENT, "bad-element" },
	{ "not found as a child", ERR_TAG_UNKNOWN_ELEMENT, "bad-element" },
	{ "not found in the", ERR_TAG_UNKNOWN_ELEMENT, "bad-element" },
	{ "Unexpected data", ERR_TAG_UNKNOWN_ELEMENT, "bad-element" },
	{ "Mandatory node", ERR_TAG_MISSING_ELEMENT, "bad-element" },
	{ "Unknown (or not implemented) YANG module", ERR_TAG_UNKNOWN_NAMESPACE, "bad-namespace" },
	{ "nnotation definition", ERR_TAG_UNKNOWN_ATTRIBUTE, "bad-attribute" },
	{ "Missing mandatory prefix for XML metadata", ERR_TAG_UNKNOWN_ATTRIBUTE, "bad-attribute" },
	{ "no target instance", ERR_TAG_DATA_MISSING, NULL },
	{ "required instance", ERR_TAG_DATA_MISSING, NULL },
};

/* What data violates as a whole says its error-app-tag (RFC 7950 section 15). */
static const struct violation {
	const char *app_tag;
	enum err_tag tag;
	const char *info; /* as above */
} violations[] = {
	{ "data-not-unique", ERR_TAG_OPERATION_FAILED, NULL },
	{ "too-many-elements", ERR_TAG_OPERATION_FAILED, NULL },
	{ "too-few-elements", ERR_TAG_OPERATION_FAILED, NULL },
	{ "must-violation", ERR_TAG_OPERATION_FAILED, NULL },
	{ "missing-choice", ERR_TAG_DATA_MISSING, "missing-choice" },
};

static const struct message *find_message(const char *text)
{
	for (size_t i = 0; text && i < ARRAY_SIZE(messages); i++) {
		if (strstr(text, messages[i].text))
			return &messages[i];
	}
	return NULL;
}

/* Adds what the text quotes first. */
static void add_quoted(struct err *err, const char *info, const char *text)
{
	const char *start = strchr(text, '"');
	const char *end = start ? strchr(start + 1, '"') : NULL;
	_cleanup_free_ char *value = end ? xstrndup(start + 1, (size_t)(end - start - 1)) : NULL;

	if (value)
		err_add_info(err, info, value);
}

/* A must that the model has given an error-app-tag of its own. */
static bool is_own_must(const struct ly_err_item *item, const struct lysc_node *schema)
{
	struct lysc_must *musts = schema ? lysc_node_musts(schema) : NULL;
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(musts, u)
	{
		if (musts[u].eapptag && str_equal(musts[u].eapptag, item->apptag))
			return true;
	}
	return false;
}

/* @schema: of the node that the error is about; may be NULL. */
static const struct violation *find_violation(
	const struct ly_err_item *item, const struct lysc_node *schema)
{
	static const struct violation must = { NULL, ERR_TAG_OPERATION_FAILED, NULL };
	static const struct violation when = { NULL, ERR_TAG_UNKNOWN_ELEMENT, NULL };
	static const struct violation missing = { NULL, ERR_TAG_DATA_MISSING, NULL };

	if (!item->msg)
		return NULL;
	for (size_t i = 0; item->apptag && i < ARRAY_SIZE(violations); i++) {
		if (str_equal(item->apptag, violations[i].app_tag))
			return &violations[i];
	}
	if (item->apptag && is_own_must(item, schema))
		return &must;
	if (str_starts(item->msg, "When condition"))
		return &when;
	/* Of configuration it is the datastore that lacks it, whatever the request has. */
	return schema && schema->flags & LYS_CONFIG_W && str_starts(item->msg, "Mandatory node")
		? &missing
		: NULL;
}

static enum err_tag tag_of(const struct ly_err_item *item, const struct message *message)
{
	if (message)
		return message->tag;
	switch (item->vecode) {
	case LYVE_SYNTAX_XML:
	case LYVE_SYNTAX_JSON:
	case LYVE_SYNTAX:
		return ERR_TAG_MALFORMED_MESSAGE;
	case LYVE_REFERENCE:
		return ERR_TAG_UNKNOWN_ELEMENT;
	default:
		return ERR_TAG_INVALID_VALUE;
	}
}

/* --- where ------------------------------------------------------------------------------------ */

/* 2.1 says: Data location "/a:b/c", line number 1. */
static char *bare_path(const char *text)
{
	const char *start = text ? strchr(text, '/') : NULL;
	const char *end;

	if (!start)
		return NULL;
	if (start == text)
		return xstrdup(text);
	end = strstr(start, "\", ");
	if (!end)
		end = strstr(start, "\".");
	return xstrndup(start, end ? (size_t)(end - start) : strlen(start));
}

static const struct lysc_node *schema_child(const struct lysc_node *parent,
	const struct lys_module *module, const char *name, size_t length)
{
	const struct lysc_node *child = parent ? lysc_node_child(parent)
		: module && module->compiled   ? module->compiled->data
					       : NULL;

	for (; child; child = child->next) {
		if (!strncmp(child->name, name, length) && !child->name[length] &&
			(!module || child->module == module))
			return child;
	}
	return NULL;
}

static void add_step(struct buf *path, const struct lysc_node *node, bool with_module)
{
	_cleanup_free_ char *step = xasprintf("/%s%s%s", with_module ? node->module->name : "",
		with_module ? ":" : "", node->name);

	(void)!buf_append_str(path, step); /* no ceiling */
}

/* Of a schema node's path what data shows: no choices, no cases. What is not known is left as it is. */
static char *without_choices(const char *path)
{
	_cleanup_(buf_done) struct buf out = { 0 };
	const struct lysc_node *node = NULL, *shown = NULL;

	for (const char *at = path; *at == '/';) {
		size_t length = strcspn(at + 1, "/");
		const char *colon = memchr(at + 1, ':', length), *name = colon ? colon + 1 : at + 1;
		_cleanup_free_ char *module =
			colon ? xstrndup(at + 1, (size_t)(colon - at - 1)) : NULL;

		node = schema_child(node,
			module ? ly_ctx_get_module_implemented(yang_ctx(), module) : NULL, name,
			(size_t)(at + 1 + length - name));
		if (!node)
			return xstrdup(path);
		at += length + 1;
		if (node->nodetype & (LYS_CHOICE | LYS_CASE))
			continue;
		add_step(&out, node, !shown || shown->module != node->module);
		shown = node;
	}
	return buf_take(&out);
}

/* Of what stands below a given parent libyang tells the path from there on, or the schema node's. */
static char *path_below(const char *path, bool is_schema, const struct lyd_node *parent)
{
	_cleanup_free_ char *base = path_of(parent), *schema = NULL;
	const char *module = parent->schema->module->name;
	size_t length = strlen(module);

	if (!path)
		return TAKE(base);
	if (is_schema) {
		schema = lysc_path(parent->schema, LYSC_PATH_DATA, NULL, 0);
		return xasprintf(
			"%s%s", base, str_starts(path, schema) ? path + strlen(schema) : "");
	}
	if (str_starts(path, base))
		return xstrdup(path);
	if (str_starts(++path, module) && path[length] == ':')
		path += length + 1;
	return xasprintf("%s/%s", base, path);
}

static char *path_of_item(const struct ly_err_item *item, const struct lyd_node *parent)
{
	bool is_schema = false;
	_cleanup_free_ char *path = bare_path(compat_error_path(item, &is_schema));

	if (is_schema && path) {
		_cleanup_free_ char *full = path;

		path = without_choices(full);
	}
	return parent ? path_below(path, is_schema, parent) : TAKE(path);
}

/* Behind the predicates that begin at @at. */
static const char *skip_predicates(const char *at)
{
	while (*at == '[') {
		for (at++; *at && *at != ']'; at++) {
			if (*at == '\'' || *at == '"')
				at = strchr(at + 1, *at);
			if (!at)
				return "";
		}
		at += *at == ']';
	}
	return at;
}

/* Of an entry's path that of its list. */
static char *path_of_list(const char *path)
{
	size_t end = 0;

	for (const char *at = path; *at == '/'; at = skip_predicates(path + end))
		end = (size_t)(at - path) + 1 + strcspn(at + 1, "/[");
	return xstrndup(path, end);
}

const struct lysc_node *lyerr_schema(const char *path)
{
	const struct lysc_node *node = NULL;

	while (path && *path == '/') {
		size_t length = strcspn(++path, "/[");
		const char *colon = memchr(path, ':', length);
		const char *name = colon ? colon + 1 : path;
		_cleanup_free_ char *module_name =
			colon ? xstrndup(path, (size_t)(colon - path)) : NULL;
		const struct lys_module *module = node ? node->module : NULL;

		if (module_name)
			module = ly_ctx_get_module_implemented(yang_ctx(), module_name);
		if (!module)
			return NULL;
		node = lys_find_child(node, module, name, (size_t)(path + length - name), 0, 0);
		if (!node)
			return NULL;
		path = skip_predicates(path + length);
	}
	return node;
}

/* --- values ----------------------------------------------------------------------------------- */

/* So libyang begins when a type refuses a value. */
static bool is_about_value(const char *message)
{
	static const char *const begins[] = { "Invalid ", "Unsatisfied ", "Value \"",
		"Failed to convert" };

	for (size_t i = 0; message && i < ARRAY_SIZE(begins); i++) {
		if (str_starts(message, begins[i]))
			return true;
	}
	return false;
}

/* The value that a message quotes; NULL: it quotes none. */
static char *quoted_value(const char *message)
{
	static const char *const ends[] = { "\" does not conform", "\" - no matching",
		"\" value - ", "\" is out of", "\" length is not" };
	const char *start = strchr(message, '"'), *end = NULL;

	if (strstr(message, "empty value"))
		return xstrdup("");
	for (size_t i = 0; start && !end && i < ARRAY_SIZE(ends); i++)
		end = strstr(start + 1, ends[i]);
	if (start && !end)
		end = strrchr(start + 1, '"');
	return end ? xstrndup(start + 1, (size_t)(end - start - 1)) : NULL;
}

int lyerr_value(struct err *err, const struct lysc_node *schema, const char *value,
	const char *path, const char *message)
{
	_cleanup_(buf_done) struct buf allowed = { 0 };

	allowed_text(&allowed, schema, message);
	err_tagged(err, ERR_TAG_INVALID_VALUE, path,
		"\"%.*s%s\" is no valid value of %s: allowed is %s", VALUE_SHOWN, value,
		strlen(value) > VALUE_SHOWN ? "…" : "", schema->name, buf_bytes(&allowed));
	return -EINVAL;
}

/* What is no node's value is an attribute's: 3.12 ends its path with the attribute, 2.1 does not know. */
static void attribute_error(struct err *err, const char *path, const char *value)
{
	const char *at = path ? strstr(path, "/@") : NULL;
	_cleanup_free_ char *node = at ? xstrndup(path, (size_t)(at - path)) : xstrdup(path);

	err_tagged(err, ERR_TAG_BAD_ATTRIBUTE, node, "\"%.*s\" is no valid value of an attribute",
		VALUE_SHOWN, value);
}

/* Where the message is about a value, which is then told in other words. */
static bool tell_value(struct err *err, const char *path, const char *message)
{
	const struct lysc_node *schema = lyerr_schema(path);
	_cleanup_free_ char *value = is_about_value(message) ? quoted_value(message) : NULL;

	if (!value)
		return false;
	if (schema && (schema->nodetype & LYD_NODE_TERM))
		lyerr_value(err, schema, value, path, message);
	else
		attribute_error(err, path, value);
	return true;
}

/* ---------------------------------------------------------------------------------------------- */

static void tell_violation(struct err *err, const struct violation *violation,
	const struct ly_err_item *item, const char *path)
{
	const struct lysc_node *schema = lyerr_schema(path);
	bool is_of_list = path && str_equal(violation->app_tag, "too-many-elements");
	_cleanup_free_ char *list = is_of_list ? path_of_list(path) : NULL;

	err_tagged(err, violation->tag, list ? list : path, "%s", item->msg);
	if (violation->info)
		add_quoted(err, violation->info, item->msg);
	if (violation->tag == ERR_TAG_UNKNOWN_ELEMENT && schema)
		err_add_info(err, "bad-element", schema->name);
}

int lyerr_below(struct err *err, int code, const struct lyd_node *parent)
{
	const struct ly_err_item *item = compat_last_error(yang_ctx());
	const struct violation *violation;
	const struct message *message;
	_cleanup_free_ char *path = NULL;

	if (!item)
		return err_set(err, code, NULL, "libyang failed without a reason");
	path = path_of_item(item, parent);
	message = find_message(item->msg);
	violation = find_violation(item, lyerr_schema(path));
	if (violation)
		tell_violation(err, violation, item, path);
	else if (message || item->vecode != LYVE_DATA || !tell_value(err, path, item->msg))
		err_tagged(err, tag_of(item, message), path, "%s",
			item->msg ? item->msg : "unknown error");
	if (item->apptag && *item->apptag)
		err_app_tag(err, item->apptag);
	if (message && message->info && !violation)
		add_quoted(err, message->info, item->msg);
	if (err)
		err->code = code;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return code;
}

int yang_err(struct err *err, int code)
{
	return lyerr_below(err, code, NULL);
}
