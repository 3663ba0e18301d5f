/* Streams and subscriptions as operational data (RFC 5277 section 3.4, RFC 8639 section 3). */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "subscribe.h"

#define DESCRIPTION "All notifications of this device"

/* --- streams ---------------------------------------------------------------------------------- */

struct log_times {
	char created[NOTIFY_TIME_TEXT], aged[NOTIFY_TIME_TEXT];
	bool has_aged;
};

static void read_times(struct log_times *times)
{
	struct timespec created, aged;

	notify_log_times(&created, &aged);
	notify_time_text(times->created, created);
	notify_time_text(times->aged, aged);
	times->has_aged = aged.tv_sec != 0;
}

int subscribe_show_netconf(struct lyd_node *netconf, struct err *err)
{
	struct log_times times;
	struct lyd_node *streams, *stream;
	int ret = build_container(netconf, "streams", &streams, err);

	read_times(&times);
	if (ret >= 0)
		ret = build_entry(streams, "stream", NOTIFY_STREAM, &stream, err);
	if (ret >= 0)
		ret = build_leaf(stream, "description", DESCRIPTION, err);
	if (ret >= 0)
		ret = build_bool(stream, "replaySupport", true, err);
	if (ret >= 0)
		ret = build_leaf(stream, "replayLogCreationTime", times.created, err);
	if (ret >= 0 && times.has_aged)
		ret = build_leaf(stream, "replayLogAgedTime", times.aged, err);
	return ret < 0 ? ret : 0;
}

int subscribe_show_streams(struct lyd_node *streams, struct err *err)
{
	struct log_times times;
	struct lyd_node *stream;
	int ret = build_entry(streams, "stream", NOTIFY_STREAM, &stream, err);

	read_times(&times);
	if (ret >= 0)
		ret = build_leaf(stream, "description", DESCRIPTION, err);
	if (ret >= 0)
		ret = build_leaf(stream, "replay-support", "", err);
	if (ret >= 0)
		ret = build_leaf(stream, "replay-log-creation-time", times.created, err);
	if (ret >= 0 && times.has_aged)
		ret = build_leaf(stream, "replay-log-aged-time", times.aged, err);
	return ret < 0 ? ret : 0;
}

int subscribe_show_restconf(struct lyd_node *streams, const char *uri, struct err *err)
{
	static const char *const encodings[] = { "xml", "json" };
	struct log_times times;
	struct lyd_node *stream, *access;
	int ret = build_entry(streams, "stream", NOTIFY_STREAM, &stream, err);

	read_times(&times);
	if (ret >= 0)
		ret = build_leaf(stream, "description", DESCRIPTION, err);
	if (ret >= 0)
		ret = build_bool(stream, "replay-support", true, err);
	if (ret >= 0)
		ret = build_leaf(stream, "replay-log-creation-time", times.created, err);
	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(encodings); i++) {
		ret = build_entry(stream, "access", encodings[i], &access, err);
		if (ret >= 0)
			ret = build_leaff(access, err, "location", "%s%s", uri, encodings[i]);
	}
	return ret < 0 ? ret : 0;
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static int show_time(struct lyd_node *node, const char *name, struct timespec when, struct err *err)
{
	char text[NOTIFY_TIME_TEXT];

	notify_time_text(text, when);
	return build_leaf(node, name, text, err);
}

static int show_filter(struct lyd_node *node, const struct subscribe_terms *terms, struct err *err)
{
	bool is_push = terms->is_push;

	if (terms->filter_name)
		return build_leaf(node,
			is_push ? PUSH_MODULE ":selection-filter-ref" : "stream-filter-name",
			terms->filter_name, err);
	if (terms->subtree_text)
		return build_any(node,
			is_push ? PUSH_MODULE ":datastore-subtree-filter" : "stream-subtree-filter",
			terms->subtree_text, err);
	if (terms->xpath_text)
		return build_leaf(node,
			is_push ? PUSH_MODULE ":datastore-xpath-filter" : "stream-xpath-filter",
			terms->xpath_text, err);
	return 0;
}

