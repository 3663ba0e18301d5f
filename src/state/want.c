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

#define KINDS_MAX    48
#define RETRY_MIN_MS 1000 /* between two tries of what the device refuses */
#define RETRY_MAX_MS 64000

struct want {
	struct object **objects;
	size_t count, room;
	struct map *by_key;  /* "kind key" → object; NULL unless there are many */
	bool was_claimed;    /* it was in force before and is being put back */
	struct arena *texts; /* NULL: none */
	char unit_path[];
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

static struct members *members_new(const char *name)
{
	size_t length = strlen(name) + 1;
	struct members *members = xmalloc(sizeof(*members) + length);

	*members = (struct members){ .items = &members->first, .room = 1 };
	memcpy(members->name, name, length);
	return members;
}

static void members_grow(struct members *members)
{
	uint32_t room = members->room * 2 > 4 ? members->room * 2 : 4;

	assert(members->room <= UINT32_MAX / 2);
	if (members->items == &members->first) {
		members->items = xcalloc(room, sizeof(*members->items));
		members->items[0] = members->first;
	} else {
		members->items = xreallocarray(members->items, room, sizeof(*members->items));
	}
	members->room = room;
}

uint32_t members_add(struct map *map, const char *name, void *item)
{
	struct members *members = map_get_str(map, name);

	if (!members) {
		members = members_new(name);
		map_put_str(map, members->name, members);
	}
	if (members->count == members->room)
		members_grow(members);
	members->items[members->count] = item;
	return members->count++;
}

static void members_free(struct members *members)
{
	if (members->items != &members->first)
		free(members->items);
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
	size_t length = strlen(unit_path) + 1;
	struct want *want = xmalloc(sizeof(*want) + length);

	*want = (struct want){ 0 };
	memcpy(want->unit_path, unit_path, length);
	return want;
}

static void drop_index(struct want *want)
{
	if (!want->by_key)
		return;
	members_done(want->by_key);
	free(TAKE(want->by_key));
}

void want_free(struct want *want)
{
	if (!want)
		return;
	drop_index(want);
	for (size_t i = 0; i < want->count; i++)
		object_free(want->objects[i]);
	arena_free(want->texts);
	free(want->objects);
	free(want);
}

const char *want_path(struct want *want, const char *path)
{
	if (!want->texts)
		want->texts = arena_new();
	return arena_strdup(want->texts, path);
}

const char *want_unit_path(const struct want *want)
{
	return want->unit_path;
}

static void index_object(struct want *want, struct object *object)
{
	_cleanup_free_ char *name = xasprintf("%s %s", object->kind->name, object->key);

	if (!want->by_key)
		want->by_key = XNEW(struct map);
	members_add(want->by_key, name, object);
}

void *want_find(const struct want *want, const struct object_kind *kind, const char *key)
{
	if (want->count > SMALL_WANT) {
		_cleanup_free_ char *name = xasprintf("%s %s", kind->name, key);
		const struct members *members = members_get(want->by_key, name);

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
	assert(object->needs_count < UINT16_MAX);
	object->needs =
		xreallocarray(object->needs, object->needs_count + 1U, sizeof(*object->needs));
	object->needs[object->needs_count++] = (struct object_ref){ kind, xstrdup(key), 0 };
}

void want_needs_any(void *object)
{
	((struct object *)object)->needs_any = true;
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
			list_remove(&object->trouble->node);
			count_pending(object, -1);
		}
	}
}

static void claim(struct want *want)
{
	if (want->count && want->count < want->room) { /* it is complete */
		want->objects = xreallocarray(want->objects, want->count, sizeof(struct object *));
		want->room = want->count;
	}
	for (size_t i = 0; i < want->count; i++) {
		struct object *object = want->objects[i];

		map_put_str(&tables_of(object->kind)->wanted, object->key, object);
		for (size_t k = 0; k < object->needs_count; k++) {
			struct object_ref *need = &object->needs[k];

			need->at = members_add(&tables_of(need->kind)->needed, need->key, object);
		}
		if (object->is_pending) {
			list_append(&state.pending, &object->trouble->node);
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

static void drop_trouble(struct object *wanted)
{
	list_remove(&wanted->trouble->node);
	free(wanted->trouble->reason);
	free(TAKE(wanted->trouble));
}

void want_set_state(struct object *wanted, enum want_state now, const char *reason)
{
	bool is_pending = now != WANT_SETTLED, is_refused = now == WANT_REFUSED, counts, turns;

	wanted->tries = 0;
	if (!is_pending && !wanted->is_pending)
		return;
	if (wanted->is_refused != is_refused || !str_equal(object_reason(wanted), reason))
		state.retry_wait_ms = RETRY_MIN_MS;
	counts = is_current(wanted);
	turns = wanted->is_pending != is_pending;
	if (wanted->is_pending) {
		if (counts)
			count_pending(wanted, -1);
		drop_trouble(wanted);
	}
	wanted->is_pending = is_pending;
	wanted->is_refused = is_refused;
	if (counts && turns)
		have_tell_of(wanted);
	if (!is_pending)
		return;
	wanted->trouble = XNEW(struct object_trouble);
	wanted->trouble->object = wanted;
	wanted->trouble->reason = xstrdup(reason);
	if (counts) {
		list_append(&state.pending, &wanted->trouble->node);
		count_pending(wanted, 1);
	}
}

size_t state_pending_count(void)
{
	return state.pending_count;
}

void state_each_pending(void (*callback)(const struct object *object, void *arg), void *arg)
{
	struct object_trouble *trouble;

	if (!state.pending_count)
		return;
	LIST_FOREACH (trouble, &state.pending, node)
		callback(trouble->object, arg);
}

const struct object_ref *want_missing_need(const struct object *wanted)
{
	const struct object_ref *missing = NULL;

	for (size_t i = 0; i < wanted->needs_count; i++) {
		if (!have_get(have_all(), wanted->needs[i].kind, wanted->needs[i].key))
			missing = missing ? missing : &wanted->needs[i];
		else if (wanted->needs_any)
			return NULL;
	}
	return missing;
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
	struct object_trouble *trouble;

	state.retried_ms = clock_ms();
	state.retry_wait_ms *= 2;
	if (state.retry_wait_ms > RETRY_MAX_MS)
		state.retry_wait_ms = RETRY_MAX_MS;
	LIST_FOREACH (trouble, &state.pending, node) {
		if (trouble->object->is_refused)
			mark(trouble->object);
	}
}

void want_retry_refused(void)
{
	uint64_t since;

	if (!state.refused_count || loop_timer_active(state.retry))
		return;
	since = clock_ms() - state.retried_ms;
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

void state_look_at(const struct object_kind *kind, const char *key)
{
	struct object *wanted = state_wanted(kind, key);

	if (wanted)
		want_look_at(wanted);
}

void state_retry_needing(const struct object_kind *kind, const char *key)
{
	const struct members *members = members_get(&tables_of(kind)->needed, key);

	for (size_t i = 0; members && i < members->count; i++) {
		struct object *needs_it = members->items[i];

		if (needs_it->is_pending || needs_it->needs_any)
			want_mark_dirty(needs_it);
	}
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
