/*
 * A connection's states: waiting for a request's head, asking who it is, reading the body, working,
 * sending a large reply as the peer drains it (all of it at hand, or more to be asked for), or events as they
 * happen. What follows in the input meanwhile
 * waits there.
 *
 * All deadlines are absolute: a peer that sends a byte now and then gets no more time than one that
 * sends nothing. A stranger gets little: its body is not read before it has said who it is, and after
 * three wrong answers the connection ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "auth.h"
#include "place.h"
#include "rc-conn.h"
#include "rc-reply.h"
#include "rc-request.h"
#include "tls.h"

#define FIRST_MS    20000 /* from accept to the first head, handshake included */
#define HEAD_MS	    10000 /* from its first byte to its last */
#define BODY_MS	    60000
#define IDLE_MS	    60000
#define STRANGER_MS 10000 /* idleness of a stranger */
#define SEND_MS	    60000 /* for the peer to drain a piece of a large reply */
#define KNOWN_MS    60000 /* after which credentials are proved again */
#define DENIALS_MAX 3
#define PIECE_MAX   ((size_t)65536) /* of a reply that is not sent in one go */
#define COMMENT_MS  15000 /* of a stream without events: lets proxies and peers know that it lives */

#define HOST_META "/.well-known/host-meta"

enum state {
	STATE_WAITING,
	STATE_ASKING,
	STATE_READING,
	STATE_WORKING,
	STATE_SENDING,
	STATE_IN_PIECES,
	STATE_STREAMING,
};

struct rc_conn {
	struct list node;
	struct conn *conn;
	enum state state;
	struct loop_timer *timer;
	struct loop_task
		*task;	 /* goes on after a reply that was not made in the connection's turn */
	bool is_running; /* go_on() is on the stack */
	bool has_begun;	 /* the beginning of a head is there */
	bool is_known;	 /* has proved who it is at least once */
	bool closes;	 /* ends when the reply is sent */
	unsigned denials;
	size_t scanned;	 /* of the head that is not whole yet */
	struct buf head; /* the request's head, a copy of its own */
	uint64_t left;	 /* bytes of the body to come */
	struct http_chunks chunks;
	struct auth_request *auth;
	struct known {
		struct buf credentials; /* the field's value */
		struct buf hash;	/* what the user's password was kept as then */
		uint64_t generation;	/* of running, where that was last so */
		uint64_t until_ms;
	} known; /* who proved it on this connection last */
	struct buf scratch;
	struct buf rest;   /* of the reply that is being sent */
	const char *after; /* what ends it */
	void (*go_on)(
		struct rc_request *req); /* has the next piece of it made; NULL: not waited for */
	struct rc_conn_stream stream;
	size_t unread; /* of a stream, when its timer was started */
	struct rc_request request;
};

static struct list conns = LIST_INIT(conns);

/* --- sending ---------------------------------------------------------------------------------- */

struct buf *rc_conn_scratch(struct rc_conn *rc)
{
	buf_clear(&rc->scratch);
	return &rc->scratch;
}

static void write_out(struct rc_conn *rc, const char *data, size_t size)
{
	if (size && !rc->conn->finishing && conn_write(rc->conn, data, size) < 0)
		conn_abort(rc->conn);
}

/* The reply is all with the transport. */
static void sent(struct rc_conn *rc)
{
	if (rc->conn->finishing)
		return;
	rc->state = STATE_WAITING;
	if (rc->closes) {
		conn_finish(rc->conn);
		return;
	}
	loop_timer_start(rc->timer, rc->is_known ? IDLE_MS : STRANGER_MS);
	if (!rc->is_running && (rc->conn->in.length || rc->conn->eof))
		loop_task_schedule(rc->task);
}

