/* See annotation.h. libyang keeps a node's metadata in a chain that begins at node->meta. */
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "annotation.h"

bool annotation_is_kept(const struct lyd_meta *meta)
{
	static const char *const others[] = { "ietf-netconf", "yang", "ietf-origin",
		"ietf-netconf-with-defaults" };

	if (compat_meta_is_internal(meta))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (str_equal(meta->annotation->module->name, others[i]))
			return false;
	}
	return true;
}

static const struct lyd_meta *find(const struct lyd_meta *chain, const struct lyd_meta *like)
{
	for (; chain; chain = chain->next) {
		if (chain->annotation == like->annotation)
			return chain;
	}
	return NULL;
}

bool annotation_differs(const struct lyd_node *node, const struct lyd_node *from, bool is_all)
{
	const struct lyd_meta *meta, *mine;

	LY_LIST_FOR (from->meta, meta) {
		mine = find(node->meta, meta);
		if (annotation_is_kept(meta) &&
			(!mine || !str_equal(lyd_get_meta_value(mine), lyd_get_meta_value(meta))))
			return true;
	}
	LY_LIST_FOR (is_all ? node->meta : NULL, meta) {
		if (annotation_is_kept(meta) && !find(from->meta, meta))
			return true;
	}
	return false;
}

struct lyd_meta *annotation_take(struct lyd_node *node)
{
	struct lyd_meta **from = &node->meta, *chain = NULL, **to = &chain;

	while (*from) {
		struct lyd_meta *meta = *from;

		if (!annotation_is_kept(meta)) {
			from = &meta->next;
			continue;
		}
		*from = meta->next;
		meta->next = NULL;
		meta->parent = NULL;
		*to = meta;
		to = &meta->next;
	}
	return chain;
}

void annotation_give(struct lyd_node *node, struct lyd_meta *chain)
{
	struct lyd_meta **end = &node->meta;

	annotation_free(annotation_take(node));
	while (*end)
		end = &(*end)->next;
	*end = chain;
	for (; chain; chain = chain->next)
		chain->parent = node;
}

void annotation_copy(struct lyd_node *node, const struct lyd_meta *chain)
{
	for (; chain; chain = chain->next) {
		if (annotation_is_kept(chain) && !find(node->meta, chain))
			(void)lyd_dup_meta_single(chain, node, NULL); /* of the same schema */
	}
}

void annotation_free(struct lyd_meta *chain)
{
	lyd_free_meta_siblings(chain);
}
