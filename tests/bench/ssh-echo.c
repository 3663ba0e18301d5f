/*
 * The floor below NETCONF: a bare libssh server, one session at a time, which lets anyone in, says HELLO
 * bytes when the subsystem is asked for and answers every message that ends like a chunked NETCONF one
 * with REPLY bytes that do so, too.
 */
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>

#include "bench.h"

#pragma GCC diagnostic ignored                                                                     \
	"-Wdeprecated-declarations" /* answering messages, as src/server does */

static char *filled(size_t size, const char *end)
{
	char *text = malloc(size + 1);

	if (!text || size < strlen(end))
		die("no room for %zu bytes", size);
	memset(text, 'x', size);
	strcpy(text + size - strlen(end), end);
	return text;
}

static void answer_auth(ssh_message message)
{
	if (ssh_message_subtype(message) != SSH_AUTH_METHOD_PUBLICKEY) {
		ssh_message_auth_set_methods(message, SSH_AUTH_METHOD_PUBLICKEY);
		ssh_message_reply_default(message);
	} else if (ssh_message_auth_publickey_state(message) == SSH_PUBLICKEY_STATE_NONE) {
		ssh_message_auth_reply_pk_ok_simple(message);
	} else {
		ssh_message_auth_reply_success(message, 0);
	}
}

/* Answers what comes until the subsystem is asked for. */
static ssh_channel wait_subsystem(ssh_session session)
{
	ssh_channel channel = NULL;
	bool is_open = false;
	ssh_message message;

	while (!is_open && (message = ssh_message_get(session))) {
		switch (ssh_message_type(message)) {
		case SSH_REQUEST_AUTH:
			answer_auth(message);
			break;
		case SSH_REQUEST_CHANNEL_OPEN:
			channel = ssh_message_channel_request_open_reply_accept(message);
			break;
		case SSH_REQUEST_CHANNEL:
			is_open = ssh_message_subtype(message) == SSH_CHANNEL_REQUEST_SUBSYSTEM;
			if (is_open) {
				ssh_message_channel_request_reply_success(message);
				break;
			}
			/* fall through */
		default:
			ssh_message_reply_default(message);
		}
		ssh_message_free(message);
	}
	return is_open ? channel : NULL;
}

static void serve(ssh_session session, const char *hello, const char *reply)
{
	static char input[65536];
	ssh_channel channel;
	int got;

	if (ssh_handle_key_exchange(session) != SSH_OK)
		return;
	channel = wait_subsystem(session);
	if (!channel || ssh_channel_write(channel, hello, (uint32_t)strlen(hello)) < 0)
		return;
	while ((got = ssh_channel_read(channel, input, sizeof(input), 0)) > 0) {
		if (got >= 4 && !memcmp(input + got - 4, "\n##\n", 4) &&
			ssh_channel_write(channel, reply, (uint32_t)strlen(reply)) < 0)
			break;
	}
}

int main(int argc, char **argv)
{
	ssh_bind options = ssh_bind_new();
	bool no = false;
	char *hello, *reply;
	int fd;

	if (argc != 4)
		die("usage: %s HOST-KEY HELLO-BYTES REPLY-BYTES", argv[0]);
	hello = filled(strtoul(argv[2], NULL, 10), "]]>]]>");
	reply = filled(strtoul(argv[3], NULL, 10), "\n##\n");
	ssh_bind_options_set(options, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
	if (ssh_bind_options_set(options, SSH_BIND_OPTIONS_HOSTKEY, argv[1]) < 0)
		die("%s: no host key", argv[1]);
	fd = listen_anywhere();
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		ssh_session session = ssh_new();

		if (peer < 0)
			die("accept: %m");
		set_nodelay(peer);
		if (ssh_bind_accept_fd(options, session, peer) != SSH_OK)
			die("%s", ssh_get_error(options));
		serve(session, hello, reply);
		ssh_disconnect(session);
		ssh_free(session);
	}
}
