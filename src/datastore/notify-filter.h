/* Does a filter select anything of a notification (RFC 5277 section 3.6, RFC 8639 section 2.2)? */
#ifndef ASHLAR_DATASTORE_NOTIFY_FILTER_H
#define ASHLAR_DATASTORE_NOTIFY_FILTER_H

#include "ashlar/notify.h"

bool notify_selects(const struct notify_filter *filter, const struct lyd_node *notification);

#endif
