/*
 * Elements compared with schema and data. An element that holds a value matches leaves and leaf-list
 * items with that value; one with children matches containers and entries in which its tests hold, and
 * selects what its other children select, or all when there are no others (RFC 6241 section 6.2.5).
 *
 * Subtle: an element meets the same schema nodes again and again, so it remembers which ones its name
 * means below the last parent, and its value in the canonical form of the last leaf.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "filter.h"
#include "schema.h"

#define SCHEMA_DEPTH_MAX 64

/* --- life ------------------------------------------------------------------------------------- */

struct ds_filter *filter_new(void)
{
	struct ds_filter *filter = XNEW(struct ds_filter);

	filter->arena = arena_new();
	filter->defaults = WITH_DEFAULTS_ALL;
	filter->root = arena_alloc(filter->arena, sizeof(*filter->root));
	return filter;
}

void ds_filter_free(struct ds_filter *filter)
{
	if (!filter)
		return;
	arena_free(filter->arena);
	free(filter);
}

int filter_add(struct ds_filter *filter, const char *name, size_t size, struct filter **ret_element,
	struct err *err)
{
	struct filter *element;
	char *copy;

	if (filter->count == FILTER_ELEMENTS_MAX)
		return err_tagged(err, ERR_TAG_TOO_BIG, NULL, "a filter has at most %u elements",
			FILTER_ELEMENTS_MAX);
	filter->count++;
	element = arena_alloc(filter->arena, sizeof(*element));
	copy = arena_alloc(filter->arena, size + 1);
	memcpy(copy, name, size);
	element->name = copy;
	*ret_element = element;
	return 0;
}

void filter_append(struct filter *parent, struct filter *element)
{
	if (element->is_test)
		parent->has_tests = true;
	else
		parent->has_outputs = true;
	if (parent->last)
		parent->last->next = element;
	else
		parent->children = element;
	parent->last = element;
}

/* --- schema ----------------------------------------------------------------------------------- */

bool filter_names(const struct filter *element, const struct lysc_node *schema)
{
	const struct lysc_node *parent;

	if (!str_equal(element->name, schema->name))
		return false;
	switch (element->scope) {
	case FILTER_MODULE:
		return element->module == schema->module;
	case FILTER_ANY:
		return true;
	case FILTER_PARENT:
		parent = schema_data_parent(schema);
		return !parent || parent->module == schema->module;
	}
	return false;
}

static void add_schemas(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *parent, const struct lys_module *module)
{
	const struct lysc_node *schema = NULL;

	if (!parent && (!module->implemented || !module->compiled))
		return;
	while ((schema = lys_getnext(schema, parent, parent ? NULL : module->compiled, 0))) {
		const struct lysc_node **more;

		if (!(schema->nodetype & FILTER_NODES) || !filter_names(element, schema))
			continue;
		more = arena_alloc(filter->arena, (element->schema_count + 1) * sizeof(*more));
		if (element->schema_count)
			memcpy(more, element->schemas, element->schema_count * sizeof(*more));
		more[element->schema_count++] = schema;
		element->schemas = more;
	}
}

size_t filter_schemas(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *parent, const struct lysc_node *const **ret_schemas)
{
	const struct lys_module *module;
	uint32_t at = 0;

	if (!element->is_resolved || element->parent != parent) {
		element->is_resolved = true;
		element->parent = parent;
		element->schema_count = 0;
		if (parent)
			add_schemas(filter, element, parent, NULL);
		else if (element->scope == FILTER_MODULE && element->module)
			add_schemas(filter, element, NULL, element->module);
		else
			while ((module = ly_ctx_get_module_iter(yang_ctx(), &at)))
				add_schemas(filter, element, NULL, module);
	}
	*ret_schemas = element->schemas;
	return element->schema_count;
}

static bool selects_all(const struct filter *element)
{
	return !element->has_outputs;
}

static bool is_among(const struct lysc_node *schema, const struct lysc_node *const *list)
{
	for (; list && *list; list++) {
		if (*list == schema)
			return true;
	}
	return false;
}

/* The element's children are about nodes below @schema: about any that counts? */
static bool touches_below(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *schema, const struct lysc_node *unit,
	const struct lysc_node *const *except)
{
	for (struct filter *child = element->children; child; child = child->next) {
		const struct lysc_node *const *schemas;
		size_t count = filter_schemas(filter, child, schema, &schemas);

		for (size_t i = 0; i < count; i++) {
			if ((schema == unit && lysc_is_key(schemas[i])) ||
				is_among(schemas[i], except))
				continue;
			if (selects_all(child) ||
				touches_below(filter, child, schemas[i], unit, except))
				return true;
		}
	}
	return false;
}

