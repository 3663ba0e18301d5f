/*
 * What of running is in use, and where what is in use comes from (RFC 8342 section 5.3): for reads of
 * operational as NMDA defines it.
 */
#ifndef ASHLAR_DATASTORE_ORIGIN_H
#define ASHLAR_DATASTORE_ORIGIN_H

#include "ashlar/datastore.h"

/*
 * The origin of @node below something of origin @above: @source is the node of running that stands there;
 * NULL: none does. A container that says nothing by itself has that of what it is in.
 */
enum ds_origin origin_of(
	const struct lyd_node *node, const struct lyd_node *source, enum ds_origin above);
/* The origin of a node in a tree that is annotated with them, where it differs from @above. */
enum ds_origin origin_in_notes(const struct lyd_node *node, enum ds_origin above);

/* Nodes of running that are not in use, with all below them: what they ask for is not there. */
struct origin_unused {
	const struct lyd_node **nodes; /* by address */
	size_t count, room;
};

/* Good while running stays as it is. */
void origin_find_unused(struct origin_unused *unused, const struct lyd_node *running);
bool origin_is_unused(const struct origin_unused *unused, const struct lyd_node *node);
void origin_unused_done(struct origin_unused *unused);

#endif
