/*
 * The log is the queue: each subscriber has a place in it and is given one event after the other while it
 * is ready. One that is not keeps its place and nothing else; when the log has dropped what it has not had,
 * it is told so. So slow readers cost no memory, and events cost none twice.
 *
 * An event is kept as what it is made of. Its tree and texts are built for the first subscriber that gets
 * so far and kept until that turn is over.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "access.h"
#include "filter.h"
#include "notify-filter.h"

#define LOG_EVENTS_MAX 1024 /* a power of two */
#define LOG_BYTES_MAX  (192 * 1024)

struct notify_event {
	struct timespec when;
	notify_build_fn build;
	void *data;
	size_t size;
	/* For this turn: */
	struct list warm;
	bool is_built;
	struct lyd_node *tree;
	char *text[FORMAT_JSON + 1];
};

struct notify_stream {
	struct list link;
	struct notify_opts opts;
	uint64_t next;	     /* id of the event that it is to get */
	uint64_t replay_end; /* id of the first event after those replayed; 0: nothing is */
	uint64_t excluded;
	bool is_over;
	struct loop_timer *stop_timer;
};

static struct {
	struct notify_event *ring[LOG_EVENTS_MAX]; /* by id */
	uint64_t first, next;			   /* ids held, and of the next */
	size_t bytes;
	struct timespec created, aged;
	struct list streams, ready, warm; /* ready: still to be served in this turn */
	struct notify_stream *current;
	/* What the stream at hand is given of an event, when it is not all of it. */
	struct {
		const struct notify_event *event; /* NULL: there is none */
		struct lyd_node *tree;
		char *text[FORMAT_JSON + 1];
	} view;
	struct loop_task *task;
} notify = {
	.first = 1,
	.next = 1,
	.streams = LIST_INIT(notify.streams),
	.ready = LIST_INIT(notify.ready),
	.warm = LIST_INIT(notify.warm),
};

/* --- times ------------------------------------------------------------------------------------ */

struct timespec notify_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* there always is one */
	return now;
}

void notify_time_text(char *text, struct timespec when)
{
	char fraction[16];
	struct tm tm;

	if (!gmtime_r(&when.tv_sec, &tm) ||
		!strftime(text, NOTIFY_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm)) {
		memcpy(text, "1970-01-01T00:00:00Z", sizeof("1970-01-01T00:00:00Z"));
		return;
	}
	(void)snprintf(fraction, sizeof(fraction), ".%06ldZ", when.tv_nsec / 1000 % 1000000);
	strcat(text, fraction); /* 26 characters and the year's digits beyond four */
}

int notify_time_parse(const char *text, struct timespec *ret_when)
{
	static const struct lysc_node *schema;
	LY_ERR rc;

	if (!schema)
		schema = path_schema("/nc-notifications:netconf/streams/stream/"
				     "replayLogCreationTime");
	rc = schema ? lyd_value_validate(yang_ctx(), schema, text, strlen(text), NULL, NULL, NULL)
		    : LY_EINVAL;
	if (rc == LY_SUCCESS)
		rc = ly_time_str2ts(text, ret_when);
	if (rc != LY_SUCCESS)
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return rc == LY_SUCCESS ? 0 : -EINVAL;
}

int notify_time_compare(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec < b.tv_sec ? -1 : 1;
	return a.tv_nsec < b.tv_nsec ? -1 : a.tv_nsec > b.tv_nsec;
}

uint64_t notify_time_left_ms(struct timespec when)
{
	struct timespec now = notify_now();
	int64_t left;

	if (when.tv_sec <= now.tv_sec - 1)
		return 0;
	if (when.tv_sec - now.tv_sec > INT32_MAX)
		return (uint64_t)INT32_MAX * 1000;
	left = (int64_t)(when.tv_sec - now.tv_sec) * 1000000000 + when.tv_nsec - now.tv_nsec;
	return left > 0 ? (uint64_t)(left + 999999) / 1000000 : 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static struct notify_event *event_at(uint64_t id)
{
	return notify.ring[id % LOG_EVENTS_MAX];
}

static void cool(struct notify_event *event)
{
	list_remove(&event->warm);
	lyd_free_all(TAKE(event->tree));
	for (size_t i = 0; i < ARRAY_SIZE(event->text); i++)
		free(TAKE(event->text[i]));
	event->is_built = false;
}

static void cool_all(void)
{
	struct notify_event *event, *next;

	LIST_FOREACH_SAFE (event, next, &notify.warm, warm)
		cool(event);
}

static void drop_view(void)
{
	lyd_free_all(TAKE(notify.view.tree));
	for (size_t i = 0; i < ARRAY_SIZE(notify.view.text); i++)
		free(TAKE(notify.view.text[i]));
	notify.view.event = NULL;
}

const struct lyd_node *notify_event_tree(struct notify_event *event)
{
	_cleanup_err_ struct err err = { 0 };

	if (notify.view.event == event)
		return notify.view.tree;
	if (event->is_built)
		return event->tree;
	event->is_built = true;
	list_append(&notify.warm, &event->warm);
	if (event->build(event->data, event->size, &event->tree, &err) < 0) {
		log_debug("notify", "a notification cannot be built: %s", err_text(&err));
		event->tree = NULL;
	}
	return event->tree;
}

const char *notify_event_text(struct notify_event *event, enum format format)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	const struct lyd_node *tree = notify_event_tree(event);
	char **kept = notify.view.event == event ? &notify.view.text[format] : &event->text[format];

	if (*kept || !tree)
		return *kept;
	if (format_print(&text, tree, format, false, WITH_DEFAULTS_EXPLICIT, false, NULL) == 0)
		*kept = buf_take(&text);
	return *kept;
}

