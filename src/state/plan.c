/*
 * From two wants to an ordered list of steps.
 *
 * Order: what goes (leaves first), what is added or changed (roots first), and last what is removed
 * without standing in anybody's way. That last part is where links go: a link that is gone takes with it
 * what nobody can put back (learned entries), so nothing that can still fail may come after it. What
 * vanishes with such a removal needs no step of its own.
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

enum section {
	SECTION_REMOVE,
	SECTION_BUILD,
	SECTION_LAST,
};

/* --- steps ------------------------------------------------------------------------------------ */

static struct plan *plan_new(enum plan_mode mode)
{
	struct plan *plan = XNEW(struct plan);

	plan->mode = mode;
	return plan;
}

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
	if (plan->run)
		apply_cancel(plan->run);
	for (size_t i = 0; i < plan->count; i++)
		plan_step_free(plan->steps[i]);
	free(plan->steps);
	free(plan);
}

static struct plan_step *add_step(
	struct plan *plan, enum step_op op, const struct object *want, const struct object *have)
{
	struct plan_step *step = XNEW(struct plan_step);

	step->step.op = op;
	step->step.want = want;
	step->step.have = have ? object_copy(have) : NULL;
	step->rank = (want ? want : have)->kind->rank;
	step->sequence = (unsigned)plan->count;
	ARRAY_GROW(plan->steps, plan->count, plan->room);
	plan->steps[plan->count++] = step;
	return step;
}

static bool vanishes(const struct object *have)
{
	return !have->kind->vanishes || have->kind->vanishes(have);
}

static bool can_be_added(const struct object *want)
{
	return !want->kind->can_be_added || want->kind->can_be_added(want);
}

