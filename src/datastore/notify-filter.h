/* What of a notification is for whom: access control, and filters (RFC 5277 section 3.6, RFC 8639
 * section 2.2). */
#ifndef ASHLAR_DATASTORE_NOTIFY_FILTER_H
#define ASHLAR_DATASTORE_NOTIFY_FILTER_H

#include "ashlar/notify.h"

#include "access.h"

/*
 * A copy of the notification for somebody who may receive it but not read all that it tells of; NULL: it is
 * as it is. A change of configuration (RFC 6470) is told without the edits of what he may not read, if need
 * be without any: that something has changed is no secret, and the list may be left out (section 2.2).
 */
struct lyd_node *notify_view(const struct access *access, const struct lyd_node *notification);
/* Does the filter select anything of it? */
bool notify_selects(const struct notify_filter *filter, const struct lyd_node *notification);

#endif
