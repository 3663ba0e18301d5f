/* Errors of the parser, where more is known than libyang tells. */
#ifndef ASHLAR_YANG_LYERR_H
#define ASHLAR_YANG_LYERR_H

#include "ashlar/yang.h"

/* yang_err() for a text that belongs below @parent, which may be NULL. */
int lyerr_below(struct err *err, int code, const struct lyd_node *parent);
/*
 * Says that @value is none that the leaf at @path may have, and what is. @message: what libyang said of
 * it; may be NULL. Returns -EINVAL.
 */
int lyerr_value(struct err *err, const struct lysc_node *schema, const char *value,
	const char *path, const char *message);
/* Schema node of an instance path, or NULL. */
const struct lysc_node *lyerr_schema(const char *path);

#endif
