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

struct conn;

/* What the protocol above gives. */
struct conn_user {
	/* New bytes in conn->in, or end of input (conn->eof). Consume what is whole. */
	void (*readable)(struct conn *conn, void *arg);
	/* conn->out fell below CONN_OUT_LOW: more may be produced. May be NULL. */
	void (*drained)(struct conn *conn, void *arg);
	/* The transport is gone; conn is freed after this returns. */
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

#define CONN_IN_MAX   (256 * 1024) /* bytes read ahead of the protocol */
#define CONN_OUT_LOW  (64 * 1024)

struct conn {
	const struct conn_transport *transport;
	const struct conn_user *user;
	void *arg; /* the user's */
	struct buf in, out;
	bool eof;	     /* no more input will come */
	bool paused;	     /* the protocol wants no more input for now */
	char peer[64];	     /* "192.0.2.7:50123" */
	char username[65];   /* authenticated user; "" where the protocol above authenticates */
	uint64_t last_in_ms; /* when bytes last arrived */
};

/* Appends and lets the transport know. -ENOBUFS when the peer does not read (limit of out). */
int conn_write(struct conn *conn, const void *data, size_t size) WARN_UNUSED;
/* Moves all of @from into out. */
int conn_write_buf(struct conn *conn, struct buf *from) WARN_UNUSED;
void conn_pause(struct conn *conn, bool pause);
void conn_finish(struct conn *conn);
void conn_abort(struct conn *conn);

#endif
