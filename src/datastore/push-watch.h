/* What changes, and where: edits of running, objects observed, access rules. */
#ifndef ASHLAR_DATASTORE_PUSH_WATCH_H
#define ASHLAR_DATASTORE_PUSH_WATCH_H

#include "edit.h"

/*
 * An edit of running is about to be kept: goes on from event *at on, 1 when there is more to do. What it
 * marks is read when the transaction is over; one that fails does no harm.
 */
int push_note_edit(const struct edit *edit, size_t *at);
/* The transaction is over, in whichever way: what it marked is told together. */
void push_note_end(void);
/* Who may read what has changed. */
void push_note_access(void);

#endif
