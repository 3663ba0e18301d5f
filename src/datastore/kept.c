/*
 * An entry that cannot stand without what is set aside goes as a whole; what then refers to nothing goes
 * too, and so on. References that lead nowhere in the file itself are no business of ours: validation
 * refuses them.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "kept.h"
#include "schema.h"

static struct {
	struct kept *items;
	size_t count, room;
} kept;

/* Nodes of a tree that is being split; NULL where one is gone. */
struct nodes {
	struct lyd_node **items;
	size_t count, room;
};

static void add_node(struct nodes *nodes, struct lyd_node *node)
{
	ARRAY_GROW(nodes->items, nodes->count, nodes->room);
	nodes->items[nodes->count++] = node;
}

const struct kept *kept_at(size_t index)
{
	return index < kept.count ? &kept.items[index] : NULL;
}

void kept_forget(void)
{
	for (size_t i = 0; i < kept.count; i++) {
		free(kept.items[i].path);
		free(kept.items[i].parent);
		free(kept.items[i].reason);
		lyd_free_tree(kept.items[i].node);
	}
	free(kept.items);
	memset(&kept, 0, sizeof(kept));
}

/* --- what cannot be applied -------------------------------------------------------------------- */

static bool can_apply(const struct lyd_node *node)
{
	const struct snode *snode = schema_of_node(node);

	return snode && snode->is_owned;
}

/* Is the value an identity that is there only with a YANG feature which this device has not? */
static bool is_switched_off(const struct lyd_node *opaque, const struct lysc_node *schema)
{
	const char *value = ((const struct lyd_node_opaq *)opaque)->value;
	const char *colon = value ? strchr(value, ':') : NULL;
	_cleanup_free_ char *name = colon ? xstrndup(value, (size_t)(colon - value)) : NULL;
	const struct lys_module *module =
		name ? ly_ctx_get_module_implemented(yang_ctx(), name) : NULL;
	LY_ARRAY_COUNT_TYPE i;

	if (!module || !module->parsed || schema->nodetype != LYS_LEAF ||
		((const struct lysc_node_leaf *)schema)->type->basetype != LY_TYPE_IDENT)
		return false;
	LY_ARRAY_FOR(module->parsed->identities, i)
	{
		const struct lysp_ident *identity = &module->parsed->identities[i];

		if (str_equal(identity->name, colon + 1))
			return identity->iffeatures != NULL;
	}
	return false;
}

/* The schema knows what it is called, and a feature would apply it: then its value is wrong. */
static bool is_wrong(const struct lyd_node *node)
{
	const struct lysc_node *schema = node->schema ? NULL : format_opaque_schema(node);
	const struct snode *snode = schema ? schema_of(schema) : NULL;

	return snode && snode->is_owned && !is_switched_off(node, schema);
}

/* A container without presence is only a way to what is in it: something to apply, or wrong. */
static bool is_way(const struct lyd_node *node)
{
	const struct lyd_node *child;

	if (!node->schema || node->schema->nodetype != LYS_CONTAINER ||
		(node->schema->flags & LYS_PRESENCE))
		return false;
	LY_LIST_FOR (lyd_child(node), child) {
		if (can_apply(child) || is_wrong(child) || is_way(child))
			return true;
	}
	return false;
}

/* Without it the entry around it would not be valid: of a kind that cannot be applied (an interface whose
 * own container holds what is mandatory). */
static bool is_essential(const struct lyd_node *node)
{
	const struct lysc_node *schema = node->schema ? node->schema : format_opaque_schema(node);

	return schema && (schema->flags & LYS_MAND_TRUE) && !is_wrong(node) &&
		!(schema->parent && schema->parent->nodetype == LYS_CASE);
}

static bool has_essential(const struct lyd_node *entry)
{
	const struct lyd_node *child;

	if (!entry->schema || entry->schema->nodetype != LYS_LIST)
		return false;
	LY_LIST_FOR (lyd_child(entry), child) {
		if (is_essential(child) && !can_apply(child) && !is_way(child))
			return true;
	}
	return false;
}

static int collect(struct nodes *out, struct lyd_node *node, struct err *err)
{
	int r = 0;

	for (; node && r == 0; node = node->next) {
		if (is_wrong(node))
			r = format_opaque_error(node, err);
		else if ((can_apply(node) || is_way(node)) && !has_essential(node))
			r = collect(out, (struct lyd_node *)lyd_child(node), err);
		else
			add_node(out, node);
	}
	return r;
}

/* --- what refers to it ------------------------------------------------------------------------- */

static bool is_reference(const struct lyd_node *node)
{
	const struct snode *snode = schema_of_node(node);

	return snode && snode->is_leafref_source;
}

