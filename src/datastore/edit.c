/*
 * Edits in place. Every change goes through four acts (insert, take out, change, move), which record it;
 * undo runs the record backwards. System-ordered entries that undo puts back return to their place (libyang
 * 2.1 appends them; 3.12 sorts them), so that a refused edit leaves no trace in printed order.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "access.h"
#include "annotation.h"
#include "edit.h"
#include "schema.h"
#include "units.h"

#define EVENTS_AT_ONCE 32 /* between two looks at the clock */

void edit_begin(struct edit *edit, struct lyd_node **tree, const struct access *access)
{
	memset(edit, 0, sizeof(*edit));
	edit->tree = tree;
	edit->access = access;
	edit->arena = arena_new();
}

struct lyd_node *edit_children(const struct edit *edit, const struct lyd_node *parent)
{
	return parent ? lyd_child(parent) : *edit->tree;
}

bool edit_is_dead(const struct edit *edit, const struct lyd_node *node)
{
	if (!edit->dead.count)
		return false;
	for (; node; node = lyd_parent(node)) {
		if (map_get(&edit->dead, &node, sizeof(node)))
			return true;
	}
	return false;
}

struct lyd_node *edit_parent(const struct edit *edit, const struct lyd_node *node)
{
	struct lyd_node *parent = lyd_parent(node);
	const struct edit_grave *grave;

	if (parent || !edit->dead.count)
		return parent;
	grave = map_get(&edit->dead, &node, sizeof(node));
	return grave ? grave->parent : NULL;
}

char *edit_path(const struct edit *edit, const struct lyd_node *node)
{
	_cleanup_free_ char *path = path_of(node), *above = NULL;
	const struct lyd_node *top = node, *parent;
	const char *rest = path;

	while (lyd_parent(top))
		top = lyd_parent(top);
	parent = edit_parent(edit, top);
	if (!parent)
		return TAKE(path);
	above = edit_path(edit, parent);
	/* libyang names the module of a path's first node; below its own module that is left out. */
	if (top->schema->module == parent->schema->module)
		rest += strlen(top->schema->module->name) + 1;
	else
		rest++;
	return xasprintf("%s/%s", above, rest + (*rest == ':'));
}

/* --- the four acts ---------------------------------------------------------------------------- */

static struct edit_event *record(
	struct edit *edit, enum edit_event_kind kind, struct lyd_node *node)
{
	struct edit_event *event;

	ARRAY_GROW(edit->events, edit->count, edit->room);
	event = &edit->events[edit->count++];
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->node = node;
	event->old_flags = node->flags;
	return event;
}

static bool is_np_container(const struct lyd_node *node)
{
	return node && node->schema && node->schema->nodetype == LYS_CONTAINER &&
		!(node->schema->flags & LYS_PRESENCE);
}

static bool all_default(const struct lyd_node *parent)
{
	const struct lyd_node *child;

	LY_LIST_FOR (lyd_child(parent), child) {
		if (!(child->flags & LYD_DEFAULT))
			return false;
	}
	return true;
}

void edit_settle_defaults(struct lyd_node *node)
{
	for (; is_np_container(node); node = lyd_parent(node)) {
		uint32_t flags = node->flags;

		if (all_default(node))
			flags |= LYD_DEFAULT;
		else
			flags &= ~(uint32_t)LYD_DEFAULT;
		if (flags == node->flags)
			break;
		node->flags = flags;
	}
}

void edit_unlink(struct lyd_node **tree, struct lyd_node *node)
{
	if (*tree == node)
		*tree = node->next;
	lyd_unlink_tree(node);
}

static bool is_user_ordered(const struct lysc_node *schema)
{
	return (schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) && (schema->flags & LYS_ORDBY_USER);
}

static void insert_node(struct lyd_node **tree, struct lyd_node *parent, struct lyd_node *node,
	struct lyd_node *before)
{
	if (before && before->schema == node->schema && is_user_ordered(node->schema)) {
		lyd_insert_before(before, node);
	} else if (parent) {
		lyd_insert_child(parent, node);
		compat_tend(parent);
		compat_restore_place(node, before);
	} else if (*tree) {
		lyd_insert_sibling(*tree, node, tree);
	} else {
		*tree = node;
	}
	if (!parent)
		*tree = lyd_first_sibling(node);
	compat_tend(parent);
}

void edit_insert(
	struct edit *edit, struct lyd_node *parent, struct lyd_node *node, bool is_implicit)
{
	record(edit, EDIT_MADE, node)->is_implicit = is_implicit;
	insert_node(edit->tree, parent, node, NULL);
	edit_settle_defaults(parent);
}

