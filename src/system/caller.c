#include <stdio.h>
#include <string.h>

#include "ashlar/caller.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

static void (*on_change)(const char *name);

void caller_on_change(void (*changed)(const char *name))
{
	on_change = changed;
}

struct caller_place *caller_add_place(struct caller *caller, const char *name)
{
	struct caller_place *place;

	caller->places =
		xreallocarray(caller->places, caller->place_count + 1, sizeof(*caller->places));
	place = &caller->places[caller->place_count++];
	memset(place, 0, sizeof(*place));
	place->name = xstrdup(name);
	return place;
}

static void copy(struct object *to, const struct object *from)
{
	struct caller *copied = (void *)to;
	const struct caller *given = (const void *)from;

	copied->places = NULL;
	copied->place_count = 0;
	for (size_t i = 0; i < given->place_count; i++) {
		const struct caller_place *place = &given->places[i];
		struct caller_place *added = caller_add_place(copied, place->name);
		char *name = added->name;

		*added = *place;
		added->name = name;
		added->host = xstrdup(place->host);
		endpoint_params_copy(&added->params, &place->params);
	}
}

static void done(struct object *object)
{
	struct caller *caller = (void *)object;

	for (size_t i = 0; i < caller->place_count; i++) {
		free(caller->places[i].name);
		free(caller->places[i].host);
		endpoint_params_done(&caller->places[i].params);
	}
	free(caller->places);
}

static bool is_same_place(const struct caller_place *a, const struct caller_place *b)
{
	return str_equal(a->name, b->name) && str_equal(a->host, b->host) && a->port == b->port &&
		str_equal(a->local_address, b->local_address) && a->local_port == b->local_port &&
		endpoint_params_equal(&a->params, &b->params);
}

static enum object_diff compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	const struct caller *wanted = (const void *)want, *seen = (const void *)have;

	if (wanted->place_count != seen->place_count || wanted->is_periodic != seen->is_periodic ||
		wanted->period_s != seen->period_s || wanted->has_anchor != seen->has_anchor ||
		wanted->anchor != seen->anchor || wanted->start != seen->start ||
		wanted->max_wait_s != seen->max_wait_s ||
		wanted->max_attempts != seen->max_attempts)
		return OBJECT_CHANGE;
	for (size_t i = 0; i < wanted->place_count; i++)
		if (!is_same_place(&wanted->places[i], &seen->places[i]))
			return OBJECT_CHANGE;
	return OBJECT_SAME;
}

static enum object_owner owner(const struct object *have)
{
	return OBJECT_OURS;
}

static void describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "calls to %s", object->key);
}

static void run(struct step *step)
{
	_cleanup_free_ char *name = xstrdup(step->want ? step->want->key : step->have->key);

	if (step->op == STEP_REMOVE)
		have_remove(&object_kind_caller, name);
	else
		have_put(object_copy(step->want));
	step->is_done = true;
	if (on_change)
		on_change(name);
}

static size_t apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	for (size_t i = 0; i < count; i++)
		run(steps[i]);
	return count;
}

static const struct target target_caller = {
	.name = "caller",
	.is_immediate = true,
	.apply = apply,
};

const struct object_kind object_kind_caller = {
	.name = "caller",
	.rank = 3,
	.size = sizeof(struct caller),
	.target = &target_caller,
	.compare = compare,
	.copy = copy,
	.done = done,
	.owner = owner,
	.describe = describe,
};
