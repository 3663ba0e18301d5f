/*
 * Requests (RFC 6241 section 7.2): a tree with operations in its metadata becomes acts on the tree that is
 * edited. What a request makes new is moved from its tree as a whole, so that an edit that adds ten thousand
 * interfaces copies nothing.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "annotation.h"
#include "edit-access.h"
#include "order.h"
#include "schema.h"

/*
 * The instance among @siblings that @node stands for: entries by key or value, all else by name alone
 * (lyd_find_sibling_first() compares a leaf's value too).
 */
static struct lyd_node *find_instance(const struct lyd_node *siblings, const struct lyd_node *node)
{
	struct lyd_node *match = NULL;

	if (!siblings)
		return NULL;
	if (node->schema->nodetype & (LYS_LIST | LYS_LEAFLIST))
		(void)lyd_find_sibling_first(siblings, node, &match);
	else
		(void)lyd_find_sibling_val(siblings, node->schema, NULL, 0, &match);
	return match;
}

static const char *meta_value(const struct lyd_node *node, const char *module, const char *name)
{
	const struct lyd_meta *meta;

	if (!node->schema) {
		const struct lyd_attr *attr = ((const struct lyd_node_opaq *)node)->attr;

		for (; attr; attr = attr->next) {
			if (str_equal(attr->name.name, name))
				return attr->value;
		}
		return NULL;
	}
	LY_LIST_FOR (node->meta, meta) {
		if (!compat_meta_is_internal(meta) && str_equal(meta->name, name) &&
			str_equal(meta->annotation->module->name, module))
			return lyd_get_meta_value(meta);
	}
	return NULL;
}

static int fail(struct err *err, enum err_tag tag, const struct lyd_node *node, const char *what)
{
	_cleanup_free_ char *path = path_of(node);
	const char *value = node->schema && (node->schema->nodetype & LYD_NODE_TERM)
		? lyd_get_value(node)
		: NULL;

	if (value && *value)
		return err_tagged(err, tag, path, "%s \"%s\" %s", LYD_NAME(node), value, what);
	return err_tagged(err, tag, path, "%s %s", LYD_NAME(node), what);
}

/* Nodes of other cases of the choices around @node, among its siblings. */
static struct lyd_node *other_case(const struct lyd_node *node, struct lyd_node *siblings)
{
	const struct lysc_node *inner, *outer;
	struct lyd_node *sibling;

	for (inner = node->schema; inner->parent; inner = inner->parent) {
		const struct lysc_node *my_case = inner->parent;

		if (my_case->nodetype != LYS_CASE)
			break;
		LY_LIST_FOR (siblings, sibling) {
			if (!sibling->schema || sibling == node)
				continue;
			for (outer = sibling->schema; outer->parent; outer = outer->parent) {
				if (outer->parent == my_case)
					break;
				if (outer->parent == my_case->parent)
					return sibling;
				if (!(outer->parent->nodetype & (LYS_CASE | LYS_CHOICE)))
					break;
			}
		}
		inner = my_case;
	}
	return NULL;
}

static bool in_case(const struct lyd_node *node)
{
	return node->schema->parent && node->schema->parent->nodetype == LYS_CASE;
}

/*
 * Making a node of one case removes the other cases (RFC 7950 section 7.9), which takes no right to delete
 * them (RFC 8341 section 3.2.5).
 */
static int clear_other_cases(struct edit *edit, struct lyd_node *node, struct err *err)
{
	struct lyd_node *other;

	if (!in_case(node))
		return 0;
	while ((other = other_case(node, lyd_first_sibling(node)))) {
		if ((other->flags & LYD_NEW) && !(other->flags & LYD_DEFAULT)) {
			fail(err, ERR_TAG_BAD_ELEMENT, node,
				"excludes another choice in the same request");
			err_add_info(err, "bad-element", LYD_NAME(other));
			return -EINVAL;
		}
		edit_take_out(edit, other, true);
	}
	return 0;
}

