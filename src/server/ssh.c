/*
 * SSH connections, driven by the loop without blocking.
 *
 * A turn: let libssh read and decrypt what the descriptor has (payload comes through a callback that
 * only appends), act on it, write. libssh's own output buffer is without limit, so a piece is only given to
 * it when the last one has left. Its functions may read the socket and thus call back at any time;
 * nothing is freed before the end of the turn, and turns do not nest.
 *
 * Key exchanges are what a stranger can make us calculate: one task makes their steps for all, about 1 ms
 * a turn, oldest first, so that a crowd of strangers delays others no more than one of them does.
 *
 * The end: what is written is sent, then exit status, end-of-file and close, or clients report failure
 * and lose the tail; then we wait for the peer's close, at most CONN_FINISH_MS.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"

#include "keys.h"
#include "listen.h"
#include "session.h"
#include "ssh-conn.h"
#include "ssh.h"

#define LOGIN_GRACE_MS 30000 /* from accept to the subsystem */
#define POLLS_TURN     64
#define MORE_LIKELY    2048	    /* a read that brought this much is followed by another one */
#define PIECE_MAX      (32 * 1024)  /* libssh keeps buffers of this size for good */
#define TURN_OUT_MAX   (256 * 1024) /* then other sessions get their turn */
#define STEPS_US       1000	    /* of key exchanges a turn */

/*
 * A client chooses from these: what is left out costs too much processor for a stranger to ask for
 * (diffie-hellman-group18: 0.1 s), or is broken.
 */
#define KEX_METHODS                                                                                \
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"    \
	"ecdh-sha2-nistp521"
#define HOST_KEYS "ssh-ed25519"
#define USER_KEYS                                                                                  \
	"ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,"    \
	"rsa-sha2-256"
#define CIPHERS                                                                                    \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,"  \
	"aes192-ctr,aes128-ctr"
#define HMACS                                                                                      \
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512"
#define RSA_BITS_MIN 2048

static struct {
	ssh_bind options; /* host key and algorithms; it never listens */
	struct listener *listener;
	struct list conns;
	struct list waiting; /* for their next step of a key exchange */
	struct loop_task *task;
} server = { .conns = LIST_INIT(server.conns), .waiting = LIST_INIT(server.waiting) };

