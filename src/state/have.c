/*
 * Everything observed, by kind and key. Nothing is decided here: a change marks the wanted object of the
 * same key as dirty, and those that wait for it or were refused before.
 */
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "tables.h"

struct have {
	void (*on_change)(const struct object *was, const struct object *now, void *arg);
	void *arg;
	bool keeps_former;
	size_t release_at; /* in the table that is being emptied */
};

static struct have all;

struct have *have_all(void)
{
	return &all;
}

void have_on_change(
	void (*callback)(const struct object *was, const struct object *now, void *arg), void *arg)
{
	all.on_change = callback;
	all.arg = arg;
}

void have_listen(const struct object_kind *kind,
	void (*callback)(const struct object *was, const struct object *now))
{
	tables_of(kind)->listener = callback;
}

uint64_t have_changed_ms(const struct object_kind *kind)
{
	return tables_of(kind)->changed_ms;
}

static void tell_change(
	struct kind_table *table, const struct object *was, const struct object *now)
{
	if (!was || !now)
		table->changed_ms = clock_ms();
	if (table->listener)
		table->listener(was, now);
	if (all.on_change)
		all.on_change(was, now, all.arg);
}

/* --- as it was, for undoing ------------------------------------------------------------------- */

void have_keep_former(void)
{
	have_drop_former();
	all.keeps_former = true;
}

void have_stop_former(void)
{
	all.keeps_former = false;
}

void have_drop_former(void)
{
	struct kind_table *table;

	all.keeps_former = false;
	all.release_at = 0;
	for (size_t i = 0; (table = tables_at(i)); i++) {
		struct former *former;
		size_t at = 0;

		if (!table->former.count)
			continue;
		while ((former = map_next(&table->former, &at))) {
			object_free(former->object);
			free(former);
		}
		map_done(&table->former);
	}
}

bool have_release_former(void)
{
	struct kind_table *table;

	all.keeps_former = false;
	for (size_t i = 0; (table = tables_at(i)); i++) {
		struct former *former;

		while ((former = map_next(&table->former, &all.release_at))) {
			map_del_str(&table->former, former->key);
			object_free(former->object);
			free(former);
			if (loop_should_yield())
				return false;
		}
		map_done(&table->former);
		all.release_at = 0;
	}
	return true;
}

struct former *have_former(const struct object_kind *kind, const char *key)
{
	return map_get_str(&tables_of(kind)->former, key);
}

/* Owns @was from here on. */
static void let_go(struct kind_table *table, const char *key, struct object *was)
{
	struct former *former;
	size_t length;

	if (!all.keeps_former || map_get_str(&table->former, key)) {
		object_free(was);
		return;
	}
	length = strlen(key) + 1;
	former = xmalloc(sizeof(*former) + length);
	*former = (struct former){ .object = was };
	memcpy(former->key, key, length);
	map_put_str(&table->former, former->key, former);
}

/* --- change ----------------------------------------------------------------------------------- */

static void join_groups(struct kind_table *table, struct object *object)
{
	const char *names[OBJECT_GROUPS_MAX];
	size_t count = object->kind->groups ? object->kind->groups(object, names) : 0;

	for (size_t i = 0; i < count; i++)
		object->group_at[i] = members_add(&table->groups, names[i], object);
}

/* The object @moved has come to place @at of the group. */
static void take_place(struct object *moved, const char *group, uint32_t at)
{
	const char *names[OBJECT_GROUPS_MAX];
	size_t count = moved->kind->groups(moved, names);

	for (size_t i = 0; i < count; i++) {
		if (str_equal(names[i], group))
			moved->group_at[i] = at;
	}
}

static void leave_groups(struct kind_table *table, struct object *object)
{
	const char *names[OBJECT_GROUPS_MAX];
	size_t count = object->kind->groups ? object->kind->groups(object, names) : 0;

	for (size_t i = 0; i < count; i++) {
		struct object *moved =
			members_remove(&table->groups, names[i], object->group_at[i]);

		if (moved)
			take_place(moved, names[i], object->group_at[i]);
	}
}

/* What was refused may be accepted now; what waited may find it here. */
static void tell_concerned(struct kind_table *table, const char *key, bool appeared)
{
	struct object *wanted = map_get_str(&table->wanted, key);

	if (wanted)
		want_look_at(wanted);
	if (!appeared)
		return;
	state_retry_needing(table->kind, key);
	want_retry_refused();
}

void have_put(struct object *observed)
{
	struct kind_table *table = tables_of(observed->kind);
	struct object *was = map_get_str(&table->have, observed->key);

	if (was)
		leave_groups(table, was);
	map_put_str(&table->have, observed->key, observed);
	join_groups(table, observed);
	tell_concerned(table, observed->key, !was);
	tell_change(table, was, observed);
	let_go(table, observed->key, was);
}

void have_remove(const struct object_kind *kind, const char *key)
{
	struct kind_table *table = tables_of(kind);
	struct object *was = map_del_str(&table->have, key);

	if (!was)
		return;
	leave_groups(table, was);
	tell_concerned(table, was->key, false);
	tell_change(table, was, NULL);
	let_go(table, was->key, was);
}

void have_tell_of(const struct object *wanted)
{
	const struct object *now = have_get(&all, wanted->kind, wanted->key);

	if (all.on_change)
		all.on_change(now, now ? now : wanted, all.arg);
}

/* --- look-up ---------------------------------------------------------------------------------- */

void *have_get(const struct have *have, const struct object_kind *kind, const char *key)
{
	return map_get_str(&tables_of(kind)->have, key);
}

void *have_next(const struct have *have, const struct object_kind *kind, size_t *at)
{
	return map_next(&tables_of(kind)->have, at);
}

size_t have_count(const struct have *have, const struct object_kind *kind)
{
	return tables_of(kind)->have.count;
}

size_t have_group(const struct have *have, const struct object_kind *kind, const char *group,
	void *const **ret_objects)
{
	const struct members *members = members_get(&tables_of(kind)->groups, group);

	*ret_objects = members ? members->items : NULL;
	return members ? members->count : 0;
}
