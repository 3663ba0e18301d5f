/*
 * A subscription's messages go out between the session's replies, each when the connection has room for
 * it: while it has none, events wait in the log (datastore/notify.c), and changes gather (push.c). Who does
 * not read for so long that the log has dropped what was to come loses the subscription, or, where RFC 5277
 * has no way to say so, the session.
 */
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/str.h"

#include "subscribe-filter.h"
#include "subscribe.h"

#define STATE_MAX 512 /* bytes of a notification about a subscription */

struct subscription {
	struct list node; /* in its session's */
	struct list link; /* in the list of all */
	struct session *session;
	uint32_t id;		      /* 0: of create-subscription */
	struct notify_stream *stream; /* one of both */
	struct push *push;
	struct loop_timer *stop_timer; /* of push */
	struct subscribe_terms terms;
	uint64_t sent;
	bool is_suspended;
};

static struct {
	struct list list;
	struct map by_id; /* id → struct subscription * */
	size_t count;
	uint32_t last_id;
} all = { .list = LIST_INIT(all.list) };

const char *const subscribe_change_names[PUSH_CHANGES + 1] = {
	[PUSH_CREATE] = "create",
	[PUSH_DELETE] = "delete",
	[PUSH_INSERT] = "insert",
	[PUSH_MOVE] = "move",
	[PUSH_REPLACE] = "replace",
};

void subscribe_terms_done(struct subscribe_terms *terms)
{
	ds_filter_free(terms->filter.subtree);
	free(terms->filter.xpath);
	free(terms->filter_name);
	free(terms->subtree_text);
	free(terms->xpath_text);
	*terms = (struct subscribe_terms){ 0 };
}

