/*
 * POST, PUT, PATCH and DELETE of data as one edit (RFC 8040 sections 4.4 to 4.7): the nodes of the target
 * stand around the body, and the operation is said where the edit begins, which is where access control
 * begins too (RFC 8341 section 3.2.3).
 *
 * What must hold when the edit is made, and not only now, is left to the datastore to check: a plain patch
 * of a container or list entry says "none" there and "merge" below, so that it never makes what it
 * patches; a PUT that must create says "create". Only whether a PUT created or replaced is told from what
 * is there now.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "nc-rpc.h"
#include "rc-body.h"
#include "rc-match.h"
#include "rc-reply.h"
#include "rc-tree.h"

#define LARGE_BODY ((size_t)65536)

#define CREATED	   201
#define NO_CONTENT 204

static const struct rc_envelope data_envelope = {
	"ietf-restconf",
	"urn:ietf:params:xml:ns:yang:ietf-restconf",
	"data",
};

/* An edit in the making. */
struct making {
	struct rc_request *req;
	struct lyd_node *top;	 /* of all that was made; owned */
	struct lyd_node *parent; /* below which the body belongs; NULL: top level */
	struct lyd_node *node;	 /* where the edit begins */
	struct ds_edit edit;
};

/* --- metadata --------------------------------------------------------------------------------- */

static int add_meta(struct lyd_node *node, const char *module, const char *name, const char *value,
	struct err *err)
{
	static const struct lys_module *netconf;
	const struct lys_module *found;

	if (!netconf)
		netconf = ly_ctx_get_module_implemented(yang_ctx(), "ietf-netconf");
	found = str_equal(module, "ietf-netconf") ? netconf
						  : ly_ctx_get_module_latest(yang_ctx(), module);
	if (lyd_new_meta(NULL, node, found, name, value, 0, NULL) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	return 0;
}

static int set_operation(struct lyd_node *node, const char *operation, struct err *err)
{
	return add_meta(node, "ietf-netconf", "operation", operation, err);
}

/* A body says what data there is to be, not what to do with it: that is the method's to say. */
static int refuse_meta(const struct lyd_node *node, struct err *err)
{
	const struct lyd_node *elem;
	const struct lyd_meta *meta;

	LYD_TREE_DFS_BEGIN (node, elem) {
		if (!elem->schema)
			return err_tagged(err, ERR_TAG_UNKNOWN_ATTRIBUTE, NULL,
				"\"%s\" has an attribute that RESTCONF does not know",
				LYD_NAME(elem));
		LY_LIST_FOR (elem->meta, meta) {
			const char *module = meta->annotation->module->name;

			if (str_equal(module, "ietf-netconf") ||
				(str_equal(module, "yang") && !str_starts(meta->name, "lyds"))) {
				_cleanup_free_ char *path = path_of(elem);

				err_tagged(err, ERR_TAG_UNKNOWN_ATTRIBUTE, path,
					"the attribute \"%s\" has no meaning in RESTCONF",
					meta->name);
				return err_add_info(err, "bad-attribute", meta->name);
			}
		}
		LYD_TREE_DFS_END(node, elem);
	}
	return 0;
}

/* --- the body --------------------------------------------------------------------------------- */

/* Keys of the parent: they were there before the body. */
static bool is_given(const struct lyd_node *node, const struct lyd_node *const *given, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (given[i] == node)
			return true;
	return false;
}

static int one_node(struct err *err, const struct lyd_node *node)
{
	return node ? 0
		    : err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
			      "the body is to hold exactly one data node");
}

/* Parses the one node of the body below making->parent. */
static int parse_one(struct making *making, struct err *err)
{
	const struct lyd_node *given[RC_URI_KEYS_MAX];
	struct rc_request *req = making->req;
	struct lyd_node *tree = NULL, *child;
	size_t count = 0, found = 0;
	int ret;

	LY_LIST_FOR (making->parent ? (struct lyd_node *)lyd_child(making->parent) : NULL, child)
		given[count++] = child;
	if (!req->body.length)
		return one_node(err, NULL);
	ret = rc_body_check(&req->body, req->in_format, err);
	if (ret < 0)
		return ret;
	ret = format_parse_edit(buf_bytes(&req->body), req->body.length, req->in_format,
		making->parent, &tree, err);
	if (ret < 0) {
		rc_tree_complete_path(making->parent, err);
		return ret;
	}
	if (!making->parent)
		making->top = tree;
	LY_LIST_FOR (making->parent ? (struct lyd_node *)lyd_child(making->parent) : tree, child) {
		if (is_given(child, given, count))
			continue;
		making->node = child;
		found++;
	}
	ret = one_node(err, found == 1 ? making->node : NULL);
	return ret == 0 ? refuse_meta(making->node, err) : ret;
}

