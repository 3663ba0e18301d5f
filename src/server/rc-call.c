/* POST of an operation resource: RPCs and actions (RFC 8040 section 3.6). */
#include <errno.h>
#include <string.h>

#include "rc-body.h"
#include "rc-reply.h"
#include "rc-tree.h"

/* --- output ----------------------------------------------------------------------------------- */

static bool has_output(const struct lysc_node *operation)
{
	return ((const struct lysc_node_action *)operation)->output.child != NULL;
}

/* The output nodes alone, as text: the operation's node may have its input, too. */
static int print_output(
	const struct lyd_node *operation, enum format format, struct buf *out, struct err *err)
{
	const struct lyd_node *child;
	struct lyd_node *copy = NULL, *node;
	int ret = 0;

	if (lyd_dup_single(operation, NULL, LYD_DUP_NO_META, &copy) != LY_SUCCESS)
		return yang_err(err, -ENOMEM);
	LY_LIST_FOR (lyd_child(operation), child) {
		if (!(child->schema->flags & LYS_IS_OUTPUT))
			continue;
		if (lyd_dup_single(child, NULL, LYD_DUP_RECURSIVE, &node) != LY_SUCCESS ||
			lyd_insert_child(copy, node) != LY_SUCCESS) {
			ret = yang_err(err, -EIO);
			break;
		}
	}
	if (ret == 0 && lyd_child(copy))
		ret = format_print(
			out, lyd_child(copy), format, true, WITH_DEFAULTS_EXPLICIT, false, err);
	lyd_free_all(copy);
	return ret;
}

static void on_called(const struct lyd_node *output, const struct err *err, void *arg)
{
	struct rc_request *req = arg;
	const struct lys_module *module = req->uri.schema->module;
	bool is_json = req->out_format == FORMAT_JSON;
	_cleanup_(buf_done) struct buf text = { 0 }, body = { 0 };
	_cleanup_err_ struct err trouble = { 0 };
	struct rc_reply reply = { .status = 200, .body = &body };

	if (!err && has_output(req->uri.schema) &&
		print_output(output, req->out_format, &text, &trouble) < 0)
		err = &trouble;
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

	if (parse_input(req, &operation, &err) < 0)
		rc_reply_error(req, 0, &err);
	else
		ds_call(&client, operation, on_called, req);
}
