/*
 * The simple kind of XPath as a filter: paths of names whose predicates compare a leaf with a literal or
 * ask whether a node exists, and unions of such paths. That is what is asked nearly always, and it can be
 * answered while walking; other expressions need a tree and libyang's evaluation. Pure.
 */
#ifndef ASHLAR_DATASTORE_XPATH_H
#define ASHLAR_DATASTORE_XPATH_H

#include "filter.h"

#define XPATH_SIZE_MAX 65536

/*
 * 1 with *ret_filter, 0 when the expression is not of the simple kind (or no expression at all); an
 * error for a module that is not there.
 */
int xpath_filter(const char *xpath, struct ds_filter **ret_filter, struct err *err) WARN_UNUSED;
/*
 * An instance path with JSON names; *ret_target is the element of the node it names, NULL for "/". An
 * error when it is no path, or when the schema does not have it; *ret_schema is the target's.
 */
int xpath_path(const char *path, struct ds_filter **ret_filter, struct filter **ret_target,
	const struct lysc_node **ret_schema, struct err *err) WARN_UNUSED;

#endif
