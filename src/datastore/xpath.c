/*
 * A recursive-descent parser over the text, without a token list. Whatever it does not know makes it
 * give up: the expression then goes to libyang as it is.
 *
 *   union = path *("|" path)
 *   path  = ["/"] step *("/" step)
 *   step  = [prefix ":"] name *("[" test *("and" test) "]")
 *   test  = "." "=" literal / relative ["=" literal]
 *
 * Names without prefix mean any module, as in libyang's evaluation; in instance paths, the parent's.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "schema.h"
#include "xpath.h"

struct parser {
	const char *at;
	struct ds_filter *filter;
	bool is_path; /* an instance path */
	struct err *err;
};

#define NOT_SIMPLE 0
#define SIMPLE	   1

static void skip_space(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\r\n");
}

/* Past @mark (and the space before it), if that comes next. */
static bool next_is(struct parser *parser, char mark)
{
	skip_space(parser);
	if (*parser->at != mark)
		return false;
	parser->at++;
	return true;
}

static size_t name_size(const char *at)
{
	size_t size = 0;

	if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_'))
		return 0;
	while ((at[size] >= 'a' && at[size] <= 'z') || (at[size] >= 'A' && at[size] <= 'Z') ||
		(at[size] >= '0' && at[size] <= '9') || at[size] == '_' || at[size] == '-' ||
		at[size] == '.')
		size++;
	return size;
}

static int unknown_module(struct parser *parser, const char *name, size_t size)
{
	return err_tagged(parser->err, ERR_TAG_INVALID_VALUE, NULL,
		"there is no module \"%.*s\" to read from", (int)size, name);
}

/* [prefix ":"] name → an element that is not appended yet. */
static int parse_name(struct parser *parser, struct filter **ret_element)
{
	const char *prefix = NULL, *name;
	size_t prefix_size = 0, size;
	struct filter *element;
	int r;

	skip_space(parser);
	name = parser->at;
	size = name_size(name);
	if (size && name[size] == ':' && name[size + 1] != ':') {
		prefix = name;
		prefix_size = size;
		name += size + 1;
		size = name_size(name);
	}
	if (!size)
		return NOT_SIMPLE;
	parser->at = name + size;
	skip_space(parser);
	if (*parser->at == '(' || *parser->at == ':')
		return NOT_SIMPLE;
	r = filter_add(parser->filter, name, size, &element, parser->err);
	if (r < 0)
		return r;
	element->scope = prefix ? FILTER_MODULE : parser->is_path ? FILTER_PARENT : FILTER_ANY;
	if (prefix) {
		_cleanup_free_ char *module = xstrndup(prefix, prefix_size);

		element->module = ly_ctx_get_module_implemented(yang_ctx(), module);
		if (!element->module)
			return unknown_module(parser, prefix, prefix_size);
	}
	*ret_element = element;
	return SIMPLE;
}

static int parse_literal(struct parser *parser, const char **ret_value)
{
	const char *end;
	char quote;

	skip_space(parser);
	quote = *parser->at;
	if (quote != '\'' && quote != '"')
		return NOT_SIMPLE;
	end = strchr(parser->at + 1, quote);
	if (!end)
		return NOT_SIMPLE;
	*ret_value = arena_printf(
		parser->filter->arena, "%.*s", (int)(end - parser->at - 1), parser->at + 1);
	parser->at = end + 1;
	return SIMPLE;
}

/* "." "=" literal: the step itself holds a value. */
static int parse_own_value(struct parser *parser, struct filter *step)
{
	parser->at++;
	if (step->value || step->children || !next_is(parser, '='))
		return NOT_SIMPLE;
	return parse_literal(parser, &step->value);
}

/* relative ["=" literal]: a chain of elements below the step. */
static int parse_test(struct parser *parser, struct filter *step)
{
	struct filter *element = NULL, *parent = step;
	int r;

	skip_space(parser);
	if (*parser->at == '.' && parser->at[1] != '.' && parser->at[1] != '/')
		return parse_own_value(parser, step);
	if (step->value)
		return NOT_SIMPLE;
	do {
		r = parse_name(parser, &element);
		if (r != SIMPLE)
			return r;
		element->is_test = true;
		filter_append(parent, element);
		parent = element;
	} while (next_is(parser, '/'));
	return next_is(parser, '=') ? parse_literal(parser, &element->value) : SIMPLE;
}