/* Parses the body of a datastore resource: all top-level nodes in an envelope. */
static int parse_all(struct making *making, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	struct rc_request *req = making->req;
	struct lyd_node *node;
	int ret;

	if (!req->body.length)
		return one_node(err, NULL);
	ret = rc_body_unwrap(&req->body, req->in_format, &data_envelope, &text, err);
	if (ret == 0)
		ret = format_parse_edit(
			buf_bytes(&text), text.length, req->in_format, NULL, &making->top, err);
	LY_LIST_FOR (making->top, node) {
		if (ret == 0)
			ret = refuse_meta(node, err);
	}
	return ret;
}

/* Is the body's node the one that the target names? */
static int check_identity(const struct making *making, struct err *err)
{
	const struct rc_uri *uri = &making->req->uri;
	const struct rc_step *step = &uri->steps[uri->step_count - 1];
	const struct lyd_node *term = making->node;
	bool is_same = making->node->schema == uri->schema;
	size_t i;

	if (uri->schema->nodetype == LYS_LIST)
		term = lyd_child(making->node);
	for (i = 0; is_same && i < step->count; i++, term = term->next) {
		const char *value = uri->values[step->first + i];

		is_same = term &&
			lyd_value_compare((const struct lyd_node_term *)term, value,
				strlen(value)) == LY_SUCCESS;
	}
	return is_same
		? 0
		: err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
			  "the body is not the \"%s\" that the request names", uri->schema->name);
}

/* Makes the target's parents and parses the target below them. */
static int parse_target(struct making *making, struct err *err)
{
	const struct rc_uri *uri = &making->req->uri;
	int ret = rc_tree_make(uri, uri->step_count - 1, &making->top, &making->parent, err);

	if (ret == 0)
		ret = parse_one(making, err);
	return ret == 0 ? check_identity(making, err) : ret;
}

/* --- insert and point ------------------------------------------------------------------------- */

static int set_point(struct making *making, const char *text, struct err *err)
{
	const struct lysc_node *schema = making->node->schema;
	_cleanup_free_ char *point = xstrdup(text), *predicates = NULL;
	struct rc_uri uri;
	int ret = rc_uri_parse_point(point, &uri, err);

	if (ret < 0)
		return ret;
	if (uri.schema != schema)
		return err_set(err, -EINVAL, NULL, "the point is no \"%s\"", schema->name);
	if (schema->nodetype == LYS_LEAFLIST)
		return add_meta(
			making->node, "yang", "value", uri.values[uri.value_count - 1], err);
	ret = rc_uri_predicates(&uri, &predicates, err);
	return ret == 0 ? add_meta(making->node, "yang", "key", predicates, err) : ret;
}

static int set_place(struct making *making, struct err *err)
{
	static const char *const names[] = {
		[RC_INSERT_NONE] = NULL,
		[RC_INSERT_FIRST] = "first",
		[RC_INSERT_LAST] = "last",
		[RC_INSERT_BEFORE] = "before",
		[RC_INSERT_AFTER] = "after",
	};
	const struct rc_query *params = &making->req->params;
	const struct lysc_node *schema = making->node->schema;
	int ret;

	if (params->insert == RC_INSERT_NONE)
		return 0;
	if (!(schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) || !lysc_is_userordered(schema))
		return err_set(err, -EINVAL, NULL,
			"the entries of \"%s\" are not ordered by the user", schema->name);
	ret = add_meta(making->node, "yang", "insert", names[params->insert], err);
	return ret == 0 && params->point ? set_point(making, params->point, err) : ret;
}

/* --- replies ---------------------------------------------------------------------------------- */

/* Is it the target, or what it stands on, that does not exist? */
static bool is_about_target(const struct rc_request *req, const struct err *err)
{
	_cleanup_free_ char *path = NULL;

	if (req->head.method == HTTP_DELETE)
		return true;
	return err->path && rc_uri_path(&req->uri, &path, NULL) == 0 && str_starts(path, err->path);
}

static void reply_failed(struct rc_request *req, const struct err *err)
{
	enum err_tag tag = err_effective_tag(err);
	unsigned status = 0;

	if (err->code == -ESTALE || (tag == ERR_TAG_DATA_EXISTS && req->is_create_only)) {
		rc_reply_refuse(req, 412, ERR_TAG_OPERATION_FAILED, "the resource has changed");
		return;
	}
	/* What a constraint misses is told with another errno: a conflict. */
	if (tag == ERR_TAG_DATA_MISSING && err->code == -ENOENT && is_about_target(req, err))
		status = 404;
	rc_reply_error(req, status, err);
}

