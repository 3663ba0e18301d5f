/* What the type of a leaf allows, in words. */
#ifndef ASHLAR_YANG_ALLOWED_H
#define ASHLAR_YANG_ALLOWED_H

#include "ashlar/yang.h"

/*
 * Appends what values of the leaf or leaf-list are allowed: "68..65535", "true or false". @message is
 * what libyang said of the value that it refused: of a text's many restrictions, the one that it names is
 * told. May be NULL.
 */
void allowed_text(struct buf *out, const struct lysc_node *schema, const char *message);

#endif
