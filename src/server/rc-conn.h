/* A RESTCONF connection: requests in, replies out, one request at a time, in order. */
#ifndef ASHLAR_SERVER_RC_CONN_H
#define ASHLAR_SERVER_RC_CONN_H

#include "ashlar/buf.h"

#include "conn.h"
#include "subscriber.h"

struct rc_request;
struct rc_conn;

/* What a transport is to be begun with, rc_conn_new() then completing it. */
extern const struct conn_user rc_conn_user;

/* Takes over the transport: the connection ends with it. */
void rc_conn_new(struct conn *conn);
/* Ends all at once; not from inside a callback of one. */
void rc_conn_destroy_all(void);

/* --- for event streams ------------------------------------------------------------------------ */

/* Who writes a stream. */
struct rc_conn_stream {
	/* There is room again. */
	void (*drained)(void *arg);
	/* The connection is gone; no other call may follow. */
	void (*closed)(void *arg);
	void *arg;
};

/*
 * Sends the header in the scratch buffer; events follow until the end or until the connection is gone. No
 * further request is read meanwhile.
 */
void rc_conn_stream_begin(struct rc_conn *rc, const struct rc_conn_stream *stream);
/* Is the peer reading? */
bool rc_conn_stream_has_room(const struct rc_conn *rc);
/* Not closing? */
bool rc_conn_stream_is_open(const struct rc_conn *rc);
/* One event, as a field of that many parts. */
void rc_conn_stream_send(
	struct rc_conn *rc, enum format format, const struct session_part *parts, size_t count);
/* The stream is complete, and the request over. */
void rc_conn_stream_end(struct rc_conn *rc);
/* The peer does not read: ends the connection. */
void rc_conn_stream_drop(struct rc_conn *rc);
/* "192.0.2.7:50123" */
const char *rc_conn_peer(const struct rc_conn *rc);

/* --- for replies ------------------------------------------------------------------------------ */

/* An empty buffer for the reply's header. */
struct buf *rc_conn_scratch(struct rc_conn *rc);
/*
 * Sends the header in the scratch buffer and the content, each part of which may be NULL (@body's bytes
 * are taken, the others static). The request is over, and reset; the connection too if it @closes.
 */
void rc_conn_send(
	struct rc_conn *rc, const char *before, struct buf *body, const char *after, bool closes);
/*
 * A piece of a content of unknown length, whose header (is_stream) may be in the scratch buffer: @text (static;
 * may be NULL), and then @body, whose bytes are taken. True: there is room for the next; else @go_on, or
 * nothing if the connection ends first.
 */
bool rc_conn_send_piece(struct rc_conn *rc, const char *text, struct buf *body,
	void (*go_on)(struct rc_request *req));
/* The last one, and the end of the request. */
void rc_conn_send_end(struct rc_conn *rc, struct buf *body, const char *text);
/* There will not be more, because of @err: the peer is to see that something is missing. */
void rc_conn_break(struct rc_conn *rc, const struct err *err);

#endif
