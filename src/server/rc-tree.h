/* A request target as a data tree: made, and looked up in a datastore. */
#ifndef ASHLAR_SERVER_RC_TREE_H
#define ASHLAR_SERVER_RC_TREE_H

#include "rc-uri.h"

/*
 * Makes the nodes of the first @steps steps; *ret_top and *ret_last are the first and the last of them
 * (NULL for none), the whole the caller's. -EINVAL when a key has a value that its type does not have.
 */
int rc_tree_make(const struct rc_uri *uri, size_t steps, struct lyd_node **ret_top,
	struct lyd_node **ret_last, struct err *err) WARN_UNUSED;

enum rc_presence {
	RC_ABSENT,
	RC_IMPLIED, /* a container without presence that holds nothing yet */
	RC_PRESENT,
};

/*
 * Does the tree (first top-level node, may be NULL) have what @node names, by keys and not by value?
 * *ret_match is the node that is there, or NULL.
 */
enum rc_presence rc_tree_find(const struct lyd_node *tree, const struct lyd_node *node,
	const struct lyd_node **ret_match);

/*
 * Makes the path of an error in what was parsed below @parent (NULL: nothing to do) the path in the
 * datastore: libyang gives that, or the schema's, or 2.1 begins where the text begins.
 */
void rc_tree_complete_path(const struct lyd_node *parent, struct err *err);

#endif
