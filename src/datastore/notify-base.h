/* What the datastores and their clients' sessions tell of themselves (RFC 6470). */
#ifndef ASHLAR_DATASTORE_NOTIFY_BASE_H
#define ASHLAR_DATASTORE_NOTIFY_BASE_H

#include "ashlar/notify.h"

#include "edit.h"

/* The changes of an edit of running, while its nodes are at hand; told by notify_running_changed(). */
void notify_note_edit(const struct edit *edit);
/* Running has what was noted. @client NULL: the server did it. */
void notify_running_changed(const struct ds_client *client);
/* What was noted came to nothing. */
void notify_forget_edit(void);
void notify_startup_changed(const struct ds_client *client);

enum notify_confirm {
	NOTIFY_CONFIRM_START,
	NOTIFY_CONFIRM_CANCEL,
	NOTIFY_CONFIRM_TIMEOUT,
	NOTIFY_CONFIRM_EXTEND,
	NOTIFY_CONFIRM_COMPLETE,
};
/* @client: whose commit it is, or who cancels it. @timeout_s for START and EXTEND. */
void notify_confirm(const struct ds_client *client, enum notify_confirm event, uint32_t timeout_s);

#endif
