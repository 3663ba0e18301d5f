/*
 * Event streams: a GET that is answered as long as there are events, each as one server-sent event.
 *
 * The stream of RFC 8040 is a subscription without a number that lives as long as its connection. One of RFC
 * 8650 is established by an RPC and waits for its GET, not for long; when that connection is gone, so is the
 * subscription: what its client has missed it finds by another one with a replay, or a synchronization.
 *
 * Who does not read is disconnected, when its connection has taken nothing for a minute or when the log of
 * events has dropped what was to come.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "rc-conn.h"
#include "rc-reply.h"
#include "rc-stream.h"

#define WAITING_MAX 1024  /* subscriptions that nobody has asked for yet */
#define WAITING_MS  60000 /* so long they may be */

struct rc_stream {
	struct subscriber subscriber;
	struct rc_conn *rc;	  /* NULL: it waits for its GET */
	struct loop_timer *timer; /* of that; NULL: it does not wait */
	struct list link;	  /* among those that wait */
	char *user;
};

static struct {
	struct list list;
	size_t count;
} waiting = { .list = LIST_INIT(waiting.list) };

/* --- life ------------------------------------------------------------------------------------- */

static void stop_waiting(struct rc_stream *stream)
{
	if (!stream->timer)
		return;
	loop_timer_free(TAKE(stream->timer));
	list_remove(&stream->link);
	waiting.count--;
}

/* What it subscribed to is gone, or goes untold. */
static void stream_free(struct rc_stream *stream)
{
	stop_waiting(stream);
	subscriber_gone(&stream->subscriber);
	free(stream->user);
	free(stream);
}

static struct rc_stream *stream_of(const struct subscriber *subscriber)
{
	return CONTAINER_OF((struct subscriber *)subscriber, struct rc_stream, subscriber);
}

/* --- as a subscriber -------------------------------------------------------------------------- */

static struct ds_client subscriber_client(const struct subscriber *subscriber)
{
	return (struct ds_client){ .user = stream_of(subscriber)->user, .protocol = "restconf" };
}

static char *subscriber_name(const struct subscriber *subscriber)
{
	const struct rc_stream *stream = stream_of(subscriber);

	return xstrdup(stream->rc ? rc_conn_peer(stream->rc) : "none");
}

static bool subscriber_is_open(const struct subscriber *subscriber)
{
	const struct rc_stream *stream = stream_of(subscriber);

	return !stream->rc || rc_conn_stream_is_open(stream->rc);
}

static bool subscriber_has_room(const struct subscriber *subscriber)
{
	const struct rc_stream *stream = stream_of(subscriber);

	return stream->rc && rc_conn_stream_has_room(stream->rc);
}

static void subscriber_send(struct subscriber *subscriber, struct timespec when,
	const struct session_part *content, size_t count)
{
	struct rc_stream *stream = stream_of(subscriber);
	bool is_json = subscriber->format == FORMAT_JSON;
	struct session_part parts[8];
	char time[NOTIFY_TIME_TEXT];
	_cleanup_free_ char *head = NULL;

	if (!stream->rc)
		return;
	notify_time_text(time, when);
	head = is_json ? xasprintf("{\"ietf-restconf:notification\":{\"eventTime\":\"%s\",", time)
		       : xasprintf("<notification xmlns=\"" NC_NS_NOTIFICATION
				   "\"><eventTime>%s</eventTime>",
				 time);
	parts[0] = (struct session_part){ head, strlen(head) };
	memcpy(&parts[1], content, count * sizeof(*content));
	parts[count + 1].data = is_json ? "}}" : "</notification>";
	parts[count + 1].size = strlen(parts[count + 1].data);
	rc_conn_stream_send(stream->rc, subscriber->format, parts, count + 2);
}

static void subscriber_drop(struct subscriber *subscriber)
{
	rc_conn_stream_drop(stream_of(subscriber)->rc);
}

static void subscriber_ended(struct subscriber *subscriber)
{
	struct rc_stream *stream = stream_of(subscriber);
	struct rc_conn *rc = stream->rc;

	stream_free(stream);
	if (rc)
		rc_conn_stream_end(rc);
}

static const struct subscriber_type stream_type = {
	.uri = "",
	.client = subscriber_client,
	.name = subscriber_name,
	.is_open = subscriber_is_open,
	.has_room = subscriber_has_room,
	.send = subscriber_send,
	.drop = subscriber_drop,
	.ended = subscriber_ended,
};

static const struct subscriber_type subscription_type = {
	.uri = RC_URI_SUBSCRIPTION,
	.client = subscriber_client,
	.name = subscriber_name,
	.is_open = subscriber_is_open,
	.has_room = subscriber_has_room,
	.send = subscriber_send,
	.drop = subscriber_drop,
	.ended = subscriber_ended,
};

static struct rc_stream *stream_new(
	const struct subscriber_type *type, const char *user, enum format format)
{
	struct rc_stream *stream = XNEW(struct rc_stream);

	stream->user = xstrdup(user);
	subscriber_init(&stream->subscriber, type, format);
	return stream;
}

/* --- flowing ------------------------------------------------------------------------------------ */

static void on_drained(void *arg)
{
	struct rc_stream *stream = arg;

	subscriber_drained(&stream->subscriber);
}

static void on_closed(void *arg)
{
	stream_free(arg);
}

static void flow(struct rc_request *req, struct rc_stream *stream)
{
	struct rc_conn_stream calls = { on_drained, on_closed, stream };
	struct rc_reply reply = { .status = 200, .media_type = RC_SSE, .is_stream = true };

	stream->rc = req->rc;
	rc_reply(req, &reply);
	rc_conn_stream_begin(req->rc, &calls);
}

