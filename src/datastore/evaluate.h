/* Expressions of the general kind, evaluated by libyang. */
#ifndef ASHLAR_DATASTORE_EVALUATE_H
#define ASHLAR_DATASTORE_EVALUATE_H

#include "ashlar/datastore.h"

#include "access.h"

/*
 * Appends what the request's expression selects of @tree, with what is observed if that is asked for and as
 * far as @access lets it be read; or its paths. For a forked child.
 */
int evaluate(const struct ds_read *request, const struct lyd_node *tree,
	const struct access *access, struct buf *out, struct err *err) WARN_UNUSED;

#endif
