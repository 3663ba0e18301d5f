/*
 * Metadata annotations (RFC 7952) of configuration: those that say something of the value, and are kept with it,
 * unlike those that steer an edit or tell of a reading.
 */
#ifndef ASHLAR_DATASTORE_ANNOTATION_H
#define ASHLAR_DATASTORE_ANNOTATION_H

#include "ashlar/yang.h"

bool annotation_is_kept(const struct lyd_meta *meta);
/* Would taking over those of @from change any of the node's? @is_all: those that @from lacks go. */
bool annotation_differs(const struct lyd_node *node, const struct lyd_node *from, bool is_all);
/* Takes the node's off it: a chain of the caller's. NULL: it has none. */
struct lyd_meta *annotation_take(struct lyd_node *node);
/* Puts them back instead of those that the node has. */
void annotation_give(struct lyd_node *node, struct lyd_meta *chain);
/* Adds copies of those in the chain, or of a node, that the node has not. */
void annotation_copy(struct lyd_node *node, const struct lyd_meta *chain);
void annotation_free(struct lyd_meta *chain);

#endif
