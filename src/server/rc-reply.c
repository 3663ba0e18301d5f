/*
 * Replies. The header is minimal: no Server, no Via; Date is made once a second. Errors are the document
 * of RFC 8040 section 7.1 in the format that the client accepts.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "nc-reply.h"
#include "rc-conn.h"
#include "rc-reply.h"

#define RETRY_AFTER "5"

/* Buffers here are without ceiling: what is put into them is bounded where it came from. */
static void put(struct buf *out, const char *text)
{
	(void)!buf_append_str(out, text);
}

const char *rc_reply_media_type(enum format format)
{
	return format == FORMAT_JSON ? RC_JSON : RC_XML;
}

/* --- the header ------------------------------------------------------------------------------- */

static void put_date(struct buf *out)
{
	static char text[HTTP_DATE_MAX];
	static time_t made;
	time_t now = time(NULL);

	if (now != made) {
		http_date(text, now);
		made = now;
	}
	put(out, "\r\nDate: ");
	put(out, text);
}

static void put_validators(struct buf *out, const struct rc_request *req)
{
	static char text[HTTP_DATE_MAX];
	static time_t made;
	time_t now = time(NULL), modified;
	enum ds ds;

	if (!rc_request_validators(req, &ds))
		return;
	modified = req->seen.is_set ? req->seen.modified : ds_last_modified(ds);
	if (modified > now) /* RFC 9110 section 8.8.2.1 */
		modified = now;
	if (made != modified || !text[0]) {
		made = modified;
		http_date(text, made);
	}
	(void)!buf_printf(out, "\r\nETag: \"%llx-%c\"\r\nLast-Modified: ",
		(unsigned long long)(req->seen.is_set ? req->seen.generation : ds_generation(ds)),
		req->out_format == FORMAT_JSON ? 'j' : 'x');
	put(out, text);
}

static void put_allow(struct buf *out, unsigned allow)
{
	const char *separator = "\r\nAllow: ";
	unsigned method;

	for (method = HTTP_OPTIONS; method <= HTTP_DELETE; method++) {
		if (!(allow & 1U << method))
			continue;
		put(out, separator);
		put(out, http_method_name((enum http_method)method));
		separator = ", ";
	}
	if (allow & 1U << HTTP_PATCH)
		put(out, "\r\nAccept-Patch: " RC_JSON ", " RC_XML);
}

static size_t content_size(const struct rc_reply *reply)
{
	return (reply->before ? strlen(reply->before) : 0) +
		(reply->body ? reply->body->length : 0) + (reply->after ? strlen(reply->after) : 0);
}

static void put_head(
	struct buf *out, const struct rc_request *req, const struct rc_reply *reply, bool closes)
{
	(void)!buf_printf(out, "HTTP/1.1 %u %s", reply->status, http_status_text(reply->status));
	put_date(out);
	put(out, "\r\nCache-Control: no-cache");
	if (reply->media_type) {
		put(out, "\r\nContent-Type: ");
		put(out, reply->media_type);
	}
	if (reply->has_validators)
		put_validators(out, req);
	if (reply->location) {
		put(out, "\r\nLocation: ");
		put(out, reply->location);
	}
	if (reply->allow)
		put_allow(out, reply->allow);
	if (reply->status == 401)
		put(out, "\r\nWWW-Authenticate: Basic realm=\"restconf\", charset=\"UTF-8\"");
	if (reply->status == 503)
		put(out, "\r\nRetry-After: " RETRY_AFTER);
	if (closes)
		put(out, "\r\nConnection: close");
	else if (!req->head.minor)
		put(out, "\r\nConnection: keep-alive");
	if (reply->is_stream)
		put(out, req->head.minor ? "\r\nTransfer-Encoding: chunked" : "");
	else if (reply->status != 204 && reply->status != 304)
		(void)!buf_printf(out, "\r\nContent-Length: %zu", content_size(reply));
	put(out, "\r\n\r\n");
}