struct timespec notify_event_time(const struct notify_event *event)
{
	return event->when;
}

static void free_event(struct notify_event *event)
{
	if (event->is_built)
		cool(event);
	free(event->data);
	free(event);
}

static size_t cost_of(const struct notify_event *event)
{
	return sizeof(*event) + event->size;
}

static void drop_oldest(void)
{
	struct notify_event *event = event_at(notify.first++);

	notify.bytes -= cost_of(event);
	notify.aged = event->when;
	free_event(event);
}

static void schedule(void)
{
	if (notify.task && !(list_empty(&notify.streams) && list_empty(&notify.ready)))
		loop_task_schedule(notify.task);
}

static void begin_log(void)
{
	if (!notify.created.tv_sec)
		notify.created = notify_now();
}

void notify_post_lazy(notify_build_fn build, void *data, size_t size)
{
	struct notify_event *event = XNEW(struct notify_event);

	begin_log();
	event->when = notify_now();
	event->build = build;
	event->data = data;
	event->size = size;
	if (notify.next - notify.first == LOG_EVENTS_MAX)
		drop_oldest();
	notify.ring[notify.next++ % LOG_EVENTS_MAX] = event;
	notify.bytes += cost_of(event);
	while (notify.bytes > LOG_BYTES_MAX && notify.next - notify.first > 1)
		drop_oldest();
	schedule();
}

static int build_from_text(
	const void *data, size_t size, struct lyd_node **ret_notification, struct err *err)
{
	struct lyd_node *tree = NULL;
	struct ly_in *in = NULL;
	LY_ERR rc = ly_in_new_memory(data, &in);

	if (rc == LY_SUCCESS)
		rc = lyd_parse_op(yang_ctx(), NULL, in, LYD_JSON, LYD_TYPE_NOTIF_YANG, &tree, NULL);
	ly_in_free(in, 0);
	if (rc != LY_SUCCESS) {
		lyd_free_all(tree);
		return yang_err(err, -EINVAL);
	}
	*ret_notification = tree;
	return 0;
}

void notify_post(struct lyd_node *notification)
{
	struct buf text = { 0 };

	/* Text is a fraction of the tree's size. */
	if (format_print(&text, notification, FORMAT_JSON, false, WITH_DEFAULTS_EXPLICIT, false,
		    NULL) == 0) {
		size_t size = text.length;

		notify_post_lazy(build_from_text, buf_take(&text), size);
	}
	buf_done(&text);
	lyd_free_all(notification);
}

void notify_log_times(struct timespec *ret_created, struct timespec *ret_aged)
{
	begin_log();
	*ret_created = notify.created;
	*ret_aged = notify.aged;
}

/* --- streams ---------------------------------------------------------------------------------- */

/* A notification within data comes with its parents. */
static const struct lyd_node *find_notification(const struct lyd_node *tree)
{
	const struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (tree, elem) {
		if (elem->schema && elem->schema->nodetype == LYS_NOTIF)
			return elem;
		LYD_TREE_DFS_END(tree, elem);
	}
	return tree;
}

static bool is_allowed(const struct notify_stream *stream, struct notify_event *event)
{
	const struct access *access = access_of(&stream->opts.client);
	const struct lyd_node *tree = notify_event_tree(event);

	if (!access_notification(access, find_notification(tree)))
		return false;
	notify.view.tree = notify_view(access, tree);
	notify.view.event = notify.view.tree ? event : NULL;
	return notify_selects(&stream->opts.filter, notify_event_tree(event));
}

static void end(struct notify_stream *stream, enum notify_end reason)
{
	stream->is_over = true;
	loop_timer_stop(stream->stop_timer);
	stream->opts.ended(reason, stream->opts.arg);
}

/* The callback that was just called may have freed it. */
static bool is_gone(const struct notify_stream *stream)
{
	return notify.current != stream || stream->is_over;
}

/* Gives the stream the event at its place, or passes by. */
static void take(struct notify_stream *stream)
{
	struct notify_event *event = event_at(stream->next);
	const struct notify_opts *opts = &stream->opts;

	if (opts->has_stop && notify_time_compare(event->when, opts->stop) > 0) {
		end(stream, NOTIFY_STOPPED);
		return;
	}
	stream->next++;
	if (opts->has_start && notify_time_compare(event->when, opts->start) < 0)
		return;
	if (!notify_event_tree(event))
		return;
	if (is_allowed(stream, event))
		opts->event(event, opts->arg);
	else
		stream->excluded++;
	drop_view();
}