static int check_owned(const struct edit *edit, const struct lyd_node *node, struct err *err)
{
	const struct snode *snode = schema_of_node(node);

	if (edit->is_any || (snode && snode->is_owned))
		return 0;
	return fail(err, ERR_TAG_OPERATION_NOT_SUPPORTED, node, "is not supported by this device");
}

/* Removes the metadata that only steers an edit, or says where a value came from when it was read. */
static void strip_meta(const struct edit *edit, struct lyd_node *node)
{
	struct lyd_meta *meta, *next;

	for (meta = node->meta; meta; meta = next) {
		next = meta->next;
		if (compat_meta_is_internal(meta))
			continue;
		if (str_equal(meta->annotation->module->name, "ietf-netconf") ||
			str_equal(meta->annotation->module->name, "yang") ||
			(!edit->is_any && str_equal(meta->annotation->module->name, "ietf-origin")))
			lyd_free_meta_single(meta);
	}
}

/* Tagged as what a value is by default (RFC 6243 section 4.5.2): it is to be as if nobody had set it. */
static bool is_tagged(const struct lyd_node *node)
{
	return node->schema && node->schema->nodetype & LYD_NODE_TERM && node->flags & LYD_DEFAULT;
}

static int check_tagged(const struct lyd_node *node, enum edit_operation operation, struct err *err)
{
	if (!lyd_is_default(node))
		return fail(
			err, ERR_TAG_INVALID_VALUE, node, "is tagged as the default, and is not");
	if (operation != EDIT_CREATE && operation != EDIT_MERGE && operation != EDIT_REPLACE)
		return fail(err, ERR_TAG_INVALID_VALUE, node,
			"is tagged as the default: that is only for what is set");
	return 0;
}

static const struct lysc_node *schema_meant(const struct lyd_node *node)
{
	return node->schema ? node->schema : format_opaque_schema(node);
}

/* Among elements without value, which are not beside those of their schema node. */
static bool has_namesake(const struct lyd_node *node)
{
	const struct lysc_node *schema = schema_meant(node);
	const struct lyd_node *sibling;

	LY_LIST_FOR (lyd_first_sibling(node), sibling) {
		if (sibling != node && schema_meant(sibling) == schema)
			return true;
	}
	return false;
}

static bool is_twice(const struct edit *edit, const struct lyd_node *node)
{
	const struct lyd_node *first;

	if (!node->schema)
		return has_namesake(node);
	if (edit->is_any && node->schema->flags & LYS_CONFIG_R)
		return false; /* state may be the same twice */
	if (node->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) {
		first = find_instance(lyd_first_sibling(node), node);
		return first && first != node;
	}
	return node->next && node->next->schema == node->schema;
}

static int given_twice(struct err *err, const struct lyd_node *node)
{
	if (lysc_is_key(node->schema)) { /* the path of its entry would be one with both */
		_cleanup_free_ char *list =
			lyd_path(lyd_parent(node), LYD_PATH_STD_NO_LAST_PRED, NULL, 0);
		_cleanup_free_ char *path = xasprintf("%s/%s", list, LYD_NAME(node));

		err_tagged(err, ERR_TAG_BAD_ELEMENT, path, "the key %s is given twice",
			LYD_NAME(node));
	} else {
		fail(err, ERR_TAG_BAD_ELEMENT, node, "is given twice");
	}
	err_add_info(err, "bad-element", LYD_NAME(node));
	return -EINVAL;
}

static int adopt(struct edit *edit, struct lyd_node *node, struct err *err);

