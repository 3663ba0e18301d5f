/*
 * Subtree filters out of their XML (RFC 6241 section 6.2). An element with text is a content match
 * node, an empty one a selection node, one with elements a containment node; an element without
 * namespace means that name in any module. Attributes match annotations of data (RFC 7952), which
 * always have a namespace.
 *
 * Prefixes in values are resolved here, where their declarations are known; whether a value has
 * prefixes only the leaf's type says, so both forms are kept.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/xml.h"

#include "filter.h"

#define BINDINGS_MAX 1024 /* namespace declarations seen at once */

struct binding {
	char *prefix; /* "": the default namespace */
	char *uri;
};

struct open_element {
	struct filter *element;
	size_t binding_count; /* outside of it */
	struct buf text;
};

struct reader {
	struct ds_filter *filter;
	struct xml *xml;
	struct binding bindings[BINDINGS_MAX];
	size_t binding_count;
	struct open_element open[FILTER_DEPTH_MAX];
	size_t depth;
};

static void drop_bindings(struct reader *reader, size_t count)
{
	while (reader->binding_count > count) {
		struct binding *binding = &reader->bindings[--reader->binding_count];

		free(binding->prefix);
		free(binding->uri);
	}
}

static void reader_free(struct reader *reader)
{
	drop_bindings(reader, 0);
	for (size_t i = 0; i < FILTER_DEPTH_MAX; i++)
		buf_done(&reader->open[i].text);
	ds_filter_free(reader->filter);
	free(reader->xml);
	free(reader);
}
DEFINE_CLEANUP(struct reader *, reader_free)

/* --- namespaces ------------------------------------------------------------------------------- */

/* The URI that a prefix stands for; NULL: it is not declared, "": declared as none. */
static const char *uri_of(const struct reader *reader, const char *prefix, size_t size)
{
	for (size_t i = reader->binding_count; i-- > 0;) {
		const struct binding *binding = &reader->bindings[i];

		if (!strncmp(binding->prefix, prefix, size) && !binding->prefix[size])
			return binding->uri;
	}
	return size == 3 && !memcmp(prefix, "xml", 3) ? "http://www.w3.org/XML/1998/namespace"
						      : NULL;
}

static const struct lys_module *module_of_uri(const char *uri)
{
	return uri && *uri ? ly_ctx_get_module_implemented_ns(yang_ctx(), uri) : NULL;
}

static bool is_declaration(const struct xml_attribute *attribute)
{
	return attribute->prefix.size ? xml_text_is(attribute->prefix, "xmlns")
				      : xml_text_is(attribute->name, "xmlns");
}

static int declare(struct reader *reader, struct err *err)
{
	for (size_t i = 0; i < reader->xml->attribute_count; i++) {
		const struct xml_attribute *attribute = &reader->xml->attributes[i];

		if (!is_declaration(attribute))
			continue;
		if (reader->binding_count == BINDINGS_MAX)
			return err_tagged(err, ERR_TAG_TOO_BIG, NULL,
				"a filter declares at most %u namespaces at once", BINDINGS_MAX);
		reader->bindings[reader->binding_count++] = (struct binding){
			.prefix = attribute->prefix.size ? xml_text_dup(attribute->name)
							 : xstrdup(""),
			.uri = xml_text_decode(attribute->value, true),
		};
	}
	return 0;
}

static int undeclared(struct xml_text prefix, struct err *err)
{
	return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL,
		"the prefix \"%.*s\" in the filter is not declared", (int)prefix.size, prefix.at);
}

/* --- elements --------------------------------------------------------------------------------- */

static int set_scope(struct reader *reader, struct filter *element, struct err *err)
{
	struct xml_text prefix = reader->xml->prefix;
	const char *uri = uri_of(reader, prefix.at, prefix.size);

	if (!uri && prefix.size)
		return undeclared(prefix, err);
	element->scope = uri && *uri ? FILTER_MODULE : FILTER_ANY;
	element->module = module_of_uri(uri);
	return 0;
}

static int set_attributes(struct reader *reader, struct filter *element, struct err *err)
{
	struct arena *arena = reader->filter->arena;

	for (size_t i = 0; i < reader->xml->attribute_count; i++) {
		const struct xml_attribute *from = &reader->xml->attributes[i];
		_cleanup_free_ char *name = xml_text_dup(from->name);
		_cleanup_free_ char *value = NULL;
		struct filter_attribute *attribute;
		const char *uri = NULL;

		if (is_declaration(from))
			continue;
		if (from->prefix.size) {
			uri = uri_of(reader, from->prefix.at, from->prefix.size);
			if (!uri)
				return undeclared(from->prefix, err);
		}
		value = xml_text_decode(from->value, true);
		attribute = arena_alloc(arena, sizeof(*attribute));
		*attribute = (struct filter_attribute){
			.module = module_of_uri(uri),
			.name = arena_strdup(arena, name),
			.value = arena_strdup(arena, value),
			.next = element->attributes,
		};
		element->attributes = attribute;
	}
	return 0;
}

