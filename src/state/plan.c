/*
 * From two wants to an ordered list of steps.
 *
 * Order: what goes (leaves first), what is added or changed (roots first), and last what is removed
 * without standing in anybody's way. That last part is where links go: a link that is gone takes with it
 * what nobody can put back (learned entries, addresses made by others), so nothing that can still fail may
 * come after it. What vanishes with such a removal needs no step of its own.
 *
 * What an object's re-creation takes along is not foretold: it is observed, and apply.c plans again for
 * the objects that differ then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/str.h"

#include "plan.h"

#define DEPTH_MAX 16 /* of needs within one kind */

/* --- steps ------------------------------------------------------------------------------------ */

void plan_step_free(struct plan_step *step)
{
	if (!step)
		return;
	object_free(step->step.have);
	err_done(&step->step.err);
	free(step);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->count; i++)
		plan_step_free(plan->steps[i]);
	for (size_t i = 0; i < plan->name_count; i++)
		free(plan->names[i]);
	free(plan->names);
	free(plan->steps);
	map_done(&plan->added);
	free(plan);
}

static char *name_of(const struct object_kind *kind, const char *key)
{
	return xasprintf("%s %s", kind->name, key);
}

/* How many objects of its own kind stand between the object and one that needs none. */
static unsigned depth_of(const struct object *object, const struct want *among, unsigned limit)
{
	unsigned deepest = 0;

	for (size_t i = 0; limit && i < object->needs_count; i++) {
		const struct object_ref *need = &object->needs[i];
		const struct object *needed;
		unsigned depth;

		if (need->kind != object->kind)
			continue;
		needed = state_wanted(need->kind, need->key);
		if (!needed && among)
			needed = want_find(among, need->kind, need->key);
		depth = needed ? 1 + depth_of(needed, among, limit - 1) : 1;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

static struct plan_step *add_step(struct plan *plan, enum step_op op, const struct object *want,
	const struct object *have, const struct want *among)
{
	struct plan_step *step = XNEW(struct plan_step);
	const struct object *object = want ? want : have;

	step->step.op = op;
	step->step.want = want;
	step->step.have = have ? object_copy(have) : NULL;
	step->rank = object->kind->rank;
	step->depth = want ? depth_of(want, among, DEPTH_MAX) : 0;
	step->sequence = (unsigned)plan->count;
	ARRAY_GROW(plan->steps, plan->count, plan->room);
	plan->steps[plan->count++] = step;
	return step;
}

static bool vanishes(const struct object *have)
{
	return !have->kind->vanishes || have->kind->vanishes(have);
}

/* --- what goes -------------------------------------------------------------------------------- */

static void plan_removal(struct plan *plan, const struct object *old, const struct want *among)
{
	const struct object *have;

	if (state_wanted(old->kind, old->key))
		return; /* by another unit now, or still by this one */
	have = have_get(have_all(), old->kind, old->key);
	if (!have)
		return;
	add_step(plan, STEP_REMOVE, NULL, have, among)->depth = depth_of(old, among, DEPTH_MAX);
}

/* A removal that comes with that of something it needs. */
static bool goes_along(const struct object *old)
{
	for (size_t i = 0; i < old->needs_count; i++) {
		const struct object_ref *need = &old->needs[i];
		const struct object *have;

		/* Only within one target: a container must be told, though its link goes. */
		if (state_wanted(need->kind, need->key) || !need->kind->is_removed_last ||
			need->kind->target != old->kind->target)
			continue;
		have = have_get(have_all(), need->kind, need->key);
		if (have && vanishes(have))
			return true;
	}
	return false;
}

static void plan_old(struct plan *plan, const struct want *old)
{
	for (size_t i = 0; old && i < want_count(old); i++) {
		const struct object *object = want_at(old, i);

		if (!goes_along(object))
			plan_removal(plan, object, old);
	}
}

/* --- what comes ------------------------------------------------------------------------------- */

static void note_added(struct plan *plan, struct plan_step *step)
{
	char *name = name_of(step->step.want->kind, step->step.want->key);

	ARRAY_GROW(plan->names, plan->name_count, plan->name_room);
	plan->names[plan->name_count++] = name;
	map_put_str(&plan->added, name, step);
}

static void plan_wanted(struct plan *plan, struct object *want, const struct want *old)
{
	const struct object *have = have_get(have_all(), want->kind, want->key);
	const struct object *was = old ? want_find(old, want->kind, want->key) : NULL;
	struct plan_step *step;

	if (!have) {
		step = add_step(plan, STEP_ADD, want, NULL, NULL);
		step->wanted = want;
		note_added(plan, step);
		return;
	}
	switch (want->kind->compare(want, was == want ? NULL : was, have)) {
	case OBJECT_SAME:
		want_set_pending(want, NULL);
		break;
	case OBJECT_CHANGE:
		step = add_step(plan, STEP_CHANGE, want, have, NULL);
		step->step.was = was == want ? NULL : was;
		step->wanted = want;
		break;
	case OBJECT_RECREATE:
		add_step(plan, STEP_REMOVE, NULL, have, NULL);
		step = add_step(plan, STEP_ADD, want, NULL, NULL);
		step->wanted = want;
		note_added(plan, step);
		break;
	}
}

/* --- order ------------------------------------------------------------------------------------ */

enum section {
	SECTION_REMOVE,
	SECTION_BUILD,
	SECTION_LAST,
};

/* The steps that could be stood in the way of: additions and changes of one kind. */
struct builds {
	const struct object_kind *kind;
	const struct object **wants;
	size_t count, room;
};

static void collect_builds(
	const struct plan *plan, const struct object_kind *kind, struct builds *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i]->step;

		if (step->op == STEP_REMOVE || step->want->kind != kind)
			continue;
		ARRAY_GROW(ret->wants, ret->count, ret->room);
		ret->wants[ret->count++] = step->want;
	}
}

