/*
 * The path becomes a chain of elements with tests for keys (xpath.c), which is followed through the filter:
 * each element of that on the way is copied with its tests and those of the chain. Where the filter selects
 * all, the rest of the chain follows.
 */
#include <string.h>

#include "ashlar/str.h"

#include "push-scope.h"
#include "xpath.h"

#define LEVELS_MAX 64

/* --- copies ----------------------------------------------------------------------------------- */

static int copy_element(struct ds_filter *to, struct filter *parent, const struct filter *from,
	struct filter **ret_element, struct err *err)
{
	struct filter *element = NULL;
	int r = filter_add(to, from->name, strlen(from->name), &element, err);

	if (r < 0)
		return r;
	element->scope = from->scope;
	element->module = from->module;
	element->is_test = from->is_test;
	element->is_output = from->is_output;
	element->value_module = from->value_module;
	if (from->value)
		element->value = arena_strdup(to->arena, from->value);
	if (from->json_value)
		element->json_value = arena_strdup(to->arena, from->json_value);
	for (const struct filter_attribute *at = from->attributes; at; at = at->next) {
		struct filter_attribute *copy = arena_alloc(to->arena, sizeof(*copy));

		copy->module = at->module;
		copy->name = arena_strdup(to->arena, at->name);
		copy->value = at->value ? arena_strdup(to->arena, at->value) : NULL;
		copy->next = element->attributes;
		element->attributes = copy;
	}
	filter_append(parent, element);
	*ret_element = element;
	return 0;
}

enum which {
	COPY_ALL,
	COPY_TESTS,
	COPY_OUTPUTS,
};

static int copy_children(struct ds_filter *to, struct filter *parent, const struct filter *from,
	enum which which, struct err *err)
{
	int r = 0;

	for (const struct filter *child = from->children; child && r == 0; child = child->next) {
		struct filter *element;

		if ((which == COPY_TESTS && !child->is_test) ||
			(which == COPY_OUTPUTS && !child->is_output))
			continue;
		r = copy_element(to, parent, child, &element, err);
		if (r == 0)
			r = copy_children(to, element, child, COPY_ALL, err);
	}
	return r;
}

struct ds_filter *push_scope_copy(const struct ds_filter *filter, struct err *err)
{
	struct ds_filter *copy = filter_new();

	if (copy_children(copy, copy->root, filter->root, COPY_ALL, err) == 0)
		return copy;
	ds_filter_free(copy);
	return NULL;
}

/* --- how far ------------------------------------------------------------------------------------ */

static bool selects_all(const struct filter *element)
{
	return !element->has_outputs;
}

/* Does the element depend on more than the keys of @schema's entries? */
static bool has_other_tests(const struct filter *element, const struct lysc_node *schema)
{
	if (element->attributes)
		return true;
	for (const struct filter *child = element->children; child; child = child->next) {
		const struct lysc_node *key;
		bool is_key = false;

		if (!child->is_test)
			continue;
		if (schema->nodetype != LYS_LIST || !child->value)
			return true;
		for (key = lysc_node_child(schema); key && lysc_is_key(key); key = key->next)
			is_key |= filter_names(child, key);
		if (!is_key)
			return true;
	}
	return false;
}

bool push_scope_is_narrow(const struct ds_filter *filter)
{
	return !filter->root->has_tests;
}

/* The chain's schema nodes, from the top; the filter that holds them is *ret_chain. */
static size_t follow(const char *path, struct ds_filter **ret_chain, const struct filter **elements,
	const struct lysc_node **schemas)
{
	const struct lysc_node *target_schema;
	const struct filter *at;
	struct filter *target;
	size_t count = 0;

	if (xpath_path(path, ret_chain, &target, &target_schema, NULL) < 0)
		return 0;
	for (at = (*ret_chain)->root; at && at->has_outputs && count < LEVELS_MAX; count++) {
		for (at = at->children; at && !at->is_output;)
			at = at->next;
		elements[count] = at;
		schemas[count] = at->schema_count ? at->schemas[0] : NULL;
		if (!schemas[count])
			return 0;
	}
	return count;
}