static void send_rest(struct rc_conn *rc)
{
	loop_timer_start(rc->timer, SEND_MS);
	while (rc->rest.length && rc->conn->out.length < CONN_OUT_LOW && !rc->conn->finishing) {
		size_t size = rc->rest.length < PIECE_MAX ? rc->rest.length : PIECE_MAX;

		write_out(rc, buf_bytes(&rc->rest), size);
		buf_consume(&rc->rest, size);
	}
	if (rc->rest.length || rc->conn->finishing)
		return;
	write_out(rc, rc->after, strlen(rc->after));
	sent(rc);
}

void rc_conn_send(
	struct rc_conn *rc, const char *before, struct buf *body, const char *after, bool closes)
{
	bool is_large = body && body->length > PIECE_MAX;

	rc->closes = closes;
	write_out(rc, buf_bytes(&rc->scratch), rc->scratch.length);
	if (before)
		write_out(rc, before, strlen(before));
	if (is_large) {
		rc->rest = *body;
		buf_init(body, body->max);
		rc->after = after ? after : "";
		rc->state = STATE_SENDING;
	} else {
		if (body)
			write_out(rc, buf_bytes(body), body->length);
		if (after)
			write_out(rc, after, strlen(after));
	}
	rc_request_reset(&rc->request);
	if (is_large)
		send_rest(rc);
	else
		sent(rc);
}

/* --- content of unknown length ------------------------------------------------------------------ */

static void write_chunk(struct rc_conn *rc, const char *data, size_t size)
{
	bool is_chunked = rc->request.head.minor;
	char text[24];

	if (is_chunked && size) {
		(void)snprintf(text, sizeof(text), "%zx\r\n", size);
		write_out(rc, text, strlen(text));
	}
	write_out(rc, data, size);
	if (is_chunked && size)
		write_out(rc, "\r\n", 2);
}

bool rc_conn_send_piece(struct rc_conn *rc, const char *text, struct buf *body,
	void (*go_on)(struct rc_request *req))
{
	_cleanup_(buf_done) struct buf bytes = *body;

	buf_init(body, body->max);
	if (rc->state != STATE_IN_PIECES) {
		rc->state = STATE_IN_PIECES;
		rc->closes = !rc->request.head.minor || !rc->request.head.keeps_alive;
		write_out(rc, buf_bytes(&rc->scratch), rc->scratch.length);
	}
	if (text)
		write_chunk(rc, text, strlen(text));
	write_chunk(rc, buf_bytes(&bytes), bytes.length);
	loop_timer_stop(rc->timer);
	if (rc->conn->finishing)
		return false;
	if (rc->conn->out.length < CONN_OUT_LOW)
		return true;
	rc->go_on = go_on;
	loop_timer_start(rc->timer, SEND_MS);
	return false;
}

void rc_conn_send_end(struct rc_conn *rc, struct buf *body, const char *text)
{
	(void)rc_conn_send_piece(rc, NULL, body, NULL);
	write_chunk(rc, text, strlen(text));
	if (rc->request.head.minor)
		write_out(rc, "0\r\n\r\n", 5);
	rc_request_reset(&rc->request);
	sent(rc);
}

void rc_conn_break(struct rc_conn *rc, const struct err *err)
{
	log_notice("restconf", "event=reply-broken user=\"%s\" peer=\"%s\" reason=\"%s\"",
		rc->conn->username, rc->conn->peer, err_text(err));
	conn_abort(rc->conn);
}

/* --- event streams ---------------------------------------------------------------------------- */

/* So long some of it has to be read, or nothing can happen without a word of that. */
static void set_stream_timer(struct rc_conn *rc)
{
	rc->unread = rc->conn->out.length;
	loop_timer_start(rc->timer, rc->conn->out.length >= CONN_OUT_LOW ? SEND_MS : COMMENT_MS);
}

static void send_comment(struct rc_conn *rc)
{
	(void)!buf_append_str(rc_conn_scratch(rc), ":\n\n"); /* no ceiling */
	write_chunk(rc, buf_bytes(&rc->scratch), rc->scratch.length);
	set_stream_timer(rc);
}