static int adopt_children(struct edit *edit, struct lyd_node *node, struct err *err)
{
	struct lyd_node *child = (struct lyd_node *)lyd_child(node), *next;
	int r = order_arrange(&child, err);

	if (r < 0)
		return r;
	for (; child; child = next) {
		enum edit_operation op = edit_access_operation(child, EDIT_MERGE);

		next = child->next;
		if (is_tagged(child)) {
			r = check_tagged(child, op, err);
			if (r < 0)
				return r;
		}
		if (op == EDIT_REMOVE || is_tagged(child)) {
			lyd_free_tree(child);
			edit_settle_defaults(node);
			continue;
		}
		if (op == EDIT_DELETE)
			return fail(err, ERR_TAG_DATA_MISSING, child, "does not exist");
		r = adopt(edit, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Makes a request's subtree fit to be moved into the tree. */
static int adopt(struct edit *edit, struct lyd_node *node, struct err *err)
{
	int r;

	if (!node->schema)
		return fail(err, ERR_TAG_INVALID_VALUE, node, "has no value");
	r = check_owned(edit, node, err);
	if (r < 0)
		return r;
	r = edit_access_may(edit, node, ACCESS_CREATE, err);
	if (r < 0)
		return r;
	if (lyd_parent(node) && is_twice(edit, node))
		return given_twice(err, node);
	if (in_case(node) && other_case(node, lyd_first_sibling(node)))
		return fail(err, ERR_TAG_BAD_ELEMENT, node,
			"excludes another choice in the same request");
	if (node->meta)
		strip_meta(edit, node);
	node->flags |= LYD_NEW;
	return adopt_children(edit, node, err);
}

/* Where an entry ordered by user goes (RFC 7950 sections 7.7.9 and 7.8.6). */
static int place_of(struct edit *edit, const struct lyd_node *request, struct lyd_node *parent,
	struct lyd_node *node, struct lyd_node **ret_before, bool *ret_moves, struct err *err)
{
	const char *insert = meta_value(request, "yang", "insert");
	const char *key = meta_value(
		request, "yang", request->schema->nodetype == LYS_LIST ? "key" : "value");
	struct lyd_node *first = NULL, *match = NULL;

	*ret_moves = insert != NULL;
	*ret_before = NULL;
	if (!insert || str_equal(insert, "last"))
		return 0;
	(void)lyd_find_sibling_val(edit_children(edit, parent), request->schema, NULL, 0, &first);
	if (str_equal(insert, "first")) {
		*ret_before = first == node && first ? first->next : first;
		if (*ret_before && (*ret_before)->schema != request->schema)
			*ret_before = NULL;
		return 0;
	}
	if (!key)
		return order_no_key(err, request);
	if (lyd_find_sibling_val(first, request->schema, key, strlen(key), &match) != LY_SUCCESS ||
		(edit->access && !access_visible(edit->access, match))) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return order_no_neighbour(err, request, key);
	}
	*ret_before = str_equal(insert, "before") ? match : match->next;
	if (*ret_before && (*ret_before)->schema != request->schema)
		*ret_before = NULL;
	return 0;
}

/* Moves a request's node that the tree does not have into it. */
static int make(struct edit *edit, struct lyd_node *parent, struct lyd_node **request_top,
	struct lyd_node *request, struct err *err)
{
	struct lyd_node *before = NULL;
	bool moves = false;
	int r;

	if (request->schema && lysc_is_userordered(request->schema)) {
		r = place_of(edit, request, parent, NULL, &before, &moves, err);
		if (r < 0)
			return r;
	}
	/* Checked where it stands: errors and access rules see the whole path. */
	r = adopt(edit, request, err);
	if (r < 0)
		return r;
	edit_unlink(request_top, request);
	edit_insert(edit, parent, request, false);
	if (before)
		edit_move(edit, request, before);
	return clear_other_cases(edit, request, err);
}

static int apply_siblings(struct edit *edit, struct lyd_node *parent, struct lyd_node **request_top,
	struct lyd_node *request, enum edit_operation inherited, struct err *err);

/* Removes what the tree has below @node and the request has not. */
static int remove_others(
	struct edit *edit, struct lyd_node *first, const struct lyd_node *request, struct err *err)
{
	struct lyd_node *child, *next;
	int r;

	for (child = first; child; child = next) {
		next = child->next;
		if ((child->flags & LYD_DEFAULT) || lysc_is_key(child->schema))
			continue;
		if (find_instance(request, child))
			continue;
		r = edit_access_may_remove(edit, child, err);
		if (r < 0)
			return r;
		edit_take_out(edit, child, false);
	}
	return 0;
}

/* Of a leaf, or of an entry of a leaf-list, which may stand there by default. */
static int change_value(
	struct edit *edit, struct lyd_node *node, const struct lyd_node *request, struct err *err)
{
	const char *value = lyd_get_value(request);
	bool is_default = node->flags & LYD_DEFAULT;
	int r;

	if (!(node->schema->nodetype & LYD_NODE_TERM))
		return 0;
	if (!is_default && str_equal(lyd_get_value(node), value))
		return edit_access_may_know(edit, node,
			node->schema->nodetype == LYS_LEAF ? ACCESS_UPDATE : ACCESS_CREATE, err);
	r = check_owned(edit, request, err);
	if (r == 0)
		r = edit_access_may(edit, request, is_default ? ACCESS_CREATE : ACCESS_UPDATE, err);
	return r < 0 ? r : edit_change(edit, node, value, err);
}

/* What the request says about the value is kept beside it (RFC 7952). */
static int annotate(struct edit *edit, struct lyd_node *node, const struct lyd_node *request,
	enum edit_operation op, struct err *err)
{
	int r;

	if (op == EDIT_NONE || !annotation_differs(node, request, op == EDIT_REPLACE))
		return 0;
	r = edit_access_may(edit, node, ACCESS_UPDATE, err);
	if (r == 0)
		edit_annotate(edit, node, request, op == EDIT_REPLACE);
	return r;
}

/* Arbitrary content is replaced as a whole. */
static int change_any(struct edit *edit, struct lyd_node *node, struct lyd_node **request_top,
	struct lyd_node *request, struct err *err)
{
	struct lyd_node *parent = lyd_parent(node);
	int r;

	if (lyd_compare_single(node, request, LYD_COMPARE_FULL_RECURSION) == LY_SUCCESS)
		return edit_access_may_know(edit, node, ACCESS_UPDATE, err);
	r = edit_access_may(edit, node, ACCESS_UPDATE, err);
	if (r < 0)
		return r;
	edit_take_out(edit, node, false);
	return make(edit, parent, request_top, request, err);
}

/* @node is there: give it the request's content. */
static int update(struct edit *edit, struct lyd_node *node, struct lyd_node **request_top,
	struct lyd_node *request, enum edit_operation op, struct err *err)
{
	struct lyd_node *before;
	bool moves;
	int r;

	if (lysc_is_userordered(node->schema) && op != EDIT_NONE) {
		r = place_of(edit, request, lyd_parent(node), node, &before, &moves, err);
		if (r < 0)
			return r;
		if (moves) {
			r = edit_access_may(edit, node, ACCESS_UPDATE, err);
			if (r < 0)
				return r;
			edit_move(edit, node, before);
		}
	}
	r = op == EDIT_NONE ? 0 : change_value(edit, node, request, err);
	if (r == 0)
		r = annotate(edit, node, request, op, err);
	if (r < 0)
		return r;
	switch (node->schema->nodetype) {
	case LYS_LEAF:
	case LYS_LEAFLIST:
		return 0;
	case LYS_ANYDATA:
	case LYS_ANYXML:
		return op == EDIT_NONE ? 0 : change_any(edit, node, request_top, request, err);
	default:
		break;
	}
	r = edit_access_may_pass(edit, node, request, op, err);
	if (r < 0)
		return r;
	if (op == EDIT_REPLACE) {
		r = remove_others(
			edit, (struct lyd_node *)lyd_child(node), lyd_child(request), err);
		if (r < 0)
			return r;
	}
	return apply_siblings(
		edit, node, request_top, (struct lyd_node *)lyd_child(request), op, err);
}

/* Explicitly there: a default or an empty container without presence is not. */
static bool is_explicit(const struct lyd_node *node)
{
	return node && !(node->flags & LYD_DEFAULT);
}

/* Is another value than the leaf's to be deleted? */
static bool is_other_value(const struct lyd_node *match, const struct lyd_node *request)
{
	return request->schema && match->schema->nodetype == LYS_LEAF && lyd_get_value(request) &&
		*lyd_get_value(request) && !str_equal(lyd_get_value(match), lyd_get_value(request));
}

/* Whether it is there is told only to who may remove it. */
static int delete_node(struct edit *edit, struct lyd_node *match, const struct lyd_node *request,
	enum edit_operation op, struct err *err)
{
	int r = 0;

	if (is_explicit(match))
		r = edit_access_may_remove(edit, match, err);
	else if (!edit->is_ours)
		r = edit_access_may(edit, request, ACCESS_DELETE, err);
	if (r < 0)
		return r;
	if (!is_explicit(match) || is_other_value(match, request))
		return op == EDIT_REMOVE
			? 0
			: fail(err, ERR_TAG_DATA_MISSING, request, "does not exist");
	if (lysc_is_key(match->schema))
		return fail(err, ERR_TAG_BAD_ELEMENT, request, "is a key: delete its list entry");
	edit_take_out(edit, match, false);
	return 0;
}

static int refuse_existing(const struct edit *edit, const struct lyd_node *request, struct err *err)
{
	int r = edit_access_may_make(edit, request, err);

	return r < 0 ? r : fail(err, ERR_TAG_DATA_EXISTS, request, "exists already");
}

static int return_to_default(struct edit *edit, struct lyd_node *match,
	const struct lyd_node *request, enum edit_operation op, struct err *err)
{
	int r = check_tagged(request, op, err);

	if (r < 0)
		return r;
	if (op == EDIT_CREATE && is_explicit(match))
		return refuse_existing(edit, request, err);
	if (!is_explicit(match))
		return edit_access_may_know(edit, request, ACCESS_DELETE, err);
	r = edit_access_may_remove(edit, match, err);
	if (r < 0)
		return r;
	edit_take_out(edit, match, false);
	return 0;
}

static struct lyd_node *find_match(struct lyd_node *siblings, const struct lyd_node *request)
{
	const struct lysc_node *schema;
	struct lyd_node *match = NULL;

	if (!siblings)
		return NULL;
	if (request->schema)
		return find_instance(siblings, request);
	schema = format_opaque_schema(request); /* an empty element to be deleted */
	if (schema)
		(void)lyd_find_sibling_val(siblings, schema, NULL, 0, &match);
	return match;
}

/* A missing container without presence holds nothing that could be missing: it is made on the way. */
static int make_inner(struct edit *edit, struct lyd_node *parent, const struct lyd_node *request,
	struct lyd_node **ret_node, struct err *err)
{
	struct lyd_node *node = NULL;

	if (lyd_dup_single(request, NULL, LYD_DUP_NO_META, &node) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	node->flags |= LYD_NEW | LYD_DEFAULT;
	edit_insert(edit, parent, node, false);
	*ret_node = node;
	return 0;
}

static bool has_operation_below(const struct lyd_node *node)
{
	const struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (node, elem) {
		if (elem != node &&
			(!elem->schema || meta_value(elem, "ietf-netconf", "operation")))
			return true;
		LYD_TREE_DFS_END(node, elem);
	}
	return false;
}

static int apply_absent(struct edit *edit, struct lyd_node *parent, struct lyd_node **request_top,
	struct lyd_node *request, enum edit_operation op, struct err *err)
{
	struct lyd_node *made = NULL;
	int r;

	if (op != EDIT_NONE)
		return make(edit, parent, request_top, request, err);
	if (!lysc_is_np_cont(request->schema)) {
		if (request->schema && (request->schema->nodetype & LYD_NODE_TERM) &&
			!lysc_is_key(request->schema))
			return 0; /* the leaf's own level is not needed by anything below it */
		r = edit_access_may_want(edit, request, op, err);
		return r < 0 ? r : fail(err, ERR_TAG_DATA_MISSING, request, "does not exist");
	}
	if (!has_operation_below(request))
		return 0;
	r = make_inner(edit, parent, request, &made, err);
	return r < 0 ? r : update(edit, made, request_top, request, op, err);
}

static size_t depth_of(const struct lyd_node *node)
{
	size_t depth = 0;

	for (; node; node = lyd_parent(node))
		depth++;
	return depth;
}

/*
 * What stands twice in one portion is seen there. The children of the nodes that portions have in common may each
 * come in one of them only; of these nodes themselves, those that earlier portions had come again.
 */
static bool must_come_once(const struct edit *edit, const struct lyd_node *node, size_t depth)
{
	return depth > 1 && depth <= edit->portion_depth + 1 && depth > edit->portion_shared &&
		!(node->schema && lysc_is_key(node->schema));
}

static void note_given(struct edit *edit, struct lyd_node *node)
{
	struct lyd_node **item = arena_alloc(edit->arena, sizeof(*item));

	*item = node;
	map_put(&edit->given, item, sizeof(*item), item);
}

/* What was made now, and what is below it as far as other portions can bring the same. */
static void note_made(struct edit *edit, struct lyd_node *node, size_t depth)
{
	const struct lyd_node *child = depth <= edit->portion_depth ? lyd_child(node) : NULL;

	if (must_come_once(edit, node, depth))
		note_given(edit, node);
	for (; child; child = child->next)
		note_made(edit, (struct lyd_node *)child, depth + 1);
}

static int apply_to(struct edit *edit, struct lyd_node *parent, struct lyd_node *match,
	struct lyd_node **request_top, struct lyd_node *request, enum edit_operation inherited,
	struct err *err)
{
	enum edit_operation op = edit_access_operation(request, inherited);
	int r;

	if (is_tagged(request))
		return return_to_default(edit, match, request, op, err);
	if (op == EDIT_DELETE || op == EDIT_REMOVE)
		return delete_node(edit, match, request, op, err);
	if (!request->schema)
		return fail(err, ERR_TAG_INVALID_VALUE, request, "has no value");
	if (lysc_is_key(request->schema) && match)
		return 0;
	if (op == EDIT_CREATE && is_explicit(match))
		return refuse_existing(edit, request, err);
	if (!match)
		return apply_absent(edit, parent, request_top, request, op, err);
	r = update(edit, match, request_top, request, op, err);
	if (r == 0 && op != EDIT_NONE && !edit_is_dead(edit, match))
		r = clear_other_cases(edit, match, err);
	return r;
}

static int apply_portioned(struct edit *edit, struct lyd_node *parent,
	struct lyd_node **request_top, struct lyd_node *request, enum edit_operation inherited,
	struct err *err)
{
	struct lyd_node *match = find_match(edit_children(edit, parent), request), *made;
	size_t depth = depth_of(parent) + 1;
	bool is_once = must_come_once(edit, request, depth);
	int r;

	if (is_once && match && map_get(&edit->given, &match, sizeof(match)))
		return given_twice(err, request);
	/* What will be removed keeps its address until the end. */
	if (is_once && match)
		note_given(edit, match);
	r = apply_to(edit, parent, match, request_top, request, inherited, err);
	if (r < 0 || match)
		return r;
	made = find_match(edit_children(edit, parent), request);
	if (made)
		note_made(edit, made, depth);
	return r;
}

static int apply_node(struct edit *edit, struct lyd_node *parent, struct lyd_node **request_top,
	struct lyd_node *request, enum edit_operation inherited, struct err *err)
{
	if (edit->portion_depth)
		return apply_portioned(edit, parent, request_top, request, inherited, err);
	return apply_to(edit, parent, find_match(edit_children(edit, parent), request), request_top,
		request, inherited, err);
}

static int apply_one(struct edit *edit, struct lyd_node *parent, struct lyd_node **request_top,
	struct lyd_node *request, enum edit_operation inherited, struct err *err)
{
	if (is_twice(edit, request))
		return given_twice(err, request);
	return apply_node(edit, parent, request_top, request, inherited, err);
}

/* Of what is replaced the request has the order too; *ret_next is what stands behind the list. */
static int replace_entries(struct edit *edit, struct lyd_node *parent,
	struct lyd_node **request_top, struct lyd_node *request, struct lyd_node **ret_next,
	struct err *err)
{
	const struct lysc_node *schema = request->schema;
	struct order order = { 0 };
	struct lyd_node *next, *node;
	int r = 0;

	for (; r == 0 && request && request->schema == schema; request = next) {
		next = request->next;
		r = apply_one(edit, parent, request_top, request, EDIT_REPLACE, err);
		/* The request's node is in the tree now, or another that it stands for. */
		node = r == 0 ? lyd_parent(request) == parent
				? request
				: find_instance(edit_children(edit, parent), request)
			      : NULL;
		if (node)
			order_add(&order, node);
	}
	*ret_next = request;
	if (r == 0)
		return order_settle(&order, edit, err);
	order_done(&order);
	return r;
}

static int apply_siblings(struct edit *edit, struct lyd_node *parent, struct lyd_node **request_top,
	struct lyd_node *request, enum edit_operation inherited, struct err *err)
{
	bool is_replaced = inherited == EDIT_REPLACE;
	struct lyd_node *next;
	int r = is_replaced ? order_arrange(&request, err) : 0;

	for (; r == 0 && request; request = next) {
		if (is_replaced && request->schema && lysc_is_userordered(request->schema)) {
			r = replace_entries(edit, parent, request_top, request, &next, err);
			continue;
		}
		next = request->next;
		r = apply_one(edit, parent, request_top, request, inherited, err);
	}
	return r;
}

int edit_apply(struct edit *edit, struct lyd_node **request, enum edit_operation operation,
	struct err *err)
{
	int r;

	if (operation == EDIT_REPLACE) {
		r = remove_others(edit, *edit->tree, *request, err);
		if (r < 0)
			return r;
	}
	return apply_siblings(edit, NULL, request, *request, operation, err);
}

int edit_apply_portion(struct edit *edit, struct portions *portions, enum edit_operation operation,
	struct err *err)
{
	struct lyd_node *tree = NULL;
	int r = portions_next(portions, &tree, err);

	if (r <= 0)
		return r;
	edit->portion_depth = portions_depth(portions, &edit->portion_shared);
	r = edit_apply(edit, &tree, operation, err);
	edit->portion_depth = 0;
	lyd_free_all(tree);
	return r < 0 ? r : 1;
}

int edit_apply_at(struct edit *edit, struct lyd_node **request_top, struct lyd_node *request,
	enum edit_operation operation, struct err *err)
{
	struct lyd_node *parent = NULL;

	if (lyd_parent(request)) {
		_cleanup_free_ char *above = path_of(lyd_parent(request));

		if (!*edit->tree || lyd_find_path(*edit->tree, above, 0, &parent) != LY_SUCCESS) {
			ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
			if (operation == EDIT_REMOVE)
				return 0;
			return edit_apply(edit, request_top, EDIT_MERGE, err);
		}
	}
	return apply_node(edit, parent, request_top, request, operation, err);
}

int edit_place(struct edit *edit, struct lyd_node *node, struct lyd_node *before, struct err *err)
{
	struct lyd_node *next =
		node->next && node->next->schema == node->schema ? node->next : NULL;
	int r;

	if (next == before)
		return 0;
	r = edit_access_may(edit, node, ACCESS_UPDATE, err);
	if (r == 0)
		edit_move(edit, node, before);
	return r;
}

int edit_remove(struct edit *edit, struct lyd_node *node, struct err *err)
{
	int r = edit_access_may_remove(edit, node, err);

	if (r == 0)
		edit_take_out(edit, node, false);
	return r;
}

int edit_set(struct edit *edit, struct lyd_node *leaf, const char *value, struct err *err)
{
	int r = edit_access_may(
		edit, leaf, (leaf->flags & LYD_DEFAULT) ? ACCESS_CREATE : ACCESS_UPDATE, err);

	return r < 0 ? r : edit_change(edit, leaf, value, err);
}