static bool accept_and(struct parser *parser)
{
	skip_space(parser);
	if (strncmp(parser->at, "and", 3) || name_size(parser->at) != 3)
		return false;
	parser->at += 3;
	return true;
}

static int parse_step(struct parser *parser, struct filter **ret_step)
{
	int r = parse_name(parser, ret_step);

	while (r == SIMPLE && next_is(parser, '[')) {
		do
			r = parse_test(parser, *ret_step);
		while (r == SIMPLE && accept_and(parser));
		if (r == SIMPLE && !next_is(parser, ']'))
			r = NOT_SIMPLE;
	}
	return r;
}

static int parse_steps(struct parser *parser, struct filter **ret_last)
{
	struct filter *parent = parser->filter->root, *step = NULL;
	size_t depth = 0;
	int r;

	(void)next_is(parser, '/');
	do {
		r = parse_step(parser, &step);
		if (r != SIMPLE)
			return r;
		if (++depth == FILTER_DEPTH_MAX ||
			(parent->value && parent != parser->filter->root))
			return NOT_SIMPLE;
		step->is_output = true;
		filter_append(parent, step);
		parent = step;
	} while (next_is(parser, '/'));
	*ret_last = step;
	return SIMPLE;
}

int xpath_filter(const char *xpath, struct ds_filter **ret_filter, struct err *err)
{
	_cleanup_(ds_filter_freep) struct ds_filter *filter = filter_new();
	struct parser parser = { .at = xpath, .filter = filter, .err = err };
	struct filter *last;
	int r;

	do
		r = parse_steps(&parser, &last);
	while (r == SIMPLE && next_is(&parser, '|'));
	if (r != SIMPLE)
		return r;
	skip_space(&parser);
	if (*parser.at)
		return NOT_SIMPLE;
	*ret_filter = TAKE(filter);
	return SIMPLE;
}

/* --- instance paths --------------------------------------------------------------------------- */

static int no_path(const char *path, struct err *err)
{
	return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL, "\"%s\" is no instance path", path);
}

/* The schema node of the chain of outputs; *ret_last is the chain's end. */
static const struct lysc_node *resolve(struct ds_filter *filter, struct filter **ret_last)
{
	const struct lysc_node *schema = NULL;
	struct filter *at = filter->root;

	while (at->has_outputs) {
		const struct lysc_node *const *schemas;
		struct filter *next = at->children;

		while (!next->is_output)
			next = next->next;
		*ret_last = next;
		if (filter_schemas(filter, next, schema, &schemas) != 1)
			return NULL;
		schema = schemas[0];
		at = next;
	}
	return schema;
}

int xpath_path(const char *path, struct ds_filter **ret_filter, struct filter **ret_target,
	const struct lysc_node **ret_schema, struct err *err)
{
	_cleanup_(ds_filter_freep) struct ds_filter *filter = filter_new();
	struct parser parser = { .at = path, .filter = filter, .is_path = true, .err = err };
	const struct lysc_node *schema = NULL;
	struct filter *target = NULL;
	int r;

	if (!str_equal(path, "/")) {
		r = parse_steps(&parser, &target);
		if (r < 0)
			return r;
		if (r != SIMPLE || *path != '/' || *parser.at)
			return no_path(path, err);
		schema = resolve(filter, &target);
		if (!schema) {
			err_tagged(err, ERR_TAG_UNKNOWN_ELEMENT, NULL,
				"there is no node \"%s\" where \"%s\" has it", target->name, path);
			return err_add_info(err, "bad-element", target->name);
		}
		target->is_target = true;
	}
	*ret_filter = TAKE(filter);
	*ret_target = target;
	*ret_schema = schema;
	return 0;
}