/* @way[0 … count - 1] leads from below the element's node to the node in question. */
static bool touches_on_way(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *const *way, size_t count, const struct lysc_node *unit,
	const struct lysc_node *const *except)
{
	for (struct filter *child = element->children; child; child = child->next) {
		if (!filter_names(child, way[0]))
			continue;
		if (selects_all(child) ||
			(count > 1 ? touches_on_way(filter, child, way + 1, count - 1, unit, except)
				   : touches_below(filter, child, way[0], unit, except)))
			return true;
	}
	return false;
}

bool filter_touches(struct ds_filter *filter, const struct lysc_node *schema,
	const struct lysc_node *unit, const struct lysc_node *const *except)
{
	const struct lysc_node *way[SCHEMA_DEPTH_MAX];
	size_t at = SCHEMA_DEPTH_MAX;

	for (; schema && at; schema = schema_data_parent(schema))
		way[--at] = schema;
	if (filter->root->children && selects_all(filter->root))
		return true;
	return touches_on_way(filter, filter->root, way + at, SCHEMA_DEPTH_MAX - at, unit, except);
}

/* --- values ----------------------------------------------------------------------------------- */

/* Has the type values with prefixes? */
static bool has_prefixes(const struct lysc_type *type)
{
	const struct lysc_type_union *members = (const struct lysc_type_union *)type;
	LY_ARRAY_COUNT_TYPE i;

	switch (type->basetype) {
	case LY_TYPE_IDENT:
	case LY_TYPE_INST:
		return true;
	case LY_TYPE_LEAFREF:
		return has_prefixes(((const struct lysc_type_leafref *)type)->realtype);
	case LY_TYPE_UNION:
		LY_ARRAY_FOR(members->types, i)
		{
			if (has_prefixes(members->types[i]))
				return true;
		}
		return false;
	default:
		return false;
	}
}

static const char *canonize(
	struct ds_filter *filter, const struct lysc_node *schema, const char *value)
{
	const char *canonical = NULL, *copy = NULL;
	LY_ERR rc = lyd_value_validate(
		yang_ctx(), schema, value, strlen(value), NULL, NULL, &canonical);

	if (rc == LY_SUCCESS || rc == LY_EINCOMPLETE)
		copy = arena_strdup(filter->arena, canonical);
	else
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	if (canonical)
		lydict_remove(yang_ctx(), canonical);
	return copy;
}

/* The element's value as a leaf of @schema holds it; NULL: no such leaf can. */
static const char *canonical_value(
	struct ds_filter *filter, struct filter *element, const struct lysc_node *schema)
{
	bool prefixed;

	if (element->canonical_of == schema)
		return element->canonical;
	element->canonical_of = schema;
	element->canonical = NULL;
	prefixed = has_prefixes(((const struct lysc_node_leaf *)schema)->type);
	if (prefixed && element->json_value)
		element->canonical = canonize(filter, schema, element->json_value);
	if (!element->canonical)
		element->canonical = canonize(filter, schema, element->value);
	if (!element->canonical && prefixed && element->value_module)
		element->canonical = canonize(filter, schema,
			arena_printf(filter->arena, "%s:%s", element->value_module->name,
				element->value));
	return element->canonical;
}

/* --- data ------------------------------------------------------------------------------------- */

static bool has_attributes(const struct filter *element, const struct lyd_node *node)
{
	for (const struct filter_attribute *want = element->attributes; want; want = want->next) {
		const struct lyd_meta *meta =
			want->module ? lyd_find_meta(node->meta, want->module, want->name) : NULL;

		if (!meta || !str_equal(lyd_get_meta_value(meta), want->value))
			return false;
	}
	return true;
}

static bool is_readable(const struct access *access, const struct lyd_node *node)
{
	return !access || access_node(access, node, ACCESS_READ);
}

static const struct lyd_node *next_instance(const struct lyd_node *node)
{
	return node->next && node->next->schema == node->schema ? node->next : NULL;
}

/* Is there, among the siblings @first, one that matches the test as a whole? */
static bool test_holds(struct ds_filter *filter, struct filter *test, const struct lyd_node *first,
	const struct lysc_node *parent, const struct access *access)
{
	const struct lysc_node *const *schemas;
	size_t count = filter_schemas(filter, test, parent, &schemas);

	for (size_t i = 0; i < count; i++) {
		const char *value = NULL;
		struct lyd_node *match = NULL;

		if (test->value && !(schemas[i]->nodetype & LYD_NODE_TERM))
			continue;
		if (test->value && schemas[i]->nodetype == LYS_LEAFLIST) {
			value = canonical_value(filter, test, schemas[i]);
			if (!value)
				continue;
		}
		(void)lyd_find_sibling_val(
			first, schemas[i], value, value ? strlen(value) : 0, &match);
		for (const struct lyd_node *node = match; node; node = next_instance(node)) {
			if (format_reports(node, filter->defaults) && is_readable(access, node) &&
				filter_match(filter, test, node, access) == FILTER_ALL)
				return true;
			if (value)
				break;
		}
	}
	return false;
}

