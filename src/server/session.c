/*
 * NETCONF sessions.
 *
 * A session takes messages off its connection one at a time: while an operation is in flight, or the
 * peer does not read its replies, nothing more is taken, the connection's queue fills, and the peer is
 * held back. Each way to wait has its limit in time: hello, the rest of a message, idleness.
 *
 * It dies in one function, on_closed(), when its connection has ended; session_kill() does in advance
 * what must not wait for that: what it was doing is cancelled and its locks go.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/datastore.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"

#include "nc-hello.h"
#include "nc-reply.h"
#include "op.h"
#include "place.h"
#include "session.h"
#include "subscribe.h"

#define HELLO_MS      60000
#define MESSAGE_MS    60000 /* from a message's first byte to its last */
#define SEND_MS	      60000 /* for the peer to read some of what it is sent */
#define MESSAGES_TURN 16
#define LATER_MAX     ((size_t)16 * 1024 * 1024) /* bytes of notifications that wait for such a reply */
#define HELD_MAX      ((size_t)64 * 1024 * 1024) /* bytes of messages, all sessions */

static struct {
	struct list sessions;
	size_t held;
	uint32_t last_id;
	struct session_totals totals;
} all = { .sessions = LIST_INIT(all.sessions) };

void session_start(void)
{
	all.totals = (struct session_totals){ .start = time(NULL) };
}

const struct session_totals *session_totals(void)
{
	return &all.totals;
}

struct session *session_find(uint32_t id)
{
	struct session *session;

	LIST_FOREACH (session, &all.sessions, node)
		if (session->id == id)
			return session;
	return NULL;
}

struct session *session_next(const struct session *after)
{
	const struct list *next = after ? after->node.next : all.sessions.next;

	if (next == &all.sessions)
		return NULL;
	return CONTAINER_OF((struct list *)next, struct session, node);
}

struct ds_client session_client(const struct session *session)
{
	const struct conn *conn = session->conn;

	return (struct ds_client){
		.user = conn->username,
		.session = session->id,
		.protocol = "netconf",
		.host = conn->place->is_local ? NULL : conn->place->host,
		.is_recovery = conn->is_recovery,
	};
}

/* --- the end ---------------------------------------------------------------------------------- */

void session_close(struct session *session)
{
	if (session->state == SESSION_CLOSING)
		return;
	session->state = SESSION_CLOSING;
	loop_timer_stop(session->timer);
	conn_finish(session->conn);
}

/* Cancels what it was doing and frees its locks. */
static void let_go(struct session *session)
{
	if (session->op)
		op_cancel(TAKE(session->op));
	subscriber_gone(&session->subscriber);
	ds_session_closed(session->id);
}

void session_kill(struct session *session)
{
	let_go(session);
	session->state = SESSION_CLOSING;
	loop_timer_stop(session->timer);
	conn_abort(session->conn);
}

/* Ends a session for a reason that is neither the client's wish nor another's order. */
static void drop(struct session *session, const char *reason)
{
	if (session->state == SESSION_CLOSING)
		return;
	log_notice("session",
		"event=session-dropped session=%u user=\"%s\" peer=\"%s\" reason=\"%s\"",
		session->id, session->conn->username, session->conn->peer, reason);
	session_close(session);
}

static void on_closed(struct conn *conn, void *arg)
{
	struct session *session = arg;
	struct ds_client client = session_client(session);

	let_go(session);
	notify_session_end(&client, session->end, session->killer);
	log_info("session", "event=session-end session=%u user=\"%s\" peer=\"%s\"", session->id,
		conn->username, conn->peer);
	if (session->end != NOTIFY_SESSION_CLOSED && session->end != NOTIFY_SESSION_KILLED)
		all.totals.dropped_sessions++;
	all.held -= session->held;
	list_remove(&session->node);
	loop_timer_free(session->timer);
	loop_task_free(session->task);
	nc_frame_done(&session->frame);
	buf_done(&session->later);
	free(session);
}

/* --- out -------------------------------------------------------------------------------------- */

static int write_or_keep(struct session *session, struct buf *later, const char *data, size_t size)
{
	if (!size)
		return 0;
	return later ? buf_append(later, data, size) : conn_write(session->conn, data, size);
}

