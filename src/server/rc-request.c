/*
 * From a request to the one function that answers it: the target is read, then what the resource allows,
 * what the client accepts and sends, and the query are checked, in this order.
 */
#include <errno.h>
#include <string.h>

#include "rc-conn.h"
#include "rc-reply.h"
#include "rc-request.h"

#define BIT(method) (1U << HTTP_##method)
#define READING	    (BIT(OPTIONS) | BIT(GET) | BIT(HEAD))

struct ds_client rc_request_client(const struct rc_request *req)
{
	return (struct ds_client){
		.user = req->user,
		.protocol = "restconf",
		.comment = req->params.comment,
	};
}

/* --- media types ------------------------------------------------------------------------------ */

static bool format_of(struct http_text type, enum format *ret_format)
{
	if (http_text_is(type, RC_JSON))
		*ret_format = FORMAT_JSON;
	else if (http_text_is(type, RC_XML))
		*ret_format = FORMAT_XML;
	else
		return false;
	return true;
}

void rc_request_negotiate(struct rc_request *req)
{
	const struct http_lines *accept = &req->head.accept;
	unsigned json = http_accept_quality(accept, RC_JSON),
		 xml = http_accept_quality(accept, RC_XML);
	enum format sent = FORMAT_JSON;

	/* What the client speaks itself, where it likes both alike. */
	(void)format_of(http_media_type(req->head.content_type), &sent);
	req->out_format = json > xml ? FORMAT_JSON : xml > json ? FORMAT_XML : sent;
}

static bool is_stream(const struct rc_request *req)
{
	return req->uri.resource == RC_RESOURCE_STREAM ||
		req->uri.resource == RC_RESOURCE_SUBSCRIPTION;
}

static bool is_acceptable(const struct rc_request *req)
{
	if (is_stream(req))
		return http_accept_quality(&req->head.accept, RC_SSE);
	return http_accept_quality(&req->head.accept, rc_reply_media_type(req->out_format));
}

/* --- what a resource allows ------------------------------------------------------------------- */

bool rc_request_validators(const struct rc_request *req, enum ds *ret_ds)
{
	const struct rc_uri *uri = &req->uri;

	if (uri->resource != RC_RESOURCE_DATASTORE && uri->resource != RC_RESOURCE_DATA)
		return false;
	if (uri->ds == DS_OPERATIONAL || (uri->schema && !(uri->schema->flags & LYS_CONFIG_W)))
		return false;
	*ret_ds = uri->ds;
	return true;
}

static unsigned allowed_on_data(const struct rc_uri *uri)
{
	bool is_inner = !uri->schema || (uri->schema->nodetype & (LYS_CONTAINER | LYS_LIST));

	if ((uri->ds != DS_RUNNING && uri->ds != DS_CANDIDATE) || uri->is_intended ||
		(uri->schema && !(uri->schema->flags & LYS_CONFIG_W)))
		return READING;
	return READING | BIT(PUT) | BIT(PATCH) | (is_inner ? BIT(POST) : 0) |
		(uri->schema ? BIT(DELETE) : 0);
}

static unsigned allowed_on(const struct rc_uri *uri)
{
	switch (uri->resource) {
	case RC_RESOURCE_HOST_META:
	case RC_RESOURCE_API:
	case RC_RESOURCE_LIBRARY_VERSION:
	case RC_RESOURCE_OPERATIONS:
		return READING;
	case RC_RESOURCE_DATASTORE:
	case RC_RESOURCE_DATA:
		return allowed_on_data(uri);
	case RC_RESOURCE_STREAM:
	case RC_RESOURCE_SUBSCRIPTION:
		return READING;
	case RC_RESOURCE_RPC:
		return BIT(OPTIONS) | BIT(POST);
	case RC_RESOURCE_ACTION:
		/* RFC 8527 section 3.1: of the datastores, only in operational. */
		return uri->is_ds && uri->ds != DS_OPERATIONAL ? BIT(OPTIONS)
							       : BIT(OPTIONS) | BIT(POST);
	}
	return 0;
}

static unsigned allowed_parameters(const struct rc_request *req)
{
	bool is_read = req->head.method == HTTP_GET || req->head.method == HTTP_HEAD;
	bool is_operational = req->uri.is_ds && req->uri.ds == DS_OPERATIONAL;

	if (req->uri.resource == RC_RESOURCE_API)
		return is_read ? RC_QUERY_DEPTH | RC_QUERY_FIELDS : 0;
	if (req->uri.resource == RC_RESOURCE_STREAM)
		return is_read ? RC_QUERY_EVENTS : 0;
	if (req->uri.resource != RC_RESOURCE_DATASTORE && req->uri.resource != RC_RESOURCE_DATA)
		return 0;
	if (is_read)
		return RC_QUERY_CONTENT | RC_QUERY_DEPTH | RC_QUERY_FIELDS | RC_QUERY_DEFAULTS |
			(req->uri.resource == RC_RESOURCE_DATA ? RC_QUERY_PAGE : 0) |
			(is_operational ? RC_QUERY_ORIGIN : 0);
	if (req->head.method == HTTP_POST ||
		(req->head.method == HTTP_PUT && req->uri.resource == RC_RESOURCE_DATA))
		return RC_QUERY_INSERT | RC_QUERY_TRANSACTION;
	return RC_QUERY_TRANSACTION;
}

