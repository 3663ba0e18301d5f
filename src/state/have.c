/*
 * Everything observed, by kind and key. Nothing is decided here: a change marks the wanted object of the
 * same key as dirty, and those that wait for it or were refused before.
 */
#include <string.h>

#include "ashlar/str.h"

#include "tables.h"

struct have {
	void (*on_change)(const struct object *was, const struct object *now, void *arg);
	void *arg;
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

static void join_groups(struct kind_table *table, struct object *object)
{
	const char *names[OBJECT_GROUPS_MAX];
	size_t count = object->kind->groups ? object->kind->groups(object, names) : 0;

	for (size_t i = 0; i < count; i++)
		members_add(&table->groups, names[i], object);
}

static void leave_groups(struct kind_table *table, struct object *object)
{
	const char *names[OBJECT_GROUPS_MAX];
	size_t count = object->kind->groups ? object->kind->groups(object, names) : 0;

	for (size_t i = 0; i < count; i++)
		members_remove(&table->groups, names[i], object);
}

/* What was refused may be accepted now; what waited may find it here. */
static void mark_concerned(struct kind_table *table, const char *key, bool appeared)
{
	struct object *wanted = map_get_str(&table->wanted, key);
	struct members *members = members_get(&table->needed, key);

	if (wanted)
		want_mark_dirty(wanted);
	for (size_t i = 0; members && i < members->count; i++)
		want_mark_dirty(members->items[i]);
	if (appeared)
		want_mark_refused_dirty();
}

void have_put(struct object *observed)
{
	struct kind_table *table = tables_of(observed->kind);
	struct object *was = map_get_str(&table->have, observed->key);

	if (was)
		leave_groups(table, was);
	map_put_str(&table->have, observed->key, observed);
	join_groups(table, observed);
	mark_concerned(table, observed->key, !was);
	if (all.on_change)
		all.on_change(was, observed, all.arg);
	object_free(was);
}

void have_remove(const struct object_kind *kind, const char *key)
{
	struct kind_table *table = tables_of(kind);
	struct object *was = map_del_str(&table->have, key);

	if (!was)
		return;
	leave_groups(table, was);
	mark_concerned(table, was->key, false);
	if (all.on_change)
		all.on_change(was, NULL, all.arg);
	object_free(was);
}

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
