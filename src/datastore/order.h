/* Lists and leaf-lists that the user orders: in which order their entries come to stand. */
#ifndef ASHLAR_DATASTORE_ORDER_H
#define ASHLAR_DATASTORE_ORDER_H

#include "edit.h"

/* The entries of one list as they are to stand. Zeroed: none. */
struct order {
	struct order_entry **entries;
	size_t count, room;
	struct map by_node; /* entry->node → entry */
};

struct order_entry {
	struct lyd_node *node;
	size_t place; /* where it stands now, among them */
	bool stays;
};

/* The next one; what is there already is left out. */
void order_add(struct order *order, struct lyd_node *node);
/* Moves as few of them as it takes, if access control lets it; the order is empty afterwards. */
int order_settle(struct order *order, struct edit *edit, struct err *err) WARN_UNUSED;
void order_done(struct order *order);

/*
 * Where the entries of a list come all together, as a whole that is new or that replaces what was, their
 * insert attributes (RFC 7950 sections 7.7.9 and 7.8.6) say in which order: puts a request's siblings, from
 * *first on, into it, and takes the attributes off.
 */
int order_arrange(struct lyd_node **first, struct err *err) WARN_UNUSED;

/* Errors of such attributes; each returns -EINVAL. */
int order_no_key(struct err *err, const struct lyd_node *node);
int order_no_neighbour(struct err *err, const struct lyd_node *node, const char *key);

#endif
