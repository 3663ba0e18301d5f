/*
 * TLS 1.2 and 1.3 with mbedTLS straight on the descriptor, without blocking.
 *
 * States: handshake, established, finishing (input is dropped, output sent, then close_notify), gone.
 *
 * A handshake is the dearest thing a stranger can ask for: its steps are made by one task for all
 * connections, about 1 ms a turn, oldest first, so that a crowd of strangers costs others' latency no
 * more than one does. A single step (a signature, a key agreement) takes 1-2 ms with P-256.
 *
 * The descriptor is read into one buffer shared by all connections, of which mbedTLS takes what it wants:
 * one recv() a turn instead of three a record. What it has not taken when the turn ends is kept in
 * tls->ahead. Bytes there, or inside mbedTLS, will not wake the descriptor: the watch is kicked.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>

#include "ashlar/clock.h"
#include "ashlar/key.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"

#include "cert-name.h"
#include "place.h"
#include "session.h"
#include "tls-compat.h"
#include "tls-profile.h"

#define HANDSHAKE_MS   10000 /* from accept to its end */
#define STEPS_US       1000  /* of handshakes a turn */
#define TURN_IN_MAX    ((size_t)65536)
#define TURN_OUT_MAX   ((size_t)262144)
#define RECORD_MAX     ((size_t)16384)
#define PATH_MAX_CERTS 10	       /* mbedTLS verifies none that is longer */
#define WIRE_MAX       ((size_t)17408) /* one record with its overhead */

struct tls {
	struct conn conn;
	struct list node;    /* in the handshakes that wait for their next step */
	struct list session; /* in those of NETCONF */
	struct tls_profile *profile;
	struct secret path[PATH_MAX_CERTS]; /* by which the client is trusted, itself first */
	mbedtls_ssl_context ssl;
	int fd;
	struct loop_watch *watch;
	struct loop_timer *timer; /* the handshake's end, later finishing's */
	struct buf ahead;	  /* received, not yet taken by mbedTLS */
	size_t retry;		  /* length of the write that must be repeated; 0: none */
	bool is_established, is_in_turn;
	bool is_drained; /* the descriptor has no more for this turn */
	bool is_blocked; /* the descriptor takes no more output */
	bool is_shut;	 /* our end of output is sent */
	bool is_gone;
};

static struct {
	bool is_started;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
	struct list waiting;  /* handshakes */
	struct list sessions; /* of NETCONF */
	struct loop_task *task;
	unsigned handshakes;
} server;

static struct {
	unsigned char bytes[WIRE_MAX];
	size_t at, left;
} wire;

/* --- the server ------------------------------------------------------------------------------- */

int tls_random(void *arg, unsigned char *out, size_t size)
{
	return mbedtls_ctr_drbg_random(&server.drbg, out, size);
}

static void run_handshakes(void *arg);

int tls_server_start(struct err *err)
{
	int ret;

	assert(!server.is_started);
	mbedtls_entropy_init(&server.entropy);
	mbedtls_ctr_drbg_init(&server.drbg);
	list_init(&server.waiting);
	list_init(&server.sessions);
	server.task = loop_task_new("tls-handshake", run_handshakes, NULL);
	server.is_started = true;
	ret = tls_compat_start();
	if (ret == 0)
		ret = mbedtls_ctr_drbg_seed(
			&server.drbg, mbedtls_entropy_func, &server.entropy, NULL, 0);
	if (ret == 0)
		return 0;
	tls_server_stop();
	return key_err(err, ret, NULL, "no random numbers");
}

