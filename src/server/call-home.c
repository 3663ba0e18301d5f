/*
 * Each client has a state: waiting (for the next try, or the next period), resolving its name, connecting,
 * connected. A try takes at most max-wait and ends in a connection that is handed to SSH or TLS, or in a
 * failure; after max-attempts failures the next place has its turn. Failures are followed by growing pauses,
 * to which chance adds, so that a thousand devices do not call at once when their client is back.
 *
 * A connection that ends before anybody has logged in is a failure, too. What changes of a client's
 * configuration holds from its next try; a connection that is there lives on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "ashlar/caller.h"
#include "ashlar/child.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "call-home.h"
#include "conn.h"
#include "listen.h"
#include "service.h"

#define PAUSE_MS     1000   /* after the first failure */
#define PAUSE_MAX_MS 120000 /* after many */
#define AGAIN_MS     1000   /* after a connection that was in use */
#define CHECK_S	     3600   /* the clock may be set while a period is waited for */
#define OUTPUT_MAX   4096
#define ADDRESSES    8

struct client {
	struct list node;
	char *name;
	struct loop_timer *timer;
	struct child *resolver;
	struct loop_watch *watch;
	int fd;		   /* being connected; -1 */
	struct conn *conn; /* NULL: not connected */
	char addresses[ADDRESSES][ENDPOINT_ADDRESS_MAX];
	size_t address_count, address_at; /* of this try */
	size_t place;			  /* of the caller's; is being tried, or connected */
	unsigned attempts;		  /* failed at this place */
	unsigned failures;		  /* since the last login */
	bool is_trying;			  /* the timer is that of a try */
	bool has_been;			  /* connected once: last-connected means something */
	bool is_stale;			  /* not wanted any more */
	bool is_waiting;       /* the timer ends before the period that is waited for begins */
	uint64_t period_at_ms; /* without an anchor: when the last period began; 0: none has */
};

static struct list all = LIST_INIT(all);

static const struct caller *caller_of(const struct client *client)
{
	return have_get(have_all(), &object_kind_caller, client->name);
}

static const struct caller_place *place_of(const struct client *client)
{
	const struct caller *caller = caller_of(client);

	return caller && client->place < caller->place_count ? &caller->places[client->place]
							     : NULL;
}

static uint32_t chance(uint32_t below)
{
	uint32_t value = 0;

	/* What matters is only that it differs among devices and times. */
	(void)!getrandom(&value, sizeof(value), GRND_NONBLOCK);
	return below ? value % below : 0;
}

/* --- the end of a try --------------------------------------------------------------------------- */

static void stop_trying(struct client *client)
{
	client->is_trying = false;
	child_cancel(TAKE(client->resolver));
	loop_watch_free(TAKE(client->watch));
	if (client->fd >= 0)
		close(TAKE_FD(client->fd));
	loop_timer_stop(client->timer);
}

static void client_free(struct client *client)
{
	stop_trying(client);
	list_remove(&client->node);
	if (client->conn)
		client->conn->ended = NULL;
	loop_timer_free(client->timer);
	free(client->name);
	free(client);
}

/* 1 s, 2 s, 4 s …, and up to a half more by chance. */
static uint64_t pause_ms(const struct client *client)
{
	unsigned shift = client->failures ? client->failures - 1 : 0;
	uint64_t ms = shift < 7 ? (uint64_t)PAUSE_MS << shift : PAUSE_MAX_MS;

	return ms + chance((uint32_t)(ms / 2));
}

static void failed(struct client *client, const char *reason)
{
	const struct caller *caller = caller_of(client);
	const struct caller_place *place = place_of(client);

	stop_trying(client);
	if (!caller)
		return;
	log_info("call-home", "event=call-failed client=\"%s\" endpoint=\"%s\" reason=\"%s\"",
		client->name, place ? place->name : "", reason);
	client->failures++;
	if (++client->attempts >= caller->max_attempts) {
		client->attempts = 0;
		client->place = (client->place + 1) % caller->place_count;
	}
	loop_timer_start(client->timer, pause_ms(client));
}

/* --- when ------------------------------------------------------------------------------------- */

/* Milliseconds to the beginning of the next period. */
static uint64_t to_next_period(struct client *client, const struct caller *caller)
{
	struct timespec now;
	int64_t passed_ms, period_ms = (int64_t)caller->period_s * 1000;

	clock_gettime(caller->has_anchor ? CLOCK_REALTIME : CLOCK_BOOTTIME, &now);
	passed_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (!caller->has_anchor && !client->period_at_ms)
		client->period_at_ms = (uint64_t)passed_ms;
	passed_ms -=
		caller->has_anchor ? (int64_t)caller->anchor * 1000 : (int64_t)client->period_at_ms;
	passed_ms %= period_ms;
	if (passed_ms < 0)
		passed_ms += period_ms;
	return (uint64_t)(period_ms - passed_ms);
}

