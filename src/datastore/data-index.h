/*
 * What validation must find in running without a walk: instances of the nodes that some constraint sees as a
 * whole (snode.instances), and leafref nodes by the value they hold.
 */
#ifndef ASHLAR_DATASTORE_DATA_INDEX_H
#define ASHLAR_DATASTORE_DATA_INDEX_H

#include "ashlar/list.h"

#include "edit.h"

/* A leafref node among those that hold its value; lyd_node.priv of the node. */
struct data_index_place {
	struct list link;
	struct lyd_node *node;
	struct bucket *bucket;
};

/* Nodes, each by itself: put in; about to be taken out; with another value. */
void data_index_enter(struct lyd_node *node);
void data_index_leave(struct lyd_node *node);
void data_index_change(struct lyd_node *node);
/* Instances of @source with that value, and perhaps others: struct data_index_place. NULL: none. */
struct list *data_index_holders(const struct lysc_node *source, const char *value);
/* Forgets a tree that is about to be freed as a whole. */
void data_index_forget(struct lyd_node *tree);

/* Keeps the index in step with an undo. */
extern const struct edit_observer data_index_observer;

#endif
