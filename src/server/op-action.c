/*
 * RPCs and actions that a feature owns. An RPC is the operation itself; an action comes wrapped in
 * <action> with its parents (RFC 7950 section 7.15.2).
 */

#include "op.h"

static void on_called(
	const struct lyd_node *output, struct buf *made, const struct err *err, void *arg)
{
	if (err)
		op_reply_error(arg, err);
	else if (made->length)
		op_reply_data(arg, "", made, "");
	else
		op_reply_output(arg, output);
}

/* Does the schema have this RPC? Says under which module's name. */
static const struct lys_module *find_rpc(const struct nc_element *element)
{
	_cleanup_free_ char *ns = xml_text_decode(element->ns, true);
	const struct lys_module *module = ly_ctx_get_module_implemented_ns(yang_ctx(), ns);

	if (!module ||
		!lys_find_child(NULL, module, element->name.at, element->name.size, LYS_RPC, 0))
		return NULL;
	return module;
}

/* Cuts the operation's text out, or that of an action's content. */
static int take_text(struct op *op, bool is_action, struct xml_text *ret_text, struct err *err)
{
	int ret;

	if (is_action)
		return op_payload(op, op->element, ret_text, err);
	ret = nc_rpc_whole(&op->rpc, op->element, &op->scratch, ret_text, err);
	return ret; /* in scratch, which is NUL-terminated */
}

int op_call(struct op *op, struct err *err)
{
	bool is_action = nc_element_is(op->element, NC_NS_ACTION, "action");
	_cleanup_free_ char *name = xml_text_dup(op->element->name);
	const struct lys_module *module = is_action ? NULL : find_rpc(op->element);
	struct lyd_node *call = NULL;
	struct xml_text text;
	int ret = 0;

	if (!is_action && !module)
		return op_bad_element(err, ERR_TAG_OPERATION_NOT_SUPPORTED, op->element,
			"is no operation of this server");
	if (module)
		ret = ds_may_execute(&op->client, module->name, name, err);
	if (ret == 0)
		ret = take_text(op, is_action, &text, err);
	if (ret == 0 && !text.size)
		ret = op_bad_element(err, ERR_TAG_MISSING_ELEMENT, op->element, "is empty");
	if (ret == 0)
		ret = format_parse_rpc(text.at, text.size, FORMAT_XML, NULL, &call, err);
	if (ret < 0)
		return ret;
	ds_call(&op->client, call, FORMAT_XML, on_called, op);
	return 0;
}
