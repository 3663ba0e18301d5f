/* See candidate.h. */
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/map.h"
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "candidate.h"
#include "schema.h"
#include "store.h"

#define IDLE_MS 60000 /* a tree with nothing of its own is kept that long */
#define PATHS_MAX                                                                                  \
	65536 /* of differences known while nothing is edited: more, and a copy is cheaper */

/* Where the two may differ. */
struct difference {
	char *path;
	/* A list ordered by user, whose entries may be in another order: path is an entry's, up to its
	 * predicates. */
	bool is_order;
	/* Gone from the candidate with its when, which nobody asked for: the number that changes of running had
	 * then; else 0. */
	uint64_t gone_at;
};

static struct {
	struct lyd_node *tree;
	struct difference *differences;
	size_t count, room;
	struct map by_path;
	bool has_tree; /* the tree (maybe an empty one) is a whole copy */
	bool is_edited;
	uint64_t changes; /* of running, noted */
	size_t at, given; /* of the differences worked off: towards here, towards running */
	/* A copy under way: the next of running's nodes, and where its copy goes. */
	bool is_copying;
	const struct lyd_node *source;
	struct lyd_node *target;
	struct lyd_node *garbage; /* trees given up */
	struct loop_task *free_task;
	struct loop_timer *idle;
} candidate;

bool candidate_is_edited(void)
{
	return candidate.is_edited;
}

struct lyd_node *candidate_tree(void)
{
	return candidate.is_edited ? candidate.tree : *store_running();
}

struct lyd_node **candidate_own_tree(void)
{
	return &candidate.tree;
}

/* --- giving a tree up --------------------------------------------------------------------------- */

static bool is_large(const struct lyd_node *node)
{
	return node->schema && (node->schema->nodetype & LYD_NODE_INNER) && lyd_child(node);
}

/* A tree of any size goes child by child. */
static void free_garbage(void *arg)
{
	while (candidate.garbage) {
		struct lyd_node *node = candidate.garbage;

		while (is_large(node) && is_large(lyd_child(node)) &&
			node->schema->nodetype == LYS_CONTAINER)
			node = (struct lyd_node *)lyd_child(node);
		if (node == candidate.garbage)
			candidate.garbage = node->next;
		lyd_free_tree(node);
		if (loop_should_yield()) {
			loop_task_schedule(candidate.free_task);
			return;
		}
	}
}

static void forget_differences(void)
{
	map_done(&candidate.by_path);
	memset(&candidate.by_path, 0, sizeof(candidate.by_path));
	for (size_t i = 0; i < candidate.count; i++)
		free(candidate.differences[i].path);
	free(candidate.differences);
	candidate.differences = NULL;
	candidate.count = candidate.room = candidate.at = 0;
}

static void give_tree_up(void)
{
	forget_differences();
	if (candidate.tree && candidate.garbage)
		(void)lyd_insert_sibling(candidate.garbage, candidate.tree, &candidate.garbage);
	else if (candidate.tree)
		candidate.garbage = candidate.tree;
	candidate.tree = NULL;
	candidate.has_tree = candidate.is_copying = candidate.is_edited = false;
	if (!candidate.garbage)
		return;
	if (!candidate.free_task)
		candidate.free_task = loop_task_new("candidate-free", free_garbage, NULL);
	loop_task_schedule(candidate.free_task);
}

static void on_idle(void *arg)
{
	if (!candidate.is_edited)
		give_tree_up();
}

static void start_idling(void)
{
	if (!candidate.idle)
		candidate.idle = loop_timer_new("candidate-idle", on_idle, NULL);
	loop_timer_start(candidate.idle, IDLE_MS);
}

void candidate_done(void)
{
	forget_differences();
	lyd_free_all(candidate.tree);
	lyd_free_all(candidate.garbage);
	loop_task_free(candidate.free_task);
	loop_timer_free(candidate.idle);
	memset(&candidate, 0, sizeof(candidate));
}

/* --- differences -------------------------------------------------------------------------------- */

