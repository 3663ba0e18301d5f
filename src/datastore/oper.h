/* The one read path: see ds_read(). */
#ifndef ASHLAR_DATASTORE_OPER_H
#define ASHLAR_DATASTORE_OPER_H

#include "access.h"

/*
 * Reads; @done gets the text once, possibly before this returns. @read is borrowed until then. Called
 * by the queue, never while a transaction runs. @detached is called when it goes on without looking at the
 * trees any more, so that others may change them meanwhile.
 */
void oper_read(const struct ds_client *client, struct ds_read *read, ds_read_fn done,
	void (*detached)(void *arg), void *arg);
/* @use_room is called when detached reads could go on: it has oper_use_room() called while no transaction runs. */
void oper_init(void (*use_room)(void *arg));
void oper_use_room(void);
/*
 * The same at once, however long it takes: for a forked child. What the client may read is taken as given by
 * @access. Takes the request's filter.
 */
int oper_read_now(const struct access *access, struct ds_read *request, struct buf *out,
	struct err *err) WARN_UNUSED;
/* The part was taken, and there is room for the next: see struct ds_read. */
void oper_more(void *arg);
bool oper_shows_defaults(enum with_defaults defaults);
/* What is in use is shown whether it was set or not (RFC 8526 section 3.1.1.2). */
enum with_defaults oper_defaults(const struct ds_read *request);
/* Drops the read of this arg, if it runs; done is not called any more. */
void oper_cancel(void *arg);
/* Drops all. */
void oper_done(void);

#endif
