/* POST of an operation resource: RPCs and actions (RFC 8040 section 3.6). */
#include <errno.h>
#include <string.h>

#include "rc-body.h"
#include "rc-reply.h"
#include "rc-subscribe.h"
#include "rc-tree.h"

/* --- output ----------------------------------------------------------------------------------- */

static void on_called(
	const struct lyd_node *output, struct buf *made, const struct err *err, void *arg)
{
	struct rc_request *req = arg;
	const struct lys_module *module = req->uri.schema->module;
	bool is_json = req->out_format == FORMAT_JSON;
	_cleanup_(buf_done) struct buf text = { 0 }, body = { 0 };
	_cleanup_err_ struct err trouble = { 0 };
	struct rc_reply reply = { .status = 200, .body = &body };

	if (!err && made->length) {
		text = *made;
		memset(made, 0, sizeof(*made));
	} else if (!err && format_print_output(&text, output, req->out_format, &trouble) < 0) {
		err = &trouble;
	}
	if (err) {
		bool is_absent = err_effective_tag(err) == ERR_TAG_DATA_MISSING &&
			req->uri.resource == RC_RESOURCE_ACTION;

		rc_reply_error(req, is_absent ? 404 : 0, err);
		return;
	}
	if (!text.length) {
		rc_reply_status(req, 204);
		return;
	}
	reply.media_type = rc_reply_media_type(req->out_format);
	if (is_json)
		(void)!buf_printf(&body, "{\"%s:output\":", module->name);
	else
		(void)!buf_printf(&body, "<output xmlns=\"%s\">", module->ns);
	(void)!buf_append(&body, buf_bytes(&text), text.length);
	reply.after = is_json ? "}\n" : "</output>\n";
	rc_reply(req, &reply);
}

/* --- input ------------------------------------------------------------------------------------ */

static int parse_input(struct rc_request *req, struct lyd_node **ret_operation, struct err *err)
{
	const struct lysc_node *schema = req->uri.schema;
	enum format format = req->body.length ? req->in_format : FORMAT_JSON;
	_cleanup_(buf_done) struct buf text = { 0 };
	struct lyd_node *top = NULL, *parent = NULL;
	int ret;

	if (req->body.length && !((const struct lysc_node_action *)schema)->input.child)
		return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "\"%s\" takes no input",
			schema->name);
	ret = rc_tree_make(&req->uri, req->uri.step_count, &top, &parent, err);
	if (ret == 0)
		ret = rc_body_operation(&req->body, format, schema, &text, err);
	if (ret == 0)
		ret = format_parse_rpc(
			buf_bytes(&text), text.length, format, parent, ret_operation, err);
	if (ret < 0)
		lyd_free_all(top);
	return ret;
}

void rc_call_run(struct rc_request *req)
{
	struct ds_client client = rc_request_client(req);
	_cleanup_err_ struct err err = { 0 };
	struct lyd_node *operation = NULL;

	if (rc_subscribe_run(req))
		return;
	if (parse_input(req, &operation, &err) < 0)
		rc_reply_error(req, 0, &err);
	else
		ds_call(&client, operation, req->out_format, on_called, req);
}
