/*
 * What a restart of the daemon within one boot starts from: a checkpoint of running and the changes since,
 * in the run directory. A change is on record before the client is told of it.
 */
#ifndef ASHLAR_DATASTORE_JOURNAL_H
#define ASHLAR_DATASTORE_JOURNAL_H

#include "edit.h"

/*
 * Builds what is on record into an empty tree: 1 when there was a checkpoint of this boot, 0 when not.
 * Nothing is validated yet.
 */
int journal_restore(struct edit *edit, struct err *err) WARN_UNUSED;
#define JOURNAL_EVENTS_MAX 2048 /* of an edit whose changes are recorded */

/*
 * Appends the record of an edit that has so many events. 1: it is so large (or the record has grown so long) that a checkpoint
 * serves better: nothing was appended, call journal_checkpoint().
 */
int journal_append(const struct buf *record, size_t events, struct err *err) WARN_UNUSED;
/* Writes running as a whole, in a child process, and starts a new record. */
void journal_checkpoint(void (*done)(const struct err *err, void *arg), void *arg);
void journal_done(void);

#endif
