/*
 * Subscriptions of NETCONF sessions: who gets which notifications. They end with their session. All may be
 * called with sessions that have none.
 */
#ifndef ASHLAR_SERVER_SUBSCRIBE_H
#define ASHLAR_SERVER_SUBSCRIBE_H

#include "ashlar/notify.h"

#include "session.h"

#define NC_NS_NOTIFICATION "urn:ietf:params:xml:ns:netconf:notification:1.0"
#define NC_NS_SUBSCRIBED   "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"

/* What is subscribed to, as it was asked for: for those who look. Strings are owned. */
struct subscribe_terms {
	char *filter_name;  /* of a filter that is kept in configuration; NULL: none */
	char *subtree_text; /* XML; NULL: none */
	char *xpath;	    /* prefixes resolved to module names; NULL: none */
	bool has_start, has_stop;
	struct timespec start, stop;
};
void subscribe_terms_done(struct subscribe_terms *terms);

struct subscription;

/* RFC 5277: the one that has no number. Takes the filter. */
struct subscription *subscribe_create(
	struct session *session, struct notify_filter *filter, const struct subscribe_terms *times);
/* Has the session one of those? */
bool subscribe_is_created(const struct session *session);

/* There is room for more in what is to be sent to the session. */
void subscribe_drained(struct session *session);
/* Are there any? */
bool subscribe_has(const struct session *session);
/* The session is over: they end, untold. */
void subscribe_session_closed(struct session *session);

/* Fills in /nc-notifications:netconf. */
int subscribe_show_netconf(struct lyd_node *netconf, struct err *err);

#endif
