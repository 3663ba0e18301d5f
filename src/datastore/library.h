/* What the server says of its schema: ietf-yang-library (RFC 8525). */
#ifndef ASHLAR_DATASTORE_LIBRARY_H
#define ASHLAR_DATASTORE_LIBRARY_H

#include "ashlar/yang.h"

/* Fills either container of the module: yang-library, or the deprecated modules-state. */
int library_show(struct lyd_node *container, struct err *err) WARN_UNUSED;
/* At start: posts yang-library-update when the last daemon had another schema. */
void library_started(void);

#endif
