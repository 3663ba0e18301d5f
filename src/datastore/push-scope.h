/*
 * How much has to be read again after a change: the part of a filter that is about the changed node. Where
 * the filter compares other leaves than keys, what they decide on is read again with them. Pure.
 */
#ifndef ASHLAR_DATASTORE_PUSH_SCOPE_H
#define ASHLAR_DATASTORE_PUSH_SCOPE_H

#include "filter.h"

/* A copy. */
struct ds_filter *push_scope_copy(const struct ds_filter *filter, struct err *err);
/* Can changes be told apart by where they are? */
bool push_scope_is_narrow(const struct ds_filter *filter);
/*
 * The node to look at again for a change at @path (an instance path with JSON names), as a path, malloc'd:
 * it or one above it; NULL: everything. @filter NULL: everything is selected.
 */
char *push_scope_path(struct ds_filter *filter, const char *path);
/* Adds to @narrow what of @filter (NULL: all) is about the node at @path. */
int push_scope_add(struct ds_filter *narrow, struct ds_filter *filter, const char *path,
	struct err *err) WARN_UNUSED;

#endif