void tls_server_stop(void)
{
	struct tls *tls, *tmp;

	if (!server.is_started)
		return;
	LIST_FOREACH_SAFE (tls, tmp, &server.sessions, session)
		tls_destroy(&tls->conn);
	assert(!server.handshakes);
	loop_task_free(TAKE(server.task));
	mbedtls_ctr_drbg_free(&server.drbg);
	mbedtls_entropy_free(&server.entropy);
	server.is_started = false;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static struct tls *tls_of(struct conn *conn)
{
	return CONTAINER_OF(conn, struct tls, conn);
}

static int on_send(void *arg, const unsigned char *data, size_t size)
{
	struct tls *tls = arg;
	ssize_t sent = send(tls->fd, data, size, MSG_NOSIGNAL);

	if (sent >= 0)
		return (int)sent;
	if (errno == EAGAIN || errno == EINTR) {
		tls->is_blocked = errno == EAGAIN;
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	}
	return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* Fills the wire; what mbedTLS sees of it is the return value, or 1. */
static int fill_wire(struct tls *tls)
{
	ssize_t got;

	if (tls->is_drained)
		return MBEDTLS_ERR_SSL_WANT_READ;
	got = recv(tls->fd, wire.bytes, sizeof(wire.bytes), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		tls->is_drained = true;
		return MBEDTLS_ERR_SSL_WANT_READ;
	}
	if (got < 0)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	if (got == 0)
		return MBEDTLS_ERR_SSL_CONN_EOF;
	/* Less than was asked for: there is no more now. */
	tls->is_drained = (size_t)got < sizeof(wire.bytes);
	wire.at = 0;
	wire.left = (size_t)got;
	return 1;
}

static int on_recv(void *arg, unsigned char *data, size_t size)
{
	struct tls *tls = arg;
	int ret;

	if (tls->ahead.length) {
		if (size > tls->ahead.length)
			size = tls->ahead.length;
		memcpy(data, buf_bytes(&tls->ahead), size);
		buf_consume(&tls->ahead, size);
		return (int)size;
	}
	ret = wire.left ? 1 : fill_wire(tls);
	if (ret != 1)
		return ret;
	if (size > wire.left)
		size = wire.left;
	memcpy(data, wire.bytes + wire.at, size);
	wire.at += size;
	wire.left -= size;
	return (int)size;
}

/* The wire is the next connection's now. */
static void leave_wire(struct tls *tls)
{
	if (wire.left)
		(void)!buf_append(&tls->ahead, wire.bytes + wire.at, wire.left); /* no ceiling */
	wire.left = 0;
}

static void log_failure(const struct tls *tls, const char *what, int code)
{
	char text[128];

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	mbedtls_strerror(code, text, sizeof(text));
	log_debug("tls", "%s: %s: %s", tls->conn.peer, what, text);
}

/* True when something came, or the end. */
static bool read_in(struct tls *tls)
{
	static unsigned char plain[RECORD_MAX];
	struct conn *conn = &tls->conn;
	bool has_news = false;
	size_t taken = 0;

	while (taken < TURN_IN_MAX && conn_wants_input(conn)) {
		int got = mbedtls_ssl_read(&tls->ssl, plain, sizeof(plain));

		if (got == MBEDTLS_ERR_SSL_WANT_READ || got == MBEDTLS_ERR_SSL_WANT_WRITE)
			break;
		has_news = true;
		if (got > 0) {
			conn_received(conn, plain, (size_t)got);
			taken += (size_t)got;
			continue;
		}
		/* Without close_notify, too: a request that was cut off does not look whole. */
		if (got == 0 || got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ||
			got == MBEDTLS_ERR_SSL_CONN_EOF) {
			conn->eof = true;
			break;
		}
		log_failure(tls, "reading", got);
		tls->is_gone = true;
		break;
	}
	return has_news && !tls->is_gone;
}

/* One record; false when no more can be written now. */
static bool write_record(struct tls *tls)
{
	struct buf *out = &tls->conn.out;
	size_t size = tls->retry ? tls->retry : out->length < RECORD_MAX ? out->length : RECORD_MAX;
	int sent = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)buf_bytes(out), size);

	tls->retry = 0;
	if (sent > 0) {
		buf_consume(out, (size_t)sent);
		return true;
	}
	if (sent == MBEDTLS_ERR_SSL_WANT_WRITE) {
		tls->retry = size;
	} else {
		log_failure(tls, "writing", sent);
		tls->is_gone = true;
	}
	return false;
}

static void shut(struct tls *tls)
{
	if (mbedtls_ssl_close_notify(&tls->ssl) == MBEDTLS_ERR_SSL_WANT_WRITE)
		return;
	tls->is_shut = true;
	(void)shutdown(tls->fd, SHUT_WR);
}

static void write_out(struct tls *tls)
{
	struct buf *out = &tls->conn.out;
	size_t written = 0, before = out->length;

	tls->is_blocked = false;
	while (out->length && written < TURN_OUT_MAX) {
		size_t length = out->length;

		if (!write_record(tls))
			break;
		written += length - out->length;
		if (before >= CONN_OUT_LOW && out->length < CONN_OUT_LOW) {
			conn_drained(&tls->conn);
			before = out->length;
		}
	}
	if (tls->is_gone)
		return;
	if (tls->conn.finishing && !out->length && !tls->is_shut)
		shut(tls);
	if (out->length && !tls->is_blocked)
		loop_watch_kick(tls->watch, LOOP_WRITE);
}

/* --- who it is -------------------------------------------------------------------------------- */

static void forget_path(struct tls *tls)
{
	for (size_t i = 0; i < PATH_MAX_CERTS; i++)
		secret_done(&tls->path[i]);
}

/* Called for each certificate of the path that was found, from the trusted one down to the client's. */
static int on_verify(void *arg, mbedtls_x509_crt *cert, int depth, uint32_t *flags)
{
	struct tls *tls = arg;

	if (depth < 0 || depth >= PATH_MAX_CERTS)
		return 0;
	secret_done(&tls->path[depth]);
	tls->path[depth] = (struct secret){ xmemdup(cert->raw.p, cert->raw.len), cert->raw.len };
	return 0;
}

