/* See record.h. Entries are written in the order in which they are to be applied. */
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "annotation.h"
#include "record.h"

struct entry_head {
	uint32_t kind;
	uint32_t size;
};

/* --- writing ---------------------------------------------------------------------------------- */

static int add_entry(struct buf *record, enum record_kind kind, const char *text, size_t size)
{
	struct entry_head head = { kind, (uint32_t)size };
	int r = buf_append(record, &head, sizeof(head));

	return r < 0 ? r : buf_append(record, text, size);
}

static int add_text(struct buf *record, enum record_kind kind, const char *text)
{
	return add_entry(record, kind, text, strlen(text));
}

static int add_pair(struct buf *record, enum record_kind kind, const char *path, const char *second)
{
	size_t path_size = strlen(path) + 1, second_size = second ? strlen(second) : 0;
	struct entry_head head = { kind, (uint32_t)(path_size + second_size) };
	int r = buf_append(record, &head, sizeof(head));

	if (r == 0)
		r = buf_append(record, path, path_size);
	return r == 0 && second_size ? buf_append(record, second, second_size) : r;
}

/* Part of something that this edit made, be it taken out of it again: the entry of that is enough. */
static bool is_within_made(const struct edit *edit, const struct lyd_node *node)
{
	while ((node = edit_parent(edit, node))) {
		if (node->flags & LYD_NEW)
			return !edit_is_dead(edit, node);
	}
	return false;
}

/* A copy of the subtree (or, unless @is_whole, the node alone) below copies of its parents, which have only
 * their keys. */
static int copy_with_parents(const struct edit *edit, const struct lyd_node *node, bool is_whole,
	struct lyd_node **ret_top, struct lyd_node **ret_copy, struct err *err)
{
	struct lyd_node *copy = NULL, *above;

	if (lyd_dup_single(node, NULL, is_whole ? LYD_DUP_RECURSIVE : 0, &copy) != LY_SUCCESS)
		return yang_err(err, -EIO);
	if (ret_copy)
		*ret_copy = copy;
	while ((node = edit_parent(edit, node))) {
		above = NULL;
		if (lyd_dup_single(node, NULL, LYD_DUP_NO_META, &above) != LY_SUCCESS ||
			lyd_insert_child(above, copy) != LY_SUCCESS) {
			lyd_free_tree(copy);
			lyd_free_tree(above);
			return yang_err(err, -EIO);
		}
		copy = above;
	}
	*ret_top = copy;
	return 0;
}

static int add_merge(
	struct buf *record, const struct edit *edit, const struct lyd_node *node, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	struct lyd_node *top = NULL;
	int r = copy_with_parents(edit, node, true, &top, NULL, err);

	if (r < 0)
		return r;
	r = format_print(&text, top, FORMAT_JSON, false, WITH_DEFAULTS_EXPLICIT, false, err);
	lyd_free_all(top);
	return r < 0 ? r : add_entry(record, RECORD_MERGE, buf_bytes(&text), text.length);
}

static int add_removed(struct buf *record, const struct edit *edit, const struct lyd_node *node)
{
	_cleanup_free_ char *path = edit_path(edit, node);

	return add_text(record, RECORD_REMOVE, path);
}

/* @next: the sibling it stands before, if that is an entry of the same list. */
static int add_moved(struct buf *record, const struct edit *edit, const struct lyd_node *node,
	const struct lyd_node *next)
{
	_cleanup_free_ char *path = edit_path(edit, node), *after = NULL;

	if (next && next->schema == node->schema)
		after = edit_path(edit, next);
	return add_pair(record, RECORD_MOVE, path, after);
}

static int add_set(
	struct buf *record, const struct edit *edit, const struct lyd_node *node, const char *value)
{
	_cleanup_free_ char *path = edit_path(edit, node);

	return add_pair(record, RECORD_SET, path, value);
}

/* @annotations: which the node is to have. */
static int add_annotated(struct buf *record, const struct edit *edit, const struct lyd_node *node,
	const struct lyd_meta *annotations, struct err *err)
{
	_cleanup_free_ char *path = edit_path(edit, node);
	_cleanup_(buf_done) struct buf text = { 0 };
	struct lyd_node *top = NULL, *copy;
	int r = copy_with_parents(edit, node, false, &top, &copy, err);

	if (r < 0)
		return r;
	annotation_free(annotation_take(copy));
	annotation_copy(copy, annotations);
	r = format_print(&text, top, FORMAT_JSON, false, WITH_DEFAULTS_ALL, false, err);
	lyd_free_all(top);
	return r < 0 ? r : add_pair(record, RECORD_ANNOTATE, path, buf_bytes(&text));
}

static bool is_user_ordered(const struct lyd_node *node)
{
	return (node->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) &&
		(node->schema->flags & LYS_ORDBY_USER);
}

/* Of an entry ordered by user: the one behind it. */
static struct lyd_node *next_entry(const struct lyd_node *node)
{
	return node->next && node->next->schema == node->schema ? node->next : NULL;
}