static bool is_in_the_way(
	const struct plan *plan, const struct object *have, const struct builds *builds)
{
	_cleanup_free_ char *name = name_of(have->kind, have->key);

	if (map_get_str(&plan->added, name))
		return true;
	for (size_t i = 0; have->kind->blocks && i < builds->count; i++) {
		if (have->kind->blocks(have, builds->wants[i]))
			return true;
	}
	return false;
}

static enum section section_of(
	const struct plan *plan, const struct plan_step *step, struct builds *builds)
{
	const struct object *have = step->step.have;

	if (step->step.op != STEP_REMOVE)
		return SECTION_BUILD;
	if (!have->kind->is_removed_last)
		return SECTION_REMOVE;
	if (builds->kind != have->kind) {
		free(builds->wants);
		collect_builds(plan, have->kind, builds);
	}
	return is_in_the_way(plan, have, builds) ? SECTION_REMOVE : SECTION_LAST;
}

static int compare_steps(const void *x, const void *y)
{
	const struct plan_step *a = *(struct plan_step *const *)x,
			       *b = *(struct plan_step *const *)y;
	const struct object *x_object = a->step.want ? a->step.want : a->step.have;
	const struct object *y_object = b->step.want ? b->step.want : b->step.have;
	int up = a->step.op == STEP_REMOVE ? -1 : 1, order;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -up : up;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -up : up;
	if (x_object->kind == y_object->kind && x_object->kind->order) {
		order = x_object->kind->order(x_object, y_object);
		if (order)
			return order;
	}
	return a->sequence < b->sequence ? -1 : 1;
}