void rc_reply(struct rc_request *req, struct rc_reply *reply)
{
	/* Before HTTP/1.1 a content of unknown length ends with the connection. */
	bool closes =
		reply->closes || !req->head.keeps_alive || (reply->is_stream && !req->head.minor);
	struct buf *head = rc_conn_scratch(req->rc);

	put_head(head, req, reply, closes);
	if (reply->is_stream && req->head.method == HTTP_GET)
		return;
	if (req->head.method == HTTP_HEAD)
		rc_conn_send(req->rc, NULL, NULL, NULL, closes);
	else
		rc_conn_send(req->rc, reply->before, reply->body, reply->after, closes);
}

void rc_reply_status(struct rc_request *req, unsigned status)
{
	struct rc_reply reply = { .status = status };

	rc_reply(req, &reply);
}

/* --- errors ----------------------------------------------------------------------------------- */

void rc_reply_json_string(struct buf *out, const char *text)
{
	put(out, "\"");
	while (*text) {
		size_t plain = 0;

		while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' &&
			text[plain] != '\\')
			plain++;
		(void)!buf_append(out, text, plain);
		text += plain;
		if (!*text)
			break;
		if (*text == '"' || *text == '\\')
			(void)!buf_printf(out, "\\%c", *text);
		else
			(void)!buf_printf(out, "\\u%04x", (unsigned)*text);
		text++;
	}
	put(out, "\"");
}

static void put_json_member(struct buf *out, const char *name, const char *value)
{
	(void)!buf_printf(out, ",\"%s\":", name);
	rc_reply_json_string(out, value);
}

static void put_json(struct buf *out, const struct err *err, const char *tag)
{
	const char *separator = ",\"error-info\":{";
	size_t i;

	(void)!buf_printf(out,
		"{\"ietf-restconf:errors\":{\"error\":[{\"error-type\":\"%s\",\"error-tag\":\"%s\"",
		err_type_name(err->type), tag);
	if (err->app_tag)
		put_json_member(out, "error-app-tag", err->app_tag);
	if (err->path && err->path[0] == '/')
		put_json_member(out, "error-path", err->path);
	put_json_member(out, "error-message", err_text(err));
	for (i = 0; i < ERR_INFO_MAX && err->info[i].name; i++) {
		(void)!buf_printf(out, "%s\"%s\":", separator, err->info[i].name);
		rc_reply_json_string(out, err->info[i].value);
		separator = ",";
	}
	put(out, i ? "}}]}}\n" : "}]}}\n");
}

static void put_xml_element(struct buf *out, const char *name, const char *value)
{
	(void)!buf_printf(out, "<%s>", name);
	nc_reply_escape(out, value);
	(void)!buf_printf(out, "</%s>", name);
}

static void put_xml_path(struct buf *out, const char *path)
{
	_cleanup_(buf_done) struct buf xpath = { 0 }, declarations = { 0 };

	nc_reply_path(path, &xpath, &declarations);
	put(out, "<error-path");
	put(out, buf_bytes(&declarations));
	put(out, ">");
	nc_reply_escape(out, buf_bytes(&xpath));
	put(out, "</error-path>");
}

static void put_xml(struct buf *out, const struct err *err, const char *tag)
{
	size_t i;

	put(out, "<errors xmlns=\"urn:ietf:params:xml:ns:yang:ietf-restconf\"><error>");
	put_xml_element(out, "error-type", err_type_name(err->type));
	put_xml_element(out, "error-tag", tag);
	if (err->app_tag)
		put_xml_element(out, "error-app-tag", err->app_tag);
	if (err->path && err->path[0] == '/')
		put_xml_path(out, err->path);
	put_xml_element(out, "error-message", err_text(err));
	if (err->info[0].name)
		put(out, "<error-info>");
	for (i = 0; i < ERR_INFO_MAX && err->info[i].name; i++)
		put_xml_element(out, err->info[i].name, err->info[i].value);
	put(out, i ? "</error-info></error></errors>\n" : "</error></errors>\n");
}