void edit_record_made(struct edit *edit, struct lyd_node *node, bool is_implicit)
{
	record(edit, EDIT_MADE, node)->is_implicit = is_implicit;
	compat_tend(lyd_parent(node));
	edit_settle_defaults(lyd_parent(node));
	if (!lyd_parent(node))
		*edit->tree = lyd_first_sibling(node);
}

void edit_take_out(struct edit *edit, struct lyd_node *node, bool is_implicit)
{
	struct edit_event *event = record(edit, EDIT_REMOVED, node);
	struct lyd_node *parent = lyd_parent(node);
	struct edit_grave *grave = arena_alloc(edit->arena, sizeof(*grave));

	if (edit->units)
		units_collect_removed(edit->units, node);
	event->is_implicit = is_implicit;
	event->parent = parent;
	event->next = node->next;
	edit_unlink(edit->tree, node);
	grave->node = node;
	grave->parent = parent;
	map_put(&edit->dead, &grave->node, sizeof(grave->node), grave);
	edit_settle_defaults(parent);
}

int edit_change(struct edit *edit, struct lyd_node *node, const char *value, struct err *err)
{
	_cleanup_free_ char *old = xstrdup(lyd_get_value(node));
	uint32_t old_flags = node->flags;
	struct edit_event *event;
	LY_ERR rc = lyd_change_term(node, value);

	if (rc != LY_SUCCESS && rc != LY_EEXIST && rc != LY_ENOT)
		return yang_err(err, -EINVAL);
	if (rc == LY_ENOT && !(old_flags & LYD_DEFAULT))
		return 0;
	event = record(edit, EDIT_CHANGED, node);
	event->old = TAKE(old);
	event->old_flags = old_flags;
	/* Which of them a change keeps differs from one libyang to the next. */
	node->flags = old_flags & ~(uint32_t)LYD_DEFAULT;
	compat_tend(lyd_parent(node));
	edit_settle_defaults(lyd_parent(node));
	return 0;
}

void edit_move(struct edit *edit, struct lyd_node *node, struct lyd_node *before)
{
	struct lyd_node *last = node;

	if (before == node || node->next == before)
		return;
	record(edit, EDIT_MOVED, node)->next = node->next;
	if (before) {
		lyd_insert_before(before, node);
	} else {
		while (last->next && last->next->schema == node->schema)
			last = last->next;
		if (last != node)
			lyd_insert_after(last, node);
	}
	compat_tend(lyd_parent(node));
	if (!lyd_parent(node))
		*edit->tree = lyd_first_sibling(node);
}

void edit_set_flags(struct edit *edit, struct lyd_node *node, uint32_t flags)
{
	if (node->flags == flags)
		return;
	record(edit, EDIT_FLAGS, node);
	node->flags = flags;
}

void edit_annotate(
	struct edit *edit, struct lyd_node *node, const struct lyd_node *from, bool is_all)
{
	struct edit_event *event;

	if (!annotation_differs(node, from, is_all))
		return;
	event = record(edit, EDIT_ANNOTATED, node);
	event->annotations = annotation_take(node);
	annotation_copy(node, from->meta);
	if (!is_all)
		annotation_copy(node, event->annotations);
}

/* --- undo and keep ---------------------------------------------------------------------------- */

static void undo_event(struct edit *edit, struct edit_event *event)
{
	struct lyd_node *parent = lyd_parent(event->node);

	switch (event->kind) {
	case EDIT_MADE:
		if (edit->observer)
			edit->observer->leaves(event->node);
		edit_unlink(edit->tree, event->node);
		lyd_free_tree(event->node);
		edit_settle_defaults(parent);
		break;
	case EDIT_REMOVED:
		insert_node(edit->tree, event->parent, event->node, event->next);
		edit_settle_defaults(event->parent);
		if (edit->observer)
			edit->observer->returns(event->node);
		break;
	case EDIT_CHANGED:
		(void)lyd_change_term(event->node, event->old); /* it held this value before */
		event->node->flags = event->old_flags;
		compat_tend(parent);
		edit_settle_defaults(parent);
		if (edit->observer)
			edit->observer->changes(event->node);
		break;
	case EDIT_MOVED:
		if (event->next && event->next->schema == event->node->schema)
			lyd_insert_before(event->next, event->node);
		else
			insert_node(edit->tree, parent, event->node, NULL);
		compat_tend(parent);
		break;
	case EDIT_FLAGS:
		event->node->flags = event->old_flags;
		break;
	case EDIT_ANNOTATED:
		annotation_give(event->node, TAKE(event->annotations));
		break;
	}
}

static void event_done(struct edit_event *event)
{
	free(event->old);
	annotation_free(event->annotations);
}

