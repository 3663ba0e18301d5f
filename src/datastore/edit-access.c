/*
 * RFC 8341 lets a request name nodes that it does not change without any right to them. A client could
 * learn from that, or from data-exists and data-missing, what it may not read: so before such an answer it
 * is asked whether the client can read the node anyway, or may do what it asked for.
 *
 * What the daemon itself puts together, to bring one datastore's content into another (edit->is_ours), is
 * not the client's words: there only what changes counts (section 3.2.8).
 */
#include <errno.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "edit-access.h"

static const char *asked_operation(const struct lyd_node *node)
{
	const struct lyd_meta *meta;
	const struct lyd_attr *attr;

	if (!node->schema) {
		LY_LIST_FOR (((const struct lyd_node_opaq *)node)->attr, attr) {
			if (str_equal(attr->name.name, "operation"))
				return attr->value;
		}
		return NULL;
	}
	LY_LIST_FOR (node->meta, meta) {
		if (!compat_meta_is_internal(meta) && str_equal(meta->name, "operation") &&
			str_equal(meta->annotation->module->name, "ietf-netconf"))
			return lyd_get_meta_value(meta);
	}
	return NULL;
}

enum edit_operation edit_access_operation(
	const struct lyd_node *node, enum edit_operation inherited)
{
	static const char *const names[] = {
		[EDIT_NONE] = "none",
		[EDIT_MERGE] = "merge",
		[EDIT_REPLACE] = "replace",
		[EDIT_CREATE] = "create",
		[EDIT_DELETE] = "delete",
		[EDIT_REMOVE] = "remove",
	};
	const char *text = asked_operation(node);

	for (size_t i = 0; text && i < ARRAY_SIZE(names); i++) {
		if (str_equal(names[i], text))
			return (enum edit_operation)i;
	}
	return inherited;
}

static bool is_key(const struct lyd_node *node)
{
	return node->schema && lysc_is_key(node->schema);
}

int edit_access_may(
	const struct edit *edit, const struct lyd_node *node, enum access_op op, struct err *err)
{
	if (!edit->access || access_request(edit->access, node, op))
		return 0;
	return access_denied_write(edit->access, node, err);
}

int edit_access_may_remove(const struct edit *edit, const struct lyd_node *node, struct err *err)
{
	const struct lyd_node *elem;

	if (!edit->access || access_all(edit->access, ACCESS_DELETE))
		return 0;
	LYD_TREE_DFS_BEGIN (node, elem) {
		if (!(elem->flags & LYD_DEFAULT) && !access_node(edit->access, elem, ACCESS_DELETE))
			return access_denied(edit->access, elem, err);
		LYD_TREE_DFS_END(node, elem);
	}
	return 0;
}

static int may_make(const struct edit *edit, const struct lyd_node *request,
	enum edit_operation inherited, struct err *err)
{
	enum edit_operation op = edit_access_operation(request, inherited);
	const struct lyd_node *child;
	int r;

	if (op == EDIT_DELETE || op == EDIT_REMOVE)
		return 0; /* of what is made there is nothing to remove yet */
	r = edit_access_may(edit, request, ACCESS_CREATE, err);
	LY_LIST_FOR (lyd_child(request), child) {
		if (r == 0)
			r = may_make(edit, child, op, err);
	}
	return r;
}

int edit_access_may_make(const struct edit *edit, const struct lyd_node *request, struct err *err)
{
	if (!edit->access || access_all(edit->access, ACCESS_CREATE))
		return 0;
	return may_make(edit, request, EDIT_CREATE, err);
}

int edit_access_may_know(
	const struct edit *edit, const struct lyd_node *node, enum access_op op, struct err *err)
{
	if (!edit->access || edit->is_ours || access_all(edit->access, op) ||
		access_visible(edit->access, node))
		return 0;
	return edit_access_may(edit, node, op, err);
}

/* Does the request say that anything is to be done with the node or in it? Names of entries aside. */
static bool wants_anything(const struct lyd_node *request, enum edit_operation inherited)
{
	enum edit_operation op = edit_access_operation(request, inherited);
	const struct lyd_node *child;

	if (op != EDIT_NONE)
		return true;
	LY_LIST_FOR (lyd_child(request), child) {
		if (!is_key(child) && wants_anything(child, op))
			return true;
	}
	return false;
}

static bool has_content(const struct lyd_node *request)
{
	const struct lyd_node *child;

	LY_LIST_FOR (lyd_child(request), child) {
		if (!is_key(child))
			return true;
	}
	return false;
}

int edit_access_may_pass(const struct edit *edit, const struct lyd_node *node,
	const struct lyd_node *request, enum edit_operation op, struct err *err)
{
	if (!edit->access || edit->is_ours || access_visible(edit->access, node))
		return 0;
	if (op == EDIT_NONE)
		return wants_anything(request, op) ? 0
						   : access_denied_write(edit->access, node, err);
	return has_content(request) ? 0 : edit_access_may(edit, node, ACCESS_CREATE, err);
}

/* What is there already needs the one right, what is not the other. */
static int may_set(const struct edit *edit, const struct lyd_node *request, struct err *err)
{
	if (access_request(edit->access, request, ACCESS_CREATE) ||
		access_request(edit->access, request, ACCESS_UPDATE))
		return 0;
	return access_denied_write(edit->access, request, err);
}

static int may_want(const struct edit *edit, const struct lyd_node *request,
	enum edit_operation inherited, struct err *err)
{
	enum edit_operation op = edit_access_operation(request, inherited);
	const struct lyd_node *child;
	int r = 0;

	switch (op) {
	case EDIT_DELETE:
	case EDIT_REMOVE:
		return edit_access_may(edit, request, ACCESS_DELETE, err);
	case EDIT_CREATE:
		return may_make(edit, request, op, err);
	case EDIT_MERGE:
	case EDIT_REPLACE:
		if (!has_content(request))
			return may_set(edit, request, err);
		break;
	case EDIT_NONE:
		break;
	}
	LY_LIST_FOR (lyd_child(request), child) {
		if (r == 0 && !is_key(child))
			r = may_want(edit, child, op, err);
	}
	return r;
}

/* Of a request that only names nodes. */
static int may_name(const struct edit *edit, const struct lyd_node *request, struct err *err)
{
	const struct lyd_node *child;
	int r = access_visible(edit->access, request)
		? 0
		: access_denied_write(edit->access, request, err);

	LY_LIST_FOR (lyd_child(request), child) {
		if (r == 0)
			r = may_name(edit, child, err);
	}
	return r;
}

int edit_access_may_want(const struct edit *edit, const struct lyd_node *request,
	enum edit_operation inherited, struct err *err)
{
	if (!edit->access || edit->is_ours)
		return 0;
	if (!wants_anything(request, inherited))
		return may_name(edit, request, err);
	return may_want(edit, request, inherited, err);
}
