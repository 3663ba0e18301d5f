/*
 * Both trees are walked side by side; counterparts are found by their keys. Entries without keys are not
 * told apart: where they differ, what holds them is replaced.
 *
 * An edit's target is a path as RFC 8040 section 3.5.3 writes it, from the datastore's root.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ashlar/str.h"

#include "push-diff.h"

struct push_edit {
	char *path;   /* instance path */
	char *target; /* the same as in a URI */
	enum push_change change;
	size_t at; /* in the list */
};

struct diff {
	struct push_edits *edits;
	bool is_full; /* there was one too many */
};

static const char *const change_names[PUSH_CHANGES] = {
	[PUSH_CREATE] = "create",
	[PUSH_DELETE] = "delete",
	[PUSH_INSERT] = "insert",
	[PUSH_MOVE] = "move",
	[PUSH_REPLACE] = "replace",
};

/* --- targets ---------------------------------------------------------------------------------- */

static void put(struct buf *out, const char *text)
{
	(void)!buf_append_str(out, text); /* no ceiling: bounded by what is told of */
}

static void put_escaped(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (isalnum((unsigned char)*value) || strchr("-._~", *value))
			(void)!buf_append(out, value, 1);
		else
			(void)!buf_printf(out, "%%%02X", (unsigned char)*value);
	}
}

static void put_keys(struct buf *out, const struct lyd_node *node)
{
	const struct lyd_node *key;
	const char *before = "=";

	if (node->schema->nodetype == LYS_LEAFLIST) {
		put(out, before);
		put_escaped(out, lyd_get_value(node));
		return;
	}
	if (node->schema->nodetype != LYS_LIST)
		return;
	for (key = lyd_child(node); key && lysc_is_key(key->schema); key = key->next) {
		put(out, before);
		put_escaped(out, lyd_get_value(key));
		before = ",";
	}
}

static void put_target(struct buf *out, const struct lyd_node *node)
{
	const struct lyd_node *parent = lyd_parent(node);

	if (parent)
		put_target(out, parent);
	put(out, "/");
	if (!parent || parent->schema->module != node->schema->module) {
		put(out, node->schema->module->name);
		put(out, ":");
	}
	put(out, node->schema->name);
	put_keys(out, node);
}

static char *target_of(const struct lyd_node *node)
{
	struct buf text = { 0 };

	put_target(&text, node);
	return buf_take(&text);
}

/* The instance path; an item's has its value also where libyang would count. */
static char *name_of(const struct lyd_node *node)
{
	const char *value = node->schema->nodetype == LYS_LEAFLIST ? lyd_get_value(node) : NULL;
	const struct lyd_node *parent = lyd_parent(node);
	_cleanup_free_ char *above = NULL;
	bool is_same = parent && parent->schema->module == node->schema->module;
	char quote;

	if (!value)
		return path_of(node);
	above = parent ? path_of(parent) : xstrdup("");
	quote = strchr(value, '\'') ? '"' : '\'';
	return xasprintf("%s/%s%s%s[.=%c%s%c]", above, is_same ? "" : node->schema->module->name,
		is_same ? "" : ":", node->schema->name, quote, value, quote);
}

/* --- edits ------------------------------------------------------------------------------------ */

static void free_edit(struct push_edit *edit)
{
	free(edit->path);
	free(edit->target);
	free(edit);
}

void push_edits_done(struct push_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++) {
		if (edits->list[i])
			free_edit(edits->list[i]);
	}
	free(edits->list);
	map_done(&edits->by_path);
	*edits = (struct push_edits){ .excluded = edits->excluded };
}

static void take_out(struct push_edits *edits, struct push_edit *edit)
{
	map_del_str(&edits->by_path, edit->path);
	edits->list[edit->at] = NULL;
	edits->live--;
	free_edit(edit);
}

/* Gaps are closed when they are half of it. */
static void close_gaps(struct push_edits *edits)
{
	size_t count = 0;

	if (edits->count < 64 || edits->live * 2 > edits->count)
		return;
	for (size_t i = 0; i < edits->count; i++) {
		if (!edits->list[i])
			continue;
		edits->list[i]->at = count;
		edits->list[count++] = edits->list[i];
	}
	edits->count = count;
}

