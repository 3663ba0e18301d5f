/*
 * Who gets what is subscribed to: a NETCONF session, or the client of a RESTCONF event stream. Embedded in
 * what it is.
 */
#ifndef ASHLAR_SERVER_SUBSCRIBER_H
#define ASHLAR_SERVER_SUBSCRIBER_H

#include "ashlar/datastore.h"
#include "ashlar/list.h"

struct subscriber;

/* A piece of a message. */
struct session_part {
	const char *data;
	size_t size;
};

struct subscriber_type {
	/* "" where subscriptions have no URI of their own, or what stands before their number in it. */
	const char *uri;
	/* On whose behalf; borrows. */
	struct ds_client (*client)(const struct subscriber *subscriber);
	/* For those who look; malloc'd. */
	char *(*name)(const struct subscriber *subscriber);
	/* Not on its way out: what is sent may still arrive. */
	bool (*is_open)(const struct subscriber *subscriber);
	/* Is its peer reading? */
	bool (*has_room)(const struct subscriber *subscriber);
	/*
	 * A notification, its content given as an XML element or as the member of a JSON object. It may be
	 * closed by that, not freed.
	 */
	void (*send)(struct subscriber *subscriber, struct timespec when,
		const struct session_part *content, size_t count);
	/* It does not read, and there is no way to tell it. */
	void (*drop)(struct subscriber *subscriber);
	/* One of its subscriptions has ended and is gone; it may free itself. May be NULL. */
	void (*ended)(struct subscriber *subscriber);
};

struct subscriber {
	const struct subscriber_type *type;
	enum format format;
	bool is_waiting; /* has not come yet: what depends on when it does begins with subscriber_came() */
	struct list subscriptions; /* subscribe.c's */
};

void subscriber_init(
	struct subscriber *subscriber, const struct subscriber_type *type, enum format format);
/* There is room for more in what is to be sent to it. */
void subscriber_drained(struct subscriber *subscriber);
/* It is not waiting any more. */
void subscriber_came(struct subscriber *subscriber);
/* Has it subscriptions? */
bool subscriber_has(const struct subscriber *subscriber);
/* It is gone: they end, untold. */
void subscriber_gone(struct subscriber *subscriber);

#endif
