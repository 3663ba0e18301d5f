/* XPath filters: their XML prefixes become module names. Pure. */
#ifndef ASHLAR_SERVER_NC_XPATH_H
#define ASHLAR_SERVER_NC_XPATH_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/err.h"

/* The module of a prefix, or NULL: then *ret_declared says whether the prefix means anything at all. */
typedef const char *(*nc_xpath_prefix_fn)(
	const char *prefix, size_t size, bool *ret_declared, void *arg);

/*
 * Rewrites "if:interface[if:type = 'ianaift:bridge']" to use module names, also in literals that are the
 * name of an identity. Names without prefix stay as they are. -EINVAL for an undeclared prefix, a
 * namespace that is no module of ours, or what cannot be XPath.
 */
int nc_xpath_resolve(const char *xpath, nc_xpath_prefix_fn prefix, void *arg, char **ret_xpath,
	struct err *err) WARN_UNUSED;

#endif
