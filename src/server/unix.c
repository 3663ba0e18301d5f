/*
 * The local socket. The user is the account of the peer's process and must be one of ietf-system's;
 * root (of the daemon's own account, too) gets a recovery session (RFC 8341 section 3.3.3): whoever can
 * rewrite our files needs a way back in when the access rules lock everybody out.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "auth.h"
#include "conn.h"
#include "listen.h"
#include "session.h"
#include "unix.h"

#define READ_STEP    16384
#define TURN_IN_MAX  (256 * 1024)
#define TURN_OUT_MAX (256 * 1024)

struct unix_conn {
	struct conn conn;
	struct list node;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer; /* the end of finishing */
	bool is_in_turn;
	bool is_shut; /* our end of output is sent */
	bool is_gone;
};

static struct {
	struct listener *listener;
	struct list conns;
} server = { .conns = LIST_INIT(server.conns) };

static struct unix_conn *unix_of(struct conn *conn)
{
	return CONTAINER_OF(conn, struct unix_conn, conn);
}

static void destroy(struct unix_conn *local)
{
	list_remove(&local->node);
	loop_watch_free(local->watch);
	loop_timer_free(local->timer);
	conn_closed(&local->conn);
	close(local->fd);
	conn_done(&local->conn);
	free(local);
}

static void on_timeout(void *arg)
{
	destroy(arg);
}

/* True when something came, or the end. */
static bool read_in(struct unix_conn *local)
{
	struct conn *conn = &local->conn;
	char bytes[READ_STEP];
	bool has_news = false;
	size_t taken = 0;

	while (taken < TURN_IN_MAX && conn_wants_input(conn)) {
		ssize_t got = recv(local->fd, bytes, sizeof(bytes), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		if (got < 0) {
			local->is_gone = true;
			break;
		}
		has_news = true;
		if (got == 0) {
			conn->eof = true;
			break;
		}
		conn_received(conn, bytes, (size_t)got);
		taken += (size_t)got;
		/* Less than was asked for: there is no more now. */
		if (got < READ_STEP)
			break;
	}
	return has_news;
}

static void write_out(struct unix_conn *local)
{
	struct buf *out = &local->conn.out;
	size_t before = out->length;

	while (out->length && before - out->length < TURN_OUT_MAX) {
		ssize_t sent = send(local->fd, buf_bytes(out), out->length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent < 0) {
			local->is_gone = true;
			return;
		}
		buf_consume(out, (size_t)sent);
	}
	if (before >= CONN_OUT_LOW && out->length < CONN_OUT_LOW)
		conn_drained(&local->conn);
	if (local->conn.finishing && !out->length && !local->is_shut) {
		local->is_shut = true;
		(void)shutdown(local->fd, SHUT_WR);
	}
}

/*
 * The peer has closed, nothing of what it sent is to be read, and what it asked has been begun: the
 * session need not finish that for nobody.
 */
static bool is_abandoned(const struct unix_conn *local)
{
	return local->conn.is_over && (local->conn.eof || !conn_wants_input(&local->conn));
}

static void set_interest(struct unix_conn *local)
{
	unsigned events = 0;

	if (conn_wants_input(&local->conn))
		events |= LOOP_READ;
	if (local->conn.out.length)
		events |= LOOP_WRITE;
	loop_watch_set(local->watch, events);
}

static void on_turn(unsigned events, void *arg)
{
	struct unix_conn *local = arg;

	local->is_in_turn = true;
	if (events & LOOP_GONE)
		local->conn.is_over = true;
	if (!local->is_gone && events & LOOP_READ && read_in(local))
		conn_deliver(&local->conn);
	if (!local->is_gone)
		write_out(local);
	local->is_in_turn = false;
	if (local->is_gone || (local->is_shut && local->conn.eof) || is_abandoned(local))
		destroy(local);
	else
		set_interest(local);
}

static void kick(struct conn *conn)
{
	struct unix_conn *local = unix_of(conn);

	if (!local->is_in_turn)
		loop_watch_kick(local->watch, LOOP_WRITE);
}

static void finish(struct conn *conn)
{
	loop_timer_start(unix_of(conn)->timer, CONN_FINISH_MS);
	kick(conn);
}

static void abort_now(struct conn *conn)
{
	unix_of(conn)->is_gone = true;
	kick(conn);
}

static const struct conn_transport transport = {
	.name = "unix",
	.kick = kick,
	.finish = finish,
	.abort = abort_now,
};

/* The account's name from /etc/passwd itself: a name service could make the loop wait. */
static bool account_name(uid_t uid, char *name, size_t size)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd entry, *found;
	char text[1024];
	bool is_found = false;

	if (!file)
		return false;
	while (!is_found && fgetpwent_r(file, &entry, text, sizeof(text), &found) == 0)
		is_found = entry.pw_uid == uid;
	(void)fclose(file);
	return is_found && str_copy(name, size, entry.pw_name) == 0;
}

/* Who is at the other end? False: nobody we know. */
static bool identify(int fd, struct unix_conn *local)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	local->conn.is_recovery = peer.uid == 0 || peer.uid == geteuid();
	if (account_name(peer.uid, local->conn.username, sizeof(local->conn.username)))
		return local->conn.is_recovery || auth_user_exists(local->conn.username);
	(void)snprintf(
		local->conn.username, sizeof(local->conn.username), "uid-%u", (unsigned)peer.uid);
	return local->conn.is_recovery;
}

static void on_accepted(int fd, struct place *place, void *arg)
{
	struct unix_conn *local = XNEW(struct unix_conn);

	conn_init(&local->conn, &transport, place);
	if (!identify(fd, local)) {
		log_notice("unix", "event=login-failed user=\"%s\" peer=\"%s\" method=local",
			local->conn.username, local->conn.peer);
		close(fd);
		conn_done(&local->conn);
		free(local);
		return;
	}
	place_known(place);
	local->fd = fd;
	local->watch = loop_watch_new("unix", fd, LOOP_READ, on_turn, local);
	loop_watch_end(local->watch);
	local->timer = loop_timer_new("unix-finish", on_timeout, local);
	list_append(&server.conns, &local->node);
	session_new(&local->conn);
}

int unix_server_start(const char *path, struct err *err)
{
	return listen_unix("unix-listen", path, on_accepted, NULL, &server.listener, err);
}

void unix_server_stop(void)
{
	struct unix_conn *local, *tmp;

	listen_free(TAKE(server.listener));
	LIST_FOREACH_SAFE (local, tmp, &server.conns, node)
		destroy(local);
}