/* Is this the moment when all that was logged before has been given? */
static bool has_replayed(const struct notify_stream *stream)
{
	if (!stream->replay_end)
		return false;
	if (stream->next >= stream->replay_end)
		return true;
	return stream->opts.has_stop &&
		notify_time_compare(event_at(stream->next)->when, stream->opts.stop) > 0;
}

static bool is_stopped(const struct notify_stream *stream)
{
	return stream->opts.has_stop && !notify_time_left_ms(stream->opts.stop) &&
		(stream->next == notify.next ||
			notify_time_compare(event_at(stream->next)->when, stream->opts.stop) > 0);
}

/* Goes on with one stream; false when there is no time left in this turn. */
static bool serve(struct notify_stream *stream)
{
	const struct notify_opts *opts = &stream->opts;

	while (!is_gone(stream)) {
		if (stream->next < notify.first) {
			end(stream, NOTIFY_OVERRUN);
			break;
		}
		if (!opts->is_ready(opts->arg))
			break;
		if (has_replayed(stream)) {
			stream->replay_end = 0;
			opts->replayed(opts->arg);
		} else if (is_stopped(stream)) {
			end(stream, NOTIFY_STOPPED);
		} else if (stream->next == notify.next) {
			break;
		} else {
			take(stream);
		}
		if (loop_should_yield())
			return false;
	}
	return true;
}

static void serve_all(void *arg)
{
	struct notify_stream *stream, *next;
	bool has_time = true;

	if (list_empty(&notify.ready)) {
		LIST_FOREACH_SAFE (stream, next, &notify.streams, link) {
			list_remove(&stream->link);
			list_append(&notify.ready, &stream->link);
		}
	}
	while (has_time && !list_empty(&notify.ready)) {
		stream = CONTAINER_OF(notify.ready.next, struct notify_stream, link);
		list_remove(&stream->link);
		list_append(&notify.streams, &stream->link);
		notify.current = stream;
		has_time = serve(stream);
		if (!has_time && notify.current == stream) { /* it comes again, behind the others */
			list_remove(&stream->link);
			list_append(&notify.ready, &stream->link);
		}
		notify.current = NULL;
	}
	cool_all();
	if (!has_time)
		schedule();
}

static void on_stop(void *arg)
{
	schedule();
}

static void set_stop(struct notify_stream *stream, const struct timespec *stop)
{
	stream->opts.has_stop = stop != NULL;
	loop_timer_stop(stream->stop_timer);
	if (!stop)
		return;
	stream->opts.stop = *stop;
	if (!stream->stop_timer)
		stream->stop_timer = loop_timer_new("notify-stop", on_stop, NULL);
	loop_timer_start(stream->stop_timer, notify_time_left_ms(*stop));
}

/* The first event of the replay: ids and times go the same way. */
static uint64_t first_since(struct timespec start)
{
	uint64_t id = notify.first;

	while (id < notify.next && notify_time_compare(event_at(id)->when, start) < 0)
		id++;
	return id;
}

struct notify_stream *notify_stream_new(struct notify_opts *opts)
{
	struct notify_stream *stream = XNEW(struct notify_stream);

	begin_log();
	stream->opts = *opts;
	stream->opts.client.user = xstrdup(opts->client.user ? opts->client.user : "");
	stream->opts.client.host = NULL;
	opts->filter = (struct notify_filter){ 0 };
	stream->next = opts->has_start ? first_since(opts->start) : notify.next;
	stream->replay_end = opts->has_start ? notify.next : 0;
	list_append(&notify.streams, &stream->link);
	if (!notify.task)
		notify.task = loop_task_new("notify", serve_all, NULL);
	if (opts->has_stop)
		set_stop(stream, &opts->stop);
	schedule();
	return stream;
}

static void filter_done(struct notify_filter *filter)
{
	ds_filter_free(filter->subtree);
	free(filter->xpath);
	*filter = (struct notify_filter){ 0 };
}

void notify_stream_free(struct notify_stream *stream)
{
	if (!stream)
		return;
	if (notify.current == stream)
		notify.current = NULL;
	list_remove(&stream->link);
	loop_timer_free(stream->stop_timer);
	filter_done(&stream->opts.filter);
	free((char *)stream->opts.client.user);
	free(stream);
}

void notify_resume(struct notify_stream *stream)
{
	if (stream->next < notify.next || stream->replay_end)
		schedule();
}

void notify_stream_modify(
	struct notify_stream *stream, struct notify_filter *filter, const struct timespec *stop)
{
	filter_done(&stream->opts.filter);
	stream->opts.filter = *filter;
	*filter = (struct notify_filter){ 0 };
	set_stop(stream, stop);
	schedule();
}

uint64_t notify_stream_excluded(const struct notify_stream *stream)
{
	return stream->excluded;
}

void notify_done(void)
{
	assert(list_empty(&notify.streams) && list_empty(&notify.ready));
	while (notify.first < notify.next)
		drop_oldest();
	loop_task_free(TAKE(notify.task));
	notify.created = notify.aged = (struct timespec){ 0 };
}