/* --- checks ----------------------------------------------------------------------------------- */

/* Answers, and returns false, when the body does not fit the method. */
static bool check_body(struct rc_request *req)
{
	bool takes_body = req->head.method == HTTP_POST || req->head.method == HTTP_PUT ||
		req->head.method == HTTP_PATCH;

	if (req->body.length && !takes_body) {
		rc_reply_refuse(req, 400, ERR_TAG_MALFORMED_MESSAGE, "%s takes no body",
			http_method_name(req->head.method));
		return false;
	}
	if (!req->body.length)
		return true;
	if (!req->head.content_type.at ||
		!format_of(http_media_type(req->head.content_type), &req->in_format)) {
		rc_reply_refuse(req, 415, ERR_TAG_INVALID_VALUE,
			"a body is " RC_JSON " or " RC_XML ", and says so");
		return false;
	}
	return true;
}

static void reply_allowed(struct rc_request *req, unsigned allowed)
{
	struct rc_reply reply = { .status = 200, .allow = allowed };

	rc_reply(req, &reply);
}

static bool check(struct rc_request *req)
{
	unsigned allowed = allowed_on(&req->uri);
	_cleanup_err_ struct err err = { 0 };

	if (!(allowed & 1U << req->head.method)) {
		rc_reply_not_allowed(req, allowed);
		return false;
	}
	if (req->uri.resource != RC_RESOURCE_HOST_META && !is_acceptable(req)) {
		rc_reply_refuse(req, 406, ERR_TAG_INVALID_VALUE, "there is %s",
			is_stream(req) ? RC_SSE : RC_JSON " and " RC_XML);
		return false;
	}
	if (!check_body(req))
		return false;
	if (req->head.method == HTTP_OPTIONS) {
		reply_allowed(req, allowed);
		return false;
	}
	if (rc_query_parse(req->query, allowed_parameters(req), &req->params, &err) < 0) {
		err.type = ERR_TYPE_PROTOCOL;
		rc_reply_error(req, 400, &err);
		return false;
	}
	return true;
}

void rc_request_run(struct rc_request *req)
{
	_cleanup_err_ struct err err = { 0 };
	int ret;

	if (req->head.is_asterisk) {
		reply_allowed(
			req, allowed_on_data(&(struct rc_uri){ .ds = DS_RUNNING }) | BIT(DELETE));
		return;
	}
	ret = rc_uri_parse(req->path, &req->uri, &err);
	if (ret == 0 && req->uri.resource == RC_RESOURCE_RPC && !rc_api_has(req->uri.schema))
		ret = err_set(&err, -ENOENT, NULL, "there is no operation \"%s:%s\" here",
			req->uri.schema->module->name, req->uri.schema->name);
	if (ret < 0) {
		err.type = ERR_TYPE_PROTOCOL;
		rc_reply_error(req, ret == -ENOENT ? 404 : 400, &err);
		return;
	}
	if (!check(req))
		return;
	switch (req->uri.resource) {
	case RC_RESOURCE_HOST_META:
	case RC_RESOURCE_API:
	case RC_RESOURCE_LIBRARY_VERSION:
	case RC_RESOURCE_OPERATIONS:
		rc_api_run(req);
		return;
	case RC_RESOURCE_STREAM:
	case RC_RESOURCE_SUBSCRIPTION:
		rc_stream_run(req);
		return;
	case RC_RESOURCE_RPC:
	case RC_RESOURCE_ACTION:
		rc_call_run(req);
		return;
	case RC_RESOURCE_DATASTORE:
	case RC_RESOURCE_DATA:
		if (req->head.method == HTTP_GET || req->head.method == HTTP_HEAD)
			rc_read_run(req);
		else
			rc_edit_run(req);
		return;
	}
}

void rc_request_cancel(struct rc_request *req)
{
	ds_forget(req);
	rc_request_reset(req);
}

void rc_request_reset(struct rc_request *req)
{
	memset(&req->head, 0, sizeof(req->head));
	req->path = req->query = NULL;
	buf_clear(&req->body);
	req->uri.resource = RC_RESOURCE_API;
	req->uri.schema = NULL;
	req->out_format = FORMAT_JSON;
	free(TAKE(req->location));
	req->is_create_only = false;
	req->has_begun = false;
	req->seen.is_set = false;
}