/* How many objects of its own kind stand between a wanted object and one that needs none. */
static unsigned depth_of(const struct object *object, const struct want *among, unsigned limit)
{
	unsigned deepest = 0;

	for (size_t i = 0; limit && i < object->needs_count; i++) {
		const struct object_ref *need = &object->needs[i];
		const struct object *needed;
		unsigned depth = 1;

		if (need->kind != object->kind)
			continue;
		needed = state_wanted(need->kind, need->key);
		if (!needed && among)
			needed = want_find(among, need->kind, need->key);
		if (needed)
			depth += depth_of(needed, among, limit - 1);
		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

/* The same of an observed one: it is found by what it stands on. */
static unsigned depth_of_observed(const struct object *object, unsigned limit)
{
	const char *names[OBJECT_GROUPS_MAX];
	size_t count = object->kind->groups ? object->kind->groups(object, names) : 0;
	unsigned deepest = 0;

	for (size_t i = 0; limit && i < count; i++) {
		const struct former *former = have_former(object->kind, names[i]);
		const struct object *under = former && former->object
			? former->object
			: have_get(have_all(), object->kind, names[i]);
		unsigned depth = under ? 1 + depth_of_observed(under, limit - 1) : 0;

		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

/* --- what goes -------------------------------------------------------------------------------- */

/* A removal that comes with that of something it needs, on the same target (another must be told). Two of
 * one kind part: a port outlives its bridge. */
static bool goes_along(const struct object *old)
{
	for (size_t i = 0; i < old->needs_count; i++) {
		const struct object_ref *need = &old->needs[i];
		const struct object *have;

		if (need->kind == old->kind || !need->kind->is_removed_last ||
			need->kind->target != old->kind->target ||
			state_wanted(need->kind, need->key))
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
		const struct object *have = have_get(have_all(), object->kind, object->key);
		struct plan_step *step;

		/* Another unit, or this one still, wants it; or there is nothing to remove. */
		if (!have || state_wanted(object->kind, object->key) || goes_along(object))
			continue;
		step = add_step(plan, STEP_REMOVE, NULL, have);
		step->origin = object;
		step->depth = depth_of(object, old, DEPTH_MAX);
	}
}

/* What an earlier run has made and nobody wants any more. */
static void plan_leftovers(struct plan *plan)
{
	struct kind_table *table;

	for (size_t i = 0; (table = tables_at(i)); i++) {
		const struct object *have;
		size_t at = 0;

		if (!table->kind->owner)
			continue;
		while ((have = map_next(&table->have, &at))) {
			if (table->kind->owner(have) == OBJECT_OURS &&
				!map_get_str(&table->wanted, have->key))
				add_step(plan, STEP_REMOVE, NULL, have)->depth =
					depth_of_observed(have, DEPTH_MAX);
		}
	}
}

/* --- what comes ------------------------------------------------------------------------------- */

/* What the device refused before and asks for nothing new does not fail who changes something else. */
static bool is_optional(const struct object *want, const struct object *was)
{
	const struct object_kind *kind = want->kind;

	if (was == want || !was)
		return want->is_pending;
	if (!was->is_pending)
		return false;
	if (kind->equal)
		return kind->equal(was, want);
	return !kind->copy &&
		!memcmp((const char *)was + sizeof(*was), (const char *)want + sizeof(*want),
			kind->size - sizeof(*want));
}

static struct plan_step *plan_addition(struct plan *plan, struct object *want)
{
	struct plan_step *step = add_step(plan, STEP_ADD, want, NULL);

	step->depth = depth_of(want, NULL, DEPTH_MAX);
	want->is_coming = true;
	return step;
}

static void plan_wanted(struct plan *plan, struct object *want, const struct want *old)
{
	const struct object *have = have_get(have_all(), want->kind, want->key);
	const struct object *was = old ? want_find(old, want->kind, want->key) : NULL;
	struct plan_step *step = NULL;

	if (!have && !can_be_added(want)) {
		want_set_state(want, WANT_WAITING, "does not exist");
		return;
	}
	switch (have ? want->kind->compare(want, was == want ? NULL : was, have)
		     : OBJECT_RECREATE) {
	case OBJECT_SAME:
		want_set_state(want, WANT_SETTLED, NULL);
		return;
	case OBJECT_CHANGE:
		step = add_step(plan, STEP_CHANGE, want, have);
		step->step.was = was == want ? NULL : was;
		step->depth = depth_of(want, NULL, DEPTH_MAX);
		break;
	case OBJECT_RECREATE:
		if (have) {
			step = add_step(plan, STEP_REMOVE, NULL, have);
			step->origin = want;
			step->depth = depth_of(want, NULL, DEPTH_MAX);
		}
		step = plan_addition(plan, want);
		break;
	}
	step->wanted = want;
	step->is_optional = is_optional(want, was);
}

/* --- order ------------------------------------------------------------------------------------ */

static bool blocks_any(const struct plan *plan, const struct object *have)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i]->step;

		if (step->op != STEP_REMOVE && step->want->kind == have->kind &&
			have->kind->blocks(have, step->want))
			return true;
	}
	return false;
}

/* Is the plan to add an object in this one's place? */
static bool is_replaced(const struct plan *plan, const struct object *have)
{
	const struct former *former = have_former(have->kind, have->key);
	const struct object *wanted = state_wanted(have->kind, have->key);

	return (wanted && wanted->is_coming) ||
		(former && former->object && former->object->is_coming);
}

static enum section section_of(const struct plan *plan, const struct plan_step *step)
{
	const struct object *have = step->step.have;

	if (step->step.op != STEP_REMOVE)
		return SECTION_BUILD;
	if (!have->kind->is_removed_last || is_replaced(plan, have) ||
		(have->kind->blocks && blocks_any(plan, have)))
		return SECTION_REMOVE;
	return SECTION_LAST;
}

static const struct object *object_of(const struct plan_step *step)
{
	return step->step.want ? step->step.want : step->step.have;
}

static int compare_steps(const void *x, const void *y)
{
	const struct plan_step *a = *(struct plan_step *const *)x,
			       *b = *(struct plan_step *const *)y;
	int up = a->section == SECTION_BUILD ? 1 : -1, order;

	if (a->section != b->section)
		return a->section < b->section ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -up : up;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -up : up;
	if (object_of(a)->kind == object_of(b)->kind && object_of(a)->kind->order) {
		order = object_of(a)->kind->order(object_of(a), object_of(b));
		if (order)
			return order;
	}
	return a->sequence < b->sequence ? -1 : 1;
}

static void sort_steps(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		plan->steps[i]->section = (uint8_t)section_of(plan, plan->steps[i]);
	if (plan->count)
		qsort(plan->steps, plan->count, sizeof(*plan->steps), compare_steps);
}

/* --- what cannot be yet ------------------------------------------------------------------------ */

/* The first need that is neither there nor made by a step before. */
static const struct object_ref *unmet_need(const struct object *want)
{
	for (size_t i = 0; i < want->needs_count; i++) {
		const struct object_ref *need = &want->needs[i];
		const struct object *needed;

		if (have_get(have_all(), need->kind, need->key))
			continue;
		needed = state_wanted(need->kind, need->key);
		if (!needed || !needed->is_coming)
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
			step->step.op == STEP_REMOVE ? NULL : unmet_need(step->wanted);
		char reason[128];

		if (!need) {
			plan->steps[kept++] = step;
			continue;
		}
		want_set_state(step->wanted, WANT_WAITING,
			want_missing_text(reason, sizeof(reason), need));
		step->wanted->is_coming = false;
		plan_step_free(step);
	}
	plan->count = kept;
}

static void settle_coming(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (plan->steps[i]->step.op == STEP_ADD)
			((struct object *)plan->steps[i]->step.want)->is_coming = false;
	}
}

