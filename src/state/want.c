/*
 * The wanted state: a want a unit, all objects by kind and key, and who needs whom. An object is wanted by
 * one unit only; features share it within that unit, attribute by attribute.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "tables.h"

#define KINDS_MAX 32

struct want {
	char *unit_path;
	struct object **objects;
	size_t count, room;
	struct map by_key; /* "kind key" → object; filled when there are many */
};

#define SMALL_WANT 8 /* objects searched one by one */

static struct {
	struct kind_table tables[KINDS_MAX];
	size_t table_count;
	struct map units; /* path → struct want * */
	struct list dirty, pending;
	size_t pending_count;
	struct loop_task *task;
	void (*on_dirty)(void *arg);
	void *on_dirty_arg;
} state;

/* --- tables ----------------------------------------------------------------------------------- */

struct kind_table *tables_of(const struct object_kind *kind)
{
	for (size_t i = 0; i < state.table_count; i++) {
		if (state.tables[i].kind == kind)
			return &state.tables[i];
	}
	assert(state.table_count < KINDS_MAX);
	state.tables[state.table_count].kind = kind;
	return &state.tables[state.table_count++];
}

struct kind_table *tables_at(size_t index)
{
	return index < state.table_count ? &state.tables[index] : NULL;
}

struct members *members_get(const struct map *map, const char *name)
{
	return map_get_str(map, name);
}

void members_add(struct map *map, const char *name, void *item)
{
	struct members *members = map_get_str(map, name);

	if (!members) {
		members = XNEW(struct members);
		members->name = xstrdup(name);
		map_put_str(map, members->name, members);
	}
	ARRAY_GROW(members->items, members->count, members->room);
	members->items[members->count++] = item;
}

static void members_free(struct members *members)
{
	free(members->items);
	free(members->name);
	free(members);
}

void members_remove(struct map *map, const char *name, void *item)
{
	struct members *members = map_get_str(map, name);

	if (!members)
		return;
	for (size_t i = members->count; i-- > 0;) { /* what came last goes first, mostly */
		if (members->items[i] != item)
			continue;
		members->items[i] = members->items[--members->count];
		break;
	}
	if (!members->count) {
		map_del_str(map, name);
		members_free(members);
	}
}

/* --- one want --------------------------------------------------------------------------------- */

struct want *want_new(const char *unit_path)
{
	struct want *want = XNEW(struct want);

	want->unit_path = xstrdup(unit_path);
	return want;
}

void want_free(struct want *want)
{
	struct members *name;
	size_t at = 0;

	if (!want)
		return;
	while ((name = map_next(&want->by_key, &at)))
		members_free(name);
	map_done(&want->by_key);
	for (size_t i = 0; i < want->count; i++)
		object_free(want->objects[i]);
	free(want->objects);
	free(want->unit_path);
	free(want);
}

const char *want_unit_path(const struct want *want)
{
	return want->unit_path;
}

static void index_object(struct want *want, struct object *object)
{
	_cleanup_free_ char *name = xasprintf("%s %s", object->kind->name, object->key);

	members_add(&want->by_key, name, object);
}

void *want_find(const struct want *want, const struct object_kind *kind, const char *key)
{
	if (want->count > SMALL_WANT) {
		_cleanup_free_ char *name = xasprintf("%s %s", kind->name, key);
		const struct members *members = members_get(&want->by_key, name);

		return members ? members->items[0] : NULL;
	}
	for (size_t i = 0; i < want->count; i++) {
		if (want->objects[i]->kind == kind && str_equal(want->objects[i]->key, key))
			return want->objects[i];
	}
	return NULL;
}

void *want_object(
	struct want *want, const struct object_kind *kind, const char *key, const char *path)
{
	struct object *object = want_find(want, kind, key);

	if (object)
		return object;
	object = object_new(kind, key);
	object->want = want;
	object->path = path ? path : "";
	ARRAY_GROW(want->objects, want->count, want->room);
	want->objects[want->count++] = object;
	if (want->count == SMALL_WANT + 1) {
		for (size_t i = 0; i < want->count; i++)
			index_object(want, want->objects[i]);
	} else if (want->count > SMALL_WANT) {
		index_object(want, object);
	}
	return object;
}

void want_needs(void *wanted, const struct object_kind *kind, const char *key)
{
	struct object *object = wanted;

	for (size_t i = 0; i < object->needs_count; i++) {
		if (object->needs[i].kind == kind && str_equal(object->needs[i].key, key))
			return;
	}
	object->needs =
		xreallocarray(object->needs, object->needs_count + 1, sizeof(*object->needs));
	object->needs[object->needs_count++] = (struct object_ref){ kind, xstrdup(key) };
}

size_t want_count(const struct want *want)
{
	return want->count;
}

struct object *want_at(const struct want *want, size_t index)
{
	return want->objects[index];
}

/* --- the whole wanted state ------------------------------------------------------------------- */

static void tell_dirty(void *arg)
{
	if (state.on_dirty && !list_empty(&state.dirty))
		state.on_dirty(state.on_dirty_arg);
}

void state_init(void)
{
	list_init(&state.dirty);
	list_init(&state.pending);
	state.task = loop_task_new("state-dirty", tell_dirty, NULL);
}