static int start_element(struct reader *reader, struct err *err)
{
	struct open_element *open = &reader->open[reader->depth];
	int r;

	if (reader->depth == FILTER_DEPTH_MAX)
		return err_tagged(err, ERR_TAG_TOO_BIG, NULL, "the filter is nested too deeply");
	open->binding_count = reader->binding_count;
	r = declare(reader, err);
	if (r == 0)
		r = filter_add(reader->filter, reader->xml->name.at, reader->xml->name.size,
			&open->element, err);
	if (r == 0)
		r = set_scope(reader, open->element, err);
	if (r == 0)
		r = set_attributes(reader, open->element, err);
	if (r == 0)
		reader->depth++;
	return r;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_' || c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

/*
 * The value with each "prefix:" that is declared replaced by "module:", but where the module is the same
 * as before (RFC 7951 section 6.11); NULL when there is none.
 */
static char *with_modules(const struct reader *reader, const char *value)
{
	const struct lys_module *last = NULL;
	struct buf out = { 0 };
	bool is_changed = false;
	char quote = 0;

	while (*value) {
		const struct lys_module *module = NULL;
		size_t size = 0;

		while (!quote && is_name_char(value[size]))
			size++;
		if (size && value[size] == ':')
			module = module_of_uri(uri_of(reader, value, size));
		is_changed |= module != NULL;
		if (module && module == last)
			size++; /* and the colon */
		else if (module)
			(void)!buf_append_str(&out, module->name);
		else
			(void)!buf_append(&out, value, size ? size : 1);
		last = module ? module : last;
		if (!size && (*value == '\'' || *value == '"') && (!quote || quote == *value))
			quote = quote ? 0 : *value;
		value += size ? size : 1;
	}
	if (!is_changed)
		buf_done(&out);
	return is_changed ? buf_take(&out) : NULL;
}

static char *trimmed(const struct buf *text)
{
	const char *from = buf_bytes(text), *to = from + text->length;

	while (from < to && strchr(" \t\r\n", *from))
		from++;
	while (to > from && strchr(" \t\r\n", to[-1]))
		to--;
	return xstrndup(from, (size_t)(to - from));
}

static int end_element(struct reader *reader, struct err *err)
{
	struct open_element *open = &reader->open[--reader->depth];
	struct filter *element = open->element;
	struct filter *parent =
		reader->depth ? reader->open[reader->depth - 1].element : reader->filter->root;
	_cleanup_free_ char *value = trimmed(&open->text);

	buf_clear(&open->text);
	if (*value && element->children) {
		err_tagged(err, ERR_TAG_BAD_ELEMENT, NULL,
			"the filter's element \"%s\" has both text and elements", element->name);
		return err_add_info(err, "bad-element", element->name);
	}
	if (*value) {
		_cleanup_free_ char *json = with_modules(reader, value);

		element->value = arena_strdup(reader->filter->arena, value);
		element->json_value = json ? arena_strdup(reader->filter->arena, json) : NULL;
		element->value_module = module_of_uri(uri_of(reader, "", 0));
	}
	element->is_output = true;
	element->is_test = element->value != NULL;
	filter_append(parent, element);
	drop_bindings(reader, open->binding_count);
	return 0;
}

static int add_text(struct reader *reader, struct err *err)
{
	struct buf *text = reader->depth ? &reader->open[reader->depth - 1].text : NULL;
	_cleanup_free_ char *decoded = NULL;

	if (!text)
		return xml_text_is_blank(reader->xml->text)
			? 0
			: err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "the filter has text");
	if (reader->xml->is_cdata)
		return buf_append(text, reader->xml->text.at, reader->xml->text.size);
	decoded = xml_text_decode(reader->xml->text, false);
	return buf_append_str(text, decoded);
}

int ds_parse_filter(const char *text, size_t size, struct ds_filter **ret_filter, struct err *err)
{
	_cleanup_(reader_freep) struct reader *reader = NULL;
	int event;

	if (!xml_is_text(text, size))
		return err_tagged(
			err, ERR_TAG_MALFORMED_MESSAGE, NULL, "the filter is no XML text");
	reader = XNEW(struct reader);
	reader->filter = filter_new();
	reader->xml = XNEW(struct xml);
	xml_init_fragment(reader->xml, text, size);
	while ((event = xml_next(reader->xml, err)) != XML_DONE) {
		int r = event < 0 ? event : 0;

		if (event == XML_START)
			r = start_element(reader, err);
		else if (event == XML_END)
			r = end_element(reader, err);
		else if (event == XML_TEXT)
			r = add_text(reader, err);
		if (r < 0)
			return r;
	}
	*ret_filter = TAKE(reader->filter);
	return 0;
}