void rc_conn_stream_begin(struct rc_conn *rc, const struct rc_conn_stream *stream)
{
	rc->state = STATE_STREAMING;
	rc->stream = *stream;
	rc->closes = !rc->request.head.minor || !rc->request.head.keeps_alive;
	write_out(rc, buf_bytes(&rc->scratch), rc->scratch.length);
	send_comment(rc); /* that it has begun */
	/* The peer may have gone while it was asked for. */
	if (rc->conn->eof)
		loop_task_schedule(rc->task);
}

bool rc_conn_stream_is_open(const struct rc_conn *rc)
{
	return !rc->conn->finishing;
}

bool rc_conn_stream_has_room(const struct rc_conn *rc)
{
	return !rc->conn->finishing && rc->conn->out.length < CONN_OUT_LOW;
}

/*
 * A line's end in the text begins another line of the field, and is one again where that is put together;
 * carriage returns would be ends of lines, too.
 */
static void put_lines(struct buf *out, enum format format, const char *text, size_t size)
{
	while (size) {
		size_t plain = 0;

		while (plain < size && text[plain] != '\n' && text[plain] != '\r')
			plain++;
		(void)!buf_append(out, text, plain); /* no ceiling: follows bounded messages */
		if (plain == size)
			return;
		if (text[plain] == '\n')
			(void)!buf_append_str(out, "\ndata: ");
		else if (format == FORMAT_XML)
			(void)!buf_append_str(out, "&#13;");
		text += plain + 1;
		size -= plain + 1;
	}
}

void rc_conn_stream_send(
	struct rc_conn *rc, enum format format, const struct session_part *parts, size_t count)
{
	struct buf *out = rc_conn_scratch(rc);

	(void)!buf_append_str(out, "data: "); /* no ceiling */
	for (size_t i = 0; i < count; i++)
		put_lines(out, format, parts[i].data, parts[i].size);
	(void)!buf_append_str(out, "\n\n");
	write_chunk(rc, buf_bytes(&rc->scratch), rc->scratch.length);
	set_stream_timer(rc);
	if (out->length > PIECE_MAX)
		buf_done(out);
}

void rc_conn_stream_end(struct rc_conn *rc)
{
	rc->stream = (struct rc_conn_stream){ 0 };
	if (rc->request.head.minor)
		write_out(rc, "0\r\n\r\n", 5);
	rc_request_reset(&rc->request);
	sent(rc);
}

void rc_conn_stream_drop(struct rc_conn *rc)
{
	log_notice("restconf", "event=stream-dropped user=\"%s\" peer=\"%s\" reason=\"%s\"",
		rc->conn->username, rc->conn->peer, "does not read its notifications");
	conn_abort(rc->conn);
}

const char *rc_conn_peer(const struct rc_conn *rc)
{
	return rc->conn->peer;
}

/* --- the body --------------------------------------------------------------------------------- */

static void work(struct rc_conn *rc)
{
	rc->state = STATE_WORKING;
	rc_request_run(&rc->request);
}

/* Takes what is there of the body; true when that was something to go on with. */
static bool read_body(struct rc_conn *rc)
{
	struct conn *conn = rc->conn;
	struct buf *body = &rc->request.body;
	ssize_t taken;

	if (rc->request.head.is_chunked) {
		taken = http_chunks_take(&rc->chunks, buf_bytes(&conn->in), conn->in.length, body);
	} else {
		taken = (ssize_t)(conn->in.length < rc->left ? conn->in.length : rc->left);
		(void)!buf_append(
			body, buf_bytes(&conn->in), (size_t)taken); /* checked by the head */
		rc->left -= (uint64_t)taken;
	}
	if (taken < 0) {
		rc_reply_hang_up(&rc->request, taken == -EMSGSIZE ? 413 : 400,
			taken == -EMSGSIZE ? "the body is too long" : "the chunks cannot be read");
		return false;
	}
	conn_consume(conn, (size_t)taken);
	if (rc->request.head.is_chunked ? rc->chunks.is_complete : !rc->left) {
		work(rc);
		return true;
	}
	if (conn->eof)
		conn_finish(conn);
	return false;
}