static void sort_steps(struct plan *plan)
{
	struct plan_step **sorted = xcalloc(plan->count + 1, sizeof(*sorted));
	uint8_t *sections = xcalloc(plan->count + 1, 1);
	struct builds builds = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		sections[i] = (uint8_t)section_of(plan, plan->steps[i], &builds);
	free(builds.wants);
	for (uint8_t section = SECTION_REMOVE; section <= SECTION_LAST; section++) {
		size_t start = count;

		for (size_t i = 0; i < plan->count; i++) {
			if (sections[i] == section)
				sorted[count++] = plan->steps[i];
		}
		qsort(sorted + start, count - start, sizeof(*sorted), compare_steps);
	}
	free(sections);
	free(plan->steps);
	plan->steps = sorted;
	plan->room = plan->count + 1;
}

/* --- what cannot be yet ------------------------------------------------------------------------ */

static const char *missing_text(char *text, size_t size, const struct object_ref *need)
{
	snprintf(text, size, "%s %s", need->key,
		need->kind->absent ? need->kind->absent : "does not exist");
	return text;
}

/* The first need that is neither there nor made by a step before. */
static const struct object_ref *unmet_need(const struct plan *plan, const struct object *want)
{
	for (size_t i = 0; i < want->needs_count; i++) {
		const struct object_ref *need = &want->needs[i];
		_cleanup_free_ char *name = NULL;

		if (have_get(have_all(), need->kind, need->key))
			continue;
		name = name_of(need->kind, need->key);
		if (!map_get_str(&plan->added, name))
			return need;
	}
	return NULL;
}

/* In build order, so that what waits makes wait what needs it. */
static void drop_unmet(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct plan_step *step = plan->steps[i];
		const struct object_ref *need =
			step->step.op == STEP_ADD ? unmet_need(plan, step->step.want) : NULL;

		if (need) {
			_cleanup_free_ char *name =
				name_of(step->step.want->kind, step->step.want->key);
			char reason[128];

			want_set_pending(step->wanted, missing_text(reason, sizeof(reason), need));
			map_del_str(&plan->added, name);
			plan_step_free(step);
			continue;
		}
		plan->steps[kept++] = step;
	}
	plan->count = kept;
}

/* --- the plan --------------------------------------------------------------------------------- */

struct plan *plan_make(const struct plan_unit *units, size_t count, enum plan_mode mode)
{
	struct plan *plan = XNEW(struct plan);

	plan->mode = mode;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; units[i].new &&k < want_count(units[i].new); k++)
			plan_wanted(plan, want_at(units[i].new, k), units[i].old);
	}
	for (size_t i = 0; i < count; i++) {
		if (units[i].old != units[i].new)
			plan_old(plan, units[i].old);
	}
	sort_steps(plan);
	drop_unmet(plan);
	return plan;
}

size_t plan_count(const struct plan *plan)
{
	return plan->count;
}

const struct step *plan_step(const struct plan *plan, size_t index)
{
	return &plan->steps[index]->step;
}

void plan_describe(const struct plan *plan, size_t index, char *text, size_t size)
{
	static const char *const verbs[] = {
		[STEP_ADD] = "add",
		[STEP_CHANGE] = "change",
		[STEP_REMOVE] = "remove",
	};
	const struct step *step = plan_step(plan, index);
	char what[160];

	object_describe(step->want ? step->want : step->have, what, sizeof(what));
	snprintf(text, size, "%s %s", verbs[step->op], what);
}

struct plan_step *plan_inverse(const struct plan_step *done)
{
	const struct object *object = done->step.want ? done->step.want : done->step.have;
	const struct object *have = have_get(have_all(), object->kind, object->key);
	struct plan_step *step = XNEW(struct plan_step);

	if (done->step.op == STEP_ADD) {
		if (!have) {
			free(step);
			return NULL;
		}
		step->step.op = STEP_REMOVE;
		step->step.have = object_copy(have);
		return step;
	}
	/* Back to what was observed before: it says everything about the object. */
	step->step.want = done->step.have;
	if (!have) {
		step->step.op = STEP_ADD;
		return step;
	}
	step->step.op = STEP_CHANGE;
	step->step.was = done->step.want;
	step->step.have = object_copy(have);
	return step;
}