void state_done(void)
{
	struct want *want;
	size_t at = 0;

	while ((want = map_next(&state.units, &at)))
		want_free(want);
	map_done(&state.units);
	for (size_t i = 0; i < state.table_count; i++) {
		struct kind_table *table = &state.tables[i];
		struct object *object;
		struct members *members;

		for (at = 0; (object = map_next(&table->have, &at));)
			object_free(object);
		for (at = 0; (members = map_next(&table->needed, &at));)
			members_free(members);
		for (at = 0; (members = map_next(&table->groups, &at));)
			members_free(members);
		map_done(&table->wanted);
		map_done(&table->have);
		map_done(&table->needed);
		map_done(&table->groups);
	}
	loop_task_free(state.task);
	memset(&state, 0, sizeof(state));
}

struct want *state_unit(const char *unit_path)
{
	return map_get_str(&state.units, unit_path);
}

struct object *state_wanted(const struct object_kind *kind, const char *key)
{
	return map_get_str(&tables_of(kind)->wanted, key);
}

static void withdraw(struct want *want)
{
	for (size_t i = 0; i < want->count; i++) {
		struct object *object = want->objects[i];

		map_del_str(&tables_of(object->kind)->wanted, object->key);
		for (size_t k = 0; k < object->needs_count; k++)
			members_remove(&tables_of(object->needs[k].kind)->needed,
				object->needs[k].key, object);
		list_remove(&object->dirty);
		if (object->is_pending) {
			list_remove(&object->pending);
			state.pending_count--;
		}
	}
}

static void claim(struct want *want)
{
	for (size_t i = 0; i < want->count; i++) {
		struct object *object = want->objects[i];

		map_put_str(&tables_of(object->kind)->wanted, object->key, object);
		for (size_t k = 0; k < object->needs_count; k++)
			members_add(&tables_of(object->needs[k].kind)->needed, object->needs[k].key,
				object);
		if (object->is_pending) {
			list_append(&state.pending, &object->pending);
			state.pending_count++;
		}
	}
}

int state_exchange(const char *unit_path, struct want *want, struct want **ret_old, struct err *err)
{
	struct want *old = state_unit(unit_path);

	for (size_t i = 0; want && i < want->count; i++) {
		const struct object *object = want->objects[i];
		const struct object *other = state_wanted(object->kind, object->key);
		char text[160];

		if (!other || other->want == old)
			continue;
		object_describe(object, text, sizeof(text));
		return err_set(err, -EEXIST, unit_path, "%s is configured by %s already", text,
			other->want->unit_path);
	}
	if (old) {
		withdraw(old);
		map_del_str(&state.units, unit_path);
	}
	if (want) {
		claim(want);
		map_put_str(&state.units, want->unit_path, want);
	}
	*ret_old = old;
	return 0;
}

/* --- pending and dirty ------------------------------------------------------------------------ */

void want_set_pending(struct object *wanted, const char *reason)
{
	bool is_current = state_wanted(wanted->kind, wanted->key) == wanted;

	if (is_current && reason && !wanted->is_pending) {
		list_append(&state.pending, &wanted->pending);
		state.pending_count++;
	} else if (is_current && !reason && wanted->is_pending) {
		list_remove(&wanted->pending);
		state.pending_count--;
	}
	wanted->is_pending = reason != NULL;
	if (!str_equal(wanted->reason, reason)) {
		free(wanted->reason);
		wanted->reason = xstrdup(reason);
	}
}

size_t state_pending_count(void)
{
	return state.pending_count;
}

void state_each_pending(void (*callback)(const struct object *object, void *arg), void *arg)
{
	struct object *object;

	if (!state.pending_count)
		return;
	LIST_FOREACH (object, &state.pending, pending)
		callback(object, arg);
}

void want_mark_refused_dirty(void)
{
	struct object *object;

	if (!state.pending_count)
		return;
	LIST_FOREACH (object, &state.pending, pending) {
		if (!want_missing_need(object))
			want_mark_dirty(object);
	}
}

const struct object_ref *want_missing_need(const struct object *wanted)
{
	for (size_t i = 0; i < wanted->needs_count; i++) {
		if (!have_get(have_all(), wanted->needs[i].kind, wanted->needs[i].key))
			return &wanted->needs[i];
	}
	return NULL;
}

void want_mark_dirty(struct object *wanted)
{
	if (wanted->dirty.next)
		return;
	list_append(&state.dirty, &wanted->dirty);
	loop_task_schedule(state.task);
}

void state_on_dirty(void (*callback)(void *arg), void *arg)
{
	state.on_dirty = callback;
	state.on_dirty_arg = arg;
}

/* Is there something to do about it? */
static bool is_unsettled(const struct object *wanted)
{
	const struct object *have = have_get(have_all(), wanted->kind, wanted->key);

	if (have)
		return wanted->is_pending ||
			wanted->kind->compare(wanted, NULL, have) != OBJECT_SAME;
	return !want_missing_need(wanted) || !wanted->is_pending;
}

size_t state_take_dirty(const char ***ret_paths)
{
	const char **paths = NULL;
	size_t count = 0, room = 0;
	struct map seen = { 0 };

	while (!list_empty(&state.dirty)) {
		struct object *object = CONTAINER_OF(state.dirty.next, struct object, dirty);
		char *path = object->want->unit_path;

		list_remove(&object->dirty);
		if (!is_unsettled(object) || map_get_str(&seen, path))
			continue;
		map_put_str(&seen, path, path);
		ARRAY_GROW(paths, count, room);
		paths[count++] = path;
	}
	map_done(&seen);
	*ret_paths = paths;
	return count;
}
