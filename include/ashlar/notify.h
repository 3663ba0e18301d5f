/*
 * Notifications: what happens is posted once, kept in a log of bounded size, and handed to those who
 * subscribed to it (RFC 5277, RFC 8639 event streams). Nothing of a notification is built before somebody
 * is to get it.
 */
#ifndef ASHLAR_NOTIFY_H
#define ASHLAR_NOTIFY_H

#include "ashlar/datastore.h"

#define NOTIFY_STREAM	 "NETCONF" /* the one stream: everything that is posted */
#define NOTIFY_TIME_TEXT 40

/* --- times ------------------------------------------------------------------------------------ */

struct timespec notify_now(void);
/* RFC 3339 with microseconds, UTC; @text holds NOTIFY_TIME_TEXT. */
void notify_time_text(char *text, struct timespec when);
/* yang:date-and-time; -EINVAL. */
int notify_time_parse(const char *text, struct timespec *ret_when) WARN_UNUSED;
/* < 0, 0, > 0 like memcmp(). */
int notify_time_compare(struct timespec a, struct timespec b);
/* Milliseconds from now until @when, rounded up; 0 when it is past. */
uint64_t notify_time_left_ms(struct timespec when);

/* --- posting ---------------------------------------------------------------------------------- */

/* The notification with its content, at top level, or with its parents down from there; taken. */
void notify_post(struct lyd_node *notification);
/*
 * The same for one whose tree is made by @build from @data (malloc'd; taken), whenever somebody asks for it.
 */
typedef int (*notify_build_fn)(
	const void *data, size_t size, struct lyd_node **ret_notification, struct err *err);
void notify_post_lazy(notify_build_fn build, void *data, size_t size);

/* --- subscribing ------------------------------------------------------------------------------ */

struct notify_event;
/* Borrowed for the callback that gave the event; NULL: it cannot be built. */
const struct lyd_node *notify_event_tree(struct notify_event *event);
const char *notify_event_text(struct notify_event *event, enum format format);
struct timespec notify_event_time(const struct notify_event *event);

enum notify_end {
	NOTIFY_STOPPED, /* the stop time has come */
	NOTIFY_OVERRUN, /* it was not ready for so long that the log lost events it has not had */
};

struct notify_filter {
	struct ds_filter *subtree; /* at most one of both; taken */
	char *xpath;		   /* prefixes resolved to module names; taken */
};

struct notify_opts {
	struct ds_client client; /* the user is copied; access control is asked at each event */
	struct notify_filter filter;
	bool has_start, has_stop;
	struct timespec start, stop;
	/* Asked before each event: can it be taken now? If not: notify_resume() tells. */
	bool (*is_ready)(void *arg);
	void (*event)(struct notify_event *event, void *arg);
	/* The logged events have been given; only with a start. */
	void (*replayed)(void *arg);
	/* No further call; the stream is still to be freed. */
	void (*ended)(enum notify_end end, void *arg);
	void *arg;
};

struct notify_stream;
/* Its callbacks come from later turns of the loop; all may free it. */
struct notify_stream *notify_stream_new(struct notify_opts *opts);
void notify_stream_free(struct notify_stream *stream);
void notify_resume(struct notify_stream *stream);
/* Other terms for the events that are still to come. Takes the filter. */
void notify_stream_modify(
	struct notify_stream *stream, struct notify_filter *filter, const struct timespec *stop);
/* Events held back by the filter or access control. */
uint64_t notify_stream_excluded(const struct notify_stream *stream);

/* When the log began, and the latest event that it has dropped (0: none). */
void notify_log_times(struct timespec *ret_created, struct timespec *ret_aged);
/* An expression that libyang can evaluate? */
int notify_check_xpath(const char *xpath, struct err *err) WARN_UNUSED;

/* --- base notifications (RFC 6470) -------------------------------------------------------------- */

enum notify_session_end {
	NOTIFY_SESSION_CLOSED,
	NOTIFY_SESSION_KILLED,
	NOTIFY_SESSION_DROPPED,
	NOTIFY_SESSION_TIMEOUT,
	NOTIFY_SESSION_BAD_HELLO,
};
void notify_session_start(const struct ds_client *client);
/* @killer: the session-id of who killed it; 0: nobody's. */
void notify_session_end(
	const struct ds_client *client, enum notify_session_end reason, uint32_t killer);

void notify_done(void);

#endif
