/* Typed reads of data trees by child name. */
#include <stdlib.h>
#include <string.h>

#include "ashlar/str.h"
#include "ashlar/yang.h"

#define ENTRIES_NEAR 16

/* Does @node bear @name ("leaf", in the module of @parent, or "module:leaf")? */
static bool is_named(
	const struct lyd_node *node, const struct lyd_node *parent, const char *name, size_t length)
{
	const char *colon = memchr(name, ':', length);
	const char *bare = colon ? colon + 1 : name;
	size_t bare_length = length - (size_t)(bare - name);

	if (!node->schema || strncmp(node->schema->name, bare, bare_length) ||
		node->schema->name[bare_length])
		return false;
	if (colon)
		return !strncmp(node->schema->module->name, name, (size_t)(colon - name)) &&
			!node->schema->module->name[colon - name];
	return node->schema->module == parent->schema->module;
}

static const struct lyd_node *child_of(
	const struct lyd_node *parent, const char *name, size_t length)
{
	const struct lyd_node *child;

	if (!parent || !parent->schema)
		return NULL;
	LY_LIST_FOR (lyd_child(parent), child) {
		if (is_named(child, parent, name, length))
			return child;
	}
	return NULL;
}

const struct lyd_node *node_child(const struct lyd_node *parent, const char *name)
{
	return child_of(parent, name, strlen(name));
}

const struct lyd_node *node_at(const struct lyd_node *parent, const char *path)
{
	while (parent && *path) {
		size_t length = strcspn(path, "/");

		parent = child_of(parent, path, length);
		path += length + (path[length] == '/');
	}
	return parent;
}

/* Among the first of a list: to look there costs less than to make libyang a key. */
static const struct lyd_node *near_entry(const struct lyd_node *first, const char *key)
{
	const struct lyd_node *at = first;

	for (unsigned n = 0; at && at->schema == first->schema && n < ENTRIES_NEAR; n++) {
		if (str_equal(lyd_get_value(lyd_child(at)), key))
			return at;
		at = at->next;
	}
	return NULL;
}

const struct lyd_node *node_entry(const struct lyd_node *parent, const char *list, const char *key)
{
	const struct lyd_node *first = node_child(parent, list), *near;
	struct lyd_node *match = NULL;
	_cleanup_free_ char *predicate = NULL;
	char quote = strchr(key, '\'') ? '"' : '\'';

	if (!first || !first->schema || first->schema->nodetype != LYS_LIST)
		return NULL;
	near = near_entry(first, key);
	if (near)
		return near;
	if (strchr(key, '\'') && strchr(key, '"'))
		return NULL;
	predicate =
		xasprintf("[%s=%c%s%c]", lysc_node_child(first->schema)->name, quote, key, quote);
	if (lyd_find_sibling_val(first, first->schema, predicate, strlen(predicate), &match) !=
		LY_SUCCESS)
		return NULL;
	return match;
}

const char *node_value(const struct lyd_node *node)
{
	const char *value = node ? lyd_get_value(node) : NULL;

	return value ? value : "";
}

const char *node_text(const struct lyd_node *parent, const char *path, const char *fallback)
{
	const struct lyd_node *node = node_at(parent, path);

	return node ? node_value(node) : fallback;
}

bool node_bool(const struct lyd_node *parent, const char *path, bool fallback)
{
	const struct lyd_node *node = node_at(parent, path);

	return node ? str_equal(node_value(node), "true") : fallback;
}

uint64_t node_u64(const struct lyd_node *parent, const char *path, uint64_t fallback)
{
	const struct lyd_node *node = node_at(parent, path);

	return node ? strtoull(node_value(node), NULL, 10) : fallback;
}

int64_t node_s64(const struct lyd_node *parent, const char *path, int64_t fallback)
{
	const struct lyd_node *node = node_at(parent, path);

	return node ? strtoll(node_value(node), NULL, 10) : fallback;
}

const char *node_identity(const struct lyd_node *parent, const char *path)
{
	const struct lyd_node *node = node_at(parent, path);
	const char *text, *colon;

	if (!node)
		return NULL;
	text = node_value(node);
	colon = strrchr(text, ':');
	return colon ? colon + 1 : text;
}

bool node_exists(const struct lyd_node *parent, const char *path)
{
	return node_at(parent, path) != NULL;
}

const struct lyd_node *node_ancestor(const struct lyd_node *node, const char *name)
{
	while (node && !(node->schema && str_equal(node->schema->name, name)))
		node = lyd_parent(node);
	return node;
}

const struct lyd_node *node_next(const struct lyd_node *node)
{
	const struct lysc_node *schema = node->schema;

	for (node = node->next; node; node = node->next) {
		if (node->schema == schema)
			return node;
	}
	return NULL;
}

const struct lyd_node *node_top(const struct lyd_node *in, const char *name)
{
	const struct lyd_node *node = in;

	while (lyd_parent(node))
		node = lyd_parent(node);
	LY_LIST_FOR (lyd_first_sibling(node), node) {
		if (node->schema && str_equal(node->schema->name, name))
			return node;
	}
	return NULL;
}
