/* A RESTCONF connection: requests in, replies out, one request at a time, in order. */
#ifndef ASHLAR_SERVER_RC_CONN_H
#define ASHLAR_SERVER_RC_CONN_H

#include "ashlar/buf.h"

#include "conn.h"

struct rc_conn;

/* What a transport is to be begun with, rc_conn_new() then completing it. */
extern const struct conn_user rc_conn_user;

/* Takes over the transport: the connection ends with it. */
void rc_conn_new(struct conn *conn);
/* Ends all at once; not from inside a callback of one. */
void rc_conn_destroy_all(void);

/* --- for replies ------------------------------------------------------------------------------ */

/* An empty buffer for the reply's header. */
struct buf *rc_conn_scratch(struct rc_conn *rc);
/*
 * Sends the header in the scratch buffer and the content, each part of which may be NULL (@body's bytes
 * are taken, the others static). The request is over, and reset; the connection too if it @closes.
 */
void rc_conn_send(
	struct rc_conn *rc, const char *before, struct buf *body, const char *after, bool closes);

#endif
