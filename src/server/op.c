/*
 * Operations: the table of those that are ours, the checks before any of them runs, the one reply after.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/str.h"

#include "nc-reply.h"
#include "op.h"
#include "subscribe.h"
#include "url.h"

#define REPLY_ROOM 65536 /* what a reply's envelope may take beside its data */
#define LARGE_MESSAGE                                                                              \
	(64 * 1024) /* of more than this no more is looked at without asking the time */

static const struct op_type {
	const char *ns, *module, *name;
	op_fn run;
	bool is_always_allowed; /* RFC 8341 section 3.2.4 */
} types[] = {
	{ NC_NS_BASE, "ietf-netconf", "edit-config", op_edit_config, false },
	{ NC_NS_BASE, "ietf-netconf", "get-config", op_get_config, false },
	{ NC_NS_BASE, "ietf-netconf", "get", op_get, false },
	{ NC_NS_BASE, "ietf-netconf", "lock", op_lock, false },
	{ NC_NS_BASE, "ietf-netconf", "unlock", op_unlock, false },
	{ NC_NS_BASE, "ietf-netconf", "copy-config", op_copy_config, false },
	{ NC_NS_BASE, "ietf-netconf", "delete-config", op_delete_config, false },
	{ NC_NS_BASE, "ietf-netconf", "validate", op_validate, false },
	{ NC_NS_BASE, "ietf-netconf", "commit", op_commit, false },
	{ NC_NS_BASE, "ietf-netconf", "cancel-commit", op_cancel_commit, false },
	{ NC_NS_BASE, "ietf-netconf", "discard-changes", op_discard_changes, false },
	{ NC_NS_BASE, "ietf-netconf", "close-session", op_close_session, true },
	{ NC_NS_BASE, "ietf-netconf", "kill-session", op_kill_session, false },
	{ NC_NS_MONITORING, "ietf-netconf-monitoring", "get-schema", op_get_schema, false },
	{ NC_NS_PARTIAL_LOCK, "ietf-netconf-partial-lock", "partial-lock", op_partial_lock, false },
	{ NC_NS_PARTIAL_LOCK, "ietf-netconf-partial-lock", "partial-unlock", op_partial_unlock,
		false },
	{ NC_NS_NMDA, "ietf-netconf-nmda", "get-data", op_get_data, false },
	{ NC_NS_NMDA, "ietf-netconf-nmda", "edit-data", op_edit_data, false },
	{ NC_NS_NOTIFICATION, "notifications", "create-subscription", op_create_subscription,
		false },
	{ NC_NS_SUBSCRIBED, SUBSCRIBED_MODULE, "establish-subscription", op_establish_subscription,
		false },
	{ NC_NS_SUBSCRIBED, SUBSCRIBED_MODULE, "modify-subscription", op_modify_subscription,
		false },
	{ NC_NS_SUBSCRIBED, SUBSCRIBED_MODULE, "delete-subscription", op_delete_subscription,
		false },
	{ NC_NS_SUBSCRIBED, SUBSCRIBED_MODULE, "kill-subscription", op_kill_subscription, false },
	{ NC_NS_PUSH, PUSH_MODULE, "resync-subscription", op_resync_subscription, false },
};

/* --- life ------------------------------------------------------------------------------------- */

struct op *op_new(struct session *session, struct buf *message)
{
	struct op *op = xmalloc(sizeof(*op));

	/* The rest, rpc, is large and filled in by the scan. */
	memset(op, 0, offsetof(struct op, rpc));
	op->session = session;
	op->message = *message;
	buf_init(message, 0);
	op->client = session_client(session);
	return op;
}

static void op_free(struct op *op)
{
	url_cancel(op->url);
	buf_done(&op->fetched);
	loop_task_free(op->task);
	nc_rpc_scan_free(op->scan);
	buf_done(&op->message);
	buf_done(&op->scratch);
	free(op->comment);
	free(op);
}

void op_cancel(struct op *op)
{
	ds_forget(op);
	op_free(op);
}

/* --- the reply -------------------------------------------------------------------------------- */

static void finish(
	struct op *op, const struct session_part *parts, size_t count, enum session_outcome outcome)
{
	struct session *session = op->session;
	bool closes = op->closes;