/* HEAD: the same, and no stream. */
static bool answer_head(struct rc_request *req)
{
	struct rc_reply reply = { .status = 200, .media_type = RC_SSE, .is_stream = true };

	if (req->head.method != HTTP_HEAD)
		return false;
	rc_reply(req, &reply);
	return true;
}

/* --- the stream for everybody ------------------------------------------------------------------- */

static int take_time(const char *name, const char *text, bool *ret_has, struct timespec *ret_time,
	struct err *err)
{
	if (!text)
		return 0;
	if (notify_time_parse(text, ret_time) < 0)
		return err_set(
			err, -EINVAL, NULL, "\"%s\" is no date and time: \"%s\"", name, text);
	*ret_has = true;
	return 0;
}

/* RFC 8040 sections 4.8.4, 4.8.7 and 4.8.8. */
static int take_terms(const struct rc_query *query, struct subscribe_terms *terms, struct err *err)
{
	int ret = take_time("start-time", query->start_time, &terms->has_start, &terms->start, err);

	if (ret == 0)
		ret = take_time("stop-time", query->stop_time, &terms->has_stop, &terms->stop, err);
	if (ret < 0)
		return ret;
	if (terms->has_stop && !terms->has_start)
		return err_set(err, -EINVAL, NULL, "\"stop-time\" needs \"start-time\"");
	if (terms->has_start && notify_time_left_ms(terms->start))
		return err_set(err, -EINVAL, NULL, "\"start-time\" is yet to come");
	if (terms->has_stop && notify_time_compare(terms->stop, terms->start) <= 0)
		return err_set(err, -EINVAL, NULL, "\"stop-time\" is not after \"start-time\"");
	if (query->filter && notify_check_xpath(query->filter, err) < 0)
		return -EINVAL;
	terms->filter.xpath = xstrdup(query->filter);
	return 0;
}

static void open_stream(struct rc_request *req)
{
	struct subscribe_terms terms = { .is_created = true };
	_cleanup_err_ struct err err = { 0 };
	struct rc_stream *stream;

	if (take_terms(&req->params, &terms, &err) < 0) {
		err.type = ERR_TYPE_PROTOCOL;
		rc_reply_error(req, 400, &err);
		return;
	}
	if (answer_head(req)) {
		subscribe_terms_done(&terms);
		return;
	}
	stream = stream_new(&stream_type, req->user, req->uri.stream_format);
	if (subscribe_new(&stream->subscriber, &terms)) {
		flow(req, stream);
		return;
	}
	subscribe_terms_done(&terms);
	stream_free(stream);
	rc_reply_refuse(req, 409, ERR_TAG_RESOURCE_DENIED, "there are too many subscriptions");
}

/* Who may read of the stream may read the stream. */
static void on_read(struct buf *out, const struct err *err, void *arg)
{
	if (err)
		rc_reply_error(arg, err->code == -ENOENT ? 404 : 0, err);
	else
		open_stream(arg);
}

static void look_up(struct rc_request *req)
{
	struct ds_client client = rc_request_client(req);
	struct ds_read read = {
		.ds = DS_OPERATIONAL,
		.format = FORMAT_JSON,
		.path = xasprintf("/ietf-restconf-monitoring:restconf-state/streams/stream"
				  "[name='" NOTIFY_STREAM "']/access[encoding='%s']/location",
			req->uri.stream_format == FORMAT_JSON ? "json" : "xml"),
	};

	ds_read(&client, &read, on_read, req);
}

/* --- subscriptions ------------------------------------------------------------------------------ */

static void on_waited(void *arg)
{
	stream_free(arg);
}

struct subscription *rc_stream_establish(
	const char *user, enum format format, struct subscribe_terms *terms)
{
	struct subscription *subscription;
	struct rc_stream *stream;

	if (waiting.count >= WAITING_MAX)
		return NULL;
	stream = stream_new(&subscription_type, user, format);
	stream->subscriber.is_waiting = true;
	subscription = subscribe_new(&stream->subscriber, terms);
	if (!subscription) {
		stream_free(stream);
		return NULL;
	}
	list_append(&waiting.list, &stream->link);
	waiting.count++;
	stream->timer = loop_timer_new("subscription-get", on_waited, stream);
	loop_timer_start(stream->timer, WAITING_MS);
	return subscription;
}

static void open_subscription(struct rc_request *req)
{
	const struct subscription *subscription = subscribe_find(req->uri.subscription);
	struct rc_stream *stream = NULL;

	if (subscription && subscription_subscriber(subscription)->type == &subscription_type)
		stream = stream_of(subscription_subscriber(subscription));
	if (!stream || !str_equal(stream->user, req->user)) {
		rc_reply_refuse(req, 404, ERR_TAG_INVALID_VALUE, "there is no such subscription");
		return;
	}
	if (answer_head(req))
		return;
	if (stream->rc) {
		rc_reply_refuse(req, 409, ERR_TAG_IN_USE, "the subscription is being read already");
		return;
	}
	stop_waiting(stream);
	flow(req, stream);
	subscriber_came(&stream->subscriber);
}

void rc_stream_run(struct rc_request *req)
{
	if (req->uri.resource == RC_RESOURCE_STREAM)
		look_up(req);
	else
		open_subscription(req);
}

void rc_stream_done(void)
{
	struct rc_stream *stream, *next;

	LIST_FOREACH_SAFE (stream, next, &waiting.list, link)
		stream_free(stream);
}
