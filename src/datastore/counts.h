/* Mandatory nodes, min- and max-elements, unique. */
#ifndef ASHLAR_DATASTORE_COUNTS_H
#define ASHLAR_DATASTORE_COUNTS_H

#include "validate.h"

/* Looks at the children that @parent, an instance of @holder, must have, and may have so many of. */
int counts_check(struct validation *v, struct lyd_node *parent, const struct lysc_node *holder,
	struct err *err) WARN_UNUSED;

#endif
