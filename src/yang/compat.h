/* Every difference between libyang 2.1 and 3.12. Nothing else looks at its version. */
#ifndef ASHLAR_YANG_COMPAT_H
#define ASHLAR_YANG_COMPAT_H

#include <libyang/libyang.h>
#include <stdbool.h>
#include <string.h>

#ifdef LYD_VALIDATE_NOT_FINAL
#define COMPAT_LY3 1
#else
#define COMPAT_LY3 0
#endif

/* The last error of a context; NULL when there is none. */
static inline const struct ly_err_item *compat_last_error(const struct ly_ctx *ctx)
{
#if COMPAT_LY3
	return ly_err_last(ctx);
#else
	const struct ly_err_item *first = ly_err_first(ctx);

	return first ? first->prev : NULL;
#endif
}

/*
 * Where an error is: an instance path, in 2.1 wrapped in words; or the path of the schema node, where
 * libyang knows no more.
 */
static inline const char *compat_error_path(const struct ly_err_item *item, bool *ret_is_schema)
{
#if COMPAT_LY3
	*ret_is_schema = !item->data_path;
	return item->data_path ? item->data_path : item->schema_path;
#else
	*ret_is_schema = item->path && strstr(item->path, "Schema location \"") &&
		!strstr(item->path, "Data location \"");
	return item->path;
#endif
}

/* Metadata that libyang keeps for itself on sorted lists (3.12); never printed. */
static inline bool compat_meta_is_internal(const struct lyd_meta *meta)
{
#if COMPAT_LY3
	return lyd_meta_is_internal(meta);
#else
	(void)meta;
	return false;
#endif
}

/*
 * To be called with the parent after each change of its children. In 2.1 a hash table of children in which no
 * place was never used makes the next insertion crash: the search for a place after the last of several
 * colliding entries overlooks those that were freed before it. When such places run short, the table is made
 * to clear itself up, which it does on a removal that finds none left. One change may take two places: the
 * first entry of a list has one for the list too.
 */
static inline void compat_tend(struct lyd_node *parent)
{
#if COMPAT_LY3
	(void)parent;
#else
	/* The beginning of libyang's struct hash_table. */
	struct {
		uint32_t used, size, freed;
	} *table = parent ? (void *)((struct lyd_node_inner *)parent)->children_ht : NULL;
	struct lyd_node *last;

	if (!table || !table->freed || table->size - table->used - table->freed > 4)
		return;
	last = lyd_child(parent)->prev;
	table->freed = table->size - table->used;
	lyd_unlink_tree(last);
	lyd_insert_child(parent, last);
#endif
}

/*
 * Moves a system-ordered entry that was just appended back in front of @before, its old successor.
 * 3.12 sorts such entries itself. In 2.1 the chain of siblings can be changed by hand, as hashes do not
 * hold positions; but the parent's hash table knows the first instance of a list by its node, so to
 * become the first one, all others are taken out and appended again.
 */
static inline void compat_restore_place(struct lyd_node *node, struct lyd_node *before)
{
#if COMPAT_LY3
	(void)node, (void)before;
#else
	if (!before || before == node || before->schema != node->schema)
		return;
	if (before->prev->schema != node->schema || !before->prev->next) {
		struct lyd_node *parent = lyd_parent(node), *next;

		for (; before && before != node && before->schema == node->schema; before = next) {
			next = before->next;
			lyd_unlink_tree(before);
			lyd_insert_child(parent, before);
			compat_tend(parent);
		}
		return;
	}
	/* node is the last of its list: take it out of the chain … */
	node->prev->next = node->next;
	if (node->next)
		node->next->prev = node->prev;
	else
		lyd_first_sibling(before)->prev = node->prev;
	/* … and put it in before its successor. */
	node->prev = before->prev;
	node->next = before;
	before->prev->next = node;
	before->prev = node;
#endif
}

/* Gives what the schema does not have a value that is printed as it stands, like that of a number. */
static inline void compat_print_bare(struct lyd_node *node, const char *text)
{
	struct lyd_node_opaq *opaq = (struct lyd_node_opaq *)node;

	lydict_remove(opaq->ctx, opaq->value);
	(void)lydict_insert(opaq->ctx, text, 0, &opaq->value);
	opaq->hints = LYD_VALHINT_DECNUM;
}

/*
 * 2.1 does not know an empty object of an unknown module from an empty text when it prints it: it is told.
 */
static inline void compat_keep_empty(struct lyd_node *top)
{
#if COMPAT_LY3
	(void)top;
#else
	struct lyd_node *node;

	LYD_TREE_DFS_BEGIN (top, node) {
		struct lyd_node_opaq *opaq = (struct lyd_node_opaq *)node;

		if (!node->schema && !opaq->child && !opaq->hints)
			compat_print_bare(node, "{}");
		LYD_TREE_DFS_END(top, node);
	}
#endif
}

/* Makes anydata that takes over @tree. */
static inline LY_ERR compat_new_any_of(struct lyd_node *parent, const struct lys_module *module,
	const char *name, struct lyd_node *tree)
{
#if COMPAT_LY3
	return lyd_new_any(
		parent, module, name, tree, LYD_ANYDATA_DATATREE, LYD_NEW_ANY_USE_VALUE, NULL);
#else
	return lyd_new_any(parent, module, name, tree, 1, LYD_ANYDATA_DATATREE, 0, NULL);
#endif
}

/* An anydata node that holds the tree, which is taken. */
static inline LY_ERR compat_new_any(
	struct lyd_node *parent, const char *name, struct lyd_node *tree)
{
	return compat_new_any_of(parent, NULL, name, tree);
}

/* The tree that an anydata node holds; NULL: it holds something else, or nothing. */
static inline const struct lyd_node *compat_any_tree(const struct lyd_node *node)
{
	const struct lyd_node_any *any = (const struct lyd_node_any *)node;

	return any->value_type == LYD_ANYDATA_DATATREE ? any->value.tree : NULL;
}

/* Evaluates an expression with JSON names; the context is the root of @tree. */
static inline LY_ERR compat_find_xpath(
	const struct lyd_node *tree, const char *xpath, struct ly_set **set)
{
#if COMPAT_LY3
	return lyd_find_xpath3(NULL, tree, xpath, LY_VALUE_JSON, NULL, NULL, set);
#else
	return lyd_find_xpath3(NULL, tree, xpath, NULL, set);
#endif
}

#endif
