/*
 * The wanted state: a want a unit, all objects by kind and key, and who needs whom. An object is wanted by
 * one unit only; features share it within that unit, attribute by attribute.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "tables.h"

#define KINDS_MAX    32
#define RETRY_MIN_MS 1000 /* between two tries of what the device refuses */
#define RETRY_MAX_MS 64000

struct want {
	char *unit_path;
	struct object **objects;
	size_t count, room;
	struct map by_key; /* "kind key" → object; filled when there are many */
	bool was_claimed;  /* it was in force before and is being put back */
};

#define SMALL_WANT 8 /* objects searched one by one */

static struct {
	struct kind_table tables[KINDS_MAX];
	size_t table_count;
	struct map units; /* path → struct want * */
	struct list dirty, pending;
	size_t pending_count, refused_count;
	struct loop_task *task;
	struct loop_timer *retry;
	uint64_t retried_ms, retry_wait_ms;
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

uint32_t members_add(struct map *map, const char *name, void *item)
{
	struct members *members = map_get_str(map, name);

	if (!members) {
		members = XNEW(struct members);
		members->name = xstrdup(name);
		map_put_str(map, members->name, members);
	}
	ARRAY_GROW(members->items, members->count, members->room);
	members->items[members->count++] = item;
	return (uint32_t)(members->count - 1);
}

static void members_free(struct members *members)
{
	free(members->items);
	free(members->name);
	free(members);
}

void *members_remove(struct map *map, const char *name, uint32_t at)
{
	struct members *members = map_get_str(map, name);
	void *moved;

	assert(members && at < members->count);
	moved = members->items[--members->count];
	if (at == members->count)
		moved = NULL;
	else
		members->items[at] = moved;
	if (!members->count) {
		map_del_str(map, name);
		members_free(members);
	}
	return moved;
}

void members_done(struct map *map)
{
	struct members *members;
	size_t at = 0;

	while ((members = map_next(map, &at)))
		members_free(members);
	map_done(map);
	memset(map, 0, sizeof(*map));
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
	if (!want)
		return;
	members_done(&want->by_key);
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
	object->needs[object->needs_count++] = (struct object_ref){ kind, xstrdup(key), 0 };
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

static void retry_now(void *arg);

void state_init(void)
{
	list_init(&state.dirty);
	list_init(&state.pending);
	state.task = loop_task_new("state-dirty", tell_dirty, NULL);
	state.retry = loop_timer_new("state-retry", retry_now, NULL);
	state.retry_wait_ms = RETRY_MIN_MS;
}

void state_done(void)
{
	struct want *want;
	size_t at = 0;

	have_drop_former();
	while ((want = map_next(&state.units, &at)))
		want_free(want);
	map_done(&state.units);
	for (size_t i = 0; i < state.table_count; i++) {
		struct kind_table *table = &state.tables[i];
		struct object *object;

		for (at = 0; (object = map_next(&table->have, &at));)
			object_free(object);
		members_done(&table->needed);
		members_done(&table->groups);
		map_done(&table->wanted);
		map_done(&table->have);
		map_done(&table->former);
	}
	loop_task_free(state.task);
	loop_timer_free(state.retry);
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

void state_each_needing(const struct object_kind *kind, const char *key,
	void (*callback)(const struct object *object, void *arg), void *arg)
{
	const struct members *members = members_get(&tables_of(kind)->needed, key);

	for (size_t i = 0; members && i < members->count; i++)
		callback(members->items[i], arg);
}

static void forget_need(struct object *object, struct object_ref *need)
{
	struct object *moved = members_remove(&tables_of(need->kind)->needed, need->key, need->at);

	for (size_t i = 0; moved && i < moved->needs_count; i++) {
		if (moved->needs[i].kind == need->kind && str_equal(moved->needs[i].key, need->key))
			moved->needs[i].at = need->at;
	}
}

static void count_pending(const struct object *object, int by)
{
	state.pending_count += (size_t)by;
	if (object->is_refused)
		state.refused_count += (size_t)by;
}

static void withdraw(struct want *want)
{
	for (size_t i = 0; i < want->count; i++) {
		struct object *object = want->objects[i];

		map_del_str(&tables_of(object->kind)->wanted, object->key);
		for (size_t k = 0; k < object->needs_count; k++)
			forget_need(object, &object->needs[k]);
		list_remove(&object->dirty);
		if (object->is_pending) {
			list_remove(&object->pending);
			count_pending(object, -1);
		}
	}
}

static void claim(struct want *want)
{
	for (size_t i = 0; i < want->count; i++) {
		struct object *object = want->objects[i];

		map_put_str(&tables_of(object->kind)->wanted, object->key, object);
		for (size_t k = 0; k < object->needs_count; k++) {
			struct object_ref *need = &object->needs[k];

			need->at = members_add(&tables_of(need->kind)->needed, need->key, object);
		}
		if (object->is_pending) {
			list_append(&state.pending, &object->pending);
			count_pending(object, 1);
		}
		if (want->was_claimed) /* much may have happened meanwhile */
			want_look_at(object);
	}
	want->was_claimed = true;
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

/* --- pending ---------------------------------------------------------------------------------- */

static bool is_current(const struct object *wanted)
{
	return state_wanted(wanted->kind, wanted->key) == wanted;
}

void want_set_state(struct object *wanted, enum want_state now, const char *reason)
{
	bool is_pending = now != WANT_SETTLED, is_refused = now == WANT_REFUSED;
	bool is_news = wanted->is_refused != is_refused || !str_equal(wanted->reason, reason);

	if (is_current(wanted) && wanted->is_pending) {
		list_remove(&wanted->pending);
		count_pending(wanted, -1);
	}
	wanted->is_pending = is_pending;
	wanted->is_refused = is_refused;
	wanted->tries = 0;
	if (is_current(wanted) && is_pending) {
		list_append(&state.pending, &wanted->pending);
		count_pending(wanted, 1);
	}
	if (!str_equal(wanted->reason, reason)) {
		free(wanted->reason);
		wanted->reason = xstrdup(reason);
	}
	if (is_news)
		state.retry_wait_ms = RETRY_MIN_MS;
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

const struct object_ref *want_missing_need(const struct object *wanted)
{
	for (size_t i = 0; i < wanted->needs_count; i++) {
		if (!have_get(have_all(), wanted->needs[i].kind, wanted->needs[i].key))
			return &wanted->needs[i];
	}
	return NULL;
}

const char *want_missing_text(char *text, size_t size, const struct object_ref *need)
{
	snprintf(text, size, "%s %s", need->key,
		need->kind->absent ? need->kind->absent : "does not exist");
	return text;
}

/* --- dirty ------------------------------------------------------------------------------------ */

static void mark(struct object *wanted)
{
	if (wanted->dirty.next)
		return;
	list_append(&state.dirty, &wanted->dirty);
	loop_task_schedule(state.task);
}

static void retry_now(void *arg)
{
	struct object *object;

	state.retried_ms = clock_ms();
	state.retry_wait_ms *= 2;
	if (state.retry_wait_ms > RETRY_MAX_MS)
		state.retry_wait_ms = RETRY_MAX_MS;
	LIST_FOREACH (object, &state.pending, pending) {
		if (object->is_refused)
			mark(object);
	}
}

void want_retry_refused(void)
{
	uint64_t since = clock_ms() - state.retried_ms;

	if (!state.refused_count || loop_timer_active(state.retry))
		return;
	if (!state.retried_ms || since >= state.retry_wait_ms)
		retry_now(NULL);
	else
		loop_timer_start(state.retry, state.retry_wait_ms - since);
}

void want_mark_dirty(struct object *wanted)
{
	/* Its own try may be what made it change: trying again at once could go on for ever. */
	if (wanted->is_refused)
		want_retry_refused();
	else
		mark(wanted);
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
	if (wanted->kind->can_be_added && !wanted->kind->can_be_added(wanted))
		return !wanted->is_pending;
	return !want_missing_need(wanted) || !wanted->is_pending;
}

void want_look_at(struct object *wanted)
{
	if (is_unsettled(wanted))
		want_mark_dirty(wanted);
	else
		list_remove(&wanted->dirty);
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