static void give_up(struct session *session)
{
	log_notice("session", "event=session-dropped session=%u user=\"%s\" reason=\"%s\"",
		session->id, session->conn->username, "does not read its replies");
	session_kill(session);
}

static int write_piece(struct session *session, struct buf *later, const struct session_part *parts,
	size_t count, bool is_last)
{
	const char *tail = is_last ? nc_frame_tail(session->frame.is_chunked) : "";
	char head[NC_FRAME_HEAD_MAX];
	size_t size = 0, i;
	int ret = 0;

	for (i = 0; i < count; i++)
		size += parts[i].size;
	if (size)
		ret = write_or_keep(
			session, later, head, nc_frame_head(head, session->frame.is_chunked, size));
	for (i = 0; i < count && ret == 0; i++)
		ret = write_or_keep(session, later, parts[i].data, parts[i].size);
	return ret < 0 ? ret : write_or_keep(session, later, tail, strlen(tail));
}

void session_send(struct session *session, const struct session_part *parts, size_t count)
{
	struct buf *later = session->is_sending ? &session->later : NULL;

	if (session->state != SESSION_CLOSING &&
		write_piece(session, later, parts, count, true) < 0)
		give_up(session);
}

bool session_send_piece(
	struct session *session, const struct session_part *parts, size_t count, bool is_last)
{
	int ret;

	if (session->state == SESSION_CLOSING)
		return false;
	ret = write_piece(session, NULL, parts, count, is_last);
	if (ret == 0 && is_last && session->later.length)
		ret = conn_write_buf(session->conn, &session->later);
	session->is_sending = !is_last;
	session->was_sending = true;
	if (is_last)
		loop_task_schedule(session->task);
	session->is_held_up = !is_last && session->conn->out.length >= CONN_OUT_LOW;
	if (ret < 0)
		give_up(session); /* with its operation */
	else if (session->is_held_up)
		loop_timer_start(session->timer, SEND_MS);
	else
		loop_timer_stop(session->timer);
	return ret == 0 && !session->is_held_up;
}

/* Nothing is taken from the peer before it has read; whole replies, unlike pieces, all lie here. */
static void await_reading(struct session *session)
{
	session->unread = session->conn->out.length;
	loop_timer_start(session->timer, SEND_MS);
}

static void on_timeout(void *arg)
{
	struct session *session = arg;

	if (session->unread && session->conn->out.length < session->unread) {
		await_reading(session);
		return;
	}
	if (session->is_held_up || session->unread) {
		give_up(session);
		return;
	}
	session->end = NOTIFY_SESSION_TIMEOUT;
	if (session->state == SESSION_HELLO)
		drop(session, "no hello in time");
	else if (nc_frame_is_open(&session->frame))
		drop(session, "half a message and then silence");
	else
		drop(session, "idle");
}

static void send_hello(struct session *session)
{
	_cleanup_(buf_done) struct buf text = { 0 };

	nc_hello_print(&text, session->id);
	session_send(session, &(struct session_part){ buf_bytes(&text), text.length }, 1);
}

/* An error that is about no operation: what was sent is not, or no more, a message. */
static void send_error(struct session *session, const struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_free_ struct nc_rpc *rpc = xmalloc(sizeof(*rpc));

	nc_rpc_parse_head(rpc, buf_bytes(&session->frame.message), session->frame.message.length);
	nc_reply_begin(&text, rpc);
	nc_reply_error(&text, err, session->is_base11);
	(void)!buf_append_str(&text, NC_REPLY_END);
	session_send(session, &(struct session_part){ buf_bytes(&text), text.length }, 1);
	session->counters.out_rpc_errors++;
	all.totals.counters.out_rpc_errors++;
}

static void count_bad(struct session *session)
{
	session->counters.in_bad_rpcs++;
	all.totals.counters.in_bad_rpcs++;
}

/* --- in --------------------------------------------------------------------------------------- */

static void take_hello(struct session *session, const struct buf *message)
{
	_cleanup_err_ struct err err = { 0 };

	if (nc_hello_parse(buf_bytes(message), message->length, &session->is_base11, &err) < 0) {
		all.totals.in_bad_hellos++;
		session->end = NOTIFY_SESSION_BAD_HELLO;
		drop(session, err_text(&err));
		return;
	}
	session->state = SESSION_READY;
	session->frame.is_chunked = session->is_base11;
	session->frame.max = NC_FRAME_MESSAGE_MAX;
}

