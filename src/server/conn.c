/*
 * What all transports share: the two queues, their limits, and telling the other side.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"

#include "conn.h"
#include "place.h"

static struct list all = LIST_INIT(all);

/* The place is needed for another. */
static void drop(void *arg)
{
	conn_abort(arg);
}

void conn_init(struct conn *conn, const struct conn_transport *transport, struct place *place)
{
	conn->transport = transport;
	conn->place = place;
	(void)snprintf(conn->peer, sizeof(conn->peer), "%s", place->peer);
	(void)snprintf(conn->source, sizeof(conn->source), "%s", place->source);
	place->drop = drop;
	place->arg = conn;
	conn->last_in_ms = clock_ms();
	list_append(&all, &conn->node);
	/* The ceiling of in is kept by not reading: a transport must take what it was handed. */
	buf_init(&conn->in, 0);
	buf_init(&conn->out, CONN_OUT_MAX);
}

void conn_done(struct conn *conn)
{
	assert(!conn->user);
	if (conn->ended)
		conn->ended(conn, conn->ended_arg);
	list_remove(&conn->node);
	buf_done(&conn->in);
	buf_done(&conn->out);
	place_leave(TAKE(conn->place));
}

bool conn_has_room(const struct conn *conn, size_t size)
{
	const struct conn *other;
	size_t total = size;

	if (size > CONN_OUT_MAX - conn->out.length)
		return false;
	if (size < CONN_OUT_LOW)
		return true;
	LIST_FOREACH (other, &all, node)
		total += other->out.length;
	return total <= CONN_OUT_TOTAL;
}

int conn_write(struct conn *conn, const void *data, size_t size)
{
	int ret;

	assert(!conn->finishing);
	ret = buf_append(&conn->out, data, size);
	if (ret < 0)
		return ret;
	conn->transport->kick(conn);
	return 0;
}

int conn_write_buf(struct conn *conn, struct buf *from)
{
	int ret;

	assert(!conn->finishing);
	if (!conn->out.length && from->length <= CONN_OUT_MAX) {
		buf_done(&conn->out);
		conn->out = *from;
		conn->out.max = CONN_OUT_MAX;
		buf_init(from, from->max);
		conn->transport->kick(conn);
		return 0;
	}
	ret = conn_write(conn, buf_bytes(from), from->length);
	if (ret == 0)
		buf_clear(from);
	return ret;
}

void conn_pause(struct conn *conn, bool pause)
{
	if (conn->paused == pause)
		return;
	conn->paused = pause;
	conn->transport->kick(conn);
}

void conn_consume(struct conn *conn, size_t size)
{
	bool was_full = conn->in.length >= CONN_IN_MAX;

	buf_consume(&conn->in, size);
	if (was_full && conn->in.length < CONN_IN_MAX)
		conn->transport->kick(conn);
}

void conn_finish(struct conn *conn)
{
	if (conn->finishing)
		return;
	conn->finishing = true;
	buf_clear(&conn->in);
	conn->transport->finish(conn);
}

void conn_abort(struct conn *conn)
{
	conn->finishing = true;
	buf_clear(&conn->in);
	buf_clear(&conn->out);
	conn->transport->abort(conn);
}

bool conn_wants_input(const struct conn *conn)
{
	if (conn->eof)
		return false;
	/* What still comes is read and dropped, or closing would reset our last words away. */
	if (conn->finishing)
		return true;
	return !conn->paused && conn->in.length < CONN_IN_MAX;
}

void conn_received(struct conn *conn, const void *data, size_t size)
{
	conn->last_in_ms = clock_ms();
	if (!conn->finishing)
		(void)!buf_append(&conn->in, data, size); /* has no ceiling: cannot fail */
}

void conn_deliver(struct conn *conn)
{
	if (conn->user && !conn->finishing)
		conn->user->readable(conn, conn->arg);
}

void conn_drained(struct conn *conn)
{
	if (conn->user && conn->user->drained && !conn->finishing)
		conn->user->drained(conn, conn->arg);
}

void conn_closed(struct conn *conn)
{
	const struct conn_user *user = TAKE(conn->user);

	conn->finishing = true;
	if (user)
		user->closed(conn, conn->arg);
}