static void add(struct diff *diff, const struct lyd_node *node, enum push_change change)
{
	struct push_edits *edits = diff->edits;
	struct push_edit *edit, *former;
	char *path;

	if (edits->excluded & 1U << change)
		return;
	if (edits->live >= PUSH_EDITS_MAX) {
		diff->is_full = true;
		return;
	}
	path = name_of(node);
	if (!path)
		return;
	former = map_get_str(&edits->by_path, path);
	/* Its creation was not told yet, and still is what there is to tell. */
	if (former && (change == PUSH_REPLACE || change == PUSH_MOVE) &&
		(former->change == PUSH_CREATE || former->change == PUSH_INSERT))
		change = former->change;
	if (former)
		take_out(edits, former);
	close_gaps(edits);
	edit = XNEW(struct push_edit);
	edit->path = path;
	edit->target = target_of(node);
	edit->change = change;
	edit->at = edits->count;
	ARRAY_GROW(edits->list, edits->count, edits->room);
	edits->list[edits->count++] = edit;
	edits->live++;
	map_put_str(&edits->by_path, edit->path, edit);
}

static bool is_user_ordered(const struct lysc_node *schema)
{
	return schema->nodetype & (LYS_LIST | LYS_LEAFLIST) && schema->flags & LYS_ORDBY_USER &&
		schema->flags & LYS_CONFIG_W;
}

static void add_made(struct diff *diff, const struct lyd_node *node)
{
	add(diff, node, is_user_ordered(node->schema) ? PUSH_INSERT : PUSH_CREATE);
}

/* Entries that nothing tells apart. Items of state may be there twice, but then say no more than once. */
static bool is_keyless(const struct lysc_node *schema)
{
	return schema->nodetype == LYS_LIST && lysc_is_dup_inst_list(schema);
}

/* --- comparing -------------------------------------------------------------------------------- */

/* Not every search of libyang's leaves a leaf's value out of account. */
static const struct lyd_node *counterpart(
	const struct lyd_node *siblings, const struct lyd_node *node)
{
	struct lyd_node *match = NULL;

	if (siblings && node->schema->nodetype & (LYS_LIST | LYS_LEAFLIST))
		(void)lyd_find_sibling_first(siblings, node, &match);
	else if (siblings)
		(void)lyd_find_sibling_val(siblings, node->schema, NULL, 0, &match);
	return match;
}

static const struct lyd_node *first_of(
	const struct lyd_node *siblings, const struct lysc_node *schema)
{
	struct lyd_node *match = NULL;

	if (siblings)
		(void)lyd_find_sibling_val(siblings, schema, NULL, 0, &match);
	return match;
}

static const struct lyd_node *next_of(const struct lyd_node *node)
{
	return node->next && node->next->schema == node->schema ? node->next : NULL;
}

/* Do the keyless entries or items of that schema node differ? */
static bool differ_in_row(const struct lyd_node *a, const struct lyd_node *b)
{
	for (; a && b; a = next_of(a), b = next_of(b)) {
		if (lyd_compare_single(a, b, LYD_COMPARE_FULL_RECURSION) != LY_SUCCESS)
			return true;
	}
	return a || b;
}

static bool has_keyless_difference(const struct lyd_node *told, const struct lyd_node *now)
{
	const struct lyd_node *lists[] = { told, now }, *node;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		LY_LIST_FOR (lists[i], node) {
			if (!is_keyless(node->schema) ||
				(node->prev->next && node->prev->schema == node->schema))
				continue;
			if (differ_in_row(
				    first_of(told, node->schema), first_of(now, node->schema)))
				return true;
		}
	}
	return false;
}

/*
 * Entries in both, in the order they have now: those that did not stand behind the one before, as they were
 * told, have moved.
 */
static void compare_order(
	struct diff *diff, const struct lyd_node *told, const struct lyd_node *first)
{
	const struct lyd_node *now, *old = first_of(told, first->schema);

	for (now = first; now; now = next_of(now)) {
		const struct lyd_node *was = counterpart(told, now);

		if (!was)
			continue;
		while (old && !counterpart(first, old))
			old = next_of(old);
		if (old == was)
			old = next_of(old);
		else
			add(diff, now, PUSH_MOVE);
	}
}

static void compare_children(
	struct diff *diff, const struct lyd_node *told, const struct lyd_node *now);

static void compare_nodes(
	struct diff *diff, const struct lyd_node *told, const struct lyd_node *now)
{
	if (told->schema->nodetype & LYD_NODE_INNER) {
		if (has_keyless_difference(lyd_child(told), lyd_child(now)))
			add(diff, now, PUSH_REPLACE);
		else
			compare_children(diff, lyd_child(told), lyd_child(now));
	} else if (lyd_compare_single(told, now, 0) != LY_SUCCESS) {
		add(diff, now, PUSH_REPLACE);
	}
}