static void wait_for_period(struct client *client, const struct caller *caller)
{
	uint64_t ms = to_next_period(client, caller);

	/* Far away: looked at again before, should the clock be set meanwhile. */
	client->attempts = client->failures = 0;
	client->is_waiting = ms > CHECK_S * UINT64_C(1000);
	loop_timer_start(client->timer, client->is_waiting ? CHECK_S * UINT64_C(1000) : ms);
}

static void choose_place(struct client *client, const struct caller *caller)
{
	client->attempts = 0;
	switch (caller->start) {
	case CALLER_FIRST_LISTED:
		client->place = 0;
		break;
	case CALLER_LAST_CONNECTED:
		client->place = client->has_been ? client->place : 0;
		break;
	case CALLER_RANDOM:
		client->place = chance((uint32_t)caller->place_count);
		break;
	}
	if (client->place >= caller->place_count)
		client->place = 0;
}

/* --- connected -------------------------------------------------------------------------------- */

static void on_ended(struct conn *conn, void *arg)
{
	struct client *client = arg;
	const struct caller *caller = caller_of(client);
	bool was_known = conn->place->is_known;

	client->conn = NULL;
	if (client->is_stale) {
		client_free(client);
		return;
	}
	if (!was_known) {
		failed(client, "nobody has logged in");
		return;
	}
	log_info("call-home", "event=call-ended client=\"%s\"", client->name);
	client->has_been = true;
	client->failures = 0;
	choose_place(client, caller);
	if (caller->is_periodic)
		wait_for_period(client, caller);
	else
		loop_timer_start(client->timer, AGAIN_MS + chance(AGAIN_MS));
}

static int speak(const struct caller_place *at, int fd, struct place *place, struct conn **ret_conn,
	struct err *err)
{
	struct ssh_profile *ssh = NULL;
	struct tls_profile *tls = NULL;
	int r = at->params.transport == ENDPOINT_SSH ? service_ssh_profile(&at->params, &ssh, err)
						     : service_tls_profile(&at->params, &tls, err);

	if (r < 0) {
		place_leave(place);
		close(fd);
		return r;
	}
	*ret_conn = ssh ? ssh_conn_accept(fd, place, ssh) : tls_accept(fd, place, tls, NULL);
	ssh_profile_free(ssh);
	tls_profile_unref(tls);
	return *ret_conn ? 0 : err_set(err, -EIO, NULL, "the transport cannot be had");
}

static void connected(struct client *client)
{
	_cleanup_err_ struct err err = { 0 };
	const struct caller_place *at = place_of(client);
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);
	struct place who = { .service = PLACE_CALL_HOME }, *place;
	int fd = TAKE_FD(client->fd);

	stop_trying(client);
	(void)getpeername(fd, (struct sockaddr *)&address, &size);
	listen_name_peer(&who, fd, &address);
	listen_set_options(fd);
	service_set_keepalive(fd, &at->params);
	place = place_enter(&who);
	if (!place) {
		close(fd);
		failed(client, "too many connections");
		return;
	}
	if (speak(at, fd, place, &client->conn, &err) < 0) {
		log_warning("call-home", "client \"%s\", endpoint \"%s\": %s", client->name,
			at->name, err_text(&err));
		failed(client, err_text(&err));
		return;
	}
	log_info("call-home", "event=called client=\"%s\" endpoint=\"%s\" peer=%s", client->name,
		at->name, client->conn->peer);
	client->conn->ended = on_ended;
	client->conn->ended_arg = client;
}

/* --- connecting ------------------------------------------------------------------------------- */

static socklen_t fill_address(struct sockaddr_storage *to, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		return 0;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	return sizeof(*in6);
}

static int bind_local(int fd, const struct caller_place *at)
{
	struct sockaddr_storage address;
	socklen_t size = fill_address(&address, at->local_address, at->local_port);
	const int on = 1;

	if (!*at->local_address)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	return 0;
}

static void try_address(struct client *client);

static void on_connected(unsigned events, void *arg)
{
	struct client *client = arg;
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	loop_watch_free(TAKE(client->watch));
	if (!error) {
		connected(client);
		return;
	}
	close(TAKE_FD(client->fd));
	log_debug("call-home", "client \"%s\": %s: %s", client->name,
		client->addresses[client->address_at], strerror(error));
	client->address_at++;
	try_address(client);
}

