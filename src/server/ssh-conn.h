/* What ssh.c (the stream) and ssh-login.c (the way to the subsystem) share. */
#ifndef ASHLAR_SERVER_SSH_CONN_H
#define ASHLAR_SERVER_SSH_CONN_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include "ashlar/list.h"
#include "ashlar/loop.h"

#include "auth.h"
#include "conn.h"

enum ssh_state {
	SSH_STATE_KEX,	   /* keys are being exchanged */
	SSH_STATE_AUTH,	   /* who is it? */
	SSH_STATE_CHANNEL, /* authenticated; waits for the channel and its subsystem */
	SSH_STATE_OPEN,	   /* a NETCONF session runs */
};

struct ssh_conn {
	struct conn conn;
	struct list node;    /* in the list of all */
	struct list waiting; /* for a step of the key exchange */
	enum ssh_state state;
	ssh_session session;
	ssh_event event; /* of its own: a shared one would poll every descriptor each time */
	ssh_channel channel;
	struct ssh_channel_callbacks_struct callbacks;
	struct loop_watch *watch;
	struct loop_timer *timer;   /* login grace; later the end of finishing */
	struct loop_timer *penalty; /* a denial that must wait */
	ssh_message question;	    /* the password being checked; NULL: none */
	struct auth_request *request;
	unsigned failures;
	size_t received; /* bytes of payload in this turn */
	bool is_in_turn;
	bool has_news;	/* payload or its end came, not yet delivered */
	bool is_closed; /* the peer closed the channel */
	bool is_close_sent;
	bool is_gone; /* to be destroyed at the end of the turn */
};

/* Handles what libssh has queued, in every state but OPEN. */
void ssh_login_run(struct ssh_conn *ssh);
/* Gives up a check in flight. */
void ssh_login_cancel(struct ssh_conn *ssh);
/* From ssh-login.c: the subsystem was asked for. */
void ssh_conn_open(struct ssh_conn *ssh);

#endif
