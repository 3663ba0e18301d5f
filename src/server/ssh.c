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

#include "place.h"
#include "session.h"
#include "ssh-conn.h"
#include "ssh.h"

#define POLLS_TURN   64
#define MORE_LIKELY  2048	  /* a read that brought this much is followed by another one */
#define PIECE_MAX    (32 * 1024)  /* libssh keeps buffers of this size for good */
#define TURN_OUT_MAX (256 * 1024) /* then other sessions get their turn */
#define STEPS_US     1000	  /* of key exchanges a turn */

#define RSA_BITS_MIN 2048

struct ssh_profile {
	ssh_bind options; /* host keys and algorithms; it never listens */
	uint32_t login_s, idle_s;
};

static struct {
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
		log_info("ssh", "%s did not log in in time", ssh->conn.peer);
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

struct conn *ssh_conn_accept(int fd, struct place *place, const struct ssh_profile *profile)
{
	struct ssh_conn *ssh;
	ssh_session session = ssh_new();

	if (!session) {
		close(fd);
		place_leave(place);
		return NULL;
	}
	ssh_set_blocking(session, 0);
	(void)ssh_options_set(session, SSH_OPTIONS_COMPRESSION, "no");
	if (ssh_bind_accept_fd(profile->options, session, fd) != SSH_OK) {
		log_warning("ssh", "refusing %s: %s", place->peer, ssh_get_error(profile->options));
		ssh_free(session);
		/* It closes the descriptor if it got as far as taking it. */
		if (fcntl(fd, F_GETFD) >= 0)
			close(fd);
		place_leave(place);
		return NULL;
	}
	ssh = XNEW(struct ssh_conn);
	conn_init(&ssh->conn, &transport, place);
	ssh->conn.idle_ms = profile->idle_s * UINT64_C(1000);
	ssh->session = session;
	ssh->watch = loop_watch_new("ssh", fd, LOOP_READ, on_turn, ssh);
	loop_watch_end(ssh->watch);
	ssh->timer = loop_timer_new("ssh-timeout", on_timeout, ssh);
	if (profile->login_s)
		loop_timer_start(ssh->timer, profile->login_s * UINT64_C(1000));
	list_append(&server.conns, &ssh->node);
	/* Our banner goes first. */
	loop_watch_kick(ssh->watch, LOOP_WRITE);
	return &ssh->conn;
}

/* --- profiles --------------------------------------------------------------------------------- */

static int set_fixed(ssh_bind options, struct err *err)
{
	bool use_config_files = false;
	int rsa_bits = RSA_BITS_MIN, verbosity = SSH_LOG_WARNING;

	if (ssh_bind_options_set(options, SSH_BIND_OPTIONS_PROCESS_CONFIG, &use_config_files) < 0 ||
		ssh_bind_options_set(options, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_bits) < 0 ||
		ssh_bind_options_set(options, SSH_BIND_OPTIONS_LOG_VERBOSITY, &verbosity) < 0)
		return err_set(err, -EINVAL, NULL, "libssh: %s", ssh_get_error(options));
	return 0;
}

/* @use is what is chosen from: what was asked for, or all that is supported. */
static int set_algorithms(ssh_bind options, enum ssh_bind_options_e option,
	const struct ssh_setup *setup, enum algorithm_use use, struct err *err)
{
	_cleanup_free_ char *all = algorithm_list(use);
	const char *value = setup->algorithms[use] ? setup->algorithms[use] : all;

	if (ssh_bind_options_set(options, option, value) < 0)
		return err_set(err, -EINVAL, NULL, "libssh does not take \"%s\": %s", value,
			ssh_get_error(options));
	return 0;
}

static int set_texts(ssh_bind options, const struct ssh_setup *setup, struct err *err)
{
	static const struct {
		enum ssh_bind_options_e option;
		enum algorithm_use use;
	} texts[] = {
		{ SSH_BIND_OPTIONS_KEY_EXCHANGE, ALGORITHM_KEX },
		{ SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, ALGORITHM_HOST_KEY },
		{ SSH_BIND_OPTIONS_CIPHERS_C_S, ALGORITHM_CIPHER },
		{ SSH_BIND_OPTIONS_CIPHERS_S_C, ALGORITHM_CIPHER },
		{ SSH_BIND_OPTIONS_HMAC_C_S, ALGORITHM_MAC },
		{ SSH_BIND_OPTIONS_HMAC_S_C, ALGORITHM_MAC },
	};
	_cleanup_free_ char *users = algorithm_list(ALGORITHM_HOST_KEY);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		r = set_algorithms(options, texts[i].option, setup, texts[i].use, err);
	if (r < 0)
		return r;
	if (ssh_bind_options_set(options, SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, users) < 0 ||
		ssh_bind_options_set(options, SSH_BIND_OPTIONS_BANNER,
			setup->banner ? setup->banner : "ashlar") < 0)
		return err_set(err, -EINVAL, NULL, "libssh: %s", ssh_get_error(options));
	return 0;
}

static int set_key(ssh_bind options, const char *pem, struct err *err)
{
	ssh_key key = NULL;

	if (!pem || ssh_pki_import_privkey_base64(pem, NULL, NULL, NULL, &key) != SSH_OK)
		return err_set(err, -EINVAL, NULL, "SSH cannot use the host key");
	if (ssh_bind_options_set(options, SSH_BIND_OPTIONS_IMPORT_KEY, key) == 0)
		return 0;
	ssh_key_free(key);
	return err_set(
		err, -EINVAL, NULL, "SSH cannot use the host key: %s", ssh_get_error(options));
}

int ssh_profile_new(
	const struct ssh_setup *setup, struct ssh_profile **ret_profile, struct err *err)
{
	struct ssh_profile *profile = XNEW(struct ssh_profile);
	int r;

	profile->login_s = setup->login_s;
	profile->idle_s = setup->idle_s;
	profile->options = ssh_bind_new();
	if (!profile->options) {
		free(profile);
		return err_set(err, -ENOMEM, NULL, "libssh gives no server");
	}
	r = set_fixed(profile->options, err);
	if (r == 0)
		r = set_texts(profile->options, setup, err);
	for (size_t i = 0; r == 0 && i < setup->key_count; i++)
		r = set_key(profile->options, setup->keys[i], err);
	if (r < 0)
		ssh_profile_free(profile);
	else
		*ret_profile = profile;
	return r;
}

void ssh_profile_free(struct ssh_profile *profile)
{
	if (!profile)
		return;
	ssh_bind_free(profile->options);
	free(profile);
}

/* --- the server ------------------------------------------------------------------------------- */

static void on_log(int priority, const char *function, const char *text, void *arg)
{
	log_debug("ssh", "libssh: %s", text);
}

void ssh_server_start(void)
{
	(void)ssh_set_log_callback(on_log);
	server.task = loop_task_new("ssh-key-exchange", run_exchanges, NULL);
}

void ssh_server_stop(void)
{
	struct ssh_conn *ssh, *tmp;

	LIST_FOREACH_SAFE (ssh, tmp, &server.conns, node)
		destroy(ssh);
	loop_task_free(TAKE(server.task));
}
