/*
 * Which subscriptions a change concerns: a tree like the schema's, with a branch of its own for each entry
 * that a filter names by key. Finding costs the depth of the changed node, and what is found.
 */
#ifndef ASHLAR_DATASTORE_PUSH_INDEX_H
#define ASHLAR_DATASTORE_PUSH_INDEX_H

#include "ashlar/map.h"

#include "filter.h"

struct push_place;

/* What is told of a change, embedded in whose it is; zeroed: in no index. */
struct push_watcher {
	struct push_place **places;
	size_t count, room;
	uint64_t found; /* the search that last found it */
};

/* One step of the way from the root to a changed node. */
struct push_step {
	const struct lysc_node *schema;
	/* Of a list entry or leaf-list item: as filter_key() writes it; NULL: it has none. Set when asked for. */
	const char *(*key)(const struct push_step *step);
	const void *arg;
	char *text; /* the key that was made; freed by push_index_find() */
};

/* Watches what the filter can select or test; NULL: everything. */
void push_index_add(struct push_watcher *watcher, struct ds_filter *filter);
/* At and below one schema node, all instances. */
void push_index_add_schema(struct push_watcher *watcher, const struct lysc_node *schema);
void push_index_remove(struct push_watcher *watcher);
bool push_index_is_empty(void);
/* Calls back once for each watcher of the node that the steps lead to, of one above or below it. */
void push_index_find(struct push_step *steps, size_t count,
	void (*found)(struct push_watcher *watcher, void *arg), void *arg);
/* The key of an entry or item as filter_key() writes it; malloc'd; NULL: it has none. */
char *push_index_key(const struct lyd_node *node);
/* The way to @node; @parent tells where it stands. Returns how many steps, 0: too many for @max. */
size_t push_index_way(const struct lyd_node *node,
	const struct lyd_node *(*parent)(const struct lyd_node *node, void *arg), void *arg,
	struct push_step *steps, size_t max);

#endif
