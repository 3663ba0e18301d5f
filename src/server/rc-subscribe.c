/*
 * The operations on subscriptions over RESTCONF: read as NETCONF's are, and answered as RFC 8650 wants it.
 * What comes in JSON is written as XML first, so that there is one reader.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "op-subscribe.h"
#include "rc-body.h"
#include "rc-reply.h"
#include "rc-stream.h"
#include "rc-subscribe.h"

#define NS_URI "urn:ietf:params:xml:ns:yang:" SUBSCRIBED_URI_MODULE

static const struct rpc {
	const char *path;
	int (*run)(struct op *op, struct err *err); /* NULL: it is answered with more than that */
} rpcs[] = {
	{ "/" SUBSCRIBED_MODULE ":establish-subscription", NULL },
	{ "/" SUBSCRIBED_MODULE ":modify-subscription", op_subscription_modify },
	{ "/" SUBSCRIBED_MODULE ":delete-subscription", op_subscription_delete },
	{ "/" SUBSCRIBED_MODULE ":kill-subscription", op_subscription_kill },
	{ "/" PUSH_MODULE ":resync-subscription", op_subscription_resync },
};

const char *rc_subscribe_path(size_t index)
{
	return index < ARRAY_SIZE(rpcs) ? rpcs[index].path : NULL;
}

static const struct rpc *find(const struct lysc_node *schema)
{
	for (size_t i = 0; i < ARRAY_SIZE(rpcs); i++) {
		if (schema == path_schema(rpcs[i].path))
			return &rpcs[i];
	}
	return NULL;
}

/* --- input ------------------------------------------------------------------------------------ */

static void op_freep(struct op **op)
{
	if (!*op)
		return;
	buf_done(&(*op)->message);
	buf_done(&(*op)->scratch);
	free(*op);
}

static int json_to_xml(struct buf *out, const struct buf *text, struct err *err)
{
	int ret = format_rpc_to_xml(out, buf_bytes(text), text->length, err);

	return ret < 0 && err->path && str_ends(err->path, "-xpath-filter")
		? op_bad_subscription_filter(err)
		: ret;
}

/* The request as the operation of a NETCONF message. */
static int read_op(struct rc_request *req, struct op **ret_op, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_(op_freep) struct op *op = xmalloc(sizeof(*op));
	int ret;

	memset(op, 0, offsetof(struct op, rpc));
	op->client = rc_request_client(req);
	(void)!buf_append_str(&op->message, "<rpc xmlns=\"" NC_NS_BASE "\" message-id=\"0\">");
	ret = rc_body_operation(&req->body, req->in_format, req->uri.schema, &text, err);
	if (ret == 0 && req->in_format == FORMAT_JSON)
		ret = json_to_xml(&op->message, &text, err);
	else if (ret == 0)
		(void)!buf_append(&op->message, buf_bytes(&text), text.length); /* no ceiling */
	(void)!buf_append_str(&op->message, "</rpc>");
	if (ret == 0)
		ret = nc_rpc_parse(&op->rpc, buf_bytes(&op->message), op->message.length, err);
	if (ret < 0)
		return ret;
	op->element = &op->rpc.elements[0];
	*ret_op = TAKE(op);
	return 0;
}

/* --- answers ------------------------------------------------------------------------------------ */

static void put_output(struct buf *out, enum format format, uint32_t id, const char *revised)
{
	if (format == FORMAT_JSON) {
		(void)!buf_printf(out,
			"{\"" SUBSCRIBED_MODULE ":output\":{\"id\":%u,\"" SUBSCRIBED_URI_MODULE
			":uri\":\"" RC_URI_SUBSCRIPTION "%u\"",
			id, id);
		if (revised)
			(void)!buf_printf(out, ",\"replay-start-time-revision\":\"%s\"", revised);
		(void)!buf_append_str(out, "}}\n");
		return;
	}
	(void)!buf_printf(out, "<output xmlns=\"" NC_NS_SUBSCRIBED "\"><id>%u</id>", id);
	if (revised)
		(void)!buf_printf(out,
			"<replay-start-time-revision>%s</replay-start-time-revision>", revised);
	(void)!buf_printf(
		out, "<uri xmlns=\"" NS_URI "\">" RC_URI_SUBSCRIPTION "%u</uri></output>\n", id);
}

/* Its events are written as the request was, unless it says otherwise (RFC 8639 section 2.4.2). */
static int establish(struct rc_request *req, struct op *op, struct err *err)
{
	_cleanup_(buf_done) struct buf body = { 0 };
	struct subscription *subscription;
	struct subscribe_terms terms;
	char revised[NOTIFY_TIME_TEXT];
	bool is_revised;
	int ret = op_subscription_terms(op, &terms, err);
	struct rc_reply reply = { .status = 200, .body = &body };

	if (ret < 0)
		return ret;
	is_revised = op_subscription_revised(&terms, revised);
	subscription = rc_stream_establish(
		req->user, terms.has_format ? terms.format : req->in_format, &terms);
	subscribe_terms_done(&terms);
	if (!subscription)
		return op_too_many_subscriptions(err);
	put_output(
		&body, req->out_format, subscription_id(subscription), is_revised ? revised : NULL);
	reply.media_type = rc_reply_media_type(req->out_format);
	rc_reply(req, &reply);
	return 0;
}

static int run(struct rc_request *req, const struct rpc *rpc, struct err *err)
{
	const struct lysc_node *schema = req->uri.schema;
	_cleanup_(op_freep) struct op *op = NULL;
	struct ds_client client = rc_request_client(req);
	int ret = ds_may_execute(&client, schema->module->name, schema->name, err);

	if (!req->body.length)
		req->in_format = FORMAT_JSON;
	if (ret == 0)
		ret = read_op(req, &op, err);
	if (ret < 0)
		return ret;
	if (!rpc->run)
		return establish(req, op, err);
	ret = rpc->run(op, err);
	if (ret == 0)
		rc_reply_status(req, 200); /* RFC 8650 section 3.3: not 204 */
	return ret;
}

bool rc_subscribe_run(struct rc_request *req)
{
	const struct rpc *rpc = find(req->uri.schema);
	_cleanup_err_ struct err err = { 0 };

	if (!rpc)
		return false;
	if (run(req, rpc, &err) < 0)
		rc_reply_error(req, 0, &err);
	return true;
}