static void compare_children(
	struct diff *diff, const struct lyd_node *told, const struct lyd_node *now)
{
	const struct lyd_node *node;

	LY_LIST_FOR (told, node) {
		if (!lysc_is_key(node->schema) && !is_keyless(node->schema) &&
			!counterpart(now, node))
			add(diff, node, PUSH_DELETE);
	}
	LY_LIST_FOR (now, node) {
		const struct lyd_node *was;

		if (lysc_is_key(node->schema) || is_keyless(node->schema))
			continue;
		was = counterpart(told, node);
		if (was)
			compare_nodes(diff, was, node);
		else
			add_made(diff, node);
		if (is_user_ordered(node->schema) &&
			!(node->prev->next && node->prev->schema == node->schema))
			compare_order(diff, told, node);
	}
}

static const struct lyd_node *find(const struct lyd_node *tree, const char *path)
{
	struct lyd_node *node = NULL;

	if (tree && lyd_find_path(tree, path, 0, &node) == LY_SUCCESS)
		return node;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return NULL;
}

/* Where the node's parent stands in the other tree; NULL: it does not. */
static const struct lyd_node *find_like(const struct lyd_node *tree, const struct lyd_node *node)
{
	const struct lyd_node *parent = lyd_parent(node);

	if (!parent)
		return counterpart(tree, node);
	parent = find_like(tree, parent);
	return parent ? counterpart(lyd_child(parent), node) : NULL;
}

/* The topmost node at or above @node that the other tree has not. */
static const struct lyd_node *topmost_missing(
	const struct lyd_node *node, const struct lyd_node *other)
{
	while (lyd_parent(node) && !find_like(other, lyd_parent(node)))
		node = lyd_parent(node);
	return node;
}

bool push_diff(struct push_edits *edits, const struct lyd_node *told, const struct lyd_node *now,
	const char *path)
{
	struct diff diff = { .edits = edits };
	const struct lyd_node *was, *is;

	if (!path) {
		compare_children(&diff, told, now);
		return !diff.is_full;
	}
	was = find(told, path);
	is = find(now, path);
	if (was && is)
		compare_nodes(&diff, was, is);
	else if (was)
		add(&diff, was, PUSH_DELETE);
	else if (is)
		add_made(&diff, topmost_missing(is, told));
	return !diff.is_full;
}

bool push_diff_rows(struct push_edits *edits, const struct lyd_node *now, const char *path)
{
	struct diff diff = { .edits = edits };
	const struct lyd_node *node = find(now, path);

	if (node)
		add(&diff, node, PUSH_REPLACE);
	return !diff.is_full;
}

/* --- printing --------------------------------------------------------------------------------- */

/* Is a node above in the patch with all that is below it? */
static bool is_within_other(const struct push_edits *edits, const struct push_edit *edit)
{
	_cleanup_free_ char *path = xstrdup(edit->path);
	char quote = 0;

	for (size_t i = 1; path[i]; i++) {
		const struct push_edit *above;

		if (quote) {
			quote = path[i] == quote ? 0 : quote;
			continue;
		}
		if (path[i] == '\'' || path[i] == '"')
			quote = path[i];
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		above = map_get_str(&edits->by_path, path);
		path[i] = '/';
		if (above && above->change != PUSH_MOVE)
			return true;
	}
	return false;
}

struct printing {
	const struct push_edits *edits;
	const struct lyd_node *told;
	const struct push_rows *rows;
	enum format format;
	struct buf *out;
	size_t number;
	struct map placed; /* lists whose entries are done: by the address of the first entry */
};

static void put_xml_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			put(out, "&amp;");
		else if (*text == '<')
			put(out, "&lt;");
		else if (*text == '>')
			put(out, "&gt;");
		else
			(void)!buf_append(out, text, 1);
	}
}

/* A leaf of the edit. A target has no characters that JSON would escape: all those are percent-encoded. */
static void put_leaf(struct printing *printing, const char *name, const char *text)
{
	struct buf *out = printing->out;

	if (printing->format == FORMAT_JSON) {
		(void)!buf_printf(out, ",\"%s\":\"%s\"", name, text);
		return;
	}
	(void)!buf_printf(out, "<%s>", name);
	put_xml_text(out, text);
	(void)!buf_printf(out, "</%s>", name);
}

