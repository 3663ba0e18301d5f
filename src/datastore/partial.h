/* Locks on parts of running (RFC 5717): see ds_partial_lock(). */
#ifndef ASHLAR_DATASTORE_PARTIAL_H
#define ASHLAR_DATASTORE_PARTIAL_H

#include "edit.h"

/* The session of some lock; 0: nobody holds any. */
uint32_t partial_holder(void);
/*
 * Whether the edit of running touches what another than the client has locked: in-use with its path. Goes
 * on from event *at, for a few milliseconds: 1 when there is more to do.
 */
int partial_check(const struct ds_client *client, const struct edit *edit, size_t *at,
	struct err *err) WARN_UNUSED;
/* The client's edit is in force: what it has deleted is locked no more. */
void partial_committed(const struct ds_client *client, const struct edit *edit);
void partial_session_closed(uint32_t session);
/* ds_forget()'s part for what is being locked. */
void partial_forget(void *arg);
void partial_done(void);

#endif
