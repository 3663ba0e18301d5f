/*
 * The local socket. The user is the account of the peer's process and must be one of ietf-system's;
 * root (of the daemon's own account, too) gets a recovery session (RFC 8341 section 3.3.3): whoever can
 * rewrite our files needs a way back in when the access rules lock everybody out.
 *
 * Configuration may say who can connect and that accounts are users of other names; a recovery session stays
 * one. Connections that are there stay as they are.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ashlar/list.h"
#include "ashlar/local.h"
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
#define DEFAULT_MODE 0666

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
	char *path;
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

/*
 * An account from /etc/passwd itself, by its name or, if that is NULL, its number: a name service could make the
 * loop wait. @entry points into @text.
 */
static bool find_account(const char *name, uid_t uid, struct passwd *entry, char *text, size_t size)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *found;
	bool is_found = false;

	if (!file)
		return false;
	while (!is_found && fgetpwent_r(file, entry, text, size, &found) == 0)
		is_found = name ? str_equal(entry->pw_name, name) : entry->pw_uid == uid;
	(void)fclose(file);
	return is_found;
}

static bool account_name(uid_t uid, char *name, size_t size)
{
	struct passwd entry;
	char text[1024];

	return find_account(NULL, uid, &entry, text, sizeof(text)) &&
		str_copy(name, size, entry.pw_name) == 0;
}

static bool account_id(const char *name, uid_t *ret_uid)
{
	struct passwd entry;
	char text[1024];

	if (!find_account(name, 0, &entry, text, sizeof(text)))
		return false;
	*ret_uid = entry.pw_uid;
	return true;
}

/* The account is a user of another name, or nobody; without a mapping it is itself. */
static bool map_account(struct unix_conn *local)
{
	const struct local *config = local_get();
	char *name = local->conn.username;

	for (size_t i = 0; config && i < config->mapping_count; i++) {
		const struct local_mapping *mapping = &config->mappings[i];

		if (str_equal(mapping->account, name))
			return mapping->user &&
				str_copy(name, sizeof(local->conn.username), mapping->user) == 0;
	}
	return auth_user_exists(name);
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
		return map_account(local) || local->conn.is_recovery;
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
	local->conn.idle_ms = local_get() ? local_get()->idle_s * UINT64_C(1000) : 0;
	local->fd = fd;
	local->watch = loop_watch_new("unix", fd, LOOP_READ, on_turn, local);
	loop_watch_end(local->watch);
	local->timer = loop_timer_new("unix-finish", on_timeout, local);
	list_append(&server.conns, &local->node);
	session_new(&local->conn);
}

static int find_group(const char *name, gid_t *ret_gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct group entry, *found;
	char text[8192];
	int r = -ENOENT;

	if (!file)
		return r;
	while (r < 0 && fgetgrent_r(file, &entry, text, sizeof(text), &found) == 0) {
		if (str_equal(entry.gr_name, name)) {
			*ret_gid = entry.gr_gid;
			r = 0;
		}
	}
	(void)fclose(file);
	return r;
}

#define PERMISSIONS "libnetconf2-netconf-server:unix/socket-permissions"

static int set(const struct local *local, struct err *err)
{
	mode_t mode = local ? local->mode : DEFAULT_MODE;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct stat before;
	int r = 0;

	if (local && local->owner && !account_id(local->owner, &uid))
		return err_set(err, -EINVAL, PERMISSIONS "/owner", "there is no account \"%s\"",
			local->owner);
	if (local && local->group && find_group(local->group, &gid) < 0)
		return err_set(err, -EINVAL, PERMISSIONS "/group", "there is no group \"%s\"",
			local->group);
	if (stat(server.path, &before) < 0)
		r = -errno;
	/* Nobody may in between who may neither before nor after. */
	else if (chmod(server.path, 0) < 0 || chown(server.path, uid, gid) < 0 ||
		chmod(server.path, mode) < 0) {
		r = -errno;
		(void)chmod(server.path, before.st_mode & 07777); /* as well as can be */
	}
	return r < 0 ? err_set(err, r, PERMISSIONS, "%s: %s", server.path, strerror(-r)) : 0;
}

int unix_server_start(const char *path, struct err *err)
{
	_cleanup_err_ struct err trouble = { 0 };
	const struct local *local = local_get();
	int r = listen_unix("unix-listen", path, local ? 0600 : DEFAULT_MODE, on_accepted, NULL,
		&server.listener, err);

	if (r < 0)
		return r;
	server.path = xstrdup(path);
	local_use(set);
	/* Then it is for us only. */
	if (local && set(local, &trouble) < 0)
		log_error("unix", "%s", err_text(&trouble));
	return 0;
}

void unix_server_stop(void)
{
	struct unix_conn *local, *tmp;

	local_use(NULL);
	listen_free(TAKE(server.listener));
	free(TAKE(server.path));
	LIST_FOREACH_SAFE (local, tmp, &server.conns, node)
		destroy(local);
}