static void on_edited(const struct err *err, void *arg)
{
	struct rc_request *req = arg;
	struct rc_reply reply = {
		.status = req->done_status,
		.has_validators = req->head.method != HTTP_DELETE,
		.location = req->location,
	};

	if (err)
		reply_failed(req, err);
	else
		rc_reply(req, &reply);
}

/* What would have been done, as the document that ashlar-history defines. */
static void on_planned(const struct ds_step *steps, size_t count, void *arg)
{
	struct rc_request *req = arg;
	bool is_json = req->out_format == FORMAT_JSON;
	_cleanup_(buf_done) struct buf body = { 0 };
	_cleanup_err_ struct err err = { 0 };
	struct rc_reply reply = {
		.status = 200,
		.media_type = rc_reply_media_type(req->out_format),
		.before = is_json ? "{\"ashlar-history:plan\":"
				  : "<plan xmlns=\"" NC_NS_HISTORY "\">",
		.after = is_json ? "}\n" : "</plan>\n",
		.body = &body,
	};

	if (ds_print_steps(&body, steps, count, req->out_format, &err) < 0) {
		rc_reply_error(req, 0, &err);
		return;
	}
	if (!body.length && is_json)
		(void)!buf_append_str(&body, "{}"); /* no ceiling */
	rc_reply(req, &reply);
}

static void make_location(struct rc_request *req, const struct lyd_node *node)
{
	_cleanup_(buf_done) struct buf out = { 0 };

	/* As the client has named us; without a name, relative to what it asked. */
	if (req->head.host.at)
		(void)!buf_printf(
			&out, "https://%.*s", (int)req->head.host.size, req->head.host.at);
	(void)!buf_append_str(&out, req->uri.is_ds ? RC_URI_DS : RC_URI_DATA);
	if (req->uri.is_ds)
		(void)!buf_append_str(&out, rc_uri_ds_name(req->uri.ds));
	rc_uri_append(&out, node);
	req->location = buf_take(&out);
}

/* --- methods: each makes the edit, or refuses ------------------------------------------------- */

/* Answered already; not an error of the program's. */
#define ANSWERED 1

/*
 * A refusal that tells what is there, or what it is not: who could not make the edit anyway is told that
 * instead. The edit is complete, operations and all.
 */
static int refuse(struct making *making, unsigned status, enum err_tag tag, const char *message)
{
	struct ds_client client = rc_request_client(making->req);
	_cleanup_err_ struct err err = { 0 };

	if (making->top && ds_may_edit(&client, making->top, &err) < 0)
		rc_reply_error(making->req, 0, &err);
	else
		rc_reply_refuse(making->req, status, tag, "%s", message);
	return ANSWERED;
}

static int refuse_absent(struct making *making)
{
	return refuse(making, 404, ERR_TAG_INVALID_VALUE, "the resource does not exist");
}

/* The status with which a precondition fails, or 0. */
static unsigned match(struct making *making, bool exists)
{
	struct rc_request *req = making->req;

	return rc_match_edit(
		req, req->uri.ds, exists, &making->edit.if_match, &req->is_create_only);
}

static int refuse_match(struct making *making, bool exists)
{
	return refuse(making, 412, ERR_TAG_OPERATION_FAILED,
		exists ? "the resource has changed, or exists" : "the resource does not exist");
}

/* Of what is there in any case. */
static int check_match(struct making *making)
{
	return match(making, true) ? refuse_match(making, true) : 0;
}

static enum rc_presence find(const struct making *making, const struct lyd_node *node)
{
	const struct lyd_node *match;

	return rc_tree_find(ds_tree(making->req->uri.ds), node, &match);
}

static int make_post(struct making *making, struct err *err)
{
	struct rc_request *req = making->req;
	bool has_parent;
	int ret = rc_tree_make(&req->uri, req->uri.step_count, &making->top, &making->parent, err);

	if (ret < 0)
		return ret;
	/* Before the body comes below it: a second key would spoil its hash. */
	has_parent = !making->parent || find(making, making->parent) != RC_ABSENT;
	ret = parse_one(making, err);
	if (ret < 0)
		return ret;
	if (lysc_is_key(making->node->schema))
		return err_tagged(err, ERR_TAG_DATA_EXISTS, NULL, "\"%s\" is a key",
			making->node->schema->name);
	ret = set_operation(making->node, "create", err);
	if (ret == 0)
		ret = set_place(making, err);
	if (ret < 0)
		return ret;
	if (match(making, true))
		return refuse_match(making, true);
	if (!has_parent)
		return refuse_absent(making);
	make_location(req, making->node);
	req->done_status = CREATED;
	return 0;
}