static void put_place(struct printing *printing, const struct lyd_node *node)
{
	const struct lyd_node *before = node->prev->next ? node->prev : NULL;
	_cleanup_free_ char *target = NULL;

	if (!before || before->schema != node->schema) {
		put_leaf(printing, "where", "first");
		return;
	}
	target = target_of(before);
	put_leaf(printing, "point", target);
	put_leaf(printing, "where", "after");
}

static int put_value(struct printing *printing, const struct push_edit *edit,
	const struct lyd_node *node, struct err *err)
{
	const struct push_row *row = push_rows_get(printing->rows, edit->path);
	bool is_json = printing->format == FORMAT_JSON;
	int r = 0;

	put(printing->out, is_json ? ",\"value\":" : "<value>");
	if (row)
		push_row_print(row, printing->format, printing->out);
	else
		r = format_print(printing->out, node, printing->format, false,
			WITH_DEFAULTS_EXPLICIT, false, err);
	put(printing->out, is_json ? "" : "</value>");
	return r;
}

/* A container that only structures is there when something is in it. */
static const struct lyd_node *find_existing(const struct printing *printing, const char *path)
{
	const struct lyd_node *node = find(printing->told, path);

	if (node && node->schema->nodetype == LYS_CONTAINER && !lyd_child(node) &&
		!(node->schema->flags & LYS_PRESENCE) && !push_rows_get(printing->rows, path))
		return NULL;
	return node;
}

static int print_edit(struct printing *printing, const struct push_edit *edit, struct err *err)
{
	const struct lyd_node *node = find_existing(printing, edit->path);
	bool is_json = printing->format == FORMAT_JSON;
	/* What came and went, or the other way round: what is in effect now counts. */
	enum push_change change = node ? edit->change : PUSH_DELETE;
	size_t number = ++printing->number;
	int r = 0;

	if (node && change == PUSH_DELETE)
		change = PUSH_CREATE;
	if (is_json)
		(void)!buf_printf(
			printing->out, "%s{\"edit-id\":\"%zu\"", number > 1 ? "," : "", number);
	else
		(void)!buf_printf(printing->out, "<edit><edit-id>%zu</edit-id>", number);
	put_leaf(printing, "operation", change_names[change]);
	put_leaf(printing, "target", edit->target);
	if (change == PUSH_INSERT || change == PUSH_MOVE)
		put_place(printing, node);
	if (change == PUSH_CREATE || change == PUSH_INSERT || change == PUSH_REPLACE)
		r = put_value(printing, edit, node, err);
	put(printing->out, is_json ? "}" : "</edit>");
	return r;
}

static bool has_place(const struct push_edit *edit)
{
	return edit->change == PUSH_INSERT || edit->change == PUSH_MOVE;
}

/* All entries of one list that were put somewhere, in their order: each finds the one before it in place. */
static int print_placed(struct printing *printing, const struct lyd_node *first, struct err *err)
{
	const struct lyd_node **key;
	int r = 0;

	if (map_get(&printing->placed, &first, sizeof(first)))
		return 0;
	key = xmemdup(&first, sizeof(first));
	map_put(&printing->placed, key, sizeof(*key), key);
	for (const struct lyd_node *node = first; node && r == 0; node = next_of(node)) {
		_cleanup_free_ char *path = name_of(node);
		const struct push_edit *edit = map_get_str(&printing->edits->by_path, path);

		if (edit && has_place(edit) && !is_within_other(printing->edits, edit))
			r = print_edit(printing, edit, err);
	}
	return r;
}

static void placed_done(struct map *placed)
{
	void *key;
	size_t at = 0;

	while ((key = map_next(placed, &at)))
		free(key);
	map_done(placed);
}

static int print(struct printing *printing, const struct push_edit *edit, struct err *err)
{
	const struct lyd_node *node = has_place(edit) ? find(printing->told, edit->path) : NULL;

	/* What is kept elsewhere is not in the value of what is above. */
	if (!push_rows_get(printing->rows, edit->path) && is_within_other(printing->edits, edit))
		return 0;
	if (node)
		return print_placed(printing, first_of(lyd_first_sibling(node), node->schema), err);
	return print_edit(printing, edit, err);
}

int push_edits_print(const struct push_edits *edits, const struct lyd_node *told,
	const struct push_rows *rows, enum format format, struct buf *out, struct err *err)
{
	struct printing printing = {
		.edits = edits,
		.told = told,
		.rows = rows,
		.format = format,
		.out = out,
	};
	int r = 0;

	for (size_t i = 0; i < edits->count && r == 0; i++) {
		if (edits->list[i])
			r = print(&printing, edits->list[i], err);
	}
	placed_done(&printing.placed);
	return r;
}