static void edit_end(struct edit *edit)
{
	for (size_t i = 0; i < edit->count; i++)
		event_done(&edit->events[i]);
	free(edit->events);
	map_done(&edit->dead);
	memset(&edit->dead, 0, sizeof(edit->dead));
	map_done(&edit->given);
	memset(&edit->given, 0, sizeof(edit->given));
	arena_free(TAKE(edit->arena));
	edit->events = NULL;
	edit->count = edit->room = edit->request_start = 0;
	edit->kept = edit->freed = 0;
	edit->is_undoing = false;
}

static uint64_t undone;

uint64_t ds_undone(void)
{
	return undone;
}

/* Is it time for others? Asked after each event. */
static bool is_enough(size_t events)
{
	return events % EVENTS_AT_ONCE == 0 && loop_should_yield();
}

bool edit_undo_some(struct edit *edit)
{
	if (!edit->is_undoing)
		undone++;
	edit->is_undoing = true;
	while (edit->count) {
		struct edit_event *event = &edit->events[--edit->count];

		undo_event(edit, event);
		event_done(event);
		if (is_enough(edit->count))
			return true;
	}
	edit_end(edit);
	return false;
}

void edit_undo(struct edit *edit)
{
	while (edit_undo_some(edit))
		;
}

/* What was made within something new goes with that. */
static void clear_new(const struct edit *edit, const struct edit_event *event)
{
	struct lyd_node *elem;

	if (event->kind != EDIT_MADE || !(event->node->flags & LYD_NEW) ||
		edit_is_dead(edit, event->node))
		return;
	LYD_TREE_DFS_BEGIN (event->node, elem) {
		elem->flags &= ~(uint32_t)LYD_NEW;
		LYD_TREE_DFS_END(event->node, elem);
	}
}

void edit_next_request(struct edit *edit)
{
	for (size_t i = edit->request_start; i < edit->count; i++)
		clear_new(edit, &edit->events[i]);
	edit->request_start = edit->count;
}

/* A container may hold most of the configuration: it goes child by child. True: there is more. */
static bool free_removed(const struct edit_event *event)
{
	struct lyd_node *node = event->node, *child;
	size_t n = 0;

	if (event->kind != EDIT_REMOVED)
		return false;
	while (node->schema->nodetype == LYS_CONTAINER && (child = lyd_child(node))) {
		lyd_free_tree(child);
		if (is_enough(++n))
			return true;
	}
	lyd_free_tree(node);
	return false;
}

bool edit_keep_some(struct edit *edit)
{
	while (edit->kept < edit->count) {
		clear_new(edit, &edit->events[edit->kept++]);
		if (is_enough(edit->kept))
			return true;
	}
	/* Removed subtrees are freed after the record was read: one may hold another's node. */
	while (edit->freed < edit->count) {
		if (free_removed(&edit->events[edit->freed]))
			return true;
		if (is_enough(++edit->freed))
			return true;
	}
	edit_end(edit);
	return false;
}

void edit_keep(struct edit *edit)
{
	while (edit_keep_some(edit))
		;
}

/* --- what features fill in -------------------------------------------------------------------- */

static struct lyd_node *make_step(struct lyd_node *parent, const char *name, const char *value)
{
	const char *colon = strchr(name, ':');
	_cleanup_free_ char *module_name = colon ? xstrndup(name, (size_t)(colon - name)) : NULL;
	const struct lys_module *module = module_name
		? ly_ctx_get_module_implemented(yang_ctx(), module_name)
		: parent->schema->module;
	struct lyd_node *node = NULL;

	if (!module)
		return NULL;
	name = colon ? colon + 1 : name;
	if (value)
		(void)lyd_new_term(parent, module, name, value, 0, &node);
	else
		(void)lyd_new_inner(parent, module, name, 0, &node);
	return node;
}

int edit_fill(struct edit *edit, const struct lyd_node *parent, const char *path, const char *value,
	struct err *err)
{
	struct lyd_node *at = (struct lyd_node *)parent;

	while (*path) {
		size_t length = strcspn(path, "/");
		_cleanup_free_ char *name = xstrndup(path, length);
		struct lyd_node *node = (struct lyd_node *)node_child(at, name);
		bool is_leaf = !path[length];

		if (!node) {
			node = make_step(at, name, is_leaf ? value : NULL);
			if (!node)
				return yang_err(err, -EINVAL);
			node->flags |= LYD_NEW;
			edit_record_made(edit, node, false);
		}
		at = node;
		path += length + !is_leaf;
	}
	return 0;
}

int edit_rewrite(struct edit *edit, const struct lyd_node *leaf, const char *value, struct err *err)
{
	return edit_change(edit, (struct lyd_node *)leaf, value, err);
}