static int make_key(struct making *making, bool has_entry, const char *value, struct err *err)
{
	struct ds_client client = rc_request_client(making->req);
	int ret = check_identity(making, err);

	if (ret == 0)
		ret = ds_may_edit(&client, making->top, err);
	if (ret == 0)
		ret = check_match(making);
	if (ret != 0)
		return ret;
	if (!has_entry)
		return refuse_absent(making);
	if (!str_equal(value, lyd_get_value(making->node)))
		return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
			"the key \"%s\" cannot be changed", making->req->uri.schema->name);
	if (making->req->params.is_plan)
		on_planned(NULL, 0, making->req);
	else
		rc_reply_status(making->req, NO_CONTENT);
	return ANSWERED;
}

/* A key is what its entry is known by: it can be said again, but not be changed. */
static int put_key(struct making *making, struct err *err)
{
	const struct rc_uri *uri = &making->req->uri;
	const struct lyd_node *entry = NULL;
	enum rc_presence presence;
	int ret = rc_tree_make(uri, uri->step_count - 1, &making->top, &making->parent, err);

	if (ret < 0)
		return ret;
	/* Before the body comes below it: a second key would spoil its hash. */
	presence = rc_tree_find(ds_tree(uri->ds), making->parent, &entry);
	ret = parse_one(making, err);
	if (ret < 0)
		return ret;
	return make_key(making, presence != RC_ABSENT,
		entry ? node_text(entry, uri->schema->name, NULL) : NULL, err);
}

static int make_put(struct making *making, struct err *err)
{
	struct rc_request *req = making->req;
	unsigned refused;
	bool exists;
	int ret;

	if (lysc_is_key(req->uri.schema))
		return put_key(making, err);
	ret = parse_target(making, err);
	if (ret < 0)
		return ret;
	exists = find(making, making->node) != RC_ABSENT;
	refused = match(making, exists);
	ret = set_operation(making->node, req->is_create_only ? "create" : "replace", err);
	if (ret == 0)
		ret = set_place(making, err);
	if (ret < 0)
		return ret;
	if (refused)
		return refuse_match(making, exists);
	if (making->parent && find(making, making->parent) == RC_ABSENT)
		return refuse_absent(making);
	req->done_status = exists ? NO_CONTENT : CREATED;
	return 0;
}

/* Whether what is patched exists is checked when it is done: "merge" would make it. */
static int set_merge(struct lyd_node *node, struct err *err)
{
	struct lyd_node *child;
	int ret = 0;

	if (!(node->schema->nodetype & (LYS_CONTAINER | LYS_LIST)))
		return set_operation(node, "merge", err);
	LY_LIST_FOR (lyd_child_no_keys(node), child) {
		ret = set_operation(child, "merge", err);
		if (ret < 0)
			break;
	}
	return ret;
}

static int make_patch(struct making *making, struct err *err)
{
	enum rc_presence presence;
	int ret;

	if (lysc_is_key(making->req->uri.schema))
		return put_key(making, err);
	ret = parse_target(making, err);
	if (ret == 0)
		ret = set_merge(making->node, err);
	if (ret < 0)
		return ret;
	presence = find(making, making->node);
	if (match(making, presence != RC_ABSENT))
		return refuse_match(making, presence != RC_ABSENT);
	if (presence == RC_ABSENT)
		return refuse_absent(making);
	making->req->done_status = NO_CONTENT;
	return 0;
}