/* --- the plan --------------------------------------------------------------------------------- */

struct plan *plan_make(const struct plan_unit *units, size_t count, enum plan_mode mode)
{
	struct plan *plan = plan_new(mode);

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; units[i].new &&k < want_count(units[i].new); k++)
			plan_wanted(plan, want_at(units[i].new, k), units[i].old);
	}
	for (size_t i = 0; i < count; i++) {
		if (units[i].old != units[i].new)
			plan_old(plan, units[i].old);
	}
	if (mode == PLAN_WHOLE)
		plan_leftovers(plan);
	sort_steps(plan);
	drop_unmet(plan);
	settle_coming(plan);
	return plan;
}

/* --- the way back ----------------------------------------------------------------------------- */

static void undo_one(struct plan *plan, const struct object_kind *kind, const struct former *former)
{
	const struct object *have = have_get(have_all(), kind, former->key);
	struct object *was = former->object;
	enum object_diff diff;

	if (!was) {
		/* What came by itself, or from others, stays or goes with what it came with. */
		if (have && former->is_added)
			add_step(plan, STEP_REMOVE, NULL, have)->depth =
				depth_of_observed(have, DEPTH_MAX);
		return;
	}
	if (kind->owner && kind->owner(was) == OBJECT_LEARNED)
		return; /* comes back by itself */
	diff = have ? kind->compare(was, NULL, have) : OBJECT_RECREATE;
	if (diff == OBJECT_SAME)
		return;
	if (have && diff == OBJECT_RECREATE)
		add_step(plan, STEP_REMOVE, NULL, have)->depth = depth_of_observed(have, DEPTH_MAX);
	was->is_coming = diff == OBJECT_RECREATE;
	add_step(plan, diff == OBJECT_CHANGE ? STEP_CHANGE : STEP_ADD, was,
		diff == OBJECT_CHANGE ? have : NULL)
		->depth = depth_of_observed(was, DEPTH_MAX);
}

struct plan *plan_undo(void)
{
	struct plan *plan = plan_new(PLAN_BEST_EFFORT);
	struct kind_table *table;

	for (size_t i = 0; (table = tables_at(i)); i++) {
		const struct former *former;
		size_t at = 0;

		while ((former = map_next(&table->former, &at)))
			undo_one(plan, table->kind, former);
	}
	sort_steps(plan);
	settle_coming(plan);
	return plan;
}

/* --- looking at it ---------------------------------------------------------------------------- */

size_t plan_count(const struct plan *plan)
{
	return plan->count;
}

const struct step *plan_step(const struct plan *plan, size_t index)
{
	return &plan->steps[index]->step;
}

const struct object *plan_owner(const struct plan *plan, size_t index)
{
	const struct plan_step *step = plan->steps[index];

	return step->step.want ? step->step.want : step->origin;
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