/* The table of RFC 8040 section 7, for who is known and asked for what exists. */
static unsigned status_of(enum err_tag tag)
{
	switch (tag) {
	case ERR_TAG_INVALID_VALUE:
	case ERR_TAG_MISSING_ATTRIBUTE:
	case ERR_TAG_BAD_ATTRIBUTE:
	case ERR_TAG_UNKNOWN_ATTRIBUTE:
	case ERR_TAG_MISSING_ELEMENT:
	case ERR_TAG_BAD_ELEMENT:
	case ERR_TAG_UNKNOWN_ELEMENT:
	case ERR_TAG_UNKNOWN_NAMESPACE:
	case ERR_TAG_MALFORMED_MESSAGE:
		return 400;
	case ERR_TAG_ACCESS_DENIED:
		return 403;
	case ERR_TAG_IN_USE:
	case ERR_TAG_LOCK_DENIED:
	case ERR_TAG_RESOURCE_DENIED:
	case ERR_TAG_DATA_EXISTS:
	case ERR_TAG_DATA_MISSING:
		return 409;
	case ERR_TAG_TOO_BIG:
		return 413;
	case ERR_TAG_OPERATION_NOT_SUPPORTED:
		return 501;
	case ERR_TAG_NONE:
	case ERR_TAG_ROLLBACK_FAILED:
	case ERR_TAG_OPERATION_FAILED:
		return 500;
	}
	return 500;
}

/* What RFC 8650 section 3.3 says of errors about subscriptions is as above, but for those not found. */
static bool is_no_subscription(const struct err *err)
{
	return err->app_tag && strstr(err->app_tag, ":no-such-subscription");
}

static void send_error(struct rc_request *req, struct rc_reply *reply, const struct err *err)
{
	enum err_tag tag = err_effective_tag(err);
	_cleanup_(buf_done) struct buf body = { 0 };

	if (!reply->status)
		reply->status = is_no_subscription(err) ? 404 : status_of(tag);
	/* RFC 8040 section 4.4.1 has a tag of its own for what is there already. */
	if (req->head.method == HTTP_POST && tag == ERR_TAG_DATA_EXISTS)
		tag = ERR_TAG_RESOURCE_DENIED;
	if (reply->status == 404)
		tag = ERR_TAG_INVALID_VALUE;
	if (req->out_format == FORMAT_JSON)
		put_json(&body, err, err_tag_name(tag));
	else
		put_xml(&body, err, err_tag_name(tag));
	reply->media_type = rc_reply_media_type(req->out_format);
	reply->body = &body;
	rc_reply(req, reply);
}

void rc_reply_error(struct rc_request *req, unsigned status, const struct err *err)
{
	struct rc_reply reply = { .status = status };

	send_error(req, &reply, err);
}

static void make_error(struct err *err, enum err_tag tag, const char *format, va_list ap)
{
	err_vset(err, err_errno_by_tag(tag), NULL, format, ap);
	err->tag = tag;
	err->type = ERR_TYPE_PROTOCOL;
}

void rc_reply_refuse(
	struct rc_request *req, unsigned status, enum err_tag tag, const char *format, ...)
{
	_cleanup_err_ struct err err = { 0 };
	va_list ap;

	va_start(ap, format);
	make_error(&err, tag, format, ap);
	va_end(ap);
	rc_reply_error(req, status, &err);
}

void rc_reply_not_allowed(struct rc_request *req, unsigned allow)
{
	struct rc_reply reply = { .status = 405, .allow = allow };
	_cleanup_err_ struct err err = { 0 };

	err_tagged(&err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL, "the resource does not allow %s",
		http_method_name(req->head.method));
	err.type = ERR_TYPE_PROTOCOL;
	send_error(req, &reply, &err);
}

void rc_reply_hang_up(struct rc_request *req, unsigned status, const char *reason)
{
	struct rc_reply reply = { .status = status, .closes = true };
	_cleanup_err_ struct err err = { 0 };

	err_tagged(&err,
		status == 413		? ERR_TAG_TOO_BIG
			: status == 501 ? ERR_TAG_OPERATION_NOT_SUPPORTED
			: status == 401 ? ERR_TAG_ACCESS_DENIED
					: ERR_TAG_MALFORMED_MESSAGE,
		NULL, "%s", reason);
	err.type = ERR_TYPE_PROTOCOL;
	send_error(req, &reply, &err);
}