static bool tests_hold(struct ds_filter *filter, const struct filter *element,
	const struct lyd_node *first, const struct lysc_node *parent, const struct access *access)
{
	for (struct filter *child = element->children; child; child = child->next) {
		if (child->is_test && (!first || !test_holds(filter, child, first, parent, access)))
			return false;
	}
	return true;
}

enum filter_match filter_match(struct ds_filter *filter, struct filter *element,
	const struct lyd_node *node, const struct access *access)
{
	if (element->attributes && !has_attributes(element, node))
		return FILTER_NONE;
	if (element->value) {
		const char *value = node->schema->nodetype & LYD_NODE_TERM
			? canonical_value(filter, element, node->schema)
			: NULL;

		return value && str_equal(value, lyd_get_value(node)) ? FILTER_ALL : FILTER_NONE;
	}
	if (!element->children)
		return FILTER_ALL;
	if (!(node->schema->nodetype & LYD_NODE_INNER))
		return FILTER_NONE;
	if (element->has_tests &&
		!tests_hold(filter, element, lyd_child(node), node->schema, access))
		return FILTER_NONE;
	return selects_all(element) ? FILTER_ALL : FILTER_PART;
}

enum filter_match filter_match_root(
	struct ds_filter *filter, const struct lyd_node *tree, const struct access *access)
{
	if (!filter->root->children)
		return FILTER_NONE;
	if (!tests_hold(filter, filter->root, tree, NULL, access))
		return FILTER_NONE;
	return selects_all(filter->root) ? FILTER_ALL : FILTER_PART;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* The test of that key leaf with a value; NULL: there is none. */
static struct filter *key_test(const struct filter *element, const struct lysc_node *key)
{
	for (struct filter *child = element->children; child; child = child->next) {
		if (child->is_test && child->value && filter_names(child, key))
			return child;
	}
	return NULL;
}

const char *filter_key_value(
	struct ds_filter *filter, struct filter *element, const struct lysc_node *key)
{
	struct filter *test = key_test(element, key);

	return test ? canonical_value(filter, test, key) : NULL;
}

enum filter_key filter_key(struct ds_filter *filter, struct filter *element,
	const struct lysc_node *schema, char **ret_key)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	const struct lysc_node *key;
	const char *value;

	if (lysc_is_dup_inst_list(schema))
		return FILTER_UNKEYED;
	if (schema->nodetype == LYS_LEAFLIST && element->value) {
		value = canonical_value(filter, element, schema);
		*ret_key = xstrdup(value);
		return value ? FILTER_KEYED : FILTER_NOWHERE;
	}
	if (schema->nodetype != LYS_LIST)
		return FILTER_UNKEYED;
	for (key = lysc_node_child(schema); key && lysc_is_key(key); key = key->next) {
		struct filter *test = key_test(element, key);
		char quote;

		if (!test)
			return FILTER_UNKEYED;
		value = canonical_value(filter, test, key);
		if (!value)
			return FILTER_NOWHERE;
		quote = strchr(value, '\'') ? '"' : '\'';
		if (strchr(value, quote))
			return FILTER_UNKEYED; /* no literal can hold both quotes */
		(void)!buf_printf(&text, "[%s=%c%s%c]", key->name, quote, value, quote);
	}
	*ret_key = buf_take(&text);
	return FILTER_KEYED;
}

/* --- pages ------------------------------------------------------------------------------------ */

/* The one child that leads further; NULL: there is none, or more than one. */
static struct filter *only_way(const struct filter *element)
{
	struct filter *way = NULL;

	for (struct filter *child = element->children; child; child = child->next) {
		if (!child->is_output || child->is_test)
			continue;
		if (way)
			return NULL;
		way = child;
	}
	return way;
}

const struct lysc_node *filter_list(struct ds_filter *filter)
{
	const struct lysc_node *schema = NULL, *const * schemas;
	struct filter *at = filter->root;

	while ((at = only_way(at))) {
		_cleanup_free_ char *key = NULL;

		if (filter_schemas(filter, at, schema, &schemas) != 1)
			return NULL;
		schema = schemas[0];
		if (schema->nodetype & (LYS_LIST | LYS_LEAFLIST) &&
			filter_key(filter, at, schema, &key) == FILTER_UNKEYED)
			return schema;
	}
	return NULL;
}

bool filter_selects_any(const struct filter *element)
{
	return !element->children && !element->value && !element->attributes;
}