/* By one of several: the handshake has found a path to any of them, which is not to be mistaken for this one's. */
static uint32_t verify(struct tls *tls, const struct tls_trust *trust)
{
	const uint32_t unfit = MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
		MBEDTLS_X509_BADCERT_NS_CERT_TYPE;
	uint32_t flags = 0, known = mbedtls_ssl_get_verify_result(&tls->ssl);
	const mbedtls_x509_crt *from = trust->ca.raw.len ? &trust->ca : &trust->ee;

	if (tls->profile->params.client_count == 1)
		return known;
	forget_path(tls);
	/* Neither is written to. */
	if (mbedtls_x509_crt_verify((mbedtls_x509_crt *)mbedtls_ssl_get_peer_cert(&tls->ssl),
		    (mbedtls_x509_crt *)from, NULL, NULL, &flags, on_verify, tls) != 0 &&
		!flags)
		flags = MBEDTLS_X509_BADCERT_OTHER;
	return flags | (known & unfit);
}

static bool is_trusted(struct tls *tls, size_t at)
{
	const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(&tls->ssl);
	const struct tls_trust *trust = &tls->profile->trusts[at];

	if (!cert)
		return false;
	if (verify(tls, trust) == 0 && tls->profile->params.clients[at].ca)
		return true;
	return tls_trust_has(trust, cert);
}

static bool find_name_by(struct tls *tls, const struct endpoint_clients *clients)
{
	size_t count = 0;

	while (count < PATH_MAX_CERTS && tls->path[count].data)
		count++;
	return cert_name_find(tls->path, count, clients->maps, clients->map_count,
		tls->conn.username, sizeof(tls->conn.username));
}

/* RFC 7589 section 7: without a name there is no session. */
static bool find_name(struct tls *tls)
{
	const struct endpoint_params *params = &tls->profile->params;
	bool is_known = false, is_named = false;

	for (size_t i = 0; !is_named && i < params->client_count; i++) {
		bool is_this = is_trusted(tls, i);

		is_known |= is_this;
		is_named = is_this && find_name_by(tls, &params->clients[i]);
	}
	if (!is_named) {
		log_notice("tls", "event=login-failed peer=%s method=certificate reason=%s",
			tls->conn.peer, is_known ? "nameless" : "untrusted");
		return false;
	}
	log_notice("tls", "event=login user=\"%s\" peer=%s method=certificate", tls->conn.username,
		tls->conn.peer);
	return true;
}

/* The handshake is over. */
static void begin_session(struct tls *tls)
{
	bool is_known = find_name(tls);

	forget_path(tls);
	if (!is_known) {
		(void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
			MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED); /* it goes either way */
		tls->is_gone = true;
		return;
	}
	place_known(tls->conn.place);
	session_new(&tls->conn);
}

/* --- turns ------------------------------------------------------------------------------------ */

void tls_destroy(struct conn *conn)
{
	struct tls *tls = tls_of(conn);

	assert(!tls->is_in_turn);
	list_remove(&tls->node);
	list_remove(&tls->session);
	if (!tls->is_established)
		server.handshakes--;
	loop_watch_free(tls->watch);
	loop_timer_free(tls->timer);
	conn_closed(conn);
	mbedtls_ssl_free(&tls->ssl);
	forget_path(tls);
	tls_profile_unref(tls->profile);
	buf_done(&tls->ahead);
	close(tls->fd);
	conn_done(conn);
	free(tls);
}

static void on_timeout(void *arg)
{
	struct tls *tls = arg;

	tls_destroy(&tls->conn);
}

/* What is buffered above the descriptor is to be read without waiting for it. */
static bool has_buffered(struct tls *tls)
{
	return tls->ahead.length || mbedtls_ssl_check_pending(&tls->ssl);
}

static void set_interest(struct tls *tls)
{
	unsigned events = 0;

	if (conn_wants_input(&tls->conn)) {
		events |= LOOP_READ;
		if (has_buffered(tls))
			loop_watch_kick(tls->watch, LOOP_READ);
	}
	if (tls->is_blocked)
		events |= LOOP_WRITE;
	loop_watch_set(tls->watch, events);
}

