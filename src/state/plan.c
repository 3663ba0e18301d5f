/*
 * From two wants to an ordered list of steps.
 *
 * Order: what goes (leaves first), what is added or changed (roots first), and last what is removed
 * without standing in anybody's way. That last part is where links go: a link that is gone takes with it
 * what nobody can put back (learned entries), so nothing that can still fail may come after it. What
 * vanishes with such a removal needs no step of its own.
 *
 * What goes along with an object that is made again comes back in the same plan (lost.c). What else differs
 * when all is done is observed, and apply.c plans again for that.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "plan.h"

#define DEPTH_MAX 16 /* of needs within one kind */

enum section {
	SECTION_REMOVE,
	SECTION_BUILD,
	SECTION_LAST,
};

#define LOOK_AT 16 /* steps between two looks at the clock */

/* --- steps ------------------------------------------------------------------------------------ */

static struct plan *plan_new(enum plan_mode mode)
{
	struct plan *plan = XNEW(struct plan);

	plan->mode = mode;
	plan->arena = arena_new();
	return plan;
}

static void step_done(struct plan_step *step)
{
	object_free(step->step.have);
	err_done(&step->step.err);
}

static void heaps_done(struct plan *plan)
{
	for (size_t i = 0; i < plan->heap_count; i++)
		free(plan->heaps[i].steps);
	free(TAKE(plan->heaps));
	plan->heap_count = 0;
}

static void not_coming(const struct plan_step *step)
{
	if (step->step.op == STEP_ADD)
		((struct object *)step->step.want)->is_coming = false;
}

void plan_mark_going(struct plan *plan, struct object *have)
{
	if (have->is_going)
		return;
	have->is_going = true;
	ARRAY_GROW(plan->going, plan->going_count, plan->going_room);
	plan->going[plan->going_count++] =
		(struct plan_going){ have->kind, arena_strdup(plan->arena, have->key) };
}

static void unmark_going(struct plan *plan)
{
	while (plan->going_count) {
		const struct plan_going *going = &plan->going[--plan->going_count];
		struct object *have = have_get(have_all(), going->kind, going->key);

		if (have)
			have->is_going = false;
	}
}

static bool should_yield(size_t at)
{
	return at % LOOK_AT == 0 && loop_should_yield();
}

bool plan_release(struct plan *plan)
{
	assert(!plan->run);
	while (plan->stage == PLAN_STAGE_MADE && plan->count) {
		step_done(plan->steps[--plan->count]);
		if (should_yield(plan->count))
			return false;
	}
	return true;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	if (plan->run)
		apply_cancel(plan->run);
	for (size_t i = 0; i < plan->count; i++) {
		if (!plan->steps[i])
			continue;
		if (plan->stage != PLAN_STAGE_MADE)
			not_coming(plan->steps[i]);
		step_done(plan->steps[i]);
	}
	heaps_done(plan);
	unmark_going(plan);
	free(plan->going);
	free(plan->ordered);
	free(plan->blockable);
	map_done(&plan->taken);
	free(plan->taking);
	map_done(&plan->by_wanted);
	free(plan->units);
	free(plan->steps);
	arena_free(plan->arena);
	free(plan);
}

struct plan_step *plan_add_step(
	struct plan *plan, enum step_op op, const struct object *want, const struct object *have)
{
	struct plan_step *step = arena_alloc(plan->arena, sizeof(*step));