	assert(session->op == op);
	/* From here on it is ours alone: sending may end the session. */
	session->op = NULL;
	if (op->has_begun)
		(void)session_send_piece(session, parts, count, true);
	else
		session_send(session, parts, count);
	op_free(op);
	session_op_done(session, outcome);
	if (closes)
		session_close(session);
}

void op_reply_ok(struct op *op)
{
	_cleanup_(buf_done) struct buf text = { 0 };

	nc_reply_begin(&text, &op->rpc);
	(void)!buf_append_str(&text, "<ok/>" NC_REPLY_END); /* no ceiling */
	finish(op, &(struct session_part){ buf_bytes(&text), text.length }, 1, SESSION_OK);
}

void op_reply_error(struct op *op, const struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };

	if (op->has_begun) {
		/* The reply cannot be ended, nor be taken back. */
		log_notice("op", "event=reply-broken session=%u user=\"%s\" reason=\"%s\"",
			op->session->id, op->client.user, err_text(err));
		session_kill(op->session);
		return;
	}

	nc_reply_begin(&text, &op->rpc);
	nc_reply_error(&text, err, op->session->is_base11);
	(void)!buf_append_str(&text, NC_REPLY_END); /* no ceiling */
	finish(op, &(struct session_part){ buf_bytes(&text), text.length }, 1,
		op->is_bad_rpc ? SESSION_BAD_RPC : SESSION_RPC_ERROR);
}

void op_reply_part(struct op *op, const char *before, struct buf *part)
{
	_cleanup_(buf_done) struct buf text = { 0 }, body = *part;
	struct session_part parts[2] = { { 0 }, { buf_bytes(&body), body.length } };

	buf_init(part, part->max);
	if (!op->has_begun) {
		nc_reply_begin(&text, &op->rpc);
		(void)!buf_append_str(&text, before); /* no ceiling */
		parts[0] = (struct session_part){ buf_bytes(&text), text.length };
	}
	op->has_begun = true;
	if (session_send_piece(op->session, parts, ARRAY_SIZE(parts), false))
		op_drained(op);
}

void op_drained(struct op *op)
{
	ds_read_more(op);
}

void op_reply_data(struct op *op, const char *before, struct buf *data, const char *after)
{
	_cleanup_(buf_done) struct buf text = { 0 }, body = *data;
	_cleanup_err_ struct err err = { 0 };
	struct session_part parts[4];

	buf_init(data, data->max);
	if (!op->has_begun && !conn_has_room(op->session->conn, body.length + REPLY_ROOM)) {
		(void)err_tagged(&err, ERR_TAG_RESOURCE_DENIED, NULL,
			"no room for a reply of %zu bytes now; ask for less with a filter",
			body.length);
		op_reply_error(op, &err);
		return;
	}
	if (!op->has_begun) {
		nc_reply_begin(&text, &op->rpc);
		(void)!buf_append_str(&text, before); /* no ceiling */
	}
	parts[0] = (struct session_part){ buf_bytes(&text), text.length };
	parts[1] = (struct session_part){ buf_bytes(&body), body.length };
	parts[2] = (struct session_part){ after, strlen(after) };
	parts[3] = (struct session_part){ NC_REPLY_END, sizeof(NC_REPLY_END) - 1 };
	finish(op, parts, ARRAY_SIZE(parts), SESSION_OK);
}

void op_reply_output(struct op *op, const struct lyd_node *operation)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_err_ struct err err = { 0 };
	const struct lyd_node *child;
	int ret = 0;

	LY_LIST_FOR (operation ? lyd_child(operation) : NULL, child) {
		if (ret == 0 && child->schema && child->schema->flags & LYS_IS_OUTPUT)
			ret = format_print(&text, child, FORMAT_XML, false, WITH_DEFAULTS_EXPLICIT,
				false, &err);
	}
	if (ret < 0)
		op_reply_error(op, &err);
	else if (!text.length)
		op_reply_ok(op);
	else
		op_reply_data(op, "", &text, "");
}

void op_on_done(const struct err *err, void *arg)
{
	if (err)
		op_reply_error(arg, err);
	else
		op_reply_ok(arg);
}

