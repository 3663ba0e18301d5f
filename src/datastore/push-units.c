/* The features' tables (feature.h, struct feature_shows), with their paths resolved at first use. */
#include <string.h>

#include "ashlar/feature.h"
#include "ashlar/str.h"

#include "push-units.h"
#include "schema.h"

#define STEPS_MAX 16

struct place {
	const struct feature_shows *shows;
	const struct lysc_node *way[STEPS_MAX];
	size_t count;
	char *path; /* without the entry's key */
};

static struct {
	struct place *list;
	size_t count, room;
	bool is_known;
} places;

/* --- the table -------------------------------------------------------------------------------- */

static bool resolve(struct place *place)
{
	const struct lysc_node *schema = path_schema(place->shows->path), *at;
	_cleanup_(buf_done) struct buf text = { 0 };

	for (at = schema; at && place->count < STEPS_MAX; at = schema_data_parent(at))
		place->count++;
	if (!schema || at)
		return false;
	at = schema;
	for (size_t i = place->count; i-- > 0; at = schema_data_parent(at))
		place->way[i] = at;
	for (size_t i = 0; i < place->count; i++) {
		bool is_same = i && place->way[i - 1]->module == place->way[i]->module;

		(void)!buf_printf(&text, "/%s%s%s", is_same ? "" : place->way[i]->module->name,
			is_same ? "" : ":", place->way[i]->name);
	}
	place->path = buf_take(&text);
	return true;
}

static void learn(void)
{
	places.is_known = true;
	for (const struct feature *const *feature = feature_table; *feature; feature++) {
		const struct feature_shows *shows = (*feature)->shows;

		for (; shows && shows->kind; shows++) {
			struct place place = { .shows = shows };

			if (!resolve(&place))
				continue;
			ARRAY_GROW(places.list, places.count, places.room);
			places.list[places.count++] = place;
		}
	}
}

void push_units_done(void)
{
	for (size_t i = 0; i < places.count; i++)
		free(places.list[i].path);
	free(places.list);
	memset(&places, 0, sizeof(places));
}

/* --- an object -------------------------------------------------------------------------------- */

struct telling {
	const struct place *place;
	void (*callback)(struct push_step *steps, size_t count, const char *path, void *arg);
	void *arg;
};

static const char *key_of(const struct push_step *step)
{
	return xstrdup(step->arg);
}

static void tell(void *arg, const char *key)
{
	const struct telling *telling = arg;
	const struct place *place = telling->place;
	const struct lysc_node *unit = place->way[place->count - 1];
	_cleanup_free_ char *predicate = NULL, *path = NULL;
	struct push_step steps[STEPS_MAX];

	if ((unit->nodetype == LYS_LIST) != (key != NULL))
		return;
	for (size_t i = 0; i < place->count; i++)
		steps[i] = (struct push_step){ .schema = place->way[i] };
	if (key) {
		char quote = strchr(key, '\'') ? '"' : '\'';

		predicate =
			xasprintf("[%s=%c%s%c]", lysc_node_child(unit)->name, quote, key, quote);
		steps[place->count - 1].key = key_of;
		steps[place->count - 1].arg = predicate;
	}
	path = xasprintf("%s%s", place->path, predicate ? predicate : "");
	telling->callback(steps, place->count, path, telling->arg);
}

static void tell_object(struct telling *telling, const struct object *object)
{
	const struct feature_shows *shows = telling->place->shows;
	const char *names[OBJECT_GROUPS_MAX];
	size_t count;

	if (shows->units) {
		shows->units(object, tell, telling);
		return;
	}
	if (telling->place->way[telling->place->count - 1]->nodetype != LYS_LIST) {
		tell(telling, NULL);
		return;
	}
	tell(telling, object->key);
	count = object->kind->groups ? object->kind->groups(object, names) : 0;
	for (size_t i = 0; i < count; i++)
		tell(telling, names[i]);
}

void push_units_each(const struct object *was, const struct object *now,
	void (*callback)(struct push_step *steps, size_t count, const char *path, void *arg),
	void *arg)
{
	const struct object_kind *kind = was ? was->kind : now->kind;

	if (!places.is_known)
		learn();
	for (size_t i = 0; i < places.count; i++) {
		struct telling telling = { &places.list[i], callback, arg };

		if (places.list[i].shows->kind != kind)
			continue;
		if (was)
			tell_object(&telling, was);
		if (now)
			tell_object(&telling, now);
	}
}