	step->step.op = op;
	step->step.want = want;
	step->step.have = have ? object_copy(have) : NULL;
	step->rank = (want ? want : have)->kind->rank;
	step->sequence = (unsigned)plan->count;
	ARRAY_GROW(plan->steps, plan->count, plan->room);
	plan->steps[plan->count++] = step;
	if (want && want->kind->blocks) {
		ARRAY_GROW(plan->blockable, plan->blockable_count, plan->blockable_room);
		plan->blockable[plan->blockable_count++] = step;
	}
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

unsigned plan_depth(const struct object *want)
{
	return depth_of(want, NULL, DEPTH_MAX);
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

static void plan_old(struct plan *plan, const struct want *old, const struct object *object)
{
	struct object *have = have_get(have_all(), object->kind, object->key);
	struct plan_step *step;

	/* Another unit, or this one still, wants it; or there is nothing to remove. */
	if (!have || state_wanted(object->kind, object->key) || goes_along(object))
		return;
	step = plan_add_step(plan, STEP_REMOVE, NULL, have);
	step->step.was = object;
	step->origin = object;
	step->depth = depth_of(object, old, DEPTH_MAX);
	if (vanishes(have))
		plan_mark_going(plan, have);
}

/* What an earlier run has made and nobody wants any more. */
static void plan_leftovers(struct plan *plan)
{
	struct kind_table *table;

	for (size_t i = 0; (table = tables_at(i)); i++) {
		struct object *have;
		size_t at = 0;

		if (!table->kind->owner)
			continue;
		while ((have = map_next(&table->have, &at))) {
			if (table->kind->owner(have) != OBJECT_OURS ||
				map_get_str(&table->wanted, have->key))
				continue;
			plan_add_step(plan, STEP_REMOVE, NULL, have)->depth =
				depth_of_observed(have, DEPTH_MAX);
			if (vanishes(have))
				plan_mark_going(plan, have);
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
	struct plan_step *step = plan_add_step(plan, STEP_ADD, want, NULL);

	step->depth = plan_depth(want);
	want->is_coming = true;
	return step;
}

/* What goes along with what the step removes, or changes, is looked for when all are there. */
static void note_taking(struct plan *plan, struct plan_step *step)
{
	ARRAY_GROW(plan->taking, plan->taking_count, plan->taking_room);
	plan->taking[plan->taking_count++] = step;
}

static void await(struct object *want)
{
	want_set_state(
		want, WANT_WAITING, want->kind->absent ? want->kind->absent : "does not exist");
}

/* In its place is something else. */
static struct plan_step *plan_again(struct plan *plan, struct object *want, struct object *have)
{
	struct plan_step *step = plan_add_step(plan, STEP_REMOVE, NULL, have);

	step->origin = want;
	step->depth = plan_depth(want);
	note_taking(plan, step);
	if (can_be_added(want))
		return plan_addition(plan, want);
	if (vanishes(have))
		plan_mark_going(plan, have);
	await(want);
	return NULL;
}

static void plan_wanted(struct plan *plan, struct object *want, const struct want *old)
{
	struct object *have = have_get(have_all(), want->kind, want->key);
	const struct object *was = old ? want_find(old, want->kind, want->key) : NULL;
	struct plan_step *step = NULL;

	if (!have && !can_be_added(want)) {
		await(want);
		return;
	}
	switch (have ? want->kind->compare(want, was == want ? NULL : was, have)
		     : OBJECT_RECREATE) {
	case OBJECT_SAME:
		want_set_state(want, WANT_SETTLED, NULL);
		return;
	case OBJECT_CHANGE:
		step = plan_add_step(plan, STEP_CHANGE, want, have);
		step->step.was = was == want ? NULL : was;
		step->depth = plan_depth(want);
		if (want->kind->takes_along && want->kind->takes_along(want, step->step.was, have))
			note_taking(plan, step);
		break;
	case OBJECT_RECREATE:
		step = have ? plan_again(plan, want, have) : plan_addition(plan, want);
		break;
	}
	if (!step)
		return;
	step->wanted = want;
	step->is_optional = is_optional(want, was);
}

/* --- order ------------------------------------------------------------------------------------ */

static bool blocks_any(const struct plan *plan, const struct object *have)
{
	for (size_t i = 0; i < plan->blockable_count; i++) {
		const struct step *step = &plan->blockable[i]->step;

		if (step->want->kind == have->kind && have->kind->blocks(have, step->want))
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

/* Does another one come where this one goes from, or must it go in any case? */
static bool is_in_the_way(struct plan *plan, const struct object *have)
{
	uint64_t place = have->kind->place(have);

	for (; place && plan->looked_at < plan->count; plan->looked_at++) {
		const struct step *step = &plan->steps[plan->looked_at]->step;
		uint64_t *taken;

		if (step->op != STEP_ADD || !step->want->kind->place)
			continue;
		taken = arena_alloc(plan->arena, sizeof(*taken));
		*taken = step->want->kind->place(step->want);
		map_put(&plan->taken, taken, sizeof(*taken), taken);
	}
	return !place || map_get(&plan->taken, &place, sizeof(place));
}

static enum section section_of(struct plan *plan, const struct plan_step *step)
{
	const struct object *have = step->step.have;

	if (step->step.op != STEP_REMOVE)
		return SECTION_BUILD;
	if (!have->kind->is_removed_last || is_replaced(plan, have) ||
		(have->kind->blocks && blocks_any(plan, have)) ||
		(have->kind->place && is_in_the_way(plan, have)))
		return SECTION_REMOVE;
	return SECTION_LAST;
}

static const struct object *object_of(const struct plan_step *step)
{
	return step->step.want ? step->step.want : step->step.have;
}

/* Of one heap. */
static int compare_steps(const void *x, const void *y)
{
	const struct plan_step *a = *(struct plan_step *const *)x,
			       *b = *(struct plan_step *const *)y;
	int order = 0;

	if (object_of(a)->kind == object_of(b)->kind && object_of(a)->kind->order)
		order = object_of(a)->kind->order(object_of(a), object_of(b));
	if (order)
		return order;
	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static int compare_heaps(const void *x, const void *y)
{
	const struct plan_heap *a = x, *b = y;
	int up = a->section == SECTION_BUILD ? 1 : -1;

	if (a->section != b->section)
		return a->section < b->section ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -up : up;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -up : up;
	return 0;
}

static bool belongs(const struct plan_heap *heap, const struct plan_step *step, uint8_t section)
{
	return heap->section == section && heap->rank == step->rank && heap->depth == step->depth;
}

/* There are few, and the one of the step before is mostly the right one. */
static struct plan_heap *heap_of(struct plan *plan, const struct plan_step *step, uint8_t section)
{
	if (plan->heap_count && belongs(&plan->heaps[plan->last_heap], step, section))
		return &plan->heaps[plan->last_heap];
	for (size_t i = 0; i < plan->heap_count; i++) {
		if (belongs(&plan->heaps[i], step, section)) {
			plan->last_heap = i;
			return &plan->heaps[i];
		}
	}
	ARRAY_GROW(plan->heaps, plan->heap_count, plan->heap_room);
	plan->heaps[plan->heap_count] =
		(struct plan_heap){ .section = section, .rank = step->rank, .depth = step->depth };
	plan->last_heap = plan->heap_count;
	return &plan->heaps[plan->heap_count++];
}

static void place(struct plan *plan, struct plan_step *step)
{
	struct plan_heap *heap = heap_of(plan, step, (uint8_t)section_of(plan, step));

	ARRAY_GROW(heap->steps, heap->count, heap->room);
	heap->steps[heap->count++] = step;
}

/* Mostly they are in order as they came. */
static void sort_heap(struct plan_heap *heap)
{
	for (size_t i = 1; i < heap->count; i++) {
		if (compare_steps(&heap->steps[i - 1], &heap->steps[i]) > 0) {
			qsort(heap->steps, heap->count, sizeof(*heap->steps), compare_steps);
			return;
		}
	}
}

/* A heap's steps go where the whole list has them; true when all heaps have been. */
static bool order_next(struct plan *plan)
{
	struct plan_heap *heap;

	if (plan->at == 0 && plan->heap_count) {
		plan->ordered = xcalloc(plan->room, sizeof(struct plan_step *));
		qsort(plan->heaps, plan->heap_count, sizeof(*plan->heaps), compare_heaps);
	}
	if (plan->at == plan->heap_count) {
		heaps_done(plan);
		if (plan->count) {
			free(plan->steps);
			plan->steps = TAKE(plan->ordered);
		}
		return true;
	}
	heap = &plan->heaps[plan->at++];
	sort_heap(heap);
	memcpy(plan->ordered + plan->kept, heap->steps, heap->count * sizeof(*heap->steps));
	plan->kept += heap->count;
	return false;
}

/* --- the plan --------------------------------------------------------------------------------- */

/* Each goes on for one unit, step or heap; true: the stage is done. */

static bool do_wanted(struct plan *plan)
{
	const struct plan_unit *unit = &plan->units[plan->at];

	if (plan->at == plan->unit_count)
		return true;
	if (unit->new && plan->inner < want_count(unit->new)) {
		plan_wanted(plan, want_at(unit->new, plan->inner++), unit->old);
		return false;
	}
	plan->inner = 0;
	plan->at++;
	return false;
}

static bool do_lost(struct plan *plan)
{
	if (plan->at == plan->taking_count) {
		map_done(&plan->by_wanted);
		memset(&plan->by_wanted, 0, sizeof(plan->by_wanted));
		return true;
	}
	lost_plan(plan, plan->at++);
	return false;
}

static bool do_old(struct plan *plan)
{
	const struct plan_unit *unit = &plan->units[plan->at];

	if (plan->at == plan->unit_count)
		return true;
	if (unit->old && unit->old != unit->new && plan->inner < want_count(unit->old)) {
		plan_old(plan, unit->old, want_at(unit->old, plan->inner++));
		return false;
	}
	plan->inner = 0;
	plan->at++;
	return false;
}

static bool do_leftovers(struct plan *plan)
{
	if (plan->mode == PLAN_WHOLE)
		plan_leftovers(plan);
	return true;
}

static bool do_places(struct plan *plan)
{
	if (plan->at == plan->count)
		return true;
	place(plan, plan->steps[plan->at++]);
	return false;
}

static bool do_unmet(struct plan *plan)
{
	struct plan_step *step;

	if (plan->at == plan->count) {
		plan->count = plan->kept;
		return true;
	}
	step = TAKE(plan->steps[plan->at]);
	plan->at++;
	if (unmet_keeps(step))
		plan->steps[plan->kept++] = step;
	else
		step_done(step);
	return false;
}

static bool do_coming(struct plan *plan)
{
	if (plan->at == plan->count) {
		unmark_going(plan);
		return true;
	}
	not_coming(plan->steps[plan->at++]);
	return false;
}

static bool (*const stages[PLAN_STAGE_MADE])(struct plan *plan) = {
	[PLAN_STAGE_WANTED] = do_wanted,
	[PLAN_STAGE_LOST] = do_lost,
	[PLAN_STAGE_OLD] = do_old,
	[PLAN_STAGE_LEFTOVERS] = do_leftovers,
	[PLAN_STAGE_PLACES] = do_places,
	[PLAN_STAGE_ORDER] = order_next,
	[PLAN_STAGE_UNMET] = do_unmet,
	[PLAN_STAGE_COMING] = do_coming,
};

struct plan *plan_begin(const struct plan_unit *units, size_t count, enum plan_mode mode)
{
	struct plan *plan = plan_new(mode);

	plan->units = xmemdup(units, count * sizeof(*units));
	plan->unit_count = count;
	return plan;
}

/* One thing of it. */
static void advance(struct plan *plan)
{
	if (!stages[plan->stage](plan))
		return;
	plan->stage++;
	plan->at = plan->inner = plan->kept = 0;
}

bool plan_work(struct plan *plan)
{
	for (size_t i = 1; plan->stage != PLAN_STAGE_MADE; i++) {
		advance(plan);
		if (should_yield(i))
			return plan->stage == PLAN_STAGE_MADE;
	}
	return true;
}

static void make_all(struct plan *plan)
{
	while (plan->stage != PLAN_STAGE_MADE)
		advance(plan);
}

struct plan *plan_make(const struct plan_unit *units, size_t count, enum plan_mode mode)
{
	struct plan *plan = plan_begin(units, count, mode);

	make_all(plan);
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
			plan_add_step(plan, STEP_REMOVE, NULL, have)->depth =
				depth_of_observed(have, DEPTH_MAX);
		return;
	}
	if (kind->owner && kind->owner(was) == OBJECT_LEARNED)
		return; /* comes back by itself */
	diff = have ? kind->compare(was, NULL, have) : OBJECT_RECREATE;
	if (diff == OBJECT_SAME)
		return;
	if (have && diff == OBJECT_RECREATE)
		plan_add_step(plan, STEP_REMOVE, NULL, have)->depth =
			depth_of_observed(have, DEPTH_MAX);
	was->is_coming = diff == OBJECT_RECREATE;
	plan_add_step(plan, diff == OBJECT_CHANGE ? STEP_CHANGE : STEP_ADD, was,
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
	plan->stage = PLAN_STAGE_PLACES;
	while (plan->stage != PLAN_STAGE_UNMET)
		advance(plan);
	plan->stage = PLAN_STAGE_COMING;
	make_all(plan);
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
