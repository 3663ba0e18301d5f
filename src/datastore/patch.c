/* See patch.h. Entries ordered by user come last, each to be put before one that has its place. */
#include <errno.h>
#include <stdio.h>

#include "ashlar/str.h"

#include "../yang/compat.h"
#include "patch.h"

struct making {
	struct lyd_node *patch;
	const struct edit *edit;
	unsigned count; /* of its edits */
	struct err *err;
};

static void append_path(struct buf *out, const struct edit *edit, const struct lyd_node *node)
{
	const struct lyd_node *parent = edit_parent(edit, node);

	if (parent)
		append_path(out, edit, parent);
	path_append_step(out, node, parent);
}

static int set_path(struct making *making, struct lyd_node *entry, const char *name,
	const struct lyd_node *node)
{
	_cleanup_(buf_done) struct buf path = { 0 };

	append_path(&path, making->edit, node);
	return build_leaf(entry, name, buf_bytes(&path), making->err);
}

/* @was: the former value of a leaf; NULL: the node as it is. */
static int set_value(struct making *making, struct lyd_node *entry, const char *name,
	const struct lyd_node *node, const char *was)
{
	struct lyd_node *copy = NULL;

	if (lyd_dup_single(node, NULL, LYD_DUP_RECURSIVE, &copy) != LY_SUCCESS)
		return yang_err(making->err, -EIO);
	if (was)
		(void)lyd_change_term(copy, was); /* it was valid, and may be the same */
	if (compat_new_any(entry, name, copy) == LY_SUCCESS)
		return 0;
	lyd_free_tree(copy);
	return yang_err(making->err, -EIO);
}

static int add_edit(struct making *making, const char *operation, const struct lyd_node *node,
	struct lyd_node **ret_entry)
{
	char id[16];
	int r;

	snprintf(id, sizeof(id), "%u", ++making->count);
	r = build_entry(making->patch, "edit", id, ret_entry, making->err);
	if (r >= 0)
		r = build_leaf(*ret_entry, "operation", operation, making->err);
	return r < 0 ? r : set_path(making, *ret_entry, "target", node);
}

/* Part of something that the edit made. */
static bool is_within_made(const struct edit *edit, const struct lyd_node *node)
{
	while ((node = edit_parent(edit, node))) {
		if (node->flags & LYD_NEW)
			return true;
	}
	return false;
}

static bool is_placed(const struct edit_event *event)
{
	return lysc_is_userordered(event->node->schema) &&
		(event->kind == EDIT_MADE || event->kind == EDIT_MOVED);
}

static bool is_shown(const struct edit *edit, const struct edit_event *event)
{
	const struct lyd_node *node = event->node;

	return event->kind != EDIT_FLAGS && event->kind != EDIT_ANNOTATED &&
		!(node->flags & LYD_DEFAULT) &&
		(event->kind == EDIT_REMOVED || !edit_is_dead(edit, node)) &&
		!is_within_made(edit, node);
}

static int add_event(struct making *making, const struct edit_event *event)
{
	const struct lyd_node *node = event->node;
	bool was_there = event->kind == EDIT_CHANGED && !(event->old_flags & LYD_DEFAULT);
	struct lyd_node *entry = NULL;
	int r;

	if (event->kind == EDIT_REMOVED) {
		r = add_edit(making, "delete", node, &entry);
		return r < 0 ? r : set_value(making, entry, "source-value", node, NULL);
	}
	r = add_edit(making, was_there ? "replace" : "create", node, &entry);
	if (r == 0)
		r = set_value(making, entry, "value", node, NULL);
	if (r == 0 && was_there)
		r = set_value(making, entry, "source-value", node, event->old);
	return r;
}

/* --- order -------------------------------------------------------------------------------------- */

static const struct lyd_node *next_entry(const struct lyd_node *node)
{
	return node->next && node->next->schema == node->schema ? node->next : NULL;
}

static int add_place(struct making *making, const struct lyd_node *node)
{
	const struct lyd_node *next = next_entry(node);
	bool is_new = node->flags & LYD_NEW;
	struct lyd_node *entry = NULL;
	int r = add_edit(making, is_new ? "insert" : "move", node, &entry);

	if (r == 0 && next)
		r = set_path(making, entry, "point", next);
	if (r == 0)
		r = build_leaf(entry, "where", next ? "before" : "last", making->err);
	return r == 0 && is_new ? set_value(making, entry, "value", node, NULL) : r;
}

static int add_run(struct making *making, struct map *placed, const struct lyd_node *node)
{
	const struct lyd_node **run = NULL;
	size_t count = 0, room = 0;
	int r = 0;

	for (; node && map_del(placed, &node, sizeof(node)); node = next_entry(node)) {
		ARRAY_GROW(run, count, room);
		run[count++] = node;
	}
	while (r == 0 && count-- > 0)
		r = add_place(making, run[count]);
	free(run);
	return r;
}

static int add_places(struct making *making, struct map *placed)
{
	const struct edit *edit = making->edit;
	int r = 0;

	for (size_t i = 0; r == 0 && placed->count && i < edit->count; i++)
		r = add_run(making, placed, edit->events[i].node);
	return r;
}

int patch_build(struct lyd_node *patch, const char *id, const struct edit *edit, struct err *err)
{
	struct making making = { .patch = patch, .edit = edit, .err = err };
	struct map placed = { 0 };
	int r = build_leaf(patch, "patch-id", id, err);

	for (size_t i = 0; r == 0 && i < edit->count; i++) {
		struct edit_event *event = &edit->events[i];

		if (!is_shown(edit, event))
			continue;
		if (is_placed(event))
			map_put(&placed, &event->node, sizeof(event->node), event);
		else
			r = add_event(&making, event);
	}
	if (r == 0)
		r = add_places(&making, &placed);
	map_done(&placed);
	return r;
}