/* The client may ask; now for what. */
static void admit(struct rc_conn *rc)
{
	const struct http_head *head = &rc->request.head;

	if (!head->is_chunked && !head->content_length) {
		work(rc);
		return;
	}
	rc->state = STATE_READING;
	rc->left = head->content_length;
	memset(&rc->chunks, 0, sizeof(rc->chunks));
	loop_timer_start(rc->timer, BODY_MS);
	if (head->expects_continue && !rc->conn->in.length)
		write_out(rc, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* --- who it is -------------------------------------------------------------------------------- */

/* A body that is not read cannot be told from the next request. */
static bool has_body(const struct http_head *head)
{
	return head->is_chunked || head->content_length;
}

static void deny(struct rc_conn *rc)
{
	if (has_body(&rc->request.head) || ++rc->denials >= DENIALS_MAX)
		rc_reply_hang_up(&rc->request, 401, "user name and password are needed");
	else
		rc_reply_refuse(&rc->request, 401, ERR_TAG_ACCESS_DENIED,
			"user name and password are needed");
}

static void turn_away(struct rc_conn *rc)
{
	if (has_body(&rc->request.head))
		rc->request.head.keeps_alive = false;
	rc_reply_refuse(&rc->request, 503, ERR_TAG_RESOURCE_DENIED,
		"too many are logging in, or this address failed to too often: try later");
}

/* Is his password what it was, whatever else of the configuration has changed? */
static bool is_same_user(struct rc_conn *rc)
{
	struct known *known = &rc->known;
	const char *hash;

	if (known->generation == ds_generation(DS_RUNNING))
		return true;
	hash = auth_hash(rc->conn->username);
	if (!hash || !str_equal(hash, buf_bytes(&known->hash)))
		return false;
	known->generation = ds_generation(DS_RUNNING);
	return true;
}

/*
 * The same credentials on the same connection, and nobody's have changed since: they need not be proved
 * again for a while. They are no better kept elsewhere: they lie in the input, too.
 */
static bool is_same_again(struct rc_conn *rc, struct http_text credentials)
{
	struct known *known = &rc->known;

	return known->credentials.length && known->credentials.length == credentials.size &&
		clock_ms() < known->until_ms && is_same_user(rc) &&
		str_secret_equal(buf_bytes(&known->credentials), credentials.at, credentials.size);
}

static void forget_known(struct rc_conn *rc)
{
	struct buf *credentials = &rc->known.credentials;

	explicit_bzero(buf_bytes(credentials), credentials->length);
	buf_clear(credentials);
	buf_clear(&rc->known.hash);
}

static void remember_known(struct rc_conn *rc)
{
	rc->known.until_ms = clock_ms() + KNOWN_MS;
}

static void judge(struct rc_conn *rc, enum auth_result result)
{
	switch (result) {
	case AUTH_OK:
		rc->denials = 0;
		rc->is_known = true;
		remember_known(rc);
		place_known(rc->conn->place);
		admit(rc);
		return;
	case AUTH_DENIED:
		forget_known(rc);
		deny(rc);
		return;
	case AUTH_BUSY:
		forget_known(rc);
		turn_away(rc);
		return;
	}
}

static void on_auth(enum auth_result result, void *arg)
{
	struct rc_conn *rc = arg;

	rc->auth = NULL;
	conn_pause(rc->conn, false);
	judge(rc, result);
	loop_task_schedule(rc->task);
}

static void ask(struct rc_conn *rc)
{
	struct http_text credentials = rc->request.head.authorization;
	char password[AUTH_PASSWORD_MAX + 1];
	enum auth_result result = AUTH_DENIED;
	const char *hash;

	if (is_same_again(rc, credentials)) {
		admit(rc);
		return;
	}
	forget_known(rc);
	if (http_basic(credentials, rc->conn->username, sizeof(rc->conn->username), password,
		    sizeof(password)) < 0) {
		deny(rc);
		return;
	}
	(void)!buf_append(
		&rc->known.credentials, credentials.at, credentials.size); /* no ceiling */
	explicit_bzero((char *)credentials.at, credentials.size);
	/* Before it is checked: should the hash change meanwhile, it is another one's password. */
	hash = auth_hash(rc->conn->username);
	(void)!buf_append(&rc->known.hash, hash ? hash : "", hash ? strlen(hash) + 1 : 1);
	rc->known.generation = ds_generation(DS_RUNNING);
	rc->state = STATE_ASKING;
	rc->auth =
		auth_password(rc->conn->username, password, rc->conn->source, on_auth, rc, &result);
	explicit_bzero(password, sizeof(password));
	if (rc->auth)
		conn_pause(rc->conn, true);
	else
		judge(rc, result);
}

/* --- the head --------------------------------------------------------------------------------- */

/* Discovery alone is for everybody (RFC 8040 section 3.1). */
static bool is_public(const struct rc_request *req)
{
	return req->path && strcmp(req->path, HOST_META) == 0 && !has_body(&req->head) &&
		(req->head.method == HTTP_GET || req->head.method == HTTP_HEAD);
}

/* The texts get their NUL where a blank or "?" was. */
static char *end_text(struct http_text text)
{
	char *at = (char *)text.at;

	if (at)
		at[text.size] = '\0';
	return at;
}

static void begin_request(struct rc_conn *rc, size_t size)
{
	struct rc_request *req = &rc->request;
	const char *reason = NULL;
	unsigned status;

	buf_clear(&rc->head);
	(void)!buf_append(&rc->head, buf_bytes(&rc->conn->in), size); /* no ceiling */
	conn_consume(rc->conn, size);
	rc->has_begun = false;
	rc->scanned = 0;
	status = http_head_parse(buf_bytes(&rc->head), size, &req->head, &reason);
	if (status) {
		rc_reply_hang_up(req, status, reason);
		return;
	}
	req->path = end_text(req->head.path);
	req->query = end_text(req->head.query);
	rc_request_negotiate(req);
	if (is_public(req))
		admit(rc);
	else
		ask(rc);
}

/* Before a request it is forgiven (RFC 9112 section 2.2). */
static void skip_empty_line(struct rc_conn *rc)
{
	const char *text = buf_bytes(&rc->conn->in);

	if (rc->conn->in.length >= 2 && text[0] == '\r' && text[1] == '\n') {
		conn_consume(rc->conn, 2);
		rc->scanned = 0;
	}
}

static bool read_head(struct rc_conn *rc)
{
	struct conn *conn = rc->conn;
	ssize_t size;

	/* A peer that asks but does not read gets no more until it does. */
	if (conn->out.length >= CONN_OUT_LOW)
		return false;
	skip_empty_line(rc);
	size = http_head_end(buf_bytes(&conn->in), conn->in.length, &rc->scanned);
	if (size > 0) {
		begin_request(rc, (size_t)size);
		return true;
	}
	if (size < 0)
		rc_reply_hang_up(&rc->request, size == -EMSGSIZE ? 431 : 400,
			size == -EMSGSIZE ? "the head is too long"
					  : "a line does not end with CR and LF");
	else if (conn->eof)
		conn_finish(conn);
	else if (conn->in.length && !rc->has_begun) {
		rc->has_begun = true;
		loop_timer_start(rc->timer, HEAD_MS);
	}
	return false;
}

/* --- turns ------------------------------------------------------------------------------------ */

static bool advance(struct rc_conn *rc)
{
	switch (rc->state) {
	case STATE_WAITING:
		return read_head(rc);
	case STATE_READING:
		return read_body(rc);
	case STATE_STREAMING:
		if (rc->conn->eof)
			conn_finish(rc->conn);
		return false;
	case STATE_ASKING:
	case STATE_WORKING:
	case STATE_SENDING:
	case STATE_IN_PIECES:
		return false;
	}
	return false;
}

static void go_on(void *arg)
{
	struct rc_conn *rc = arg;

	rc->is_running = true;
	while (!rc->conn->finishing && advance(rc)) {
		if (!loop_should_yield())
			continue;
		loop_task_schedule(rc->task);
		break;
	}
	rc->is_running = false;
}

/* Nothing was sent for a while, or nothing read. What proved who it is must still hold. */
static void stream_timeout(struct rc_conn *rc)
{
	if (rc->conn->out.length >= CONN_OUT_LOW && rc->conn->out.length < rc->unread)
		set_stream_timer(rc);
	else if (rc->conn->out.length >= CONN_OUT_LOW)
		rc_conn_stream_drop(rc);
	else if (!is_same_user(rc))
		conn_finish(rc->conn);
	else
		send_comment(rc);
}

static void on_timeout(void *arg)
{
	struct rc_conn *rc = arg;

	if (rc->conn->finishing)
		return;
	switch (rc->state) {
	case STATE_WAITING:
		if (!rc->has_begun) {
			conn_finish(rc->conn);
			return;
		}
		rc_reply_hang_up(&rc->request, 408, "the request did not come to its end in time");
		return;
	case STATE_READING:
		rc_reply_hang_up(&rc->request, 408, "the body did not come to its end in time");
		return;
	case STATE_SENDING:
	case STATE_IN_PIECES:
		conn_abort(rc->conn);
		return;
	case STATE_STREAMING:
		stream_timeout(rc);
		return;
	case STATE_ASKING:
	case STATE_WORKING:
		return; /* it is we who take the time */
	}
}

static void on_readable(struct conn *conn, void *arg)
{
	go_on(arg);
}

static void stream_drained(struct rc_conn *rc)
{
	set_stream_timer(rc);
	rc->stream.drained(rc->stream.arg);
}

static void on_drained(struct conn *conn, void *arg)
{
	struct rc_conn *rc = arg;

	void (*next)(struct rc_request * req) = TAKE(rc->go_on);

	if (rc->state == STATE_SENDING) {
		send_rest(rc);
	} else if (rc->state == STATE_IN_PIECES && next) {
		loop_timer_stop(rc->timer);
		next(&rc->request);
	}
	if (rc->state == STATE_STREAMING)
		stream_drained(rc);
	else if (rc->state == STATE_WAITING && conn->in.length)
		loop_task_schedule(rc->task);
}

static void on_closed(struct conn *conn, void *arg)
{
	struct rc_conn *rc = arg;

	list_remove(&rc->node);
	if (rc->stream.closed)
		rc->stream.closed(rc->stream.arg);
	auth_cancel(rc->auth);
	rc_request_cancel(&rc->request);
	loop_timer_free(rc->timer);
	loop_task_free(rc->task);
	buf_done(&rc->head);
	forget_known(rc);
	buf_done(&rc->known.credentials);
	buf_done(&rc->known.hash);
	buf_done(&rc->scratch);
	buf_done(&rc->rest);
	buf_done(&rc->request.body);
	free(rc);
}

const struct conn_user rc_conn_user = {
	.readable = on_readable,
	.drained = on_drained,
	.closed = on_closed,
};

void rc_conn_new(struct conn *conn)
{
	struct rc_conn *rc = XNEW(struct rc_conn);

	rc->conn = conn;
	conn->arg = rc;
	rc->request.rc = rc;
	rc->request.user = conn->username;
	buf_init(&rc->request.body, HTTP_BODY_MAX);
	rc_request_reset(&rc->request);
	rc->timer = loop_timer_new("restconf-deadline", on_timeout, rc);
	rc->task = loop_task_new("restconf", go_on, rc);
	loop_timer_start(rc->timer, FIRST_MS);
	list_append(&conns, &rc->node);
}

void rc_conn_destroy_all(void)
{
	struct rc_conn *rc, *next;

	LIST_FOREACH_SAFE (rc, next, &conns, node)
		tls_destroy(rc->conn);
}
