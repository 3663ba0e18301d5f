/*
 * A subscription's messages go out between the session's replies, or in a stream of their own, each when
 * the connection has room for it: while it has none, events wait in the log (datastore/notify.c), and
 * changes gather (push.c). Who does not read for so long that the log has dropped what was to come loses
 * the subscription, or, where RFC 5277 and RFC 8040 have no way to say so, the connection.
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
	struct list node; /* in its subscriber's */
	struct list link; /* in the list of all */
	struct subscriber *subscriber;
	uint32_t id; /* 0: it has none (create-subscription, RFC 8040 event streams) */
	struct notify_stream
		*stream; /* at most one of both; of push none while its subscriber waits */
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

/* --- sending ---------------------------------------------------------------------------------- */

static struct session_part part(const char *text)
{
	return (struct session_part){ text, strlen(text) };
}

static bool is_json(const struct subscription *subscription)
{
	return subscription->subscriber->format == FORMAT_JSON;
}

/* May close the subscriber. */
static void send_parts(struct subscription *subscription, struct timespec when,
	const struct session_part *content, size_t count)
{
	struct subscriber *subscriber = subscription->subscriber;

	subscriber->type->send(subscriber, when, content, count);
}

/* A notification as libyang prints it: of a JSON object the member is wanted. */
static void send_text(struct subscription *subscription, struct timespec when, const char *text)
{
	struct session_part content = part(text);

	if (is_json(subscription)) {
		content.data++;
		content.size -= 2;
	}
	send_parts(subscription, when, &content, 1);
}

/* A notification about the subscription; @reason: an identity of the same module; may be NULL. */
static void send_state(struct subscription *subscription, const char *name, const char *reason)
{
	char text[STATE_MAX];

	if (is_json(subscription))
		(void)snprintf(text, sizeof(text),
			"{\"" SUBSCRIBED_MODULE ":%s\":{\"id\":%u%s%s%s}}", name, subscription->id,
			reason ? ",\"reason\":\"" SUBSCRIBED_MODULE ":" : "", reason ? reason : "",
			reason ? "\"" : "");
	else
		(void)snprintf(text, sizeof(text),
			"<%s xmlns=\"" NC_NS_SUBSCRIBED "\"><id>%u</id>%s%s%s</%s>", name,
			subscription->id, reason ? "<reason>" : "", reason ? reason : "",
			reason ? "</reason>" : "", name);
	send_text(subscription, notify_now(), text);
}

/* What tells of a replay where subscriptions have no number (RFC 5277 section 3.3.1). */
static void send_complete(struct subscription *subscription, const char *name)
{
	char text[STATE_MAX];

	if (is_json(subscription))
		(void)snprintf(text, sizeof(text), "{\"nc-notifications:%s\":{}}", name);
	else
		(void)snprintf(text, sizeof(text),
			"<%s xmlns=\"urn:ietf:params:xml:ns:netmod:notification\"/>", name);
	send_text(subscription, notify_now(), text);
}

static bool is_ready(void *arg)
{
	const struct subscriber *subscriber = ((const struct subscription *)arg)->subscriber;

	return !subscriber->is_waiting && subscriber->type->has_room(subscriber);
}

static bool is_open(const struct subscriber *subscriber)
{
	return subscriber->type->is_open(subscriber);
}

/* --- the end ------------------------------------------------------------------------------------ */

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

void subscription_end(struct subscription *subscription)
{
	struct subscriber *subscriber = subscription->subscriber;

	subscription_free(subscription);
	if (subscriber->type->ended)
		subscriber->type->ended(subscriber);
}

