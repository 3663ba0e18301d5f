/*
 * From the end of the key exchange to the subsystem: authentication, one channel, "netconf".
 *
 * libssh queues requests as messages as long as no callbacks are set for them; a message can be kept
 * and answered later, which a callback cannot. While a password is with the worker nothing more is read
 * from this peer. Each message must be answered, or its sender waits for ever.
 */
#include <stdio.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/str.h"

#include "place.h"
#include "ssh-conn.h"

#define FAILURES_MAX  3
#define PENALTY_MS    1000
#define MESSAGES_TURN 16
#define METHODS	      (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_PUBLICKEY)

/* Marked deprecated since 0.10 in favour of callbacks, which cannot answer later; unchanged to 0.12. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void deny(struct ssh_conn *ssh, ssh_message message)
{
	(void)ssh_message_auth_set_methods(message, METHODS);
	if (ssh_message_reply_default(message) != SSH_OK)
		ssh->is_gone = true;
}

/* A proof was wrong: a few of them end the connection. */
static void fail(struct ssh_conn *ssh, ssh_message message, const char *method)
{
	log_notice("ssh", "event=login-failed user=\"%s\" peer=%s method=%s",
		ssh_message_auth_user(message), ssh->conn.peer, method);
	deny(ssh, message);
	if (++ssh->failures >= FAILURES_MAX)
		ssh->is_gone = true;
}

static void grant(struct ssh_conn *ssh, ssh_message message, const char *method)
{
	const char *user = ssh_message_auth_user(message);

	if (str_copy(ssh->conn.username, sizeof(ssh->conn.username), user) < 0 ||
		ssh_message_auth_reply_success(message, 0) != SSH_OK) {
		ssh->is_gone = true;
		return;
	}
	ssh->state = SSH_STATE_CHANNEL;
	place_known(ssh->conn.place);
	log_notice(
		"ssh", "event=login user=\"%s\" peer=%s method=%s", user, ssh->conn.peer, method);
}

static void decide(struct ssh_conn *ssh, enum auth_result result)
{
	ssh_message message = TAKE(ssh->question);

	if (result == AUTH_OK)
		grant(ssh, message, "password");
	else
		fail(ssh, message, "password");
	ssh_message_free(message);
}

static void on_password_checked(enum auth_result result, void *arg)
{
	struct ssh_conn *ssh = arg;

	ssh->request = NULL;
	decide(ssh, result);
	loop_watch_kick(ssh->watch, LOOP_READ);
}

static void on_penalty_over(void *arg)
{
	struct ssh_conn *ssh = arg;

	decide(ssh, AUTH_DENIED);
	loop_watch_kick(ssh->watch, LOOP_READ);
}

/* True when the message is kept for later. */
static bool ask_password(struct ssh_conn *ssh, ssh_message message)
{
	const char *user = ssh_message_auth_user(message);
	const char *password = ssh_message_auth_password(message);
	enum auth_result result;

	if (!user || !password) {
		deny(ssh, message);
		return false;
	}
	ssh->question = message;
	ssh->request =
		auth_password(user, password, ssh->conn.source, on_password_checked, ssh, &result);
	if (ssh->request)
		return true;
	if (result != AUTH_BUSY) {
		decide(ssh, result);
		return true;
	}
	if (!ssh->penalty)
		ssh->penalty = loop_timer_new("ssh-penalty", on_penalty_over, ssh);
	loop_timer_start(ssh->penalty, PENALTY_MS);
	return true;
}

static bool is_users_key(ssh_message message)
{
	ssh_key key = ssh_message_auth_pubkey(message);
	const char *user = ssh_message_auth_user(message);
	char *blob = NULL;
	bool is_his;

	if (!key || !user || ssh_pki_export_pubkey_base64(key, &blob) != SSH_OK)
		return false;
	is_his = auth_public_key(user, blob);
	ssh_string_free_char(blob);
	return is_his;
}

static void check_key(struct ssh_conn *ssh, ssh_message message)
{
	enum ssh_publickey_state_e state = ssh_message_auth_publickey_state(message);

	/* NONE asks whether the key would do; VALID comes with a signature, verified by libssh. */
	if (state == SSH_PUBLICKEY_STATE_NONE && is_users_key(message)) {
		if (ssh_message_auth_reply_pk_ok_simple(message) != SSH_OK)
			ssh->is_gone = true;
	} else if (state == SSH_PUBLICKEY_STATE_VALID && is_users_key(message)) {
		grant(ssh, message, "publickey");
	} else if (state == SSH_PUBLICKEY_STATE_NONE) {
		deny(ssh, message); /* clients offer all the keys they have */
	} else {
		fail(ssh, message, "publickey");
	}
}

