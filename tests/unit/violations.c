/* See violations.h. Slow and plain on purpose: it is what the engine is measured against. */
#include <stdio.h>
#include <string.h>

#include "ashlar/str.h"

#include "violations.h"

static void add(
	struct violations *all, enum err_tag tag, const char *app_tag, char *path, const char *word)
{
	ARRAY_GROW(all->items, all->count, all->room);
	all->items[all->count++] = (struct violation){
		.tag = tag,
		.app_tag = app_tag ? xstrdup(app_tag) : NULL,
		.path = path,
		.word = word ? xstrdup(word) : NULL,
	};
}

static char *path_below(const struct lyd_node *parent, const struct lysc_node *schema)
{
	_cleanup_free_ char *path = parent ? path_of(parent) : xstrdup("");
	bool is_same = parent && parent->schema->module == schema->module;

	return xasprintf("%s/%s%s%s", path, is_same ? "" : schema->module->name, is_same ? "" : ":",
		schema->name);
}

static bool holds(const struct lyd_node *at, const struct lysc_node *on,
	const struct lyxp_expr *cond, struct lysc_prefix *prefixes)
{
	ly_bool result = 0;

	if (lyd_eval_xpath3(at, on->module, lyxp_get_expr(cond), LY_VALUE_SCHEMA_RESOLVED, prefixes,
		    NULL, &result) == LY_SUCCESS)
		return result;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return false;
}

/* --- when --------------------------------------------------------------------------------------- */

static bool when_holds(const struct lysc_when *when, const struct lysc_node *schema,
	const struct lyd_node *tree, const struct lyd_node *parent, const struct lyd_node *node)
{
	const struct lyd_node *at = node;
	struct lyd_node *stand_in = NULL;
	bool result;

	if (when->context != schema)
		at = when->context ? parent : tree;
	else if (!node)
		lyd_new_opaq((struct lyd_node *)parent, yang_ctx(), schema->name, NULL, NULL,
			schema->module->name, &stand_in);
	result = holds(stand_in ? stand_in : at, schema, when->cond, when->prefixes);
	lyd_free_tree(stand_in);
	return result;
}

/* The condition of @schema, or of a choice or case around it, that does not hold; NULL: all do. */
static const struct lysc_when *denying(const struct lysc_node *schema, const struct lyd_node *tree,
	const struct lyd_node *parent, const struct lyd_node *node)
{
	const struct lysc_node *at;

	for (at = schema; at && (at == schema || at->nodetype & (LYS_CHOICE | LYS_CASE));
		at = at->parent) {
		struct lysc_when **whens = lysc_node_when(at);
		LY_ARRAY_COUNT_TYPE u;

		LY_ARRAY_FOR(whens, u)
		{
			if (!when_holds(whens[u], schema, tree, parent, node))
				return whens[u];
		}
	}
	return NULL;
}

/* --- of a node that is there ---------------------------------------------------------------------- */

static void find_musts(struct violations *all, const struct lyd_node *node)
{
	struct lysc_must *musts = lysc_node_musts(node->schema);
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(musts, u)
	{
		if (holds(node, node->schema, musts[u].cond, musts[u].prefixes))
			continue;
		add(all, ERR_TAG_OPERATION_FAILED,
			musts[u].eapptag ? musts[u].eapptag : "must-violation", path_of(node),
			musts[u].emsg ? musts[u].emsg : lyxp_get_expr(musts[u].cond));
	}
}

static void find_value(struct violations *all, const struct lyd_node *node)
{
	const struct lysc_type *type = ((const struct lysc_node_leaf *)node->schema)->type;
	const char *value = lyd_get_value(node);

	if (lyd_value_validate(NULL, node->schema, value, strlen(value), node, NULL, NULL) ==
		LY_SUCCESS)
		return;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	if (type->basetype == LY_TYPE_LEAFREF)
		add(all, ERR_TAG_DATA_MISSING, "instance-required", path_of(node), value);
	else
		add(all, ERR_TAG_INVALID_VALUE, NULL, path_of(node), value);
}

/* --- of what is there, or is not, below a node ----------------------------------------------------- */

