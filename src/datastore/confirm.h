/*
 * The confirmed commit that is pending (RFC 6241 section 8.4): how to go back, until when, and who may
 * confirm. What has changed running since it began is kept as reverse records, in memory and beside the
 * journal, so that a daemon that comes after this one goes back, too.
 */
#ifndef ASHLAR_DATASTORE_CONFIRM_H
#define ASHLAR_DATASTORE_CONFIRM_H

#include "edit.h"

bool confirm_is_pending(void);
/* The session whose commit it is; 0: none is pending. */
uint32_t confirm_session(void);
/*
 * May this client's commit, with this persist-id (NULL: none), confirm or extend what is pending?
 * in-use when it is another's, invalid-value when the persist-id is another. Nothing pending: a persist-id
 * is wrong, none is fine.
 */
int confirm_check(
	const struct ds_client *client, const char *persist_id, struct err *err) WARN_UNUSED;
/*
 * From now on what changes running is kept. Before the transaction of the commit; confirm_withdraw() if
 * that fails and nothing was pending before. @persist may be NULL.
 */
int confirm_begin(const struct ds_client *client, uint32_t timeout_s, const char *persist,
	struct err *err) WARN_UNUSED;
/* The commit that confirm_begin() announced is done: the time runs. */
void confirm_start(void);
void confirm_withdraw(void);
/* Confirmed. */
void confirm_end(void);
/* An edit of running is about to be kept: its reverse record is kept, too. */
int confirm_note(const struct buf *reverse, struct err *err) WARN_UNUSED;
/* Undoes what was noted, newest first: the build() of a transaction. */
int confirm_build(struct edit *edit, struct err *err);
void confirm_build_start(void);
/* Called when it is time to go back: the time is up, the session is over, a restart found it so. */
void confirm_on_expiry(void (*callback)(void));
void confirm_session_closed(uint32_t session);
/*
 * After a restart, once running stands as it was: goes on waiting if a persist-id can still come, else goes
 * back. @is_same_boot: running comes from this boot's journal; else what was pending is void.
 */
void confirm_restore(bool is_same_boot);
void confirm_done(void);

#endif
