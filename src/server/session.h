/*
 * NETCONF sessions: identity, the operation in flight, counters; from hello to the end of the
 * connection. One operation at a time, replies in order.
 */
#ifndef ASHLAR_SERVER_SESSION_H
#define ASHLAR_SERVER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ashlar/datastore.h"
#include "ashlar/list.h"
#include "ashlar/notify.h"

#include "conn.h"
#include "nc-frame.h"
#include "subscriber.h"

/* RFC 6022 section 2.1.5. */
struct session_counters {
	uint32_t in_rpcs, in_bad_rpcs, out_rpc_errors, out_notifications;
};

enum session_state {
	SESSION_HELLO, /* waits for the client's hello */
	SESSION_READY,
	SESSION_CLOSING, /* nothing more is read */
};

struct op;

struct session {
	struct list node; /* in the list of all */
	uint32_t id;
	enum session_state state;
	bool is_base11;
	enum notify_session_end
		end;	       /* why it ends, or what is to be said if nothing else ends it */
	uint32_t killer;       /* session-id of who killed it; 0: nobody */
	bool is_processing;    /* process() is running */
	bool is_message_timed; /* the timer is that of an unfinished message */
	struct conn *conn;
	time_t login_time;
	struct session_counters counters;
	struct nc_frame frame;
	struct subscriber subscriber;
	size_t held;	  /* bytes of its message, counted in the total */
	struct op *op;	  /* in flight; NULL: none */
	bool is_sending;  /* a message of which there is more to come */
	bool was_sending; /* so, and subscriptions have waited for the end of it */
	bool is_held_up; /* a message of which there is more to come, and the peer has to read first */
	struct buf later; /* framed messages that came meanwhile */
	size_t unread; /* bytes of whole replies that the peer left to lie when last seen; 0: few */
	struct loop_timer *timer; /* hello, an unfinished message, unread replies, or idleness */
	struct loop_task *task;	  /* goes on with what was read */
};

/* Totals since start, closed sessions included. */
struct session_totals {
	time_t start;
	uint32_t in_bad_hellos, in_sessions, dropped_sessions;
	uint32_t remote_sessions; /* of those that came in, the ones from elsewhere */
	struct session_counters counters;
};

/* Sets all counters to zero, once, at start. */
void session_start(void);
/* Takes over an authenticated connection: sends hello. The session ends with the connection. */
void session_new(struct conn *conn);
struct session *session_find(uint32_t id);
/* Iteration: NULL begins; NULL ends. */
struct session *session_next(const struct session *after);
const struct session_totals *session_totals(void);
/* Who acts in it. Borrows from the session. */
struct ds_client session_client(const struct session *session);
/* Sends what is written, then ends. No operation may be in flight but the caller. */
void session_close(struct session *session);
/* Ends at once; what it was doing is cancelled, its locks go now. */
void session_kill(struct session *session);

enum session_outcome {
	SESSION_OK,
	SESSION_RPC_ERROR, /* a correct <rpc>, answered with an error */
	SESSION_BAD_RPC,   /* no correct <rpc> */
};
/* The operation in flight is answered and freed: counts it, and goes on with the next message. */
void session_op_done(struct session *session, enum session_outcome outcome);

/*
 * Frames and writes a piece of a message, the last one or one of those before: what else is sent meanwhile
 * waits for the last. True: there is room for the next. Else the session's operation is told when there is,
 * by op_drained(), unless the session is at its end: then the operation may be gone.
 */
bool session_send_piece(
	struct session *session, const struct session_part *parts, size_t count, bool is_last);
/* Frames a message given in parts and writes it; a peer that does not read loses its session. */
void session_send(struct session *session, const struct session_part *parts, size_t count);

#endif