static const struct lyd_node *first_of(
	const struct lyd_node *siblings, const struct lysc_node *schema)
{
	for (; siblings; siblings = siblings->next) {
		if (siblings->schema == schema)
			return siblings;
	}
	return NULL;
}

static const struct lyd_node *leaf_of(
	const struct lyd_node *entry, const struct lysc_node *list, const struct lysc_node *leaf)
{
	const struct lyd_node *parent = entry;

	if (leaf->parent != list)
		parent = leaf_of(entry, list, leaf->parent);
	return parent ? first_of(lyd_child(parent), leaf) : NULL;
}

static bool is_same(
	const struct lyd_node *a, const struct lyd_node *b, struct lysc_node_leaf **leaves)
{
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(leaves, u)
	{
		const struct lyd_node *x = leaf_of(a, a->schema, (struct lysc_node *)leaves[u]);
		const struct lyd_node *y = leaf_of(b, b->schema, (struct lysc_node *)leaves[u]);

		if (!x || !y || !str_equal(lyd_get_value(x), lyd_get_value(y)))
			return false;
	}
	return true;
}

/* Of two entries that are the same either may be told. */
static void find_unique(struct violations *all, const struct lyd_node *first)
{
	const struct lysc_node_list *list = (const struct lysc_node_list *)first->schema;
	const struct lyd_node *a, *b;
	LY_ARRAY_COUNT_TYPE u;

	LY_ARRAY_FOR(list->uniques, u)
	{
		for (a = first; a; a = node_next(a)) {
			for (b = node_next(a); b; b = node_next(b)) {
				if (!is_same(a, b, list->uniques[u]))
					continue;
				add(all, ERR_TAG_OPERATION_FAILED, "data-not-unique", path_of(a),
					NULL);
				add(all, ERR_TAG_OPERATION_FAILED, "data-not-unique", path_of(b),
					NULL);
			}
		}
	}
}

static void find_count(struct violations *all, const struct lyd_node *parent,
	const struct lyd_node *first, const struct lysc_node *schema)
{
	bool is_list = schema->nodetype == LYS_LIST;
	uint32_t min = is_list ? ((const struct lysc_node_list *)schema)->min
			       : ((const struct lysc_node_leaflist *)schema)->min;
	uint32_t max = is_list ? ((const struct lysc_node_list *)schema)->max
			       : ((const struct lysc_node_leaflist *)schema)->max;
	const struct lyd_node *node;
	uint32_t count = 0;

	for (node = first; node; node = node_next(node))
		count++;
	if (count < min)
		add(all, ERR_TAG_OPERATION_FAILED, "too-few-elements", path_below(parent, schema),
			schema->name);
	if (max && count > max)
		add(all, ERR_TAG_OPERATION_FAILED, "too-many-elements", path_below(parent, schema),
			schema->name);
	if (is_list && first)
		find_unique(all, first);
}

static bool is_taken(const struct lyd_node *siblings, const struct lysc_node *holder)
{
	const struct lysc_node *child;

	LY_LIST_FOR (lysc_node_child(holder), child) {
		if (child->nodetype & (LYS_CHOICE | LYS_CASE) ? is_taken(siblings, child)
							      : first_of(siblings, child) != NULL)
			return true;
	}
	return false;
}

static void find_missing(struct violations *all, const struct lyd_node *tree,
	const struct lyd_node *parent, const struct lysc_node *schema)
{
	if (denying(schema, tree, parent, NULL))
		return;
	if (schema->nodetype == LYS_CHOICE)
		add(all, ERR_TAG_DATA_MISSING, "missing-choice",
			parent ? path_of(parent) : xstrdup(""), schema->name);
	else
		add(all, ERR_TAG_DATA_MISSING, NULL, path_below(parent, schema), schema->name);
}