/* True when the message is kept for later. */
static bool handle_auth(struct ssh_conn *ssh, ssh_message message)
{
	if (ssh->state != SSH_STATE_AUTH) {
		(void)ssh_message_reply_default(message);
		return false;
	}
	switch (ssh_message_subtype(message)) {
	case SSH_AUTH_METHOD_PASSWORD:
		return ask_password(ssh, message);
	case SSH_AUTH_METHOD_PUBLICKEY:
		check_key(ssh, message);
		return false;
	default:
		deny(ssh, message);
		return false;
	}
}

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t size,
	int is_stderr, void *arg)
{
	struct ssh_conn *ssh = arg;

	/* What was not taken would come again only with the next data: take all. */
	if (!is_stderr)
		conn_received(&ssh->conn, data, size);
	ssh->received += size;
	ssh->has_news = true;
	return (int)size;
}

static void on_eof(ssh_session session, ssh_channel channel, void *arg)
{
	struct ssh_conn *ssh = arg;

	ssh->conn.eof = true;
	ssh->has_news = true;
}

static void on_close(ssh_session session, ssh_channel channel, void *arg)
{
	struct ssh_conn *ssh = arg;

	ssh->is_closed = true;
}

static void open_channel(struct ssh_conn *ssh, ssh_message message)
{
	if (ssh->state != SSH_STATE_CHANNEL || ssh->channel ||
		ssh_message_subtype(message) != SSH_CHANNEL_SESSION) {
		(void)ssh_message_reply_default(message);
		return;
	}
	ssh->channel = ssh_message_channel_request_open_reply_accept(message);
	if (!ssh->channel) {
		ssh->is_gone = true;
		return;
	}
	ssh->callbacks = (struct ssh_channel_callbacks_struct){
		.userdata = ssh,
		.channel_data_function = on_data,
		.channel_eof_function = on_eof,
		.channel_close_function = on_close,
	};
	ssh_callbacks_init(&ssh->callbacks);
	if (ssh_set_channel_callbacks(ssh->channel, &ssh->callbacks) != SSH_OK)
		ssh->is_gone = true;
}

static void handle_channel(struct ssh_conn *ssh, ssh_message message)
{
	const char *name;

	if (ssh->state == SSH_STATE_CHANNEL && ssh->channel &&
		ssh_message_subtype(message) == SSH_CHANNEL_REQUEST_SUBSYSTEM) {
		name = ssh_message_channel_request_subsystem(message);
		if (str_equal(name, "netconf")) {
			if (ssh_message_channel_request_reply_success(message) == SSH_OK)
				ssh_conn_open(ssh);
			else
				ssh->is_gone = true;
			return;
		}
	}
	/* shell, exec, pty, env, other subsystems: refused, and the connection lives on */
	(void)ssh_message_reply_default(message);
}

static void handle(struct ssh_conn *ssh, ssh_message message)
{
	switch (ssh_message_type(message)) {
	case SSH_REQUEST_AUTH:
		if (handle_auth(ssh, message))
			return;
		break;
	case SSH_REQUEST_CHANNEL_OPEN:
		open_channel(ssh, message);
		break;
	case SSH_REQUEST_CHANNEL:
		handle_channel(ssh, message);
		break;
	case SSH_REQUEST_SERVICE:
		(void)ssh_message_service_reply_success(message);
		break;
	default:
		(void)ssh_message_reply_default(message);
		break;
	}
	ssh_message_free(message);
}

void ssh_login_run(struct ssh_conn *ssh)
{
	ssh_message message;
	int i;

	for (i = 0; i < MESSAGES_TURN; i++) {
		if (ssh->question || ssh->is_gone || ssh->state == SSH_STATE_OPEN)
			return;
		message = ssh_message_get(ssh->session);
		if (!message)
			return;
		handle(ssh, message);
	}
	/* There may be more in libssh, which the descriptor does not tell. */
	loop_watch_kick(ssh->watch, LOOP_READ);
}

void ssh_login_cancel(struct ssh_conn *ssh)
{
	auth_cancel(TAKE(ssh->request));
	loop_timer_free(TAKE(ssh->penalty));
	if (ssh->question)
		ssh_message_free(TAKE(ssh->question));
}
