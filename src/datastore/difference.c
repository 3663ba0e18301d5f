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

/* The entries of one list: as they are to stand, and where each stands now. */
struct order {
	struct lyd_node **nodes;
	size_t *places;
	size_t count, room;
};

static void collect(struct order *order, struct lyd_node *siblings, const struct lyd_node *first)
{
	const struct lysc_node *schema = first->schema;

	for (; first && first->schema == schema; first = first->next) {
		struct lyd_node *node = find_entry(siblings, first);

		if (!node)
			continue;
		ARRAY_GROW(order->nodes, order->count, order->room);
		order->nodes[order->count++] = node;
	}
}

static void find_places(struct order *order)
{
	struct map indexes = { 0 };
	struct lyd_node *node = order->nodes[0];
	size_t place = 0;

	order->places = xcalloc(order->count, sizeof(*order->places));
	for (size_t i = 0; i < order->count; i++)
		map_put(&indexes, &order->nodes[i], sizeof(node), &order->places[i]);
	while (node->prev->next && node->prev->schema == node->schema)
		node = node->prev;
	for (; node && node->schema == order->nodes[0]->schema; node = node->next) {
		size_t *at = map_get(&indexes, &node, sizeof(node));

		if (at)
			*at = place++;
	}
	map_done(&indexes);
}

/* The most entries that stand in the right order among themselves: they can stay. */
static void find_stays(const struct order *order, bool *stays)
{
	size_t count = order->count, length = 0, at;
	/* ends[n]: the last of n + 1 such entries, as far forward as can be; before[i]: of the one before i. */
	size_t *ends = xcalloc(count, sizeof(*ends)), *before = xcalloc(count, sizeof(*before));

	for (size_t i = 0; i < count; i++) {
		size_t low = 0, high = length;

		while (low < high) {
			size_t middle = (low + high) / 2;

			if (order->places[ends[middle]] < order->places[i])
				low = middle + 1;
			else
				high = middle;
		}
		before[i] = low ? ends[low - 1] : i;
		ends[low] = i;
		if (low == length)
			length++;
	}
	at = ends[length - 1];
	while (length-- > 0) {
		stays[at] = true;
		at = before[at];
	}
	free(ends);
	free(before);
}

static bool is_in_order(const struct order *order)
{
	for (size_t i = 0; i + 1 < order->count; i++) {
		if (order->nodes[i]->next != order->nodes[i + 1])
			return false;
	}
	return true;
}

/* The entries from @first on come to stand as they do there. */
static void put_in_order(struct edit *edit, struct lyd_node *siblings, const struct lyd_node *first)
{
	_cleanup_free_ bool *stays = NULL;
	struct order order = { 0 };

	collect(&order, siblings, first);
	if (order.count > 1 && !is_in_order(&order)) {
		find_places(&order);
		stays = xcalloc(order.count, sizeof(*stays));
		find_stays(&order, stays);
		for (size_t i = order.count; i-- > 0;) {
			if (!stays[i])
				edit_move(edit, order.nodes[i],
					i + 1 < order.count ? order.nodes[i + 1] : NULL);
		}
	}
	free(order.nodes);
	free(order.places);
}

/* @order: what the order is to be, among the children of @parent (NULL: top level). */
static void follow_order(
	struct edit *edit, const struct lyd_node *order, const struct lyd_node *parent)
{
	for (; order; order = order->next) {
		struct lyd_node *siblings = edit_children(edit, parent);
		bool is_first = !order->prev->next || order->prev->schema != order->schema;
		const struct lyd_node *node;

		if (is_first && lysc_is_userordered(order->schema))
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
	edit->is_any = true;
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
