/*
 * Edits of running that are to reach startup (RESTCONF's, RFC 8040 section 1.4) do so written behind: what
 * comes within a moment is written once. An operation that concerns startup comes after what is due.
 */
#ifndef ASHLAR_DATASTORE_SAVE_H
#define ASHLAR_DATASTORE_SAVE_H

#include "ashlar/datastore.h"

void save_init(void);
/* Running has come up; @is_same_boot: from a journal, to which startup may still be behind. */
void save_start(bool is_same_boot);
/* An edit that is to reach startup has changed running. */
void save_soon(void);
/* Before an operation of @client on startup is submitted: what is due by then is written, if it may be. */
void save_first(const struct ds_client *client);
/*
 * Can startup be edited, or is something still due that could not be written (a confirmed commit is pending,
 * the disk is full) and would be written over the edit? in-use or operation-failed.
 */
int save_check(struct err *err) WARN_UNUSED;
/* Startup has become what somebody wants it to be: what was due is out of date. */
void save_superseded(void);
/* What is due is written at once: when nothing else is going on any more. */
void save_done(void);

#endif