static void take_message(struct session *session)
{
	struct buf message = session->frame.message;

	buf_init(&session->frame.message, 0);
	if (session->state == SESSION_HELLO) {
		take_hello(session, &message);
		buf_done(&message);
		return;
	}
	session->op = op_new(session, &message);
	op_run(session->op);
}

/* The bytes cannot be cut into messages any more. */
static void framing_failed(struct session *session, const struct err *err)
{
	bool is_hello = session->state == SESSION_HELLO;

	if (is_hello) {
		all.totals.in_bad_hellos++;
		session->end = NOTIFY_SESSION_BAD_HELLO;
	} else {
		count_bad(session);
	}
	/* Before the hello is known there is nobody to understand it; in base:1.0 no such error. */
	if (!is_hello && (session->is_base11 || err_effective_tag(err) == ERR_TAG_TOO_BIG))
		send_error(session, err);
	drop(session, err_text(err));
}

/* Counts what is held of messages; false when it is too much, and this one's is not complete. */
static bool account(struct session *session)
{
	_cleanup_err_ struct err err = { 0 };

	all.held -= session->held;
	session->held = session->frame.message.length;
	if (session->op)
		session->held += session->op->message.length;
	all.held += session->held;
	if (all.held <= HELD_MAX || !session->frame.message.length)
		return true;
	(void)err_tagged(&err, ERR_TAG_RESOURCE_DENIED, NULL,
		"too many large messages at once, try again later");
	err.type = ERR_TYPE_RPC;
	send_error(session, &err);
	drop(session, err_text(&err));
	return false;
}

/* Takes bytes for at most one message; false when there are no more to take now. */
static bool step(struct session *session)
{
	_cleanup_err_ struct err err = { 0 };
	struct conn *conn = session->conn;
	size_t used;
	int ret;

	if (session->state == SESSION_CLOSING || session->op || !conn->in.length ||
		conn->out.length >= CONN_OUT_LOW)
		return false;
	ret = nc_frame_next(&session->frame, buf_bytes(&conn->in), conn->in.length, &used, &err);
	if (ret < 0) {
		framing_failed(session, &err);
		return false;
	}
	conn_consume(conn, used);
	if (ret > 0)
		take_message(session);
	return session->state != SESSION_CLOSING && account(session);
}

static void set_timer(struct session *session)
{
	bool is_open = nc_frame_is_open(&session->frame);

	if (session->is_sending)
		return;
	if (session->conn->out.length >= CONN_OUT_LOW) {
		if (!session->unread)
			await_reading(session);
		session->is_message_timed = false;
		return;
	}
	session->unread = 0;
	/* A message's time counts from its beginning, hello's from that of the session. */
	if (session->state == SESSION_READY && !(is_open && session->is_message_timed)) {
		if (is_open)
			loop_timer_start(session->timer, MESSAGE_MS);
		else if (session->op || !session->conn->idle_ms ||
			subscriber_has(&session->subscriber))
			loop_timer_stop(session->timer);
		else
			loop_timer_start(session->timer, session->conn->idle_ms);
	}
	session->is_message_timed = is_open;
}

static void process(struct session *session)
{
	int i;

	session->is_processing = true;
	for (i = 0; step(session); i++) {
		if (i >= MESSAGES_TURN || loop_should_yield()) {
			loop_task_schedule(session->task);
			break;
		}
	}
	session->is_processing = false;
	if (session->state == SESSION_CLOSING)
		return;
	/* The client has said all it wanted and has its answers. */
	if (session->conn->eof && !session->op && !session->conn->in.length) {
		session_close(session);
		return;
	}
	set_timer(session);
}

void session_op_done(struct session *session, enum session_outcome outcome)
{
	struct session_counters *mine = &session->counters, *totals = &all.totals.counters;

	session->op = NULL;
	all.held -= session->held;
	session->held = 0;
	if (outcome == SESSION_BAD_RPC) {
		count_bad(session);
	} else {
		mine->in_rpcs++;
		totals->in_rpcs++;
	}
	if (outcome != SESSION_OK) {
		mine->out_rpc_errors++;
		totals->out_rpc_errors++;
	}
	if (!session->is_processing)
		loop_task_schedule(session->task);
}