void op_on_planned(const struct ds_step *steps, size_t count, void *arg)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_err_ struct err err = { 0 };

	if (ds_print_steps(&text, steps, count, FORMAT_XML, &err) < 0)
		op_reply_error(arg, &err);
	else if (text.length)
		op_reply_data(arg, "", &text, "");
	else
		op_reply_ok(arg);
}

/* --- parameters ------------------------------------------------------------------------------- */

int op_bad_element(
	struct err *err, enum err_tag tag, const struct nc_element *element, const char *what)
{
	_cleanup_free_ char *name = xml_text_dup(element->name);
	int ret = err_tagged(err, tag, NULL, "<%s> %s", name, what);

	if (err)
		err->type = ERR_TYPE_PROTOCOL;
	err_add_info(err, "bad-element", name);
	return ret;
}

static int unknown_element(const struct op *op, const struct nc_element *element, struct err *err)
{
	_cleanup_free_ char *ns = NULL;

	if (!element->ns.size || xml_text_is(element->ns, NC_NS_BASE) ||
		xml_text_equal(element->ns, op->element->ns))
		return op_bad_element(
			err, ERR_TAG_UNKNOWN_ELEMENT, element, "is not expected here");
	(void)op_bad_element(err, ERR_TAG_UNKNOWN_NAMESPACE, element, "is not expected here");
	ns = xml_text_dup(element->ns);
	return err_add_info(err, "bad-namespace", ns);
}

int op_missing_element(const char *name, struct err *err)
{
	int ret = err_tagged(err, ERR_TAG_MISSING_ELEMENT, NULL, "<%s> is missing", name);

	if (err)
		err->type = ERR_TYPE_PROTOCOL;
	err_add_info(err, "bad-element", name);
	return ret;
}

static int overflow(struct err *err)
{
	int ret = err_tagged(
		err, ERR_TAG_TOO_BIG, NULL, "the operation has too many parameters or attributes");

	if (err)
		err->type = ERR_TYPE_PROTOCOL;
	return ret;
}

static int param_index(
	const struct op_param *params, size_t count, const struct nc_element *element)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (nc_element_is(
			    element, params[i].ns ? params[i].ns : NC_NS_BASE, params[i].name))
			return (int)i;
	return -1;
}

int op_params(struct op *op, const struct op_param *params, size_t count,
	const struct nc_element **ret_elements, struct err *err)
{
	const struct nc_element *element;
	size_t i;

	if (op->rpc.overflow)
		return overflow(err);
	if (op->element->has_text)
		return op_bad_element(err, ERR_TAG_BAD_ELEMENT, op->element, "holds text");
	for (i = 0; i < count; i++)
		ret_elements[i] = NULL;
	for (element = nc_rpc_child(&op->rpc, op->element); element;
		element = nc_rpc_next(&op->rpc, element)) {
		int at = param_index(params, count, element);

		if (at < 0)
			return unknown_element(op, element, err);
		if (ret_elements[at] && !params[at].is_list)
			return op_bad_element(
				err, ERR_TAG_BAD_ELEMENT, element, "is there more than once");
		if (!ret_elements[at])
			ret_elements[at] = element;
	}
	for (i = 0; i < count; i++)
		if (params[i].is_mandatory && !ret_elements[i])
			return op_missing_element(params[i].name, err);
	return 0;
}

static int unknown_datastore(const struct op *op, const struct nc_element *element,
	unsigned allowed, bool takes_config, struct err *err)
{
	const char *const names[] = {
		allowed & 1U << DS_RUNNING ? "<running>" : "",
		allowed & 1U << DS_STARTUP ? "<startup>" : "",
		allowed & 1U << DS_CANDIDATE ? "<candidate>" : "",
		takes_config ? "<config>" : "",
		allowed & OP_BY_URL && takes_config ? "<url>" : "",
		NULL,
	};
	_cleanup_free_ char *list = str_alternatives(names);
	_cleanup_free_ char *what = xasprintf("is not expected here: allowed is %s", list);

	if (!xml_text_is(element->ns, NC_NS_BASE))
		return unknown_element(op, element, err);
	return op_bad_element(err, ERR_TAG_UNKNOWN_ELEMENT, element, what);
}

