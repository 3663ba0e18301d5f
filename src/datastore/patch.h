/*
 * What an edit did, as the edits of a YANG patch (RFC 8072), each with what was there before, so that it can be
 * read backwards, too (RFC 9144).
 */
#ifndef ASHLAR_DATASTORE_PATCH_H
#define ASHLAR_DATASTORE_PATCH_H

#include "edit.h"

/*
 * Fills the container @patch ("yang-patch", with the list "edit" and in that "source-value"): done in order
 * they make of the tree before the edit the tree after it. While the edit's nodes are at hand; what only stands
 * there by default is left out.
 */
int patch_build(struct lyd_node *patch, const char *id, const struct edit *edit,
	struct err *err) WARN_UNUSED;

#endif