static void add_difference(const char *path, size_t length, bool is_order, uint64_t gone_at)
{
	struct difference *difference;
	_cleanup_free_ char *key = xasprintf("%c%.*s", is_order ? 'o' : 'n', (int)length, path);
	size_t number = (size_t)map_get_str(&candidate.by_path, key); /* from 1 */

	if (number) {
		difference = &candidate.differences[number - 1];
		difference->gone_at = difference->gone_at ? gone_at : 0;
		return;
	}
	ARRAY_GROW(candidate.differences, candidate.count, candidate.room);
	difference = &candidate.differences[candidate.count++];
	difference->path = TAKE(key);
	difference->is_order = is_order;
	difference->gone_at = gone_at;
	map_put_str(&candidate.by_path, difference->path, (void *)candidate.count);
}

static bool is_user_ordered(const struct lyd_node *node)
{
	return (node->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) &&
		(node->schema->flags & LYS_ORDBY_USER);
}

/* Without the predicates of its last step, which may hold anything in quotes. */
static size_t length_without_predicates(const char *path)
{
	size_t end = 0, i;
	char quote = '\0';

	for (i = 0; path[i]; i++) {
		if (quote)
			quote = path[i] == quote ? '\0' : quote;
		else if (path[i] == '"' || path[i] == '\'')
			quote = path[i];
		else if (path[i] == '/')
			end = 0;
		else if (path[i] == '[' && !end)
			end = i;
	}
	return end ? end : i;
}

/* Within something that the same edit has made it is no difference of its own. */
static bool is_within_new(const struct lyd_node *node)
{
	for (node = lyd_parent(node); node; node = lyd_parent(node)) {
		if (node->flags & LYD_NEW)
			return true;
	}
	return false;
}

static void note_event(const struct edit *edit, const struct edit_event *event)
{
	bool is_gone =
		event->kind == EDIT_REMOVED && event->is_implicit && edit->tree == &candidate.tree;
	_cleanup_free_ char *path = NULL;

	if (event->kind == EDIT_FLAGS)
		return;
	if (event->kind == EDIT_MADE && event->is_implicit && is_within_new(event->node))
		return;
	path = edit_path(edit, event->node);
	if (event->kind != EDIT_MOVED)
		add_difference(path, strlen(path), false, is_gone ? candidate.changes : 0);
	if (is_user_ordered(event->node))
		add_difference(path, length_without_predicates(path), true, 0);
}

int candidate_note(const struct edit *edit, size_t *at)
{
	if (!candidate.has_tree)
		return 0;
	if (!candidate.is_edited && candidate.count + edit->count > PATHS_MAX) {
		give_tree_up();
		return 0;
	}
	if (*at == 0 && edit->tree != &candidate.tree)
		candidate.changes++;
	while (*at < edit->count) {
		note_event(edit, &edit->events[(*at)++]);
		if (loop_should_yield())
			return *at < edit->count;
	}
	return 0;
}

void candidate_set_edited(bool is_edited)
{
	candidate.is_edited = is_edited;
}

static struct lyd_node *find(struct lyd_node *tree, const char *path)
{
	struct lyd_node *node = NULL;

	if (!tree || lyd_find_path(tree, path, 0, &node) != LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return NULL;
	}
	return node;
}

/* The path without the mark of what kind of difference it is. */
static const char *path_at(size_t index)
{
	return candidate.differences[index].path + 1;
}

/* --- copying running ---------------------------------------------------------------------------- */

static const struct lyd_node *next_source(const struct lyd_node *node, struct lyd_node **target)
{
	for (; node; node = lyd_parent(node), *target = *target ? lyd_parent(*target) : NULL) {
		if (node->next)
			return node->next;
	}
	return NULL;
}

/* Containers are opened, all else is copied at once. */
static int copy_one(struct err *err)
{
	const struct lyd_node *source = candidate.source;
	bool is_open = source->schema->nodetype == LYS_CONTAINER && lyd_child(source);
	uint32_t options = LYD_DUP_WITH_FLAGS | (is_open ? 0 : LYD_DUP_RECURSIVE);
	struct lyd_node *copy = NULL;

	if (lyd_dup_single(source, (struct lyd_node_inner *)candidate.target, options, &copy) !=
		LY_SUCCESS)
		return yang_err(err, -EIO);
	if (!candidate.target &&
		lyd_insert_sibling(candidate.tree, copy, &candidate.tree) != LY_SUCCESS) {
		lyd_free_tree(copy);
		return yang_err(err, -EIO);
	}
	if (is_open) {
		candidate.source = lyd_child(source);
		candidate.target = copy;
	} else {
		candidate.source = next_source(source, &candidate.target);
	}
	return 0;
}

