/* Global locks of the datastores (RFC 6241 section 7.5). */
#ifndef ASHLAR_DATASTORE_LOCK_H
#define ASHLAR_DATASTORE_LOCK_H

#include "ashlar/datastore.h"

/* RFC 6241 section 7.5: lock-denied with the holder's session-id. */
int lock_take(const struct ds_client *client, enum ds ds, struct err *err) WARN_UNUSED;
/* May this client write? in-use: another's lock (with the holder's session), or the device is being reset. */
int lock_check(const struct ds_client *client, enum ds ds, struct err *err) WARN_UNUSED;

#endif
