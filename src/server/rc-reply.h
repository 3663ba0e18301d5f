/* What a RESTCONF client gets back: status line, header fields, body, error documents. */
#ifndef ASHLAR_SERVER_RC_REPLY_H
#define ASHLAR_SERVER_RC_REPLY_H

#include <stdbool.h>

#include "ashlar/buf.h"
#include "ashlar/err.h"

#include "rc-request.h"

#define RC_JSON "application/yang-data+json"
#define RC_XML	"application/yang-data+xml"
#define RC_SSE	"text/event-stream"

struct rc_reply {
	unsigned status;
	const char *media_type;	    /* NULL: no content */
	const char *before, *after; /* the body between them; may be NULL */
	struct buf *body;	    /* its bytes are taken; may be NULL */
	bool has_validators;	    /* ETag and Last-Modified, if the resource has them */
	bool closes;		    /* the connection ends with this reply */
	unsigned allow;		    /* methods, a bit each; 0: no such field */
	const char *location;	    /* may be NULL */
	bool is_stream; /* what comes after the head comes piece by piece: rc_conn_stream_begin() is next */
};

/* Sends it: the request is over. */
void rc_reply(struct rc_request *req, struct rc_reply *reply);
/* A status without content. */
void rc_reply_status(struct rc_request *req, unsigned status);
/* An error document; @status 0: what belongs to the error's tag (RFC 8040 section 7). */
void rc_reply_error(struct rc_request *req, unsigned status, const struct err *err);
/* The same from scratch; of type protocol. */
void rc_reply_refuse(struct rc_request *req, unsigned status, enum err_tag tag, const char *format,
	...) PRINTF(4, 5);
/* 405 with what the resource allows. */
void rc_reply_not_allowed(struct rc_request *req, unsigned allow);
/* The bytes after the head cannot be trusted: refuses and closes. */
void rc_reply_hang_up(struct rc_request *req, unsigned status, const char *reason);

const char *rc_reply_media_type(enum format format);
/* Appends a string with its quotes. */
void rc_reply_json_string(struct buf *out, const char *text);

#endif