/* Begins to connect: 0, or -errno when this address will not do. */
static int connect_to(struct client *client, const struct caller_place *at)
{
	struct sockaddr_storage address;
	socklen_t size = fill_address(&address, client->addresses[client->address_at], at->port);
	_cleanup_close_ int fd = size
		? socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
		: -1;
	int r = fd < 0 ? (size ? -errno : -EINVAL) : bind_local(fd, at);

	if (r == 0 && connect(fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r < 0)
		return r;
	client->fd = TAKE_FD(fd);
	client->watch = loop_watch_new("call-home", client->fd, LOOP_WRITE, on_connected, client);
	return 0;
}

static void try_address(struct client *client)
{
	const struct caller_place *at = place_of(client);
	const char *reason = "no address answers";

	for (; at && client->address_at < client->address_count; client->address_at++) {
		int r = connect_to(client, at);

		if (r == 0)
			return;
		reason = strerror(-r);
	}
	failed(client, reason);
}

/* --- resolving -------------------------------------------------------------------------------- */

/* In a child process: the resolver waits. */
static int resolve(void *arg)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL, *at;
	char text[ENDPOINT_ADDRESS_MAX];

	if (getaddrinfo(arg, NULL, &hints, &found) != 0)
		return -ENOENT;
	for (at = found; at; at = at->ai_next)
		if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), NULL, 0,
			    NI_NUMERICHOST) == 0)
			printf("%s\n", text);
	freeaddrinfo(found);
	return fflush(stdout);
}

static void add_address(struct client *client, const char *text)
{
	struct sockaddr_storage address;

	if (client->address_count == ADDRESSES || !fill_address(&address, text, 0))
		return;
	if (str_copy(client->addresses[client->address_count], ENDPOINT_ADDRESS_MAX, text) == 0)
		client->address_count++;
}

static void on_resolved(const struct child_result *result, void *arg)
{
	struct client *client = arg;
	_cleanup_free_ char *text = xstrndup(result->output, result->output_size);
	char *rest = text, *line;

	client->resolver = NULL;
	if (result->status != 0) {
		failed(client, "the name is not known");
		return;
	}
	while ((line = strsep(&rest, "\n")))
		add_address(client, line);
	try_address(client);
}

static void try_now(struct client *client, const struct caller *caller)
{
	const struct caller_place *at;
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.output_max = OUTPUT_MAX, .run = resolve, .done = on_resolved, .arg = client
	};

	if (client->place >= caller->place_count)
		client->place = 0;
	at = &caller->places[client->place];
	client->address_count = client->address_at = 0;
	client->is_trying = true;
	loop_timer_start(client->timer, caller->max_wait_s * UINT64_C(1000));
	add_address(client, at->host);
	if (client->address_count) {
		try_address(client);
		return;
	}
	opts.run_arg = at->host;
	opts.deadline_ms = caller->max_wait_s * UINT64_C(1000);
	if (child_start(&opts, &client->resolver, &err) < 0)
		failed(client, err_text(&err));
}

static void on_timer(void *arg)
{
	struct client *client = arg;
	const struct caller *caller = caller_of(client);

	if (client->is_trying) {
		failed(client, "no answer in time");
		return;
	}
	if (!caller)
		return;
	if (client->is_waiting) {
		wait_for_period(client, caller);
		return;
	}
	try_now(client, caller);
}

/* --- life ------------------------------------------------------------------------------------- */

static struct client *find(const char *name)
{
	struct client *client;

	LIST_FOREACH (client, &all, node)
		if (!client->is_stale && str_equal(client->name, name))
			return client;
	return NULL;
}

/* Begins, or begins anew, with what is configured now. */
static void begin(struct client *client, const struct caller *caller)
{
	stop_trying(client);
	client->failures = 0;
	client->is_waiting = false;
	choose_place(client, caller);
	if (caller->is_periodic && (caller->has_anchor || client->period_at_ms)) {
		wait_for_period(client, caller);
		return;
	}
	if (caller->is_periodic)
		(void)to_next_period(client, caller); /* the first begins now */
	loop_timer_start(client->timer, 0);
}

static void on_change(const char *name)
{
	const struct caller *caller = have_get(have_all(), &object_kind_caller, name);
	struct client *client = find(name);

	if (!caller && client && client->conn) {
		client->is_stale = true; /* freed when the connection ends */
		return;
	}
	if (!caller) {
		if (client)
			client_free(client);
		return;
	}
	if (!client) {
		client = XNEW(struct client);
		client->name = xstrdup(name);
		client->fd = -1;
		client->timer = loop_timer_new("call-home", on_timer, client);
		list_append(&all, &client->node);
	}
	if (!client->conn)
		begin(client, caller);
}

void call_home_start(void)
{
	const struct caller *caller;
	size_t at = 0;

	caller_on_change(on_change);
	while ((caller = have_next(have_all(), &object_kind_caller, &at)))
		on_change(caller->object.key);
}

void call_home_stop(void)
{
	struct client *client, *tmp;

	caller_on_change(NULL);
	LIST_FOREACH_SAFE (client, tmp, &all, node)
		client_free(client);
}