static int add_change(struct buf *record, const struct edit *edit, const struct edit_event *event,
	struct err *err)
{
	const struct lyd_node *node = event->node;

	if (event->kind == EDIT_FLAGS || event->kind == EDIT_MOVED || (node->flags & LYD_DEFAULT) ||
		is_within_made(edit, node))
		return 0;
	/* Also what made way for another case: that may be gone by now. */
	if (event->kind == EDIT_REMOVED)
		return add_removed(record, edit, node);
	if (event->is_implicit || edit_is_dead(edit, node))
		return 0;
	if (event->kind == EDIT_ANNOTATED)
		return node->flags & LYD_NEW ? 0
					     : add_annotated(record, edit, node, node->meta, err);
	if (event->kind == EDIT_CHANGED && !(node->flags & LYD_NEW))
		return add_set(record, edit, node, lyd_get_value(node));
	return add_merge(record, edit, node, err);
}

/* Whether its place is to be said; what was made as the last of its list comes there by itself. */
static bool needs_place(const struct edit *edit, const struct edit_event *event)
{
	const struct lyd_node *node = event->node;

	if ((event->kind != EDIT_MADE && event->kind != EDIT_MOVED) || event->is_implicit ||
		!is_user_ordered(node) || edit_is_dead(edit, node) || is_within_made(edit, node))
		return false;
	return event->kind == EDIT_MOVED || next_entry(node);
}

/* Entries that stand side by side, from the last on: each comes before one that has its place. */
static int add_places(struct buf *record, const struct edit *edit, struct map *without,
	const struct lyd_node *node)
{
	const struct lyd_node **run = NULL;
	size_t count = 0, room = 0;
	int r = 0;

	for (; node && map_del(without, &node, sizeof(node)); node = next_entry(node)) {
		ARRAY_GROW(run, count, room);
		run[count++] = node;
	}
	while (r == 0 && count-- > 0)
		r = add_moved(record, edit, run[count], run[count]->next);
	free(run);
	return r;
}

/* When all are there: an entry may stand before one that was made after it. */
static int add_orders(struct buf *record, const struct edit *edit)
{
	struct map without = { 0 };
	int r = 0;

	for (size_t i = 0; i < edit->count; i++) {
		struct edit_event *event = &edit->events[i];

		if (needs_place(edit, event))
			map_put(&without, &event->node, sizeof(event->node), event);
	}
	for (size_t i = 0; r == 0 && without.count && i < edit->count; i++)
		r = add_places(record, edit, &without, edit->events[i].node);
	map_done(&without);
	return r;
}

int record_changes(struct buf *record, const struct edit *edit, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < edit->count; i++)
		r = add_change(record, edit, &edit->events[i], err);
	return r < 0 ? r : add_orders(record, edit);
}

static int add_returned(struct buf *record, const struct edit *edit, const struct edit_event *event,
	struct err *err)
{
	int r;

	if (event->node->flags & LYD_DEFAULT)
		return 0;
	r = add_merge(record, edit, event->node, err);
	if (r == 0 && is_user_ordered(event->node))
		r = add_moved(record, edit, event->node, event->next);
	return r;
}

static int add_reverse(struct buf *record, const struct edit *edit, const struct edit_event *event,
	struct err *err)
{
	switch (event->kind) {
	case EDIT_MADE:
		if (event->is_implicit || (event->node->flags & LYD_DEFAULT) ||
			is_within_made(edit, event->node))
			return 0;
		return add_removed(record, edit, event->node);
	case EDIT_REMOVED:
		return add_returned(record, edit, event, err);
	case EDIT_CHANGED:
		if (event->old_flags & LYD_DEFAULT)
			return add_removed(record, edit, event->node);
		return add_set(record, edit, event->node, event->old);
	case EDIT_MOVED:
		return add_moved(record, edit, event->node, event->next);
	case EDIT_FLAGS:
		return 0;
	case EDIT_ANNOTATED:
		if (event->node->flags & LYD_DEFAULT || is_within_made(edit, event->node))
			return 0;
		return add_annotated(record, edit, event->node, event->annotations, err);
	}
	return 0;
}

int record_reverse_some(struct buf *record, const struct edit *edit, size_t *done, struct err *err)
{
	while (*done < edit->count) {
		int r = add_reverse(record, edit, &edit->events[edit->count - ++*done], err);

		if (r < 0)
			return r;
		if (loop_should_yield())
			return *done < edit->count;
	}
	return 0;
}

int record_reverse(struct buf *record, const struct edit *edit, struct err *err)
{
	size_t done = 0;
	int r;

	do
		r = record_reverse_some(record, edit, &done, err);
	while (r == 1);
	return r;
}

/* --- reading back ----------------------------------------------------------------------------- */

static struct lyd_node *find(const struct edit *edit, const char *path)
{
	struct lyd_node *node = NULL;

