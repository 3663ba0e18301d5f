/*
 * Expressions that libyang evaluates: what the client may read is printed and parsed into a tree of its own,
 * of which what the expression selects is printed. In a forked child only: it takes a time that nobody can
 * foretell. The tree has a limit; lists whose entries are made one by one, which may exceed it by far, are in
 * it only where the expression is about them.
 */
#include <errno.h>
#include <string.h>

#include "../yang/compat.h"
#include "evaluate.h"
#include "oper.h"
#include "walk.h"

#define VIEW_BYTES_MAX ((size_t)64 * 1024 * 1024) /* of text */

static const struct buf *view_text;

static bool is_too_large(void)
{
	return view_text->length > VIEW_BYTES_MAX;
}

/* --- what it is about --------------------------------------------------------------------------- */

static bool is_at_or_below(const struct lysc_node *schema, const struct lysc_node *top)
{
	while (schema && schema != top)
		schema = schema->parent;
	return schema != NULL;
}

/* Does the expression look at entries of the list, or select what holds them? */
static bool is_about(
	const struct ly_set *atoms, const struct ly_set *selected, const struct lysc_node *list)
{
	for (uint32_t i = 0; i < atoms->count; i++) {
		if (is_at_or_below(atoms->snodes[i], list))
			return true;
	}
	for (uint32_t i = 0; i < selected->count; i++) {
		if (is_at_or_below(list, selected->snodes[i]))
			return true;
	}
	return false;
}

static bool is_about_supplies(const char *xpath)
{
	struct ly_set *atoms = NULL, *selected = NULL;
	bool is = lys_find_xpath_atoms(yang_ctx(), NULL, xpath, 0, &atoms) != LY_SUCCESS ||
		lys_find_xpath(yang_ctx(), NULL, xpath, 0, &selected) != LY_SUCCESS;

	for (const struct feature *const *feature = feature_table; *feature && !is; feature++) {
		const struct feature_supply *supply = (*feature)->supplies;

		for (; supply && supply->path && !is; supply++)
			is = is_about(atoms, selected, path_schema(supply->path));
	}
	ly_set_free(atoms, NULL);
	ly_set_free(selected, NULL);
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return is;
}

/* --- the tree --------------------------------------------------------------------------------- */

static int walk_all(struct walk *walk, struct buf *out, enum format format,
	enum with_defaults defaults, struct err *err)
{
	int r;

	print_init(&walk->print, out, format, defaults);
	walk->print.tags_equal = walk->has_notes;
	walk_start(walk);
	view_text = out;
	r = walk_run(walk, is_too_large, err);
	walk_end(walk);
	return r > 0
		? err_tagged(err, ERR_TAG_TOO_BIG, NULL,
			  "there is too much data for an expression of this kind: ask for less, or "
			  "with a path whose predicates compare leaves")
		: r;
}

/*
 * What is not reported is not there for an expression either (RFC 6243 section 4.5.1); one that only names
 * nodes is about all that are in force.
 */
static enum with_defaults view_defaults(const struct ds_read *request)
{
	enum with_defaults defaults = oper_defaults(request);

	if (!oper_shows_defaults(defaults) && !request->is_paths)
		return defaults;
	return ly_ctx_get_module_implemented(yang_ctx(), "ietf-netconf-with-defaults")
		? WITH_DEFAULTS_ALL_TAGGED
		: WITH_DEFAULTS_ALL;
}

/*
 * What the client may read, as a tree of its own: expressions must not see the rest. Printing and parsing
 * carries default flags along.
 */
static int make_view(const struct ds_read *request, const struct lyd_node *tree,
	const struct access *access, struct lyd_node **ret_tree, struct err *err)
{
	enum with_defaults defaults = view_defaults(request);
	_cleanup_(buf_done) struct buf text = { 0 };
	struct walk walk = {
		.tree = tree,
		.access = access,
		.content =
			request->content == DS_CONTENT_CONFIG ? DS_CONTENT_CONFIG : DS_CONTENT_ALL,
		.is_operational = request->ds == DS_OPERATIONAL,
		.is_in_use = request->is_in_use,
		.with_origin = request->is_in_use,
		.is_for_changes = request->is_for_changes,
		.without_supplies = !is_about_supplies(request->xpath),
	};
	int r = buf_append_str(&text, "{");

	if (r == 0)
		r = walk_all(&walk, &text, FORMAT_JSON, defaults, err);
	if (r == 0)
		r = buf_append_str(&text, "}");
	if (r == 0 &&
		lyd_parse_data_mem(yang_ctx(), buf_bytes(&text), LYD_JSON, LYD_PARSE_ONLY, 0,
			ret_tree) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	return r;
}

/* Marks in lyd_node.priv, which is ours in a tree of our own. */
static char mark_way, mark_all;

static void mark_results(const struct ly_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		struct lyd_node *node = set->dnodes[i];

		node->priv = &mark_all;
		for (node = lyd_parent(node); node && !node->priv; node = lyd_parent(node))
			node->priv = &mark_way;
	}
}

/*
 * Leaves marked nodes, with the keys of list entries, and as many levels below those that were selected as
 * are asked for: of @levels (0: none) the first is at @first.
 */
static void prune(struct lyd_node **first, unsigned depth, unsigned levels)
{
	struct lyd_node *node, *next;

	for (node = *first; node; node = next) {
		struct lyd_node *child = (struct lyd_node *)lyd_child(node);

		next = node->next;
		if (lysc_is_key(node->schema) || (node->priv == &mark_all && !depth))
			continue;
		if (node->priv || levels) {
			prune(&child, depth,
				node->priv == &mark_all ? depth - 1
					: levels	? levels - 1
							: 0);
			continue;
		}
		if (*first == node)
			*first = next;
		lyd_free_tree(node);
	}
}

/* Is it an expression, if not one for nodes? */
static bool is_value(const struct lyd_node *view, const char *xpath)
{
	ly_bool result;

	return lyd_eval_xpath(view, xpath, &result) == LY_SUCCESS;
}

static int list_paths(const struct ly_set *set, struct buf *out)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < set->count; i++) {
		_cleanup_free_ char *path = path_of(set->dnodes[i]);

		r = buf_append(out, path, strlen(path) + 1);
	}
	return r;
}

int evaluate(const struct ds_read *request, const struct lyd_node *tree,
	const struct access *access, struct buf *out, struct err *err)
{
	struct lyd_node *view = NULL;
	struct ly_set *set = NULL;
	struct walk walk = {
		.content = request->content,
		.has_notes = request->is_in_use,
		.with_origin = request->with_origin,
		.origins = request->origins,
	};
	int r = make_view(request, tree, access, &view, err);

	if (r < 0 || !view)
		return r;
	if (compat_find_xpath(view, request->xpath, &set) != LY_SUCCESS) {
		yang_err(err, -EINVAL);
		err->tag = ERR_TAG_INVALID_VALUE;
		if (request->is_paths && is_value(view, request->xpath))
			err->code = -EDOM;
		return err_wrap(err, "%s", request->xpath);
	}
	if (request->is_paths)
		return list_paths(set, out);
	mark_results(set);
	prune(&view, request->depth, 0);
	walk.tree = view;
	return walk_all(&walk, out, request->format, oper_defaults(request), err);
}
