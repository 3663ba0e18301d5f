/*
 * A second look at an XML text that libyang has refused. It stops at the first fault, which may be none (a
 * leaf that is to be deleted comes without a value, RFC 6241 section 7.2), and in 2.1 tells of a wrong
 * attribute only below which node it stands.
 */
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/xml.h"

#include "fault.h"
#include "lyerr.h"

/* --- attributes ------------------------------------------------------------------------------- */

static const struct attribute {
	const char *name;
	const char *const *values;
	const char *words;
} attributes[] = {
	{ "operation",
		(const char *const[]){ "merge", "replace", "create", "delete", "remove", NULL },
		"merge, replace, create, delete or remove" },
	{ "insert", (const char *const[]){ "first", "last", "before", "after", NULL },
		"first, last, before or after" },
};

static bool is_value(const struct attribute *attribute, const char *value)
{
	for (const char *const *at = attribute->values; *at; at++) {
		if (str_equal(*at, value))
			return true;
	}
	return false;
}

/* The kind of the attribute when its value is wrong; *ret_value is then malloc'd. */
static const struct attribute *judge(const struct xml_attribute *found, char **ret_value)
{
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		_cleanup_free_ char *value = NULL;

		if (!xml_text_is(found->name, attributes[i].name))
			continue;
		value = xml_text_decode(found->value, true);
		if (value && !is_value(&attributes[i], value)) {
			*ret_value = TAKE(value);
			return &attributes[i];
		}
	}
	return NULL;
}

/* Goes to the first element with such an attribute. */
static const struct attribute *find_attribute(struct xml *xml, char **ret_value)
{
	int event;

	while ((event = xml_next(xml, NULL)) >= 0 && event != XML_DONE) {
		for (size_t i = 0; event == XML_START && i < xml->attribute_count; i++) {
			const struct attribute *kind = judge(&xml->attributes[i], ret_value);

			if (kind)
				return kind;
		}
	}
	return NULL;
}

/* Text of the child element @name of the element that has just begun; NULL: it has none. */
static char *child_text(const struct xml *element, const char *name)
{
	struct xml xml = *element;
	bool is_inside = false;
	int event;

	while ((event = xml_next(&xml, NULL)) >= 0 && event != XML_DONE) {
		if (event == XML_END && xml.depth < element->depth)
			return NULL;
		if (event == XML_START)
			is_inside = xml.depth == element->depth + 1 && xml_text_is(xml.name, name);
		if (event == XML_TEXT && is_inside)
			return xml_text_decode(xml.text, false);
	}
	return NULL;
}

static char *with_keys(const struct xml *element, const struct lysc_node *list, const char *path)
{
	const struct lysc_node *key;
	char *full = xstrdup(path);

	for (key = lysc_node_child(list); key && lysc_is_key(key); key = key->next) {
		_cleanup_free_ char *value = child_text(element, key->name), *before = full;
		char quote = value && strchr(value, '\'') ? '"' : '\'';

		full = value ? xasprintf("%s[%s=%c%s%c]", before, key->name, quote, value, quote)
			     : xstrdup(before);
	}
	return full;
}

