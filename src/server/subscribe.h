/*
 * Subscriptions: who gets which notifications. Those of RFC 8639 and RFC 8641 have a number; the one of RFC
 * 5277 and those of RFC 8040 have none. They end with their subscriber. What takes a subscriber may be called
 * with one that has none.
 */
#ifndef ASHLAR_SERVER_SUBSCRIBE_H
#define ASHLAR_SERVER_SUBSCRIBE_H

#include "ashlar/push.h"

#include "subscriber.h"

#define NC_NS_NOTIFICATION "urn:ietf:params:xml:ns:netconf:notification:1.0"
#define NC_NS_SUBSCRIBED   "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
#define NC_NS_PUSH	   "urn:ietf:params:xml:ns:yang:ietf-yang-push"

#define SUBSCRIBED_MODULE "ietf-subscribed-notifications"
#define PUSH_MODULE	  "ietf-yang-push"
/* Of the URI that a subscription has over RESTCONF. */
#define SUBSCRIBED_URI_MODULE "ietf-restconf-subscribed-notifications"

#define SUBSCRIPTIONS_MAX 20000 /* of all sessions */

/* What is subscribed to. Zeroed: to the stream, all of it. */
struct subscribe_terms {
	bool is_created; /* it is one without a number */
	struct notify_filter filter;
	/* As it was asked for, for those who look; at most one; owned. */
	char *filter_name;  /* of a filter that is kept in configuration */
	char *subtree_text; /* XML */
	char *xpath_text;   /* prefixes resolved to module names */
	bool has_start, has_stop;
	struct timespec start, stop;
	bool has_format;
	enum format format; /* of the notifications, where that can be chosen */

	bool is_push;	       /* the rest is of those */
	const char *datastore; /* static: "ietf-datastores:running" */
	enum ds ds;
	bool is_on_change;
	uint32_t period_cs, dampening_cs;
	bool has_anchor;
	struct timespec anchor;
	bool sync_on_start;
	unsigned excluded; /* bits 1U << enum push_change */
};
void subscribe_terms_done(struct subscribe_terms *terms);
extern const char *const subscribe_change_names[PUSH_CHANGES + 1]; /* ends with NULL */

struct subscription;

/* Takes the terms. NULL: there are too many, or they keep too much. Its first message comes from a later turn. */
struct subscription *subscribe_new(struct subscriber *subscriber, struct subscribe_terms *terms);
/* Ends it untold. */
void subscription_free(struct subscription *subscription);
/* The same, and its subscriber knows. */
void subscription_end(struct subscription *subscription);
/* Other terms of the same kind (stream or push); takes them. */
void subscription_modify(struct subscription *subscription, struct subscribe_terms *terms);
/* Tells of the terms that it has by now. */
void subscription_tell_modified(struct subscription *subscription);
/* Ends it, and tells its client why: an identity of ietf-subscribed-notifications. */
void subscription_terminate(struct subscription *subscription, const char *reason);
/* Tells everything anew. False: that is more than there is room for. */
bool subscription_resync(struct subscription *subscription);
uint32_t subscription_id(const struct subscription *subscription);
const struct subscriber *subscription_subscriber(const struct subscription *subscription);
const struct subscribe_terms *subscription_terms(const struct subscription *subscription);
/* NULL: there is none of that number. */
struct subscription *subscribe_find(uint32_t id);
/* Has it one without a number? */
bool subscribe_is_created(const struct subscriber *subscriber);
void subscribe_done(void);

/*
 * A filter that is kept in configuration, of streams or of datastores. -ENOENT; or it cannot be parsed.
 */
int subscribe_find_filter(const char *name, bool is_push, struct notify_filter *ret_filter,
	struct err *err) WARN_UNUSED;

/* --- for those who look (subscribe-show.c) -------------------------------------------------------- */

/* One after the other; NULL begins; NULL ends. */
struct subscription *subscribe_next(const struct subscription *after);
void subscription_counts(const struct subscription *subscription, uint64_t *ret_sent,
	uint64_t *ret_excluded, bool *ret_is_suspended);
/* Fill in /nc-notifications:netconf, /ietf-subscribed-notifications:streams and :subscriptions. */
int subscribe_show_netconf(struct lyd_node *netconf, struct err *err);
int subscribe_show_streams(struct lyd_node *streams, struct err *err);
/* The streams of ietf-restconf-monitoring; where they are: @uri and the name of the encoding. */
int subscribe_show_restconf(struct lyd_node *streams, const char *uri, struct err *err);
int subscribe_show(struct lyd_node *subscriptions, struct err *err);
/* The notification of the terms that it has by now, in its client's format. */
int subscribe_print_modified(
	const struct subscription *subscription, struct buf *out, struct err *err) WARN_UNUSED;

#endif