static bool leads_somewhere(const struct lyd_node *node)
{
	const char *value = lyd_get_value(node);
	LY_ERR rc = lyd_value_validate(NULL, node->schema, value, strlen(value), node, NULL, NULL);

	if (rc != LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return rc == LY_SUCCESS;
}

static void collect_references(struct nodes *out, struct lyd_node *node)
{
	struct lyd_node *elem;

	for (; node; node = node->next) {
		LYD_TREE_DFS_BEGIN (node, elem) {
			if (is_reference(elem) && leads_somewhere(elem))
				add_node(out, elem);
			LYD_TREE_DFS_END(node, elem);
		}
	}
}

/* What goes with a reference to nothing: as much of the entry around it as the entry can do without. */
static struct lyd_node *around(struct lyd_node *reference)
{
	struct lyd_node *node, *best = NULL, *least = NULL;

	for (node = reference; node; node = lyd_parent(node)) {
		if (node->schema->nodetype == LYS_LIST)
			return best ? best : node;
		if (schema_must_stay(node->schema))
			continue;
		best = node;
		least = least ? least : node;
	}
	return least ? least : reference;
}

/* --- setting aside ----------------------------------------------------------------------------- */

static char *path_of_unknown(const struct lyd_node *node, const char *parent)
{
	const struct ly_opaq_name *name = &((const struct lyd_node_opaq *)node)->name;
	const char *module = name->module_name ? name->module_name : name->prefix;

	if (!module && lyd_parent(node) && lyd_parent(node)->schema)
		module = lyd_parent(node)->schema->module->name;
	return xasprintf("%s/%s%s%s", parent ? parent : "", module ? module : "", module ? ":" : "",
		name->name);
}

static bool is_within(const struct lyd_node *node, const struct lyd_node *top)
{
	while (node && node != top)
		node = lyd_parent(node);
	return node;
}

/* Takes the reason. */
static void set_aside(struct lyd_node **tree, struct nodes *references, struct lyd_node *node,
	bool keep, char *reason)
{
	struct lyd_node *parent = lyd_parent(node);
	struct kept *item;

	for (size_t i = 0; i < references->count; i++) {
		if (is_within(references->items[i], node))
			references->items[i] = NULL;
	}
	if (*tree == node)
		*tree = node->next;
	if (!keep) {
		free(reason);
		lyd_free_tree(node);
		return;
	}
	ARRAY_GROW(kept.items, kept.count, kept.room);
	item = &kept.items[kept.count++];
	memset(item, 0, sizeof(*item));
	item->parent = parent ? path_of(parent) : NULL;
	item->path = node->schema ? path_of(node) : path_of_unknown(node, item->parent);
	item->reason = reason;
	lyd_unlink_tree(node);
	compat_keep_empty(node);
	item->node = node;
}

static void set_references_aside(struct lyd_node **tree, struct nodes *references, bool keep)
{
	bool is_quiet;

	do {
		is_quiet = true;
		for (size_t i = 0; i < references->count; i++) {
			struct lyd_node *node = references->items[i];

			if (!node || leads_somewhere(node))
				continue;
			set_aside(tree, references, around(node), keep,
				xasprintf("%s refers to \"%s\", which is not applied",
					node->schema->name, lyd_get_value(node)));
			is_quiet = false;
		}
	} while (!is_quiet);
}

int kept_split(struct lyd_node **tree, bool keep, struct err *err)
{
	struct nodes aside = { 0 }, references = { 0 };
	int r = collect(&aside, *tree, err);

	if (r == 0 && aside.count) {
		collect_references(&references, *tree);
		for (size_t i = 0; i < aside.count; i++)
			set_aside(tree, &references, aside.items[i], keep,
				xstrdup(aside.items[i]->schema ? "not supported by this device"
							       : "unknown to this device"));
		set_references_aside(tree, &references, keep);
	}
	free(aside.items);
	free(references.items);
	return r;
}

/* --- putting back ------------------------------------------------------------------------------ */

static bool put_back(struct lyd_node **tree, struct kept *item)
{
	struct lyd_node *parent = NULL;

	if (!item->parent) {
		lyd_insert_sibling(*tree, item->node, tree);
		return true;
	}
	if (!*tree || lyd_find_path(*tree, item->parent, 0, &parent) != LY_SUCCESS || !parent)
		return false;
	lyd_insert_child(parent, item->node);
	return true;
}

/* What was set aside first may belong into what was set aside later. */
struct lyd_node *kept_merge(struct lyd_node *tree)
{
	bool is_quiet;

	do {
		is_quiet = true;
		for (size_t i = 0; i < kept.count; i++) {
			if (kept.items[i].is_put || !put_back(&tree, &kept.items[i]))
				continue;
			kept.items[i].is_put = true;
			is_quiet = false;
		}
	} while (!is_quiet);
	return tree;
}