void subscription_terminate(struct subscription *subscription, const char *reason)
{
	if (is_open(subscription->subscriber))
		send_state(subscription, "subscription-terminated", reason);
	if (is_open(subscription->subscriber)) /* else it is gone already, or soon */
		subscription_end(subscription);
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_event(struct notify_event *event, void *arg)
{
	struct subscription *subscription = arg;
	const char *text = notify_event_text(event, subscription->subscriber->format);

	if (!text)
		return;
	subscription->sent++;
	send_text(subscription, notify_event_time(event), text);
}

static void on_replayed(void *arg)
{
	struct subscription *subscription = arg;

	if (subscription->id)
		send_state(subscription, "replay-completed", NULL);
	else
		send_complete(subscription, "replayComplete");
}

/* Dynamic subscriptions of RFC 8639 just end at their stop time. */
static void stopped(struct subscription *subscription)
{
	const struct subscriber *subscriber = subscription->subscriber;

	if (!subscription->id)
		send_complete(subscription, "notificationComplete");
	if (is_open(subscriber)) /* else it is gone already, or soon */
		subscription_end(subscription);
}

static void overrun(struct subscription *subscription)
{
	struct subscriber *subscriber = subscription->subscriber;

	if (!subscription->id) {
		subscriber->type->drop(subscriber);
		return;
	}
	send_state(subscription, "subscription-suspended", "unsupportable-volume");
	if (is_open(subscriber))
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
		.client = subscription->subscriber->type->client(subscription->subscriber),
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

	if (is_json(subscription)) {
		(void)snprintf(head, sizeof(head),
			"\"" PUSH_MODULE ":push-update\":{\"id\":%u,\"datastore-contents\":{",
			subscription->id);
		parts[2] = part(is_incomplete ? "},\"incomplete-update\":[null]}" : "}}");
	} else {
		(void)snprintf(head, sizeof(head),
			"<push-update xmlns=\"" NC_NS_PUSH "\"><id>%u</id><datastore-contents>",
			subscription->id);
		parts[2] = part(is_incomplete
				? "</datastore-contents><incomplete-update/></push-update>"
				: "</datastore-contents></push-update>");
	}
	parts[0] = part(head);
	parts[1] = (struct session_part){ buf_bytes(contents), contents->length };
	subscription->sent++;
	send_parts(subscription, when, parts, ARRAY_SIZE(parts));
}

static void on_changes(struct timespec when, uint32_t patch_id, const struct buf *edits, void *arg)
{
	struct subscription *subscription = arg;
	char head[STATE_MAX];
	struct session_part parts[3];

	if (is_json(subscription)) {
		(void)snprintf(head, sizeof(head),
			"\"" PUSH_MODULE ":push-change-update\":{\"id\":%u,\"datastore-changes\":"
			"{\"yang-patch\":{\"patch-id\":\"%u\",\"edit\":[",
			subscription->id, patch_id);
		parts[2] = part("]}}}");
	} else {
		(void)snprintf(head, sizeof(head),
			"<push-change-update xmlns=\"" NC_NS_PUSH
			"\"><id>%u</id><datastore-changes>"
			"<yang-patch><patch-id>%u</patch-id>",
			subscription->id, patch_id);
		parts[2] = part("</yang-patch></datastore-changes></push-change-update>");
	}
	parts[0] = part(head);
	parts[1] = (struct session_part){ buf_bytes(edits), edits->length };
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
		.client = subscription->subscriber->type->client(subscription->subscriber),
		.ds = terms->ds,
		.format = subscription->subscriber->format,
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

/* What there is to send, from now on. */
static void begin(struct subscription *subscription)
{
	struct push_opts opts;

	if (!subscription->terms.is_push) {
		subscription->stream = new_stream(subscription);
		return;
	}
	set_stop(subscription);
	if (subscription->subscriber->is_waiting)
		return;
	opts = push_opts(subscription);
	subscription->push = push_new(&opts);
}

struct subscription *subscribe_new(struct subscriber *subscriber, struct subscribe_terms *terms)
{
	struct subscription *subscription;

	if (all.count >= SUBSCRIPTIONS_MAX ||
		(terms->is_push && terms->is_on_change && push_is_full(terms->ds, &terms->filter)))
		return NULL;
	subscription = XNEW(struct subscription);
	subscription->subscriber = subscriber;
	list_append(&subscriber->subscriptions, &subscription->node);
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
	begin(subscription);
	return subscription;
}

void subscription_modify(struct subscription *subscription, struct subscribe_terms *terms)
{
	struct push_opts opts;

	take_terms(subscription, terms);
	subscription->is_suspended = false;
	if (!subscription->terms.is_push) {
		notify_stream_modify(subscription->stream, &subscription->terms.filter,
			subscription->terms.has_stop ? &subscription->terms.stop : NULL);
		return;
	}
	set_stop(subscription);
	if (!subscription->push)
		return;
	opts = push_opts(subscription);
	push_modify(subscription->push, &opts);
}

bool subscription_resync(struct subscription *subscription)
{
	if (subscription->push)
		return push_resync(subscription->push);
	subscription->terms.sync_on_start = true;
	return true;
}

uint32_t subscription_id(const struct subscription *subscription)
{
	return subscription->id;
}

const struct subscriber *subscription_subscriber(const struct subscription *subscription)
{
	return subscription->subscriber;
}

const struct subscribe_terms *subscription_terms(const struct subscription *subscription)
{
	return &subscription->terms;
}

void subscription_tell_modified(struct subscription *subscription)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_err_ struct err err = { 0 };

	if (subscribe_print_modified(subscription, &text, &err) < 0)
		log_warning("subscribe", "%s", err_text(&err));
	else
		send_text(subscription, notify_now(), buf_bytes(&text));
}

/* --- subscribers ------------------------------------------------------------------------------ */

void subscriber_init(
	struct subscriber *subscriber, const struct subscriber_type *type, enum format format)
{
	subscriber->type = type;
	subscriber->format = format;
	list_init(&subscriber->subscriptions);
}

bool subscribe_is_created(const struct subscriber *subscriber)
{
	const struct subscription *subscription;

	LIST_FOREACH (subscription, &subscriber->subscriptions, node) {
		if (!subscription->id)
			return true;
	}
	return false;
}

void subscriber_drained(struct subscriber *subscriber)
{
	struct subscription *subscription, *next;

	LIST_FOREACH_SAFE (subscription, next, &subscriber->subscriptions, node) {
		if (subscription->push && !subscriber->type->has_room(subscriber))
			break;
		if (subscription->push)
			push_resume(subscription->push);
		else if (subscription->stream)
			notify_resume(subscription->stream);
		if (!is_open(subscriber))
			break;
	}
}

void subscriber_came(struct subscriber *subscriber)
{
	struct subscription *subscription;

	subscriber->is_waiting = false;
	LIST_FOREACH (subscription, &subscriber->subscriptions, node) {
		if (subscription->stream)
			notify_resume(subscription->stream);
		else
			begin(subscription);
	}
}

bool subscriber_has(const struct subscriber *subscriber)
{
	return !list_empty(&subscriber->subscriptions);
}

void subscriber_gone(struct subscriber *subscriber)
{
	struct subscription *subscription, *next;

	LIST_FOREACH_SAFE (subscription, next, &subscriber->subscriptions, node)
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