static void find_below(struct violations *all, const struct lyd_node *tree,
	const struct lyd_node *parent, const struct lyd_node *siblings,
	const struct lysc_node *schemas)
{
	const struct lysc_node *schema, *one;

	LY_LIST_FOR (schemas, schema) {
		const struct lyd_node *first = first_of(siblings, schema);

		if (!(schema->flags & LYS_CONFIG_W))
			continue;
		if (schema->nodetype == LYS_CHOICE) {
			if (schema->flags & LYS_MAND_TRUE && !is_taken(siblings, schema))
				find_missing(all, tree, parent, schema);
			LY_LIST_FOR (lysc_node_child(schema), one) {
				if (is_taken(siblings, one))
					find_below(
						all, tree, parent, siblings, lysc_node_child(one));
			}
		} else if (schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) {
			if (first || !denying(schema, tree, parent, NULL))
				find_count(all, parent, first, schema);
		} else if (schema->flags & LYS_MAND_TRUE && !first &&
			schema->nodetype != LYS_CONTAINER) {
			find_missing(all, tree, parent, schema);
		}
	}
}

/* ---------------------------------------------------------------------------------------------- */

static void find_of(
	struct violations *all, const struct lyd_node *tree, const struct lyd_node *node)
{
	const struct lysc_when *when = denying(node->schema, tree, lyd_parent(node), node);

	if (when)
		add(all, ERR_TAG_UNKNOWN_ELEMENT, NULL, path_of(node), lyxp_get_expr(when->cond));
	find_musts(all, node);
	if (node->schema->nodetype & LYD_NODE_TERM)
		find_value(all, node);
	if (node->schema->nodetype & LYD_NODE_INNER)
		find_below(all, tree, node, lyd_child(node), lysc_node_child(node->schema));
}

void violations_find(struct violations *all, const struct lyd_node *tree)
{
	const struct lys_module *module;
	const struct lyd_node *top, *node;
	uint32_t at = 0;

	while ((module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		if (module->implemented && module->compiled)
			find_below(all, tree, NULL, tree, module->compiled->data);
	}
	LY_LIST_FOR (tree, top) {
		LYD_TREE_DFS_BEGIN (top, node) {
			find_of(all, tree, node);
			LYD_TREE_DFS_END(top, node);
		}
	}
}

/* The path without its predicates. */
static char *schema_place(const struct violation *violation)
{
	_cleanup_free_ char *path = xstrdup(violation->path);
	char quote = '\0', *to = path;
	bool is_inside = false;

	for (const char *at = path; *at; at++) {
		if (quote)
			quote = *at == quote ? '\0' : quote;
		else if (is_inside && (*at == '\'' || *at == '"'))
			quote = *at;
		else if (*at == '[' || *at == ']')
			is_inside = *at == '[';
		else if (!is_inside)
			*to++ = *at;
	}
	*to = '\0';
	return TAKE(path);
}

static bool is_at(const struct violation *violation, const char *path, bool can_be_schema)
{
	_cleanup_free_ char *schema = schema_place(violation);

	if (!path)
		path = "";
	return str_equal(path, violation->path) || (can_be_schema && str_equal(path, schema));
}

const struct violation *violations_told(
	const struct violations *all, const struct err *err, bool can_be_schema)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct violation *violation = &all->items[i];

		if (violation->tag == err_effective_tag(err) &&
			str_equal(violation->app_tag ? violation->app_tag : "",
				err->app_tag ? err->app_tag : "") &&
			is_at(violation, err->path, can_be_schema) &&
			(!violation->word || strstr(err_text(err), violation->word)))
			return violation;
	}
	return NULL;
}

char *violations_text(const struct violations *all)
{
	_cleanup_(buf_done) struct buf text = { 0 };

	for (size_t i = 0; i < all->count; i++) {
		const struct violation *violation = &all->items[i];
		_cleanup_free_ char *line = xasprintf("  %s %s %s: %s\n",
			err_tag_name(violation->tag), violation->app_tag ? violation->app_tag : "-",
			violation->path, violation->word ? violation->word : "");

		(void)!buf_append_str(&text, line); /* no ceiling */
	}
	return buf_take(&text);
}

void violations_done(struct violations *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->items[i].app_tag);
		free(all->items[i].path);
		free(all->items[i].word);
	}
	free(all->items);
	memset(all, 0, sizeof(*all));
}
