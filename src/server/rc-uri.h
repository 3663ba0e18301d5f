/*
 * RESTCONF's request targets (RFC 8040 section 3.5.3, RFC 8527 section 3.1): the path → resource, schema
 * nodes, key values. Pure.
 */
#ifndef ASHLAR_SERVER_RC_URI_H
#define ASHLAR_SERVER_RC_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "ashlar/buf.h"
#include "ashlar/datastore.h"
#include "ashlar/err.h"
#include "ashlar/notify.h"
#include "ashlar/yang.h"

#define RC_URI_STEPS_MAX  64
#define RC_URI_VALUES_MAX 64
#define RC_URI_KEYS_MAX	  8 /* of one list */

#define RC_URI_DATA "/restconf/data"
#define RC_URI_DS   "/restconf/ds/"
/* The one event stream, before "xml" or "json"; a subscription's, before its number. */
#define RC_URI_STREAM	    "/restconf/streams/" NOTIFY_STREAM "/"
#define RC_URI_SUBSCRIPTION "/restconf/subscriptions/"

enum rc_resource {
	RC_RESOURCE_HOST_META,
	RC_RESOURCE_API,
	RC_RESOURCE_LIBRARY_VERSION,
	RC_RESOURCE_OPERATIONS,
	RC_RESOURCE_RPC,
	RC_RESOURCE_DATASTORE,
	RC_RESOURCE_DATA,
	RC_RESOURCE_ACTION,
	RC_RESOURCE_STREAM,	  /* an event stream (RFC 8040 section 6) */
	RC_RESOURCE_SUBSCRIPTION, /* that of a subscription (RFC 8650) */
};

struct rc_step {
	const struct lysc_node *schema;
	size_t first, count; /* key values, or a leaf-list's one; 0: all instances */
};

struct rc_uri {
	enum rc_resource resource;
	enum ds ds;	  /* which one {+restconf}/ds names */
	bool is_ds;	  /* below {+restconf}/ds, not {+restconf}/data */
	bool is_intended; /* of that: intended, which is running but for that nobody writes it */
	const struct lysc_node *schema; /* RPC, action or data node; NULL otherwise */
	enum format stream_format;
	uint32_t subscription; /* its number */
	size_t step_count, value_count;
	struct rc_step steps[RC_URI_STEPS_MAX]; /* from the top; an action is no step */
	const char *values[RC_URI_VALUES_MAX];	/* decoded; in the text that was parsed */
};

/*
 * Reads a path, which is decoded in place and must outlive @ret_uri. -ENOENT: there is no such resource;
 * -EINVAL: it cannot be read.
 */
int rc_uri_parse(char *path, struct rc_uri *ret_uri, struct err *err) WARN_UNUSED;
/* The identity of what {+restconf}/ds names. */
const char *rc_uri_ds_name(enum ds ds);
/* The same for the value of "point": data nodes only, with or without RC_URI_DATA in front. */
int rc_uri_parse_point(char *path, struct rc_uri *ret_uri, struct err *err) WARN_UNUSED;
/*
 * The instance path that the URI names; malloc'd. -EINVAL when a value has quotes of both kinds, which
 * such a path cannot hold.
 */
int rc_uri_path(const struct rc_uri *uri, char **ret_path, struct err *err) WARN_UNUSED;
/* Predicates of the last step: "[name='x']"; malloc'd. */
int rc_uri_predicates(const struct rc_uri *uri, char **ret_text, struct err *err) WARN_UNUSED;
/* Does it name one instance, not all of a list? */
bool rc_uri_is_instance(const struct rc_uri *uri);
/* Appends "/mod:name=key,key" for each node from the top down to @node. */
void rc_uri_append(struct buf *out, const struct lyd_node *node);

/*
 * Resolves percent-encoding in place and ends the text with NUL, which may need the byte behind it.
 * -EINVAL for a broken escape, or one that is no character of UTF-8 text.
 */
int rc_uri_decode(char *text, size_t size, struct err *err) WARN_UNUSED;

#endif
