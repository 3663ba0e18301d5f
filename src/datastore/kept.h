/*
 * Configuration that a startup file holds and this version cannot apply: modules it does not have (another
 * vendor's, a later version's), nodes that no feature owns, and what refers to such. It is set aside when
 * the file is loaded, put back when it is saved, and listed in operational state.
 */
#ifndef ASHLAR_DATASTORE_KEPT_H
#define ASHLAR_DATASTORE_KEPT_H

#include "ashlar/yang.h"

struct kept {
	char *path;   /* of the node */
	char *parent; /* instance path of its parent in the tree; NULL: top level */
	char *reason; /* why it is not applied */
	struct lyd_node *node;
	bool is_put; /* while saving: it is back in the tree */
};

/*
 * Takes out of a tree from format_parse_lenient() what cannot be applied; with @keep that is added to what
 * is kept, else it is only left out. What is wrong in what could be applied is an error.
 */
int kept_split(struct lyd_node **tree, bool keep, struct err *err) WARN_UNUSED;
/* Puts what is kept back into a tree, for a process that only writes it and ends. Returns its first node. */
struct lyd_node *kept_merge(struct lyd_node *tree);
/* Goes through what is kept: index from 0; NULL at the end. */
const struct kept *kept_at(size_t index);
void kept_forget(void);

#endif