static int show_trigger(struct lyd_node *node, const struct subscribe_terms *terms, struct err *err)
{
	struct lyd_node *trigger;
	int ret = build_container(node,
		terms->is_on_change ? PUSH_MODULE ":on-change" : PUSH_MODULE ":periodic", &trigger,
		err);

	if (ret >= 0 && !terms->is_on_change) {
		ret = build_u64(trigger, "period", terms->period_cs, err);
		if (ret >= 0 && terms->has_anchor)
			ret = show_time(trigger, "anchor-time", terms->anchor, err);
		return ret;
	}
	if (ret >= 0)
		ret = build_u64(trigger, "dampening-period", terms->dampening_cs, err);
	if (ret >= 0)
		ret = build_bool(trigger, "sync-on-start", terms->sync_on_start, err);
	for (int i = 0; ret >= 0 && i < PUSH_CHANGES; i++) {
		if (terms->excluded & 1U << i)
			ret = build_item(
				trigger, "excluded-change", subscribe_change_names[i], err);
	}
	return ret;
}

#define ENCODING SUBSCRIBED_MODULE ":encode-"

/* What a subscription and the notification of its change have in common. */
static int show_terms(
	struct lyd_node *node, const struct subscription *subscription, struct err *err)
{
	const struct subscribe_terms *terms = subscription_terms(subscription);
	const struct subscriber *subscriber = subscription_subscriber(subscription);
	int ret;

	if (terms->is_push)
		ret = build_leaf(node, PUSH_MODULE ":datastore", terms->datastore, err);
	else
		ret = build_leaf(node, "stream", NOTIFY_STREAM, err);
	if (ret >= 0)
		ret = show_filter(node, terms, err);
	if (ret >= 0 && terms->is_push)
		ret = show_trigger(node, terms, err);
	if (ret >= 0 && !terms->is_push && terms->has_start)
		ret = show_time(node, "replay-start-time", terms->start, err);
	if (ret >= 0 && terms->has_stop)
		ret = show_time(node, "stop-time", terms->stop, err);
	if (ret >= 0)
		ret = build_leaf(node, "encoding",
			subscriber->format == FORMAT_JSON ? ENCODING "json" : ENCODING "xml", err);
	if (ret >= 0 && subscriber->type->uri[0])
		ret = build_leaff(node, err, SUBSCRIBED_URI_MODULE ":uri", "%s%u",
			subscriber->type->uri, subscription_id(subscription));
	return ret < 0 ? ret : 0;
}

int subscribe_print_modified(
	const struct subscription *subscription, struct buf *out, struct err *err)
{
	const struct lys_module *module =
		ly_ctx_get_module_implemented(yang_ctx(), SUBSCRIBED_MODULE);
	struct lyd_node *node = NULL;
	int ret;

	if (lyd_new_inner(NULL, module, "subscription-modified", 0, &node) != LY_SUCCESS)
		return yang_err(err, -EIO);
	ret = build_u64(node, "id", subscription_id(subscription), err);
	if (ret >= 0)
		ret = show_terms(node, subscription, err);
	if (ret >= 0)
		ret = format_print(out, node, subscription_subscriber(subscription)->format, false,
			WITH_DEFAULTS_EXPLICIT, false, err);
	lyd_free_tree(node);
	return ret;
}

static int show_receiver(
	struct lyd_node *node, const struct subscription *subscription, struct err *err)
{
	const struct subscriber *subscriber = subscription_subscriber(subscription);
	_cleanup_free_ char *name = subscriber->type->name(subscriber);
	struct lyd_node *receivers, *receiver;
	uint64_t sent, excluded;
	bool is_suspended;
	int ret = build_container(node, "receivers", &receivers, err);

	subscription_counts(subscription, &sent, &excluded, &is_suspended);
	if (ret >= 0)
		ret = build_entry(receivers, "receiver", name, &receiver, err);
	if (ret >= 0)
		ret = build_u64(receiver, "sent-event-records", sent, err);
	if (ret >= 0)
		ret = build_u64(receiver, "excluded-event-records", excluded, err);
	return ret < 0 ? ret
		       : build_leaf(receiver, "state", is_suspended ? "suspended" : "active", err);
}

int subscribe_show(struct lyd_node *subscriptions, struct err *err)
{
	const struct subscription *subscription = NULL;
	int ret = 0;

	while (ret >= 0 && (subscription = subscribe_next(subscription))) {
		struct lyd_node *node;
		char id[16];

		if (!subscription_id(subscription))
			continue;
		(void)snprintf(id, sizeof(id), "%u", subscription_id(subscription));
		ret = build_entry(subscriptions, "subscription", id, &node, err);
		if (ret >= 0)
			ret = show_terms(node, subscription, err);
		if (ret >= 0)
			ret = show_receiver(node, subscription, err);
	}
	return ret < 0 ? ret : 0;
}
