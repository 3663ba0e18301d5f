/* See order.h. */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "order.h"

static struct order_entry *find_entry(const struct order *order, const struct lyd_node *node)
{
	return map_get(&order->by_node, &node, sizeof(node));
}

static void insert_entry(struct order *order, size_t at, struct lyd_node *node)
{
	struct order_entry *entry = XNEW(struct order_entry);

	entry->node = node;
	ARRAY_GROW(order->entries, order->count, order->room);
	memmove(order->entries + at + 1, order->entries + at,
		(order->count++ - at) * sizeof(*order->entries));
	order->entries[at] = entry;
	map_put(&order->by_node, &entry->node, sizeof(entry->node), entry);
}

void order_add(struct order *order, struct lyd_node *node)
{
	if (!find_entry(order, node))
		insert_entry(order, order->count, node);
}

void order_done(struct order *order)
{
	map_done(&order->by_node);
	for (size_t i = 0; i < order->count; i++)
		free(order->entries[i]);
	free(order->entries);
	memset(order, 0, sizeof(*order));
}

/* --- in the tree ---------------------------------------------------------------------------------- */

static bool is_in_order(const struct order *order)
{
	for (size_t i = 0; i + 1 < order->count; i++) {
		if (order->entries[i]->node->next != order->entries[i + 1]->node)
			return false;
	}
	return true;
}

static void find_places(struct order *order)
{
	struct lyd_node *node = order->entries[0]->node;
	const struct lysc_node *schema = node->schema;
	size_t place = 0;

	while (node->prev->next && node->prev->schema == schema)
		node = node->prev;
	for (; node && node->schema == schema; node = node->next) {
		struct order_entry *entry = find_entry(order, node);

		if (entry)
			entry->place = place++;
	}
}

/* The most entries that stand in the right order among themselves: they can stay. */
static void find_stays(struct order *order)
{
	size_t count = order->count, length = 0, at;
	/* ends[n]: the last of n + 1 such entries, as far forward as can be; before[i]: of the one before i. */
	size_t *ends = xcalloc(count, sizeof(*ends)), *before = xcalloc(count, sizeof(*before));

	for (size_t i = 0; i < count; i++) {
		size_t low = 0, high = length;

		while (low < high) {
			size_t middle = (low + high) / 2;

			if (order->entries[ends[middle]]->place < order->entries[i]->place)
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
		order->entries[at]->stays = true;
		at = before[at];
	}
	free(ends);
	free(before);
}

int order_settle(struct order *order, struct edit *edit, struct err *err)
{
	int r = 0;

	if (order->count < 2 || is_in_order(order))
		goto out;
	find_places(order);
	find_stays(order);
	for (size_t i = order->count; r == 0 && i-- > 0;) {
		struct lyd_node *node = order->entries[i]->node;
		struct lyd_node *before = i + 1 < order->count ? order->entries[i + 1]->node : NULL;

		if (order->entries[i]->stays)
			continue;
		if (node->flags & LYD_NEW)
			edit_move(edit, node, before);
		else
			r = edit_place(edit, node, before, err);
	}
out:
	order_done(order);
	return r;
}

/* --- in a request --------------------------------------------------------------------------------- */

static const char *take_attribute(struct lyd_node *node, const char *name, char **ret_value)
{
	struct lyd_meta *meta;

	LY_LIST_FOR (node->meta, meta) {
		if (compat_meta_is_internal(meta) || !str_equal(meta->name, name) ||
			!str_equal(meta->annotation->module->name, "yang"))
			continue;
		*ret_value = xstrdup(lyd_get_meta_value(meta));
		lyd_free_meta_single(meta);
		return *ret_value;
	}
	return NULL;
}

static int attribute_error(struct err *err, const struct lyd_node *node)
{
	err_add_info(err, "bad-attribute", node->schema->nodetype == LYS_LIST ? "key" : "value");
	err_add_info(err, "bad-element", LYD_NAME(node));
	return -EINVAL;
}

int order_no_key(struct err *err, const struct lyd_node *node)
{
	_cleanup_free_ char *path = path_of(node);

	err_tagged(err, ERR_TAG_MISSING_ATTRIBUTE, path,
		"insert \"before\" or \"after\" needs yang:key or yang:value");
	return attribute_error(err, node);
}

int order_no_neighbour(struct err *err, const struct lyd_node *node, const char *key)
{
	_cleanup_free_ char *path = path_of(node);

	err_tagged(err, ERR_TAG_BAD_ATTRIBUTE, path,
		"%s is to be placed beside an entry that is not there: %s", LYD_NAME(node), key);
	err_app_tag(err, "missing-instance");
	return attribute_error(err, node);
}

/* Puts the entry where its attributes say, among those that came before it. */
static int arrange_entry(struct order *order, struct lyd_node *node, struct err *err)
{
	_cleanup_free_ char *insert = NULL, *key = NULL;
	bool is_list = node->schema->nodetype == LYS_LIST;
	struct lyd_node *match = NULL;
	size_t at;

	(void)take_attribute(node, "insert", &insert); /* may have none */
	(void)take_attribute(node, is_list ? "key" : "value", &key);
	if (!insert || str_equal(insert, "last")) {
		insert_entry(order, order->count, node);
		return 0;
	}
	if (str_equal(insert, "first")) {
		insert_entry(order, 0, node);
		return 0;
	}
	if (!key)
		return order_no_key(err, node);
	if (lyd_find_sibling_val(node, node->schema, key, strlen(key), &match) != LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	for (at = 0; match && at < order->count; at++) {
		if (order->entries[at]->node == match)
			break;
	}
	if (!match || at == order->count)
		return order_no_neighbour(err, node, key);
	insert_entry(order, at + str_equal(insert, "after"), node);
	return 0;
}

static bool is_placed(const struct lyd_node *node)
{
	const struct lyd_meta *meta;

	LY_LIST_FOR (node->meta, meta) {
		if (!compat_meta_is_internal(meta) && str_equal(meta->name, "insert"))
			return true;
	}
	return false;
}

/* The entries from @node on; *ret_next is what stands behind them. */
static int arrange_list(struct lyd_node *node, struct lyd_node **ret_next, struct err *err)
{
	const struct lysc_node *schema = node->schema;
	struct lyd_node *at, *parent = lyd_parent(node);
	struct order order = { 0 };
	bool is_needed = false;
	int r = 0;

	for (at = node; at && at->schema == schema; at = at->next)
		is_needed |= is_placed(at);
	*ret_next = at;
	for (at = node; is_needed && r == 0 && at != *ret_next; at = at->next)
		r = arrange_entry(&order, at, err);
	for (size_t i = 1; r == 0 && i < order.count; i++) {
		lyd_insert_after(order.entries[i - 1]->node, order.entries[i]->node);
		compat_tend(parent);
	}
	order_done(&order);
	return r;
}

int order_arrange(struct lyd_node **first, struct err *err)
{
	struct lyd_node *node = *first, *next;
	int r;

	for (; node; node = next) {
		next = node->next;
		if (!node->schema || !lysc_is_userordered(node->schema))
			continue;
		r = arrange_list(node, &next, err);
		if (r < 0)
			return r;
	}
	if (*first)
		*first = lyd_first_sibling(*first);
	return 0;
}
