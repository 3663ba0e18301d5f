/* What can be asked of subscriptions (RFC 9196), as operational data. */
#ifndef ASHLAR_DATASTORE_CAPABILITIES_H
#define ASHLAR_DATASTORE_CAPABILITIES_H

#include "ashlar/yang.h"

int capabilities_show(struct lyd_node *container, struct err *err) WARN_UNUSED;

#endif