int op_source(struct op *op, const struct nc_element *element, unsigned allowed, enum ds *ret_ds,
	const struct nc_element **ret_config, struct err *err)
{
	const struct nc_element *child = nc_rpc_child(&op->rpc, element);

	if (element->has_text)
		return op_bad_element(err, ERR_TAG_BAD_ELEMENT, element, "holds text");
	if (!child)
		return op_missing_element("running", err);
	if (nc_rpc_next(&op->rpc, child))
		return op_bad_element(err, ERR_TAG_BAD_ELEMENT, nc_rpc_next(&op->rpc, child),
			"is one datastore too many");
	if (ret_config)
		*ret_config = NULL;
	if (nc_element_is(child, NC_NS_BASE, "running") && allowed & 1U << DS_RUNNING)
		*ret_ds = DS_RUNNING;
	else if (nc_element_is(child, NC_NS_BASE, "startup") && allowed & 1U << DS_STARTUP)
		*ret_ds = DS_STARTUP;
	else if (nc_element_is(child, NC_NS_BASE, "candidate") && allowed & 1U << DS_CANDIDATE)
		*ret_ds = DS_CANDIDATE;
	else if (nc_element_is(child, NC_NS_BASE, "config") && ret_config)
		*ret_config = child;
	else if (allowed & OP_BY_URL && op_is_url(child) && ret_config)
		*ret_config = child;
	else if (allowed & OP_BY_IDENTITY && nc_element_is(child, NC_NS_NMDA, "datastore"))
		return op_identity(op, child, allowed, ret_ds, NULL, err);
	else
		return unknown_datastore(op, child, allowed, ret_config != NULL, err);
	if ((!ret_config || !*ret_config) && (child->has_children || child->has_text))
		return op_bad_element(err, ERR_TAG_BAD_ELEMENT, child, "is not empty");
	return 0;
}

int op_datastore(struct op *op, const struct nc_element *element, unsigned allowed, enum ds *ret_ds,
	struct err *err)
{
	return op_source(op, element, allowed, ret_ds, NULL, err);
}

int op_identity_name(struct op *op, const struct nc_element *element, const char *ns,
	char **ret_name, struct err *err)
{
	_cleanup_free_ char *value = NULL;
	const char *colon;
	struct xml_text prefix, found;
	int ret = nc_rpc_value(&op->rpc, element, &value, err);

	if (ret < 0)
		return ret;
	colon = strchr(value, ':');
	prefix = (struct xml_text){ value, colon ? (size_t)(colon - value) : 0 };
	found = nc_rpc_namespace(&op->rpc, element, prefix);
	if (!xml_text_is(found, ns))
		return op_bad_element(
			err, ERR_TAG_INVALID_VALUE, element, "names nothing that is known here");
	*ret_name = xstrdup(colon ? colon + 1 : value);
	return 0;
}

int op_identity(struct op *op, const struct nc_element *element, unsigned allowed, enum ds *ret_ds,
	bool *ret_is_intended, struct err *err)
{
	static const struct {
		const char *ns, *name;
		enum ds ds;
	} stores[] = {
		{ NC_NS_DATASTORES, "running", DS_RUNNING },
		{ NC_NS_DATASTORES, "candidate", DS_CANDIDATE },
		{ NC_NS_DATASTORES, "startup", DS_STARTUP },
		{ NC_NS_DATASTORES, "operational", DS_OPERATIONAL },
		{ NC_NS_DATASTORES, "intended", DS_RUNNING },
		{ NC_NS_FACTORY_DEFAULT, "factory-default", DS_FACTORY },
	};
	_cleanup_free_ char *name = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		bool is_intended = str_equal(stores[i].name, "intended");

		free(TAKE(name));
		if (op_identity_name(op, element, stores[i].ns, &name, NULL) < 0 ||
			!str_equal(name, stores[i].name) || !(allowed & 1U << stores[i].ds) ||
			(is_intended && !ret_is_intended))
			continue;
		*ret_ds = stores[i].ds;
		if (ret_is_intended)
			*ret_is_intended = is_intended;
		return 0;
	}
	return op_bad_element(err, ERR_TAG_INVALID_VALUE, element, "names no datastore for this");
}

int op_enum(
	struct op *op, const struct nc_element *element, const char *const *values, struct err *err)
{
	_cleanup_free_ char *value = NULL, *name = xml_text_dup(element->name), *allowed = NULL;
	int i, ret;