static int copy_running(struct err *err)
{
	int r;

	if (!candidate.is_copying) {
		candidate.source = *store_running();
		candidate.target = NULL;
		candidate.is_copying = true;
	}
	while (candidate.source) {
		r = copy_one(err);
		if (r < 0) {
			give_tree_up();
			return r;
		}
		if (candidate.source && loop_should_yield())
			return 1;
	}
	candidate.is_copying = false;
	candidate.has_tree = true;
	candidate.changes = 1;
	return 0;
}

/* --- towards the candidate ---------------------------------------------------------------------- */

/* The node at @path with all below becomes what it is in running. */
static int take_from_running(struct edit *edit, const char *path, struct err *err)
{
	struct lyd_node *theirs = find(*store_running(), path), *ours = find(candidate.tree, path);
	struct lyd_node *copy = NULL, *parent = NULL;

	if (theirs && ours && (theirs->schema->nodetype & LYD_NODE_TERM)) {
		(void)lyd_change_term(ours, lyd_get_value(theirs)); /* valid there */
		compat_tend(lyd_parent(ours));
		ours->flags = theirs->flags;
		edit_settle_defaults(lyd_parent(ours));
		edit_annotate(edit, ours, theirs, true);
		return 0;
	}
	if (theirs && lyd_parent(theirs)) {
		_cleanup_free_ char *above = path_of(lyd_parent(theirs));

		parent = find(candidate.tree, above);
		if (!parent)
			return take_from_running(edit, above, err);
	}
	if (ours)
		edit_take_out(edit, ours, false);
	if (!theirs)
		return 0;
	if (lyd_dup_single(theirs, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS, &copy) !=
		LY_SUCCESS)
		return yang_err(err, -EIO);
	edit_insert(edit, parent, copy, false);
	return 0;
}

/* Puts the entries of a list into the order they have in running, one by one to the end. */
static void take_order(struct edit *edit, const char *path)
{
	struct ly_set *set = NULL;

	if (!*store_running() || compat_find_xpath(*store_running(), path, &set) != LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		_cleanup_free_ char *entry = path_of(set->dnodes[i]);
		struct lyd_node *node = find(candidate.tree, entry);

		if (node)
			edit_move(edit, node, NULL);
	}
	ly_set_free(set, NULL);
}

/* Works the differences off; orders after the entries they are about. */
static int follow_running(struct err *err)
{
	struct edit edit;
	int r = 0;

	edit_begin(&edit, &candidate.tree, NULL);
	while (r == 0 && candidate.at < 2 * candidate.count) {
		size_t index = candidate.at++ % candidate.count;
		bool is_second = candidate.at > candidate.count;
		const struct difference *difference = &candidate.differences[index];

		if (difference->is_order != is_second)
			continue;
		if (is_second)
			take_order(&edit, path_at(index));
		else
			r = take_from_running(&edit, path_at(index), err);
		if (r == 0 && loop_should_yield())
			r = 1;
	}
	edit_keep(&edit);
	if (r == 0)
		forget_differences();
	else if (r < 0)
		give_tree_up();
	return r;
}

int candidate_prepare(struct err *err)
{
	if (candidate.is_edited)
		return 0;
	start_idling();
	if (!candidate.has_tree)
		return copy_running(err);
	return candidate.count ? follow_running(err) : 0;
}

int candidate_discard(struct err *err)
{
	int r;

	if (!candidate.is_edited)
		return 0;
	r = candidate.count ? follow_running(err) : 0;
	if (r == 0) {
		candidate.is_edited = false;
		start_idling();
	}
	return r;
}

/* --- towards running ---------------------------------------------------------------------------- */

void candidate_build_start(void)
{
	candidate.given = 0;
}