static void on_task(void *arg)
{
	struct session *session = arg;

	if (session->was_sending && !session->is_sending && session->state != SESSION_CLOSING) {
		session->was_sending = false;
		subscriber_drained(&session->subscriber);
	}
	process(session);
}

static void on_readable(struct conn *conn, void *arg)
{
	process(arg);
}

static void on_drained(struct conn *conn, void *arg)
{
	struct session *session = arg;

	if (session->is_held_up) {
		session->is_held_up = false;
		loop_timer_stop(session->timer);
		op_drained(session->op);
		return;
	}
	subscriber_drained(&session->subscriber);
	process(session);
}

static const struct conn_user conn_user = {
	.readable = on_readable,
	.drained = on_drained,
	.closed = on_closed,
};

/* --- notifications ---------------------------------------------------------------------------- */

static struct session *session_of(const struct subscriber *subscriber)
{
	return CONTAINER_OF((struct subscriber *)subscriber, struct session, subscriber);
}

static struct ds_client subscriber_client(const struct subscriber *subscriber)
{
	return session_client(session_of(subscriber));
}

static char *subscriber_name(const struct subscriber *subscriber)
{
	return xasprintf("session-%u", session_of(subscriber)->id);
}

static bool subscriber_is_open(const struct subscriber *subscriber)
{
	return session_of(subscriber)->state != SESSION_CLOSING;
}

static bool subscriber_has_room(const struct subscriber *subscriber)
{
	const struct session *session = session_of(subscriber);

	return session->state == SESSION_READY && !session->is_sending &&
		session->conn->out.length < CONN_OUT_LOW;
}

static void subscriber_send(struct subscriber *subscriber, struct timespec when,
	const struct session_part *content, size_t count)
{
	struct session *session = session_of(subscriber);
	struct session_part parts[8];
	char time[NOTIFY_TIME_TEXT];
	_cleanup_free_ char *head = NULL;

	notify_time_text(time, when);
	head = xasprintf(
		"<notification xmlns=\"" NC_NS_NOTIFICATION "\"><eventTime>%s</eventTime>", time);
	assert(count + 2 <= ARRAY_SIZE(parts));
	parts[0] = (struct session_part){ head, strlen(head) };
	memcpy(&parts[1], content, count * sizeof(*content));
	parts[count + 1] = (struct session_part){ "</notification>", 15 };
	session->counters.out_notifications++;
	all.totals.counters.out_notifications++;
	session_send(session, parts, count + 2);
}

static void subscriber_drop(struct subscriber *subscriber)
{
	struct session *session = session_of(subscriber);

	log_notice("session", "event=session-dropped session=%u user=\"%s\" reason=\"%s\"",
		session->id, session->conn->username, "does not read its notifications");
	session_kill(session);
}

static const struct subscriber_type subscriber_type = {
	.uri = "",
	.client = subscriber_client,
	.name = subscriber_name,
	.is_open = subscriber_is_open,
	.has_room = subscriber_has_room,
	.send = subscriber_send,
	.drop = subscriber_drop,
};

/* --- life ------------------------------------------------------------------------------------- */

static uint32_t new_id(void)
{
	do
		all.last_id++;
	while (!all.last_id || session_find(all.last_id));
	return all.last_id;
}

void session_new(struct conn *conn)
{
	struct session *session = XNEW(struct session);
	struct ds_client client;

	session->id = new_id();
	session->conn = conn;
	client = session_client(session);
	session->end = NOTIFY_SESSION_DROPPED;
	subscriber_init(&session->subscriber, &subscriber_type, FORMAT_XML);
	session->login_time = time(NULL);
	nc_frame_init(&session->frame, NC_HELLO_MAX);
	buf_init(&session->later, LATER_MAX);
	session->timer = loop_timer_new("session-timeout", on_timeout, session);
	session->task = loop_task_new("session", on_task, session);
	list_append(&all.sessions, &session->node);
	all.totals.in_sessions++;
	all.totals.remote_sessions += !conn->place->is_local;
	conn->user = &conn_user;
	conn->arg = session;
	log_info("session", "event=session-start session=%u user=\"%s\" peer=\"%s\"", session->id,
		conn->username, conn->peer);
	loop_timer_start(session->timer, HELLO_MS);
	notify_session_start(&client);
	send_hello(session);
}