/* Levels that can be told apart, of @count; 0: none. */
static size_t levels_of(const struct filter *element, const struct lysc_node *const *schemas,
	size_t at, size_t count)
{
	size_t least = count;

	if (at == count || selects_all(element))
		return count;
	for (const struct filter *child = element->children; child; child = child->next) {
		size_t levels;

		if (!child->is_output || !filter_names(child, schemas[at]))
			continue;
		levels = has_other_tests(child, schemas[at])
			? at + 1
			: levels_of(child, schemas, at + 1, count);
		if (levels < least)
			least = levels;
	}
	return least;
}

/* An entry whose place counts, or that has no name, cannot be looked at without the others. */
static bool stands_among_others(const struct lysc_node *schema)
{
	if (!(schema->nodetype & (LYS_LIST | LYS_LEAFLIST)))
		return false;
	return schema->flags & LYS_ORDBY_USER || lysc_is_dup_inst_list(schema);
}

/* Where the text of the path's first @levels ends. */
static size_t path_size(const char *path, size_t levels)
{
	size_t at = 0;
	char quote = 0;

	for (; path[at]; at++) {
		if (quote)
			quote = path[at] == quote ? 0 : quote;
		else if (path[at] == '\'' || path[at] == '"')
			quote = path[at];
		else if (path[at] == '/' && levels-- == 0)
			break;
	}
	return at;
}

char *push_scope_path(struct ds_filter *filter, const char *path)
{
	_cleanup_(ds_filter_freep) struct ds_filter *chain = NULL;
	const struct lysc_node *schemas[LEVELS_MAX];
	const struct filter *elements[LEVELS_MAX];
	size_t count = follow(path, &chain, elements, schemas), levels = count;

	if (filter && count)
		levels = levels_of(filter->root, schemas, 0, count);
	while (levels && stands_among_others(schemas[levels - 1]))
		levels--;
	return levels ? xstrndup(path, path_size(path, levels)) : NULL;
}

/* --- narrowing ---------------------------------------------------------------------------------- */

/* The chain from its @at-th element on, as it is. */
static int add_chain(struct ds_filter *to, struct filter *parent,
	const struct filter *const *elements, size_t at, size_t count, struct err *err)
{
	int r = 0;

	for (; at < count && r == 0; at++) {
		struct filter *element = NULL;

		r = copy_element(to, parent, elements[at], &element, err);
		if (r == 0)
			r = copy_children(to, element, elements[at], COPY_TESTS, err);
		parent = element;
	}
	return r;
}

static int narrow(struct ds_filter *to, struct filter *parent, const struct filter *from,
	const struct filter *const *elements, size_t at, size_t count, struct err *err)
{
	int r = 0;

	if (at == count)
		return copy_children(to, parent, from, COPY_OUTPUTS, err);
	if (selects_all(from))
		return add_chain(to, parent, elements, at, count, err);
	for (const struct filter *child = from->children; child && r == 0; child = child->next) {
		struct filter *element;

		if (!child->is_output || !filter_names(child, elements[at]->schemas[0]))
			continue;
		r = copy_element(to, parent, child, &element, err);
		if (r == 0)
			r = copy_children(to, element, child, COPY_TESTS, err);
		if (r == 0)
			r = copy_children(to, element, elements[at], COPY_TESTS, err);
		if (r == 0)
			r = narrow(to, element, child, elements, at + 1, count, err);
		/* Nothing of what it selects is on the way: it must not stand for all. */
		if (r == 0 && !selects_all(child) && selects_all(element))
			element->has_outputs = true;
	}
	return r;
}

int push_scope_add(
	struct ds_filter *to, struct ds_filter *filter, const char *path, struct err *err)
{
	_cleanup_(ds_filter_freep) struct ds_filter *chain = NULL;
	const struct lysc_node *schemas[LEVELS_MAX];
	const struct filter *elements[LEVELS_MAX];
	size_t count = follow(path, &chain, elements, schemas);

	if (!count)
		return err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL, "%s is no path", path);
	if (!filter)
		return add_chain(to, to->root, elements, 0, count, err);
	return narrow(to, to->root, filter->root, elements, 0, count, err);
}