/* A node that bears the element's local name, at top level or below @parent. */
static const struct lysc_node *find_schema(
	const struct lysc_node *parent, const struct xml *element)
{
	const struct lys_module *module;
	const struct lysc_node *node = NULL;
	uint32_t at = 0;

	if (parent) {
		while ((node = lys_getnext(node, parent, NULL, 0))) {
			if (xml_text_is(element->name, node->name))
				return node;
		}
		return NULL;
	}
	while ((module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		if (module->implemented)
			node = lys_find_child(
				NULL, module, element->name.at, element->name.size, 0, 0);
		if (node)
			return node;
	}
	return NULL;
}

static char *element_path(const struct xml *element, const char *path)
{
	const struct lysc_node *parent = lyerr_schema(path), *schema = parent;
	_cleanup_free_ char *full = path ? xstrdup(path) : xstrdup("");

	if (!schema || !xml_text_is(element->name, schema->name)) {
		_cleanup_free_ char *above = full;

		schema = find_schema(parent, element);
		full = NULL;
		if (!schema)
			return path ? TAKE(above) : NULL;
		full = parent && parent->module == schema->module
			? xasprintf("%s/%s", above, schema->name)
			: xasprintf("%s/%s:%s", above, schema->module->name, schema->name);
	}
	if (schema->nodetype == LYS_LIST && !str_ends(full, "]"))
		return with_keys(element, schema, full);
	return TAKE(full);
}

static void add_element(struct err *err, const struct xml *element)
{
	_cleanup_free_ char *name = xml_text_dup(element->name);

	err_add_info(err, "bad-element", name);
}

void fault_attribute(struct err *err, const char *text, size_t size)
{
	_cleanup_free_ char *value = NULL, *path = NULL;
	const struct attribute *kind;
	struct xml xml;

	xml_init_fragment(&xml, text, size);
	kind = find_attribute(&xml, &value);
	if (!kind || !err)
		return;
	path = element_path(&xml, err->path);
	err_tagged(err, ERR_TAG_BAD_ATTRIBUTE, path,
		"\"%.80s\" is no valid value of the attribute %s: allowed is %s", value, kind->name,
		kind->words);
	err_add_info(err, "bad-attribute", kind->name);
	add_element(err, &xml);
}

/* --- elements ----------------------------------------------------------------------------------- */

static const char *info_of(const struct err *err, const char *name)
{
	for (size_t i = 0; i < ERR_INFO_MAX && err->info[i].name; i++) {
		if (str_equal(err->info[i].name, name))
			return err->info[i].value;
	}
	return NULL;
}

static bool declares(const struct xml_attribute *attribute, const char *namespace)
{
	return (attribute->prefix.size ? xml_text_is(attribute->prefix, "xmlns")
				       : xml_text_is(attribute->name, "xmlns")) &&
		xml_text_is(attribute->value, namespace);
}

/* The first element of the namespace, by the prefix that was last declared for it. */
static bool find_by_namespace(struct xml *xml, const char *namespace)
{
	struct xml_text prefix = { 0 };
	bool is_declared = false;
	int event;

	while ((event = xml_next(xml, NULL)) >= 0 && event != XML_DONE) {
		if (event != XML_START)
			continue;
		for (size_t i = 0; i < xml->attribute_count; i++) {
			const struct xml_attribute *attribute = &xml->attributes[i];

			if (!declares(attribute, namespace))
				continue;
			is_declared = true;
			prefix = attribute->prefix.size ? attribute->name : attribute->prefix;
		}
		if (is_declared && xml_text_equal(xml->prefix, prefix))
			return true;
	}
	return false;
}

/* @name: with its prefix, if it has one; "module:name" of what is known. */
static bool find_by_attribute(struct xml *xml, const char *name)
{
	const char *colon = strchr(name, ':');
	int event;

	while ((event = xml_next(xml, NULL)) >= 0 && event != XML_DONE) {
		for (size_t i = 0; event == XML_START && i < xml->attribute_count; i++) {
			if (xml_text_is(xml->attributes[i].name, colon ? colon + 1 : name) &&
				!xml->attributes[i].prefix.size == !colon)
				return true;
		}
	}
	return false;
}

void fault_element(struct err *err, const char *text, size_t size)
{
	_cleanup_free_ struct xml *xml = XNEW(struct xml);
	const char *namespace = info_of(err, "bad-namespace");
	const char *attribute = info_of(err, "bad-attribute");

	if (info_of(err, "bad-element"))
		return;
	xml_init_fragment(xml, text, size);
	if (attribute ? find_by_attribute(xml, attribute)
			: namespace
			? find_by_namespace(xml, namespace)
			: err->tag == ERR_TAG_UNKNOWN_NAMESPACE && xml_next(xml, NULL) == XML_START)
		add_element(err, xml);
}

void fault_member(struct err *err, const char *text)
{
	const char *module = info_of(err, "bad-namespace"), *at = NULL;
	_cleanup_free_ char *begin = module ? xasprintf("\"%s:", module) : NULL, *name = NULL;

	if (begin && !info_of(err, "bad-element"))
		at = strstr(text, begin);
	if (!at)
		return;
	at += strlen(begin);
	name = xstrndup(at, strcspn(at, "\""));
	err_add_info(err, "bad-element", name);
}

bool fault_malformed(const char *text, size_t size, struct err *err)
{
	_cleanup_free_ struct xml *xml = XNEW(struct xml);
	int event;

	xml_init_fragment(xml, text, size);
	do
		event = xml_next(xml, err);
	while (event >= 0 && event != XML_DONE);
	return event < 0;
}

/* --- deletions -------------------------------------------------------------------------------- */

static bool is_deletion(const struct xml *xml)
{
	for (size_t i = 0; i < xml->attribute_count; i++) {
		if (xml_text_is(xml->attributes[i].name, "operation") &&
			(xml_text_is(xml->attributes[i].value, "delete") ||
				xml_text_is(xml->attributes[i].value, "remove")))
			return true;
	}
	return false;
}

char *fault_without_deletions(const char *text, size_t size)
{
	_cleanup_(buf_done) struct buf out = { 0 };
	const char *copied = text, *begin = NULL;
	struct xml xml;
	int event;

	xml_init_fragment(&xml, text, size);
	while ((event = xml_next(&xml, NULL)) >= 0 && event != XML_DONE) {
		if (event == XML_START)
			begin = is_deletion(&xml) ? xml.token : NULL;
		if (event == XML_TEXT && !xml_text_is_blank(xml.text))
			begin = NULL;
		if (event != XML_END || !begin)
			continue;
		(void)!buf_append(&out, copied, (size_t)(begin - copied));
		copied = xml.at;
		begin = NULL;
	}
	if (event < 0 || copied == text)
		return NULL;
	(void)!buf_append(&out, copied, (size_t)(text + size - copied));
	return buf_take(&out);
}