	ret = nc_rpc_value(&op->rpc, element, &value, err);
	if (ret < 0)
		return ret;
	for (i = 0; values[i]; i++)
		if (str_equal(values[i], value))
			return i;
	allowed = str_alternatives(values);
	ret = err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
		"\"%s\" is no value of <%s>: allowed is %s", value, name, allowed);
	if (err)
		err->type = ERR_TYPE_PROTOCOL;
	err_add_info(err, "bad-element", name);
	return ret;
}

int op_empty(struct op *op, const struct nc_element *element, struct err *err)
{
	if (element && (element->has_text || element->has_children))
		return op_bad_element(err, ERR_TAG_BAD_ELEMENT, element, "is not empty");
	return 0;
}

int op_transaction(struct op *op, const struct nc_element *const *elements,
	ds_planned_fn *ret_planned, struct err *err)
{
	int ret = 0;

	if (elements[0]) {
		ret = nc_rpc_value(&op->rpc, elements[0], &op->comment, err);
		if (ret == 0 && (!*op->comment || str_characters(op->comment) > DS_COMMENT_MAX))
			ret = op_bad_element(err, ERR_TAG_INVALID_VALUE, elements[0],
				"is no text of 1 to 255 characters");
		op->client.comment = op->comment;
	}
	if (ret == 0)
		ret = op_empty(op, elements[1], err);
	*ret_planned = elements[1] ? op_on_planned : NULL;
	return ret;
}

int op_payload(
	struct op *op, const struct nc_element *element, struct xml_text *ret_text, struct err *err)
{
	int ret;

	if (op_is_url(element)) {
		*ret_text = op->fetched.length
			? (struct xml_text){ buf_bytes(&op->fetched), op->fetched.length }
			: XML_LITERAL("");
		return 0;
	}
	ret = nc_rpc_content(&op->rpc, element, &op->scratch, ret_text, err);
	/* In the message this is the "<" of the element's own end tag, or behind an empty one. */
	if (ret == 0 && ret_text->size)
		*(char *)(ret_text->at + ret_text->size) = '\0';
	else if (ret == 0)
		*ret_text = XML_LITERAL("");
	return ret;
}

/* --- running ---------------------------------------------------------------------------------- */

static const struct op_type *find_type(const struct nc_element *element)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (nc_element_is(element, types[i].ns, types[i].name))
			return &types[i];
	return NULL;
}

static int run(struct op *op, struct err *err)
{
	const struct op_type *type;
	int ret;

	op->element = &op->rpc.elements[0];
	type = find_type(op->element);
	if (!type)
		return op_call(op, err);
	if (!type->is_always_allowed) {
		ret = ds_may_execute(&op->client, type->module, type->name, err);
		if (ret < 0)
			return ret;
	}
	return type->run(op, err);
}

static int refuse(struct op *op, int ret)
{
	op->is_bad_rpc = true;
	/* To base:1.0 there is no way to say it (RFC 6241 appendix A). */
	op->closes = ret == -EBADMSG && !op->session->is_base11;
	return ret;
}

/* The message has been looked through, with this result. */
static void parsed(struct op *op, int ret, struct err *err)
{
	ret = ret < 0 ? refuse(op, ret) : run(op, err);
	if (ret >= 0)
		return;
	if (!err->code)
		err->code = ret;
	op_reply_error(op, err);
}

void op_go_on(struct op *op)
{
	_cleanup_err_ struct err err = { 0 };

	parsed(op, 0, &err);
}

static void look_through(void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct op *op = arg;
	int ret;

	do
		ret = nc_rpc_scan_more(op->scan, LARGE_MESSAGE, &err);
	while (ret == 0 && !loop_should_yield());
	if (ret == 0)
		loop_task_schedule(op->task);
	else
		parsed(op, ret, &err);
}

void op_run(struct op *op)
{
	_cleanup_err_ struct err err = { 0 };
	int ret;

	if (op->message.length > LARGE_MESSAGE) {
		op->scan = nc_rpc_scan_new(&op->rpc, buf_bytes(&op->message), op->message.length);
		op->task = loop_task_new("rpc", look_through, op);
		loop_task_schedule(op->task);
		return;
	}
	ret = nc_rpc_parse(&op->rpc, buf_bytes(&op->message), op->message.length, &err);
	parsed(op, ret, &err);
}
