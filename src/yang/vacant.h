/*
 * Empty arrays in JSON. Of a list that the schema has, one is as good as none (RFC 7951 section 5.4); of what the
 * schema does not have, libyang refuses them, where a text is read that others may own parts of.
 */
#ifndef ASHLAR_YANG_VACANT_H
#define ASHLAR_YANG_VACANT_H

#include "ashlar/yang.h"

/* Writes the text with another value in the place of each; false: there are none, nothing was written. */
bool vacant_hide(const char *text, struct buf *out);
/* Makes of the nodes with that value empty arrays again, where the schema does not know better. */
void vacant_restore(struct lyd_node **tree);

#endif
