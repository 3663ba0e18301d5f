/*
 * A byte stream with back-pressure: a plain socket, a TLS connection or an SSH channel look the same
 * to the protocol above. The transport fills conn->in and drains conn->out; the protocol does the
 * opposite. All callbacks come from the loop's turn of the transport, never from inside conn_*().
 */
#ifndef ASHLAR_SERVER_CONN_H
#define ASHLAR_SERVER_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"
#include "ashlar/list.h"

struct conn;
struct place;

/* What the protocol above gives. */
struct conn_user {
	/* New bytes in conn->in, or end of input (conn->eof). Consume what is whole. */
	void (*readable)(struct conn *conn, void *arg);
	/* conn->out fell below CONN_OUT_LOW: more may be produced. May be NULL. */
	void (*drained)(struct conn *conn, void *arg);
	/* The transport is gone; conn is freed after this returns. Not called without a user. */
	void (*closed)(struct conn *conn, void *arg);
};

/* What a transport implements. */
struct conn_transport {
	const char *name; /* "ssh", "tls", "unix" */
	/* There is something in conn->out, or reading may go on (conn->paused changed). */
	void (*kick)(struct conn *conn);
	/* Sends what is in conn->out (bounded time), then ends the connection and calls closed(). */
	void (*finish)(struct conn *conn);
	/* Ends it now; closed() is called in a later turn. */
	void (*abort)(struct conn *conn);
};

#define CONN_IN_MAX    (256 * 1024) /* bytes read ahead of the protocol */
#define CONN_OUT_LOW   (64 * 1024)
#define CONN_OUT_MAX   (128 * 1024 * 1024) /* the largest reply */
#define CONN_OUT_TOTAL (256 * 1024 * 1024) /* of all connections */
#define CONN_FINISH_MS 5000		   /* conn_finish() becomes conn_abort() after this long */

struct conn {
	const struct conn_transport *transport;
	const struct conn_user *user; /* NULL until the protocol above has begun */
	void *arg;		      /* the user's */
	struct buf in, out;
	bool eof;	     /* no more input will come */
	bool is_over;	     /* the peer is gone; bytes of it may still be to be read */
	bool paused;	     /* the protocol wants no more input for now */
	bool finishing;	     /* conn_finish() or conn_abort() was called: input is dropped */
	bool is_recovery;    /* root on the local socket: access control does not apply */
	char peer[64];	     /* "192.0.2.7:50123" */
	char source[48];     /* what limits and back-off count by: see place.h */
	char username[65];   /* authenticated user; "" where the protocol above authenticates */
	uint64_t last_in_ms; /* when bytes last arrived */
	uint64_t idle_ms;    /* a session without messages for so long ends; 0: never */
	struct place *place; /* in the listener's limits; owned */
	/* It is over, and about to be freed; for who has made it. NULL: nobody wants to know. */
	void (*ended)(struct conn *conn, void *arg);
	void *ended_arg;
	struct list node; /* in the list of all */
};

/* --- for the protocol above ------------------------------------------------------------------- */

/* Appends and lets the transport know. -ENOBUFS when the peer does not read (limit of out). */
int conn_write(struct conn *conn, const void *data, size_t size) WARN_UNUSED;
/* Is there room in out for that much, here and over all connections? */
bool conn_has_room(const struct conn *conn, size_t size);
/* Moves all of @from into out. */
int conn_write_buf(struct conn *conn, struct buf *from) WARN_UNUSED;
void conn_pause(struct conn *conn, bool pause);
/* Drops @size bytes from the front of in; reading goes on if it had stopped because in was full. */
void conn_consume(struct conn *conn, size_t size);
/* Both may be called again, finish() before abort(); nothing may be written afterwards. */
void conn_finish(struct conn *conn);
void conn_abort(struct conn *conn);

/* --- for transports --------------------------------------------------------------------------- */

/* @place is taken; peer and source are copied from it. */
void conn_init(struct conn *conn, const struct conn_transport *transport, struct place *place);
/* Gives back buffers and place. The user's closed() must have been called. */
void conn_done(struct conn *conn);
/* Should the transport read more now? */
bool conn_wants_input(const struct conn *conn);
/* Takes bytes that arrived (drops them when finishing). */
void conn_received(struct conn *conn, const void *data, size_t size);
/* Calls readable() or drained(), if there is a user and it still listens. */
void conn_deliver(struct conn *conn);
void conn_drained(struct conn *conn);
/* Calls closed(); the user is gone afterwards. */
void conn_closed(struct conn *conn);

#endif
