/*
 * HTTP/1.1 requests (RFC 9110, RFC 9112), read strictly and within limits: what a proxy in front could
 * read differently is refused, not repaired. Pure: bytes in, values out; no sockets, no memory kept.
 */
#ifndef ASHLAR_SERVER_HTTP_H
#define ASHLAR_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "ashlar/buf.h"

#define HTTP_HEAD_MAX	((size_t)16384) /* request line and header fields */
#define HTTP_TARGET_MAX ((size_t)8192)
#define HTTP_FIELDS_MAX 100
#define HTTP_LINES_MAX	4 /* lines of one field that is a list */
#define HTTP_BODY_MAX	((size_t)16 * 1024 * 1024)
#define HTTP_DATE_MAX	30 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

enum http_method {
	HTTP_OPTIONS,
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
};

/* A range of the head's text; at NULL: absent. */
struct http_text {
	const char *at;
	size_t size;
};

/* A field whose value is a list may come in several lines. */
struct http_lines {
	struct http_text line[HTTP_LINES_MAX];
	size_t count;
};

struct http_head {
	enum http_method method;
	unsigned minor;		      /* of the version: 0 or 1 */
	bool is_asterisk;	      /* the target is "*": no path */
	struct http_text path, query; /* as they stand, percent-encoded; query without "?" */
	struct http_text host;	      /* with port; of an absolute target, the target's */
	bool keeps_alive, expects_continue, is_chunked;
	uint64_t content_length; /* 0 when chunked */
	struct http_text authorization, content_type;
	struct http_text if_modified_since, if_unmodified_since;
	struct http_lines accept, if_match, if_none_match;
};

/*
 * Looks for the end of a head at the beginning of the @size bytes; *scanned (0 at first) remembers what
 * has been looked at. Returns its length with the empty line, 0 when it has not arrived, -EBADMSG for a
 * line end other than CRLF, -EMSGSIZE when it is too long.
 */
ssize_t http_head_end(const char *text, size_t size, size_t *scanned) WARN_UNUSED;
/*
 * Reads a head that http_head_end() found. 0, or the status to refuse it with, *ret_reason then saying
 * why (static): nothing after the head can be trusted to be a request.
 */
unsigned http_head_parse(const char *text, size_t size, struct http_head *ret_head,
	const char **ret_reason) WARN_UNUSED;
const char *http_method_name(enum http_method method);
const char *http_status_text(unsigned status);

/* A chunked body on its way; zeroed at the beginning. */
struct http_chunks {
	unsigned state;
	unsigned digits; /* of the size at hand */
	size_t left;	 /* bytes of the chunk at hand */
	size_t extra;	 /* bytes of extensions and trailers so far */
	bool is_complete;
};

/*
 * Appends the content among the @size bytes to @body, up to the end of the body. Returns how many bytes
 * it took; -EBADMSG, or -EMSGSIZE when the body is longer than HTTP_BODY_MAX.
 */
ssize_t http_chunks_take(
	struct http_chunks *chunks, const char *data, size_t size, struct buf *body) WARN_UNUSED;

bool http_text_is(struct http_text text, const char *literal); /* ASCII case is ignored */
/* The next element of a comma-separated list, without blanks around it; false at the end. */
bool http_list_next(struct http_text *rest, struct http_text *ret_element);
/* "type/subtype" of a media type, without parameters and blanks. */
struct http_text http_media_type(struct http_text value);
/*
 * How much (0 … 1000) the client wants the media type; @accept without lines: 1000. The most specific
 * range that covers it counts.
 */
unsigned http_accept_quality(const struct http_lines *accept, const char *media_type);
/*
 * Credentials of "Basic" (RFC 7617), NUL-terminated and without control characters. -EBADMSG for
 * anything else, also for what does not fit.
 */
int http_basic(struct http_text authorization, char *user, size_t user_room, char *password,
	size_t password_room) WARN_UNUSED;
/* @text holds HTTP_DATE_MAX. */
void http_date(char *text, time_t when);
/* Any of the three forms of RFC 9110 section 5.6.7; false for another. */
bool http_date_parse(struct http_text text, time_t *ret_when);
/*
 * The next entity-tag of a list, without its quotes: 1; 0 at the end; -EBADMSG when it is none ("*"
 * included).
 */
int http_etag_next(
	struct http_text *rest, struct http_text *ret_tag, bool *ret_is_weak) WARN_UNUSED;

#endif
