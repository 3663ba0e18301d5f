/* See difference.h. The order of lists that the user orders follows the rest, when all entries are there. */
#include <errno.h>

#include "ashlar/str.h"

#include "difference.h"

/* What only stands there by default is made again where it belongs. */
static void drop_defaults(struct lyd_node **first)
{
	struct lyd_node *node, *next;

	for (node = *first; node; node = next) {
		struct lyd_node *child = (struct lyd_node *)lyd_child(node);

		next = node->next;
		if (!(node->flags & LYD_DEFAULT)) {
			drop_defaults(&child);
			continue;
		}
		if (*first == node)
			*first = next;
		lyd_free_tree(node);
	}
}

static struct lyd_node *find_entry(struct lyd_node *siblings, const struct lyd_node *like)
{
	struct lyd_node *match = NULL;

	if (siblings && lyd_find_sibling_first(siblings, like, &match) != LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return match;
}

/* Entries from @last up to the first of their list come to stand as they do there. */
static void put_in_order(struct edit *edit, struct lyd_node *siblings, const struct lyd_node *last)
{
	const struct lysc_node *schema = last->schema;
	struct lyd_node *next = NULL;

	for (;; last = last->prev) {
		struct lyd_node *node = find_entry(siblings, last);
		struct lyd_node *after =
			node && node->next && node->next->schema == schema ? node->next : NULL;

		if (node && after != next)
			edit_move(edit, node, next);
		next = node;
		if (!last->prev->next || last->prev->schema != schema)
			return;
	}
}

/* @order: what the order is to be, among the children of @parent (NULL: top level). */
static void follow_order(
	struct edit *edit, const struct lyd_node *order, const struct lyd_node *parent)
{
	for (; order; order = order->next) {
		struct lyd_node *siblings = edit_children(edit, parent);
		bool is_last = !order->next || order->next->schema != order->schema;
		const struct lyd_node *node;

		if (is_last && lysc_is_userordered(order->schema))
			put_in_order(edit, siblings, order);
		node = lyd_child(order) ? find_entry(edit_children(edit, parent), order) : NULL;
		if (node)
			follow_order(edit, lyd_child(order), node);
	}
}

int difference_apply(
	struct edit *edit, struct lyd_node **from, struct lyd_node *to, struct err *err)
{
	struct lyd_node *order = NULL;
	int r = 0;

	drop_defaults(&to);
	edit_begin(edit, from, NULL);
	if (to && lyd_dup_siblings(to, NULL, LYD_DUP_RECURSIVE, &order) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	if (r == 0)
		r = edit_apply(edit, &to, EDIT_REPLACE, err);
	if (r == 0)
		follow_order(edit, order, NULL);
	lyd_free_all(order);
	lyd_free_all(to);
	return r;
}