	if (!*edit->tree || lyd_find_path(*edit->tree, path, 0, &node) != LY_SUCCESS) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return NULL;
	}
	return node;
}

static int replay_move(struct edit *edit, const char *path, const char *next, struct err *err)
{
	struct lyd_node *node = find(edit, path);

	return node ? edit_place(edit, node, *next ? find(edit, next) : NULL, err) : 0;
}

static int replay_tree(struct edit *edit, struct lyd_node *request, struct err *err)
{
	int r = edit_apply(edit, &request, EDIT_MERGE, err);

	lyd_free_all(request);
	edit_next_request(edit);
	return r;
}

static int replay_merge(struct edit *edit, const char *text, size_t size, struct err *err)
{
	struct lyd_node *request = NULL;
	int r = format_parse_config(text, size, FORMAT_JSON, &request, err);

	if (r < 0) {
		lyd_free_all(request);
		return r;
	}
	return replay_tree(edit, request, err);
}

static int replay_set(struct edit *edit, const char *path, const char *value, struct err *err)
{
	struct lyd_node *node = find(edit, path), *request = NULL;

	if (node && (node->schema->nodetype & LYD_NODE_TERM))
		return edit_set(edit, node, value, err);
	if (lyd_new_path(NULL, yang_ctx(), path, value, 0, &request) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	return replay_tree(edit, request, err);
}

static int replay_annotations(
	struct edit *edit, const char *path, const char *text, struct err *err)
{
	struct lyd_node *node = find(edit, path), *from = NULL, *request = NULL;
	int r = node ? format_parse_config(text, strlen(text), FORMAT_JSON, &request, err) : 0;

	if (r == 0 && request && lyd_find_path(request, path, 0, &from) == LY_SUCCESS)
		edit_annotate(edit, node, from, true);
	lyd_free_all(request);
	return r;
}

static int replay_entry(struct edit *edit, const struct record_entry *entry, struct err *err)
{
	/* A copy with an end of its own; a pair's halves are apart by a zero byte. */
	_cleanup_free_ char *text = memcpy(xcalloc(1, entry->size + 2), entry->text, entry->size);
	const char *second = text + strlen(text) + 1;
	struct lyd_node *node;

	if (entry->kind == RECORD_MERGE)
		return replay_merge(edit, text, entry->size, err);
	if (entry->kind == RECORD_REMOVE) {
		node = find(edit, text);
		return node ? edit_remove(edit, node, err) : 0;
	}
	if (entry->kind == RECORD_ANNOTATE)
		return replay_annotations(edit, text, second, err);
	return entry->kind == RECORD_SET ? replay_set(edit, text, second, err)
					 : replay_move(edit, text, second, err);
}

int record_next(const char *data, size_t size, size_t *at, struct record_entry *ret_entry)
{
	struct entry_head head;

	if (*at == size)
		return 0;
	if (size - *at < sizeof(head))
		return -EBADMSG;
	memcpy(&head, data + *at, sizeof(head));
	if (head.size > size - *at - sizeof(head) ||
		(head.kind != RECORD_MERGE && head.kind != RECORD_SET &&
			head.kind != RECORD_REMOVE && head.kind != RECORD_MOVE &&
			head.kind != RECORD_ANNOTATE))
		return -EBADMSG;
	*ret_entry = (struct record_entry){ (enum record_kind)head.kind, data + *at + sizeof(head),
		head.size };
	*at += sizeof(head) + head.size;
	return 1;
}

int record_replay(struct edit *edit, const char *data, size_t size, size_t *at, struct err *err)
{
	struct record_entry entry;
	int r;

	while ((r = record_next(data, size, at, &entry)) > 0) {
		r = replay_entry(edit, &entry, err);
		if (r < 0)
			return r;
		if (loop_should_yield())
			return 1;
	}
	return r < 0 ? err_set(err, r, NULL, "a recorded change cannot be read") : 0;
}

/* --- in files ----------------------------------------------------------------------------------- */

struct seal {
	uint32_t size;
	uint32_t checksum;
};

/* FNV-1a: nobody forges here. */
static uint32_t checksum(const char *data, size_t size)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)data[i]) * 16777619U;
	return hash;
}

int record_seal(struct buf *file, const char *data, size_t size)
{
	struct seal seal = { (uint32_t)size, checksum(data, size) };
	int r = buf_append(file, &seal, sizeof(seal));

	return r < 0 ? r : buf_append(file, data, size);
}

int record_unseal(
	const char *file, size_t file_size, size_t *at, const char **ret_data, size_t *ret_size)
{
	struct seal seal;

	if (file_size - *at < sizeof(seal))
		return 0;
	memcpy(&seal, file + *at, sizeof(seal));
	if (seal.size > file_size - *at - sizeof(seal) ||
		checksum(file + *at + sizeof(seal), seal.size) != seal.checksum)
		return 0;
	*ret_data = file + *at + sizeof(seal);
	*ret_size = seal.size;
	*at += sizeof(seal) + seal.size;
	return 1;
}