static struct ssh_conn *ssh_of(struct conn *conn)
{
	return CONTAINER_OF(conn, struct ssh_conn, conn);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void destroy(struct ssh_conn *ssh)
{
	list_remove(&ssh->node);
	list_remove(&ssh->waiting);
	/* libssh may have closed the descriptor already: nothing may be opened before this. */
	loop_watch_free(TAKE(ssh->watch));
	loop_timer_free(TAKE(ssh->timer));
	ssh_login_cancel(ssh);
	conn_closed(&ssh->conn);
	if (ssh->channel)
		(void)ssh_remove_channel_callbacks(ssh->channel, &ssh->callbacks);
	if (ssh->event) {
		(void)ssh_event_remove_session(ssh->event, ssh->session);
		ssh_event_free(ssh->event);
	}
	ssh_disconnect(ssh->session);
	ssh_free(ssh->session);
	conn_done(&ssh->conn);
	free(ssh);
}

static void on_timeout(void *arg)
{
	struct ssh_conn *ssh = arg;

	if (ssh->state != SSH_STATE_OPEN)
		log_info("ssh", "%s did not log in within %d s", ssh->conn.peer,
			LOGIN_GRACE_MS / 1000);
	destroy(ssh);
}

/* Everything is written: says goodbye once. */
static void send_close(struct ssh_conn *ssh)
{
	if (ssh->is_close_sent)
		return;
	ssh->is_close_sent = true;
	(void)ssh_channel_request_send_exit_status(ssh->channel, 0);
	(void)ssh_channel_send_eof(ssh->channel);
	(void)ssh_channel_close(ssh->channel);
}

/* --- output ----------------------------------------------------------------------------------- */

static bool is_write_pending(const struct ssh_conn *ssh)
{
	return ssh_get_status(ssh->session) & SSH_WRITE_PENDING;
}

static void write_out(struct ssh_conn *ssh)
{
	struct buf *out = &ssh->conn.out;
	size_t before = out->length;
	int written;

	while (out->length && !is_write_pending(ssh)) {
		size_t piece = out->length < PIECE_MAX ? out->length : PIECE_MAX;

		if (before - out->length >= TURN_OUT_MAX) {
			loop_watch_kick(ssh->watch, LOOP_WRITE);
			break;
		}
		written = ssh_channel_write(ssh->channel, buf_bytes(out), (uint32_t)piece);
		if (written < 0) {
			ssh->is_gone = true;
			return;
		}
		/* 0: no window, or a key re-exchange; what ends that wakes us. */
		if (written == 0)
			break;
		buf_consume(out, (size_t)written);
	}
	if (before >= CONN_OUT_LOW && out->length < CONN_OUT_LOW)
		conn_drained(&ssh->conn);
}

/* --- a turn ----------------------------------------------------------------------------------- */

static int on_late_message(ssh_session session, ssh_message message, void *arg)
{
	return 1; /* libssh answers with its default: a refusal, and the answer to a keepalive */
}

void ssh_conn_open(struct ssh_conn *ssh)
{
	ssh->state = SSH_STATE_OPEN;
	loop_timer_stop(ssh->timer);
	/* From here on no message has to wait for its answer. */
	ssh_set_message_callback(ssh->session, on_late_message, NULL);
	session_new(&ssh->conn);
}

static void exchange_keys(struct ssh_conn *ssh)
{
	int ret = ssh_handle_key_exchange(ssh->session);

	if (ret == SSH_AGAIN)
		return;
	if (ret != SSH_OK) {
		log_info("ssh", "%s: key exchange failed: %s", ssh->conn.peer,
			ssh_get_error(ssh->session));
		ssh->is_gone = true;
		return;
	}
	ssh->event = ssh_event_new();
	if (!ssh->event || ssh_event_add_session(ssh->event, ssh->session) != SSH_OK) {
		ssh->is_gone = true;
		return;
	}
	ssh->state = SSH_STATE_AUTH;
}

static void read_in(struct ssh_conn *ssh)
{
	int i;

	for (i = 0; i < POLLS_TURN; i++) {
		size_t before = ssh->received;
		int ret = ssh_event_dopoll(ssh->event, 0);

		if (ret == SSH_ERROR)
			ssh->is_gone = true;
		/* The descriptor is level-triggered: if there is more, it says so. */
		if (ret != SSH_OK || ssh->received - before < MORE_LIKELY ||
			ssh->conn.in.length >= CONN_IN_MAX)
			break;
	}
}

static bool wants_to_read(const struct ssh_conn *ssh)
{
	return !ssh->question && (ssh->conn.eof || conn_wants_input(&ssh->conn));
}

static bool is_over(const struct ssh_conn *ssh)
{
	/* Reading would find the end of the stream, but may have to wait for an operation. */
	return ssh->is_gone || (ssh->conn.is_over && !wants_to_read(ssh)) || ssh->is_closed ||
		ssh_get_status(ssh->session) & (SSH_CLOSED | SSH_CLOSED_ERROR);
}

static void set_interest(struct ssh_conn *ssh)
{
	unsigned events = 0;

	if (wants_to_read(ssh))
		events |= LOOP_READ;
	if (is_write_pending(ssh))
		events |= LOOP_WRITE;
	loop_watch_set(ssh->watch, events);
}

static void run_open(struct ssh_conn *ssh)
{
	if (ssh->has_news) {
		ssh->has_news = false;
		conn_deliver(&ssh->conn);
	}
	if (ssh->is_closed)
		return;
	write_out(ssh);
	if (ssh->conn.finishing && !ssh->conn.out.length)
		send_close(ssh);
	/* libssh read while it wrote: the descriptor does not tell of that any more. */
	if (ssh->has_news)
		loop_watch_kick(ssh->watch, LOOP_WRITE);
}

static void end_turn(struct ssh_conn *ssh)
{
	ssh->is_in_turn = false;
	if (is_over(ssh))
		destroy(ssh);
	else
		set_interest(ssh);
}

static void run_exchanges(void *arg)
{
	uint64_t until_us = clock_us() + STEPS_US;

	while (!list_empty(&server.waiting) && clock_us() < until_us) {
		struct ssh_conn *ssh = CONTAINER_OF(server.waiting.next, struct ssh_conn, waiting);

		list_remove(&ssh->waiting);
		ssh->is_in_turn = true;
		exchange_keys(ssh);
		/* The first request may have come with the last step. */
		if (ssh->state == SSH_STATE_AUTH)
			loop_watch_kick(ssh->watch, LOOP_READ);
		end_turn(ssh);
	}
	if (!list_empty(&server.waiting))
		loop_task_schedule(server.task);
}

static void on_turn(unsigned events, void *arg)
{
	struct ssh_conn *ssh = arg;

	if (ssh->state == SSH_STATE_KEX && !ssh->is_gone) {
		loop_watch_set(ssh->watch, 0);
		if (!ssh->waiting.next)
			list_append(&server.waiting, &ssh->waiting);
		loop_task_schedule(server.task);
		return;
	}
	ssh->is_in_turn = true;
	ssh->received = 0;
	/* Of SSH's stream there is no half: who sends no more hears no more. */
	if (events & LOOP_ENDED)
		ssh->conn.is_over = true;
	/* A kick is no reason to read. */
	if (!ssh->is_gone && ssh->event && (events & LOOP_READ || is_write_pending(ssh)))
		read_in(ssh);
	if (!ssh->is_gone && ssh->event && ssh->state != SSH_STATE_OPEN)
		ssh_login_run(ssh);
	if (!ssh->is_gone && ssh->state == SSH_STATE_OPEN)
		run_open(ssh);
	end_turn(ssh);
}

/* --- the transport ---------------------------------------------------------------------------- */

static void kick(struct conn *conn)
{
	struct ssh_conn *ssh = ssh_of(conn);

	if (!ssh->is_in_turn)
		loop_watch_kick(ssh->watch, LOOP_WRITE);
}

static void finish(struct conn *conn)
{
	struct ssh_conn *ssh = ssh_of(conn);

	loop_timer_start(ssh->timer, CONN_FINISH_MS);
	kick(conn);
}

static void abort_now(struct conn *conn)
{
	struct ssh_conn *ssh = ssh_of(conn);

	ssh->is_gone = true;
	kick(conn);
}

static const struct conn_transport transport = {
	.name = "ssh",
	.kick = kick,
	.finish = finish,
	.abort = abort_now,
};

/* --- life ------------------------------------------------------------------------------------- */

static void on_accepted(int fd, struct place *place, void *arg)
{
	struct ssh_conn *ssh;
	ssh_session session = ssh_new();

	if (!session) {
		close(fd);
		place_leave(place);
		return;
	}
	ssh_set_blocking(session, 0);
	(void)ssh_options_set(session, SSH_OPTIONS_COMPRESSION, "no");
	if (ssh_bind_accept_fd(server.options, session, fd) != SSH_OK) {
		log_warning("ssh", "refusing %s: %s", place->peer, ssh_get_error(server.options));
		ssh_free(session);
		/* It closes the descriptor if it got as far as taking it. */
		if (fcntl(fd, F_GETFD) >= 0)
			close(fd);
		place_leave(place);
		return;
	}
	ssh = XNEW(struct ssh_conn);
	conn_init(&ssh->conn, &transport, place);
	ssh->session = session;
	ssh->watch = loop_watch_new("ssh", fd, LOOP_READ, on_turn, ssh);
	loop_watch_end(ssh->watch);
	ssh->timer = loop_timer_new("ssh-timeout", on_timeout, ssh);
	loop_timer_start(ssh->timer, LOGIN_GRACE_MS);
	list_append(&server.conns, &ssh->node);
	/* Our banner goes first. */
	loop_watch_kick(ssh->watch, LOOP_WRITE);
}

static void on_log(int priority, const char *function, const char *text, void *arg)
{
	log_debug("ssh", "libssh: %s", text);
}

static int set_options(ssh_bind options, ssh_key key, struct err *err)
{
	static const struct {
		enum ssh_bind_options_e option;
		const char *value;
	} texts[] = {
		{ SSH_BIND_OPTIONS_KEY_EXCHANGE, KEX_METHODS },
		{ SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, HOST_KEYS },
		{ SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, USER_KEYS },
		{ SSH_BIND_OPTIONS_CIPHERS_C_S, CIPHERS },
		{ SSH_BIND_OPTIONS_CIPHERS_S_C, CIPHERS },
		{ SSH_BIND_OPTIONS_HMAC_C_S, HMACS },
		{ SSH_BIND_OPTIONS_HMAC_S_C, HMACS },
		{ SSH_BIND_OPTIONS_BANNER, "ashlar" },
	};
	bool use_config_files = false;
	int rsa_bits = RSA_BITS_MIN, verbosity = SSH_LOG_WARNING;
	size_t i;

	if (ssh_bind_options_set(options, SSH_BIND_OPTIONS_PROCESS_CONFIG, &use_config_files) < 0 ||
		ssh_bind_options_set(options, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_bits) < 0 ||
		ssh_bind_options_set(options, SSH_BIND_OPTIONS_LOG_VERBOSITY, &verbosity) < 0)
		return err_set(err, -EINVAL, NULL, "libssh: %s", ssh_get_error(options));
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (ssh_bind_options_set(options, texts[i].option, texts[i].value) < 0)
			return err_set(err, -EINVAL, NULL, "libssh does not take \"%s\": %s",
				texts[i].value, ssh_get_error(options));
	if (ssh_bind_options_set(options, SSH_BIND_OPTIONS_IMPORT_KEY, key) < 0)
		return err_set(err, -EINVAL, NULL, "libssh does not take the host key: %s",
			ssh_get_error(options));
	return 0;
}

int ssh_server_start(uint16_t port, const char *key_dir, struct err *err)
{
	ssh_key key = NULL;
	int ret;

	(void)ssh_set_log_callback(on_log);
	ret = keys_host(key_dir, &key, err);
	if (ret < 0)
		return ret;
	server.task = loop_task_new("ssh-key-exchange", run_exchanges, NULL);
	server.options = ssh_bind_new();
	if (!server.options) {
		ssh_key_free(key);
		return err_set(err, -ENOMEM, NULL, "libssh gives no server");
	}
	ret = set_options(server.options, key, err);
	if (ret < 0) {
		ssh_key_free(key);
		return ret;
	}
	return listen_tcp("ssh-listen", PLACE_SSH, port, on_accepted, NULL, &server.listener, err);
}

void ssh_server_stop(void)
{
	struct ssh_conn *ssh, *tmp;

	listen_free(TAKE(server.listener));
	LIST_FOREACH_SAFE (ssh, tmp, &server.conns, node)
		destroy(ssh);
	loop_task_free(TAKE(server.task));
	if (server.options)
		ssh_bind_free(TAKE(server.options));
}
