/* The fields parameter of RESTCONF (RFC 8040 section 4.8.3) as a filter. Pure. */
#ifndef ASHLAR_DATASTORE_FIELDS_H
#define ASHLAR_DATASTORE_FIELDS_H

#include "filter.h"

/*
 * Appends what the fields select to @target, whose schema node is @schema (NULL: the datastore).
 * invalid-value when the text is no fields-expr or names what the schema does not have there.
 */
int fields_parse(const char *text, struct ds_filter *filter, struct filter *target,
	const struct lysc_node *schema, struct err *err) WARN_UNUSED;

#endif
