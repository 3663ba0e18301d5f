/*
 * A subscription's messages go out between the session's replies, each when the connection has room for
 * it: while it has none, events wait in the log (see datastore/notify.c). Who does not read for so long
 * that the log has dropped what was to come loses the session, as RFC 5277 has no other way to say so.
 */
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/str.h"

#include "subscribe.h"

struct subscription {
	struct list node; /* in its session's */
	struct session *session;
	struct notify_stream *stream;
	struct subscribe_terms terms;
	uint64_t sent;
};

void subscribe_terms_done(struct subscribe_terms *terms)
{
	free(terms->filter_name);
	free(terms->subtree_text);
	free(terms->xpath);
	*terms = (struct subscribe_terms){ 0 };
}

static void subscription_free(struct subscription *subscription)
{
	list_remove(&subscription->node);
	notify_stream_free(subscription->stream);
	subscribe_terms_done(&subscription->terms);
	free(subscription);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* May end the session, and the subscription with it. */
static void send_content(
	struct subscription *subscription, struct timespec when, const char *content)
{
	static const char head[] = "<notification xmlns=\"" NC_NS_NOTIFICATION "\"><eventTime>";
	static const char middle[] = "</eventTime>", tail[] = "</notification>";
	char time[NOTIFY_TIME_TEXT];
	struct session_part parts[5];

	notify_time_text(time, when);
	parts[0] = (struct session_part){ head, sizeof(head) - 1 };
	parts[1] = (struct session_part){ time, strlen(time) };
	parts[2] = (struct session_part){ middle, sizeof(middle) - 1 };
	parts[3] = (struct session_part){ content, strlen(content) };
	parts[4] = (struct session_part){ tail, sizeof(tail) - 1 };
	session_notify(subscription->session, parts, ARRAY_SIZE(parts));
}

static bool is_ready(void *arg)
{
	const struct subscription *subscription = arg;

	return session_has_room(subscription->session);
}

static void on_event(struct notify_event *event, void *arg)
{
	struct subscription *subscription = arg;
	const char *text = notify_event_text(event, FORMAT_XML);

	if (!text)
		return;
	subscription->sent++;
	send_content(subscription, notify_event_time(event), text);
}

static void on_replayed(void *arg)
{
	send_content(arg, notify_now(),
		"<replayComplete xmlns=\"urn:ietf:params:xml:ns:netmod:notification\"/>");
}

static void on_ended(enum notify_end end, void *arg)
{
	struct subscription *subscription = arg;
	struct session *session = subscription->session;

	switch (end) {
	case NOTIFY_STOPPED:
		send_content(subscription, notify_now(),
			"<notificationComplete xmlns=\"urn:ietf:params:xml:ns:netmod:notification\"/>");
		if (session->state == SESSION_READY) /* sending has not ended it */
			subscription_free(subscription);
		break;
	case NOTIFY_OVERRUN:
		log_notice("session", "event=session-dropped session=%u user=\"%s\" reason=\"%s\"",
			session->id, session->conn->username, "does not read its notifications");
		session_kill(session);
		break;
	}
}

/* --- life ------------------------------------------------------------------------------------- */

struct subscription *subscribe_create(
	struct session *session, struct notify_filter *filter, const struct subscribe_terms *times)
{
	struct subscription *subscription = XNEW(struct subscription);
	struct notify_opts opts = {
		.client = session_client(session),
		.filter = *filter,
		.has_start = times->has_start,
		.has_stop = times->has_stop,
		.start = times->start,
		.stop = times->stop,
		.is_ready = is_ready,
		.event = on_event,
		.replayed = on_replayed,
		.ended = on_ended,
		.arg = subscription,
	};

	*filter = (struct notify_filter){ 0 };
	subscription->session = session;
	list_append(&session->subscriptions, &subscription->node);
	subscription->stream = notify_stream_new(&opts);
	return subscription;
}

bool subscribe_is_created(const struct session *session)
{
	return subscribe_has(session);
}

void subscribe_drained(struct session *session)
{
	struct subscription *subscription;

	LIST_FOREACH (subscription, &session->subscriptions, node)
		notify_resume(subscription->stream);
}

bool subscribe_has(const struct session *session)
{
	return !list_empty(&session->subscriptions);
}

void subscribe_session_closed(struct session *session)
{
	struct subscription *subscription, *next;

	LIST_FOREACH_SAFE (subscription, next, &session->subscriptions, node)
		subscription_free(subscription);
}

/* --- for those who look --------------------------------------------------------------------------- */

int subscribe_show_netconf(struct lyd_node *netconf, struct err *err)
{
	char created[NOTIFY_TIME_TEXT], aged[NOTIFY_TIME_TEXT];
	struct timespec created_at, aged_at;
	struct lyd_node *streams, *stream;
	int ret;

	notify_log_times(&created_at, &aged_at);
	notify_time_text(created, created_at);
	notify_time_text(aged, aged_at);
	ret = build_container(netconf, "streams", &streams, err);
	if (ret >= 0)
		ret = build_entry(streams, "stream", NOTIFY_STREAM, &stream, err);
	if (ret >= 0)
		ret = build_leaf(stream, "description", "All notifications of this device", err);
	if (ret >= 0)
		ret = build_bool(stream, "replaySupport", true, err);
	if (ret >= 0)
		ret = build_leaf(stream, "replayLogCreationTime", created, err);
	if (ret >= 0 && aged_at.tv_sec)
		ret = build_leaf(stream, "replayLogAgedTime", aged, err);
	return ret < 0 ? ret : 0;
}
