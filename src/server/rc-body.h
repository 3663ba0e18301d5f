/* Envelopes of message bodies: "data" of ietf-restconf, "input" of an operation. Pure. */
#ifndef ASHLAR_SERVER_RC_BODY_H
#define ASHLAR_SERVER_RC_BODY_H

#include "ashlar/buf.h"
#include "ashlar/err.h"
#include "ashlar/yang.h"

struct rc_envelope {
	const char *module; /* "ietf-restconf" */
	const char *ns;
	const char *name; /* "data" */
};

/*
 * What is inside the envelope, which must be all there is: XML elements that stand alone (with the
 * namespaces declared on the envelope), or a JSON object. Appended to @out.
 */
int rc_body_unwrap(const struct buf *body, enum format format, const struct rc_envelope *envelope,
	struct buf *out, struct err *err) WARN_UNUSED;
/* The input of an RPC or action as the operation itself; an empty body is an empty input. */
int rc_body_operation(const struct buf *body, enum format format, const struct lysc_node *operation,
	struct buf *out, struct err *err) WARN_UNUSED;

/* Is the body, where it is XML, one document? Else -EBADMSG: malformed-message. */
int rc_body_check(const struct buf *body, enum format format, struct err *err) WARN_UNUSED;

#endif