void subscription_free(struct subscription *subscription)
{
	list_remove(&subscription->node);
	list_remove(&subscription->link);
	all.count--;
	if (subscription->id)
		map_del(&all.by_id, &subscription->id, sizeof(subscription->id));
	notify_stream_free(subscription->stream);
	push_free(subscription->push);
	loop_timer_free(subscription->stop_timer);
	if (subscription->terms.filter_name)
		subscribe_filter_unuse();
	subscribe_terms_done(&subscription->terms);
	free(subscription);
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct session_part part(const char *text)
{
	return (struct session_part){ text, strlen(text) };
}

/* May end the session, and the subscription with it. */
static void send_parts(struct subscription *subscription, struct timespec when,
	const struct session_part *content, size_t count)
{
	char time[NOTIFY_TIME_TEXT];
	struct session_part parts[8];
	size_t at = 0;

	notify_time_text(time, when);
	parts[at++] = part("<notification xmlns=\"" NC_NS_NOTIFICATION "\"><eventTime>");
	parts[at++] = part(time);
	parts[at++] = part("</eventTime>");
	while (count--)
		parts[at++] = *content++;
	parts[at++] = part("</notification>");
	session_notify(subscription->session, parts, at);
}

static void send_text(struct subscription *subscription, struct timespec when, const char *text)
{
	struct session_part content = part(text);

	send_parts(subscription, when, &content, 1);
}

/* A notification about the subscription; @reason: an identity of the same module; may be NULL. */
static void send_state(struct subscription *subscription, const char *name, const char *reason)
{
	char text[STATE_MAX];

	(void)snprintf(text, sizeof(text),
		"<%s xmlns=\"" NC_NS_SUBSCRIBED "\"><id>%u</id>%s%s%s</%s>", name, subscription->id,
		reason ? "<reason>" : "", reason ? reason : "", reason ? "</reason>" : "", name);
	send_text(subscription, notify_now(), text);
}

static bool is_ready(void *arg)
{
	const struct subscription *subscription = arg;

	return session_has_room(subscription->session);
}

static bool is_open(const struct session *session)
{
	return session->state != SESSION_CLOSING;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_event(struct notify_event *event, void *arg)
{
	struct subscription *subscription = arg;
	const char *text = notify_event_text(event, FORMAT_XML);

	if (!text)
		return;
	subscription->sent++;
	send_text(subscription, notify_event_time(event), text);
}

#define NC_NS_MANAGE "urn:ietf:params:xml:ns:netmod:notification"

static void on_replayed(void *arg)
{
	struct subscription *subscription = arg;

	if (subscription->id)
		send_state(subscription, "replay-completed", NULL);
	else
		send_text(
			subscription, notify_now(), "<replayComplete xmlns=\"" NC_NS_MANAGE "\"/>");
}

/* Dynamic subscriptions of RFC 8639 just end at their stop time. */
static void stopped(struct subscription *subscription)
{
	struct session *session = subscription->session;

	if (!subscription->id)
		send_text(subscription, notify_now(),
			"<notificationComplete xmlns=\"" NC_NS_MANAGE "\"/>");
	if (is_open(session)) /* else it is gone already */
		subscription_free(subscription);
}

static void overrun(struct subscription *subscription)
{
	struct session *session = subscription->session;

	if (!subscription->id) {
		log_notice("session", "event=session-dropped session=%u user=\"%s\" reason=\"%s\"",
			session->id, session->conn->username, "does not read its notifications");
		session_kill(session);
		return;
	}
	send_state(subscription, "subscription-suspended", "unsupportable-volume");
	if (is_open(session))
		subscription_terminate(subscription, "suspension-timeout");
}

static void on_ended(enum notify_end end, void *arg)
{
	switch (end) {
	case NOTIFY_STOPPED:
		stopped(arg);
		break;
	case NOTIFY_OVERRUN:
		overrun(arg);
		break;
	}
}

static struct notify_stream *new_stream(struct subscription *subscription)
{
	struct subscribe_terms *terms = &subscription->terms;
	struct notify_opts opts = {
		.client = session_client(subscription->session),
		.filter = terms->filter,
		.has_start = terms->has_start,
		.has_stop = terms->has_stop,
		.start = terms->start,
		.stop = terms->stop,
		.is_ready = is_ready,
		.event = on_event,
		.replayed = on_replayed,
		.ended = on_ended,
		.arg = subscription,
	};

	terms->filter = (struct notify_filter){ 0 };
	return notify_stream_new(&opts);
}

/* --- push --------------------------------------------------------------------------------------- */

static void on_update(struct timespec when, struct buf *contents, bool is_incomplete, void *arg)
{
	struct subscription *subscription = arg;
	char head[STATE_MAX];
	struct session_part parts[3];

	(void)snprintf(head, sizeof(head),
		"<push-update xmlns=\"" NC_NS_PUSH "\"><id>%u</id><datastore-contents>",
		subscription->id);
	parts[0] = part(head);
	parts[1] = (struct session_part){ buf_bytes(contents), contents->length };
	parts[2] = part(is_incomplete ? "</datastore-contents><incomplete-update/></push-update>"
				      : "</datastore-contents></push-update>");
	subscription->sent++;
	send_parts(subscription, when, parts, ARRAY_SIZE(parts));
}

static void on_changes(struct timespec when, uint32_t patch_id, const struct buf *edits, void *arg)
{
	struct subscription *subscription = arg;
	char head[STATE_MAX];
	struct session_part parts[3];

	(void)snprintf(head, sizeof(head),
		"<push-change-update xmlns=\"" NC_NS_PUSH "\"><id>%u</id><datastore-changes>"
		"<yang-patch><patch-id>%u</patch-id>",
		subscription->id, patch_id);
	parts[0] = part(head);
	parts[1] = (struct session_part){ buf_bytes(edits), edits->length };
	parts[2] = part("</yang-patch></datastore-changes></push-change-update>");
	subscription->sent++;
	send_parts(subscription, when, parts, ARRAY_SIZE(parts));
}

static void on_suspended(enum push_trouble trouble, void *arg)
{
	struct subscription *subscription = arg;

	subscription->is_suspended = true;
	send_state(subscription, "subscription-suspended",
		trouble == PUSH_SLOW ? "unsupportable-volume" : "insufficient-resources");
}

static void on_resumed(void *arg)
{
	struct subscription *subscription = arg;

	subscription->is_suspended = false;
	send_state(subscription, "subscription-resumed", NULL);
}

static struct push_opts push_opts(struct subscription *subscription)
{
	struct subscribe_terms *terms = &subscription->terms;
	struct push_opts opts = {
		.client = session_client(subscription->session),
		.ds = terms->ds,
		.filter = terms->filter,
		.is_on_change = terms->is_on_change,
		.period_cs = terms->period_cs,
		.has_anchor = terms->has_anchor,
		.anchor = terms->anchor,
		.dampening_cs = terms->dampening_cs,
		.sync_on_start = terms->sync_on_start,
		.excluded = terms->excluded,
		.is_ready = is_ready,
		.update = on_update,
		.changes = on_changes,
		.suspended = on_suspended,
		.resumed = on_resumed,
		.arg = subscription,
	};

	terms->filter = (struct notify_filter){ 0 };
	return opts;
}

static void on_stop(void *arg)
{
	stopped(arg);
}

static void set_stop(struct subscription *subscription)
{
	loop_timer_stop(subscription->stop_timer);
	if (!subscription->terms.has_stop)
		return;
	if (!subscription->stop_timer)
		subscription->stop_timer = loop_timer_new("push-stop", on_stop, subscription);
	loop_timer_start(subscription->stop_timer, notify_time_left_ms(subscription->terms.stop));
}

/* --- life ------------------------------------------------------------------------------------- */

struct subscription *subscribe_find(uint32_t id)
{
	return map_get(&all.by_id, &id, sizeof(id));
}

static void take_terms(struct subscription *subscription, struct subscribe_terms *terms)
{
	if (terms->filter_name)
		subscribe_filter_use();
	if (subscription->terms.filter_name)
		subscribe_filter_unuse();
	subscribe_terms_done(&subscription->terms);
	subscription->terms = *terms;
	*terms = (struct subscribe_terms){ 0 };
}

struct subscription *subscribe_new(struct session *session, struct subscribe_terms *terms)
{
	struct subscription *subscription;
	struct push_opts opts;

	if (all.count >= SUBSCRIPTIONS_MAX)
		return NULL;
	subscription = XNEW(struct subscription);
	subscription->session = session;
	list_append(&session->subscriptions, &subscription->node);
	list_append(&all.list, &subscription->link);
	all.count++;
	if (!terms->is_created) {
		do
			all.last_id++;
		while (!all.last_id || subscribe_find(all.last_id));
		subscription->id = all.last_id;
		map_put(&all.by_id, &subscription->id, sizeof(subscription->id), subscription);
	}
	take_terms(subscription, terms);
	if (subscription->terms.is_push) {
		opts = push_opts(subscription);
		subscription->push = push_new(&opts);
		set_stop(subscription);
	} else {
		subscription->stream = new_stream(subscription);
	}
	return subscription;
}

void subscription_modify(struct subscription *subscription, struct subscribe_terms *terms)
{
	struct push_opts opts;

	take_terms(subscription, terms);
	subscription->is_suspended = false;
	if (subscription->push) {
		opts = push_opts(subscription);
		push_modify(subscription->push, &opts);
		set_stop(subscription);
		return;
	}
	notify_stream_modify(subscription->stream, &subscription->terms.filter,
		subscription->terms.has_stop ? &subscription->terms.stop : NULL);
}

void subscription_terminate(struct subscription *subscription, const char *reason)
{
	struct session *session = subscription->session;

	if (is_open(session))
		send_state(subscription, "subscription-terminated", reason);
	if (is_open(session))
		subscription_free(subscription);
}

void subscription_resync(struct subscription *subscription)
{
	push_resync(subscription->push);
}

uint32_t subscription_id(const struct subscription *subscription)
{
	return subscription->id;
}

const struct session *subscription_session(const struct subscription *subscription)
{
	return subscription->session;
}

const struct subscribe_terms *subscription_terms(const struct subscription *subscription)
{
	return &subscription->terms;
}

void subscription_tell_modified(struct subscription *subscription, const char *content)
{
	send_text(subscription, notify_now(), content);
}

/* --- sessions --------------------------------------------------------------------------------- */

bool subscribe_is_created(const struct session *session)
{
	const struct subscription *subscription;

	LIST_FOREACH (subscription, &session->subscriptions, node) {
		if (!subscription->id)
			return true;
	}
	return false;
}

void subscribe_drained(struct session *session)
{
	struct subscription *subscription, *next;

	LIST_FOREACH_SAFE (subscription, next, &session->subscriptions, node) {
		if (subscription->push && !session_has_room(session))
			break;
		if (subscription->push)
			push_resume(subscription->push);
		else
			notify_resume(subscription->stream);
		if (!is_open(session))
			break;
	}
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

void subscribe_done(void)
{
	map_done(&all.by_id);
	all.by_id = (struct map){ 0 };
}

/* --- for those who look --------------------------------------------------------------------------- */

struct subscription *subscribe_next(const struct subscription *after)
{
	const struct list *next = after ? after->link.next : all.list.next;

	if (next == &all.list)
		return NULL;
	return CONTAINER_OF((struct list *)next, struct subscription, link);
}

void subscription_counts(const struct subscription *subscription, uint64_t *ret_sent,
	uint64_t *ret_excluded, bool *ret_is_suspended)
{
	*ret_sent = subscription->sent;
	*ret_excluded = subscription->stream ? notify_stream_excluded(subscription->stream) : 0;
	*ret_is_suspended = subscription->is_suspended;
}
