/*
 * fields-expr = path "(" fields-expr ")" / path ";" fields-expr / path
 * path = api-identifier [ "/" path ]
 *
 * As everywhere, ";" may also follow ")". A name without module is in its parent's module.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "fields.h"

struct parser {
	const char *text, *at;
	struct ds_filter *filter;
	size_t depth;
	struct err *err;
};

static int wrong(struct parser *parser, const char *expected)
{
	return err_tagged(parser->err, ERR_TAG_INVALID_VALUE, NULL,
		"fields \"%s\": %s expected at character %zu", parser->text, expected,
		(size_t)(parser->at - parser->text) + 1);
}

static size_t identifier_size(const char *at)
{
	size_t size = 0;

	while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_' ||
		(size && ((*at >= '0' && *at <= '9') || *at == '-' || *at == '.')))
		size++, at++;
	return size;
}

/* One api-identifier below @parent: its element, and what it means in the schema. */
static int parse_identifier(
	struct parser *parser, struct filter **parent, const struct lysc_node **schema)
{
	const struct lys_module *module = NULL;
	const struct lysc_node *const *schemas;
	const char *name = parser->at;
	size_t size = identifier_size(name);
	struct filter *element;
	int r;

	if (size && name[size] == ':') {
		_cleanup_free_ char *prefix = xstrndup(name, size);

		module = ly_ctx_get_module_implemented(yang_ctx(), prefix);
		if (!module)
			return err_tagged(parser->err, ERR_TAG_INVALID_VALUE, NULL,
				"fields \"%s\": there is no module \"%s\"", parser->text, prefix);
		parser->at += size + 1;
		name = parser->at;
		size = identifier_size(name);
	}
	if (!size)
		return wrong(parser, "a name");
	parser->at += size;
	r = filter_add(parser->filter, name, size, &element, parser->err);
	if (r < 0)
		return r;
	element->scope = module ? FILTER_MODULE : FILTER_PARENT;
	element->module = module;
	element->is_output = element->is_field = true;
	filter_append(*parent, element);
	if (filter_schemas(parser->filter, element, *schema, &schemas) != 1)
		return err_tagged(parser->err, ERR_TAG_INVALID_VALUE, NULL,
			"fields \"%s\": \"%s\" names no node below %s", parser->text, element->name,
			*schema ? (*schema)->name : "the datastore");
	*schema = schemas[0];
	*parent = element;
	return 0;
}

static int parse_expr(struct parser *parser, struct filter *target, const struct lysc_node *schema)
{
	do {
		const struct lysc_node *at = schema;
		struct filter *parent = target;
		int r;

		do {
			r = parse_identifier(parser, &parent, &at);
			if (r < 0)
				return r;
		} while (*parser->at == '/' && parser->at++);
		if (*parser->at == '(') {
			if (++parser->depth == FILTER_DEPTH_MAX)
				return wrong(parser, "less nesting");
			parser->at++;
			r = parse_expr(parser, parent, at);
			if (r < 0)
				return r;
			if (*parser->at != ')')
				return wrong(parser, "\")\"");
			parser->at++;
			parser->depth--;
		}
	} while (*parser->at == ';' && parser->at++);
	return 0;
}

int fields_parse(const char *text, struct ds_filter *filter, struct filter *target,
	const struct lysc_node *schema, struct err *err)
{
	struct parser parser = { .text = text, .at = text, .filter = filter, .err = err };
	int r = parse_expr(&parser, target, schema);

	if (r < 0)
		return r;
	return *parser.at ? wrong(&parser, "\";\" or the end") : 0;
}