static bool is_explicit(const struct lyd_node *node)
{
	return node && !(node->flags & LYD_DEFAULT);
}

/* What only stands there by default is the transaction's to make again. */
static void drop_defaults(struct lyd_node *node)
{
	struct lyd_node *child, *next;

	for (child = (struct lyd_node *)lyd_child(node); child; child = next) {
		next = child->next;
		if (child->flags & LYD_DEFAULT)
			lyd_free_tree(child);
		else
			drop_defaults(child);
	}
}

/* What was given here against its when is given anew in running too, where its when may have held. */
static void take_out_denied(struct edit *edit, const struct lyd_node *ours)
{
	const struct lyd_node *elem;

	LYD_TREE_DFS_BEGIN (ours, elem) {
		if (elem->schema && schema_of(elem->schema)->when_count &&
			!(elem->flags & (LYD_WHEN_TRUE | LYD_DEFAULT))) {
			_cleanup_free_ char *path = path_of(elem);
			struct lyd_node *theirs = find(*edit->tree, path);

			if (theirs && (theirs->flags & LYD_WHEN_TRUE))
				edit_take_out(edit, theirs, true);
		}
		LYD_TREE_DFS_END(ours, elem);
	}
}

static int give_to_running(struct edit *edit, const struct difference *difference, struct err *err)
{
	const char *path = difference->path + 1;
	const struct access *access = edit->access;
	struct lyd_node *ours = find(candidate.tree, path), *theirs = find(*edit->tree, path);
	struct lyd_node *copy = NULL, *top;
	int r;

	if (!is_explicit(ours) && !is_explicit(theirs))
		return 0;
	if (lyd_dup_single(is_explicit(ours) ? ours : theirs, NULL,
		    LYD_DUP_WITH_PARENTS | LYD_DUP_WITH_FLAGS |
			    (is_explicit(ours) ? LYD_DUP_RECURSIVE : 0),
		    &copy) != LY_SUCCESS)
		return yang_err(err, -EIO);
	for (top = copy; lyd_parent(top); top = lyd_parent(top))
		;
	drop_defaults(copy);
	if (is_explicit(ours))
		take_out_denied(edit, ours);
	/* As it needs no right in running either; but what is there by now may be another's. */
	if (!is_explicit(ours) && difference->gone_at == candidate.changes)
		edit->access = NULL;
	r = edit_apply_at(edit, &top, copy, is_explicit(ours) ? EDIT_REPLACE : EDIT_REMOVE, err);
	edit->access = access;
	lyd_free_all(top);
	edit_next_request(edit);
	return r;
}

static int give_order(struct edit *edit, const char *path, struct err *err)
{
	struct ly_set *set = NULL;
	int r = 0;

	if (!candidate.tree || compat_find_xpath(candidate.tree, path, &set) != LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return 0;
	}
	/* From the last on, each before the one that follows it: nothing moves that stands right. */
	for (uint32_t i = set->count; r == 0 && i-- > 0;) {
		_cleanup_free_ char *entry = path_of(set->dnodes[i]), *after = NULL;
		struct lyd_node *node = find(*edit->tree, entry), *next = NULL;

		if (i + 1 < set->count) {
			after = path_of(set->dnodes[i + 1]);
			next = find(*edit->tree, after);
		}
		if (node)
			r = edit_place(edit, node, next, err);
	}
	ly_set_free(set, NULL);
	return r;
}

int candidate_build(struct edit *edit, struct err *err)
{
	int r = 0;

	if (!candidate.is_edited)
		return 0;
	while (r == 0 && candidate.given < 2 * candidate.count) {
		size_t index = candidate.given++ % candidate.count;
		bool is_second = candidate.given > candidate.count;

		if (candidate.differences[index].is_order != is_second)
			continue;
		r = is_second ? give_order(edit, path_at(index), err)
			      : give_to_running(edit, &candidate.differences[index], err);
		if (r == 0 && loop_should_yield())
			return 1;
	}
	return r;
}

void candidate_committed(void)
{
	/* What features filled in and validation made is in running alone: the commit has noted it. */
	candidate.is_edited = false;
	start_idling();
}
