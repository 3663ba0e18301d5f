/*
 * From touched nodes to units. What is removed is asked about while it still stands (its parents and
 * keys are readable), everything else when the edit is complete.
 */
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "units.h"

#define NODES_AT_ONCE 32 /* between two looks at the clock */

static void add_unit(struct unit_set *set, char *path, const struct lysc_node *schema,
	const struct lyd_node *node)
{
	struct unit_entry *entry = map_get_str(&set->by_path, path);

	if (entry) {
		free(path);
		entry->node = node ? node : entry->node;
		return;
	}
	entry = XNEW(struct unit_entry);
	entry->path = path;
	entry->schema = schema;
	entry->node = node;
	map_put_str(&set->by_path, path, entry);
	ARRAY_GROW(set->entries, set->count, set->room);
	set->entries[set->count++] = entry;
}

void unit_set_add(struct unit_set *set, const struct lyd_node *node)
{
	if (!node || !node->schema || node == set->last)
		return;
	set->last = node;
	add_unit(set, path_of(node), node->schema, node);
}

/* "/a:b/c[k='v']/d" → "/a:b/c/d" */
static char *without_predicates(const char *path)
{
	char *out = xstrdup(path), *to = out;
	char quote = 0;
	bool inside = false;

	for (; *path; path++) {
		if (inside) {
			if (quote)
				quote = *path == quote ? 0 : quote;
			else if (*path == '\'' || *path == '"')
				quote = *path;
			else if (*path == ']')
				inside = false;
		} else if (*path == '[') {
			inside = true;
		} else {
			*to++ = *path;
		}
	}
	*to = '\0';
	return out;
}

void unit_set_add_path(struct unit_set *set, const char *path)
{
	_cleanup_free_ char *bare = without_predicates(path);
	const struct lysc_node *schema = path_schema(bare);

	if (schema)
		add_unit(set, xstrdup(path), schema, NULL);
}

void unit_set_done(struct unit_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->entries[i]->path);
		free(set->entries[i]);
	}
	free(set->entries);
	map_done(&set->by_path);
	memset(set, 0, sizeof(*set));
}

static void collect_node(struct unit_set *set, const struct lyd_node *node, const char *old)
{
	const struct snode *snode = schema_of_node(node);

	for (size_t i = 0; i < snode->unit_count; i++) {
		const struct lyd_node *unit = node;

		while (unit && unit->schema != snode->unit_schemas[i])
			unit = lyd_parent(unit);
		unit_set_add(set, unit);
	}
	for (size_t i = 0; i < snode->reads_count; i++)
		snode->reads[i]->affects(node, old, set);
}

void units_collect_removed(struct unit_set *set, struct lyd_node *subtree)
{
	const struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (subtree, elem) {
		collect_node(set, elem,
			(elem->schema->nodetype & LYD_NODE_TERM) ? lyd_get_value(elem) : NULL);
		LYD_TREE_DFS_END(subtree, elem);
	}
}

/* The node behind @node in the subtree of @root; NULL: there is none. */
static const struct lyd_node *next_below(const struct lyd_node *root, const struct lyd_node *node)
{
	const struct lyd_node *child = lyd_child(node);

	if (child)
		return child;
	while (node != root && !node->next)
		node = lyd_parent(node);
	return node == root ? NULL : node->next;
}

/* One node of what the event is about; true: there is more. A node that was made may be half the tree. */
static bool collect_event(
	struct unit_set *set, const struct edit *edit, const struct edit_event *event)
{
	const struct lyd_node *node = set->below ? set->below : event->node;

	if (event->kind == EDIT_REMOVED || event->kind == EDIT_FLAGS ||
		event->kind == EDIT_ANNOTATED || edit_is_dead(edit, event->node))
		return false;
	collect_node(set, node, event->kind == EDIT_MADE ? NULL : event->old);
	set->below = event->kind == EDIT_MADE ? next_below(event->node, node) : NULL;
	return set->below != NULL;
}

bool units_collect(struct unit_set *set, const struct edit *edit, size_t *at)
{
	size_t n = 0;

	while (*at < edit->count && !(++n % NODES_AT_ONCE == 0 && loop_should_yield())) {
		if (!collect_event(set, edit, &edit->events[*at]))
			(*at)++;
	}
	return *at < edit->count;
}