static void on_turn(unsigned events, void *arg)
{
	struct tls *tls = arg;
	bool has_news;

	/* A client may be done sending and wait for its reply (LOOP_ENDED); but not then. */
	if (events & LOOP_GONE)
		tls->is_gone = tls->conn.is_over = true;
	else if (events == LOOP_ENDED)
		return;
	if (!tls->is_established) {
		if (tls->is_gone) {
			tls_destroy(&tls->conn);
			return;
		}
		loop_watch_set(tls->watch, 0);
		if (!tls->node.next)
			list_append(&server.waiting, &tls->node);
		loop_task_schedule(server.task);
		return;
	}
	tls->is_in_turn = true;
	/* A turn that is only for writing asks the descriptor for nothing. */
	tls->is_drained = !(events & LOOP_READ);
	has_news = !tls->is_gone && read_in(tls);
	leave_wire(tls);
	if (has_news)
		conn_deliver(&tls->conn);
	if (!tls->is_gone)
		write_out(tls);
	tls->is_in_turn = false;
	if (tls->is_gone || (tls->is_shut && tls->conn.eof))
		tls_destroy(&tls->conn);
	else
		set_interest(tls);
}

/* Makes steps until something is missing or the time is up. */
static int make_steps(struct tls *tls, uint64_t until_us)
{
	int ret = 0;

	tls->is_drained = tls->is_blocked = false;
	while (ret == 0 && !tls_compat_is_over(&tls->ssl) && clock_us() < until_us)
		ret = mbedtls_ssl_handshake_step(&tls->ssl);
	leave_wire(tls);
	return ret;
}

static void step(struct tls *tls, uint64_t until_us)
{
	int ret = make_steps(tls, until_us);

	if (tls_compat_is_over(&tls->ssl)) {
		tls->is_established = true;
		server.handshakes--;
		loop_timer_stop(tls->timer);
		if (tls->session.next)
			begin_session(tls);
		set_interest(tls);
		loop_watch_kick(tls->watch, LOOP_READ);
	} else if (ret == 0) {
		list_append(&server.waiting, &tls->node);
	} else if (ret == MBEDTLS_ERR_SSL_WANT_READ) {
		loop_watch_set(tls->watch, LOOP_READ);
	} else if (ret == MBEDTLS_ERR_SSL_WANT_WRITE) {
		loop_watch_set(tls->watch, LOOP_WRITE);
	} else {
		log_failure(tls, "handshake", ret);
		tls_destroy(&tls->conn);
	}
}

static void run_handshakes(void *arg)
{
	uint64_t until_us = clock_us() + STEPS_US;

	while (!list_empty(&server.waiting) && clock_us() < until_us) {
		struct tls *tls = CONTAINER_OF(server.waiting.next, struct tls, node);

		list_remove(&tls->node);
		step(tls, until_us);
	}
	if (!list_empty(&server.waiting))
		loop_task_schedule(server.task);
}

/* --- the transport ---------------------------------------------------------------------------- */

static void kick(struct conn *conn)
{
	struct tls *tls = tls_of(conn);

	if (tls->is_in_turn)
		return;
	loop_watch_kick(tls->watch, LOOP_WRITE);
	if (tls->is_established && conn_wants_input(conn) && has_buffered(tls))
		loop_watch_kick(tls->watch, LOOP_READ);
}

static void finish(struct conn *conn)
{
	struct tls *tls = tls_of(conn);

	if (!tls->is_established)
		tls->is_gone = true; /* there is nobody to say anything to */
	else
		loop_timer_start(tls->timer, CONN_FINISH_MS);
	kick(conn);
}

static void abort_now(struct conn *conn)
{
	tls_of(conn)->is_gone = true;
	kick(conn);
}

static const struct conn_transport transport = {
	.name = "tls",
	.kick = kick,
	.finish = finish,
	.abort = abort_now,
};

struct conn *tls_accept(
	int fd, struct place *place, struct tls_profile *profile, const struct conn_user *user)
{
	struct tls *tls;

	tls = XNEW(struct tls);
	mbedtls_ssl_init(&tls->ssl);
	if (mbedtls_ssl_setup(&tls->ssl, &profile->config) != 0) {
		mbedtls_ssl_free(&tls->ssl);
		free(tls);
		place_leave(place);
		close(fd);
		return NULL;
	}
	server.handshakes++;
	conn_init(&tls->conn, &transport, place);
	tls->profile = tls_profile_ref(profile);
	tls->conn.user = user;
	tls->conn.idle_ms = profile->params.idle_s * UINT64_C(1000);
	tls->fd = fd;
	if (!user) {
		list_append(&server.sessions, &tls->session);
		mbedtls_ssl_set_verify(&tls->ssl, on_verify, tls);
	}
	mbedtls_ssl_set_bio(&tls->ssl, tls, on_send, on_recv, NULL);
	tls->watch = loop_watch_new("tls", fd, LOOP_READ, on_turn, tls);
	loop_watch_end(tls->watch);
	tls->timer = loop_timer_new("tls-deadline", on_timeout, tls);
	loop_timer_start(tls->timer, HANDSHAKE_MS);
	return &tls->conn;
}