/* A leaf to be deleted stands in the request without a value, whatever it has when its turn comes. */
static int make_leaf(struct making *making, struct err *err)
{
	const struct lysc_node *schema = making->req->uri.schema;
	struct lyd_attr *attr;

	if (lyd_new_opaq(making->parent, yang_ctx(), schema->name, NULL, NULL, schema->module->name,
		    &making->node) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	if (!making->parent)
		making->top = making->node;
	if (lyd_new_attr(making->node, "ietf-netconf", "operation", "delete", &attr) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	return 0;
}

/* Whether it exists is seen when it is done: what stands there now may be another edit's, half made. */
static int make_delete(struct making *making, struct err *err)
{
	const struct rc_uri *uri = &making->req->uri;
	bool is_leaf = uri->schema->nodetype & (LYS_LEAF | LYS_ANYDATA | LYS_ANYXML);
	int ret;

	if (lysc_is_key(uri->schema))
		return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL,
			"\"%s\" is a key: delete its entry", uri->schema->name);
	ret = check_match(making);
	if (ret == 0)
		ret = rc_tree_make(
			uri, uri->step_count - is_leaf, &making->top, &making->parent, err);
	if (ret != 0)
		return ret;
	making->req->done_status = NO_CONTENT;
	making->node = making->parent;
	return is_leaf ? make_leaf(making, err) : set_operation(making->node, "delete", err);
}

/* Does the text say what to do with data? Then it is to be parsed whole, and refused. */
static bool may_steer(const struct rc_request *req)
{
	static const char *const json[] = { "\"@", "\\u" },
				 *const xml[] = { "netconf:base", "yang:1", "&#" };
	const char *const *words = req->in_format == FORMAT_JSON ? json : xml;
	size_t count = req->in_format == FORMAT_JSON ? ARRAY_SIZE(json) : ARRAY_SIZE(xml), i;

	for (i = 0; i < count; i++)
		if (strstr(buf_bytes(&req->body), words[i]))
			return true;
	return false;
}

/*
 * A large patch of all data, or of a container at the top, which is there in any case: the datastore parses
 * it in portions, while others are served.
 */
static bool is_large_patch(const struct rc_request *req)
{
	const struct lysc_node *schema = req->uri.schema;

	return req->head.method == HTTP_PATCH && req->body.length >= LARGE_BODY &&
		(!schema ||
			(req->uri.step_count == 1 && schema->nodetype == LYS_CONTAINER &&
				!(schema->flags & LYS_PRESENCE))) &&
		!may_steer(req);
}

static int make_large_patch(struct making *making, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	struct rc_request *req = making->req;
	const struct lysc_node *schema = req->uri.schema;
	const struct rc_envelope itself = {
		.module = schema ? schema->module->name : NULL,
		.ns = schema ? schema->module->ns : NULL,
		.name = schema ? schema->name : NULL,
	};
	const struct buf *content = schema ? &req->body : &text;
	int ret = check_match(making);

	/* The envelope of a container is the container: only that it is the target is of interest. */
	if (ret == 0)
		ret = rc_body_unwrap(
			&req->body, req->in_format, schema ? &itself : &data_envelope, &text, err);
	if (ret != 0)
		return ret;
	making->edit.portions = portions_new(buf_bytes(content), content->length, req->in_format);
	making->edit.default_operation = DS_DEFAULT_MERGE;
	req->done_status = NO_CONTENT;
	return 0;
}

/* PUT and PATCH of the datastore itself. */
static int make_store(struct making *making, struct err *err)
{
	int ret = check_match(making);

	if (ret == 0)
		ret = parse_all(making, err);
	making->edit.default_operation =
		making->req->head.method == HTTP_PUT ? DS_DEFAULT_REPLACE : DS_DEFAULT_MERGE;
	making->req->done_status = NO_CONTENT;
	return ret;
}

static int make(struct making *making, struct err *err)
{
	const struct rc_request *req = making->req;

	if (req->uri.schema && !rc_uri_is_instance(&req->uri))
		return err_set(err, -EINVAL, NULL, "\"%s\" is to be named with its keys",
			req->uri.schema->name);
	if (is_large_patch(req))
		return make_large_patch(making, err);
	switch (req->head.method) {
	case HTTP_POST:
		return make_post(making, err);
	case HTTP_PUT:
		return req->uri.schema ? make_put(making, err) : make_store(making, err);
	case HTTP_PATCH:
		return req->uri.schema ? make_patch(making, err) : make_store(making, err);
	case HTTP_DELETE:
		return make_delete(making, err);
	case HTTP_OPTIONS:
	case HTTP_GET:
	case HTTP_HEAD:
		break;
	}
	assert(!"a method that does not edit");
	return -EINVAL;
}

void rc_edit_run(struct rc_request *req)
{
	struct making making = {
		.req = req,
		.edit = {
			.target = req->uri.ds,
			.default_operation = DS_DEFAULT_NONE,
			/* Whether a candidate is valid is asked when it is committed. */
			.test_option = req->uri.ds == DS_CANDIDATE ? DS_SET : DS_TEST_THEN_SET,
			.save = !req->uri.is_ds,
			.planned = req->params.is_plan ? on_planned : NULL,
		},
	};
	struct ds_client client = rc_request_client(req);
	_cleanup_err_ struct err err = { 0 };
	int ret = make(&making, &err);

	if (ret != 0) {
		lyd_free_all(making.top);
		if (ret < 0)
			rc_reply_error(req, 0, &err);
		return;
	}
	making.edit.tree = making.top;
	ds_edit(&client, &making.edit, on_edited, req);
}
