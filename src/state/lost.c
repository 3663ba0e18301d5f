/*
 * What is made again takes along what stands on it: addresses, routes, links on top. As far as that is still
 * wanted it comes again in the same plan, of whatever unit it is, so that what comes later in the plan finds
 * it there. What only stood in a relation to it (a port whose bridge is made again) is changed back. Some changes
 * take along, too: a port that leaves its bond is down.
 */
#include <string.h>

#include "plan.h"

struct loss {
	struct plan *plan;
	const struct object *gone;
};

static void lose(struct plan *plan, const struct object *gone);

static struct plan_step *step_of(struct plan *plan, const struct object *wanted)
{
	return map_get(&plan->by_wanted, &wanted, sizeof(wanted));
}

static void know(struct plan *plan, struct plan_step *step)
{
	map_put(&plan->by_wanted, &step->wanted, sizeof(step->wanted), step);
}

static void add_again(struct plan *plan, struct object *wanted, struct object *have)
{
	struct plan_step *step = step_of(plan, wanted);

	if (step && (step->is_lost || !have))
		return;
	if (!step) {
		if (!have)
			return;
		step = plan_add_step(plan, STEP_ADD, wanted, NULL);
		step->wanted = wanted;
		step->is_optional = wanted->is_pending;
		step->depth = plan_depth(wanted);
		know(plan, step);
	}
	if (step->step.op == STEP_CHANGE) {
		step->step.op = STEP_ADD;
		step->step.was = NULL;
		object_free(TAKE(step->step.have));
	}
	step->is_lost = true;
	wanted->is_coming = true;
	plan_mark_going(plan, have);
	lose(plan, have);
}

static void change_back(struct plan *plan, struct object *wanted, const struct object *have)
{
	struct plan_step *step;

	if (!have || step_of(plan, wanted))
		return;
	step = plan_add_step(plan, STEP_CHANGE, wanted, have);
	step->wanted = wanted;
	step->is_optional = wanted->is_pending;
	step->depth = plan_depth(wanted);
	know(plan, step);
}

static void lose_what_needs_it(const struct object *object, void *arg)
{
	const struct loss *loss = arg;
	const struct object_kind *kind = object->kind;
	struct object *wanted = state_wanted(kind, object->key);
	struct object *have = have_get(have_all(), kind, object->key);

	if (kind->target != loss->gone->kind->target)
		return;
	if (kind->goes_with ? have && kind->goes_with(have, loss->gone->key)
			    : kind != loss->gone->kind)
		add_again(loss->plan, wanted, have);
	else if (kind == loss->gone->kind)
		change_back(loss->plan, wanted, have);
}

/* An observed one that goes. */
static void lose(struct plan *plan, const struct object *gone)
{
	const struct object_kind *kind = gone->kind;
	const char *twin = kind->twin ? kind->twin(gone) : NULL;
	struct object *wanted = twin ? state_wanted(kind, twin) : NULL;
	struct loss loss = { plan, gone };

	state_each_needing(kind, gone->key, lose_what_needs_it, &loss);
	if (wanted)
		add_again(plan, wanted, have_get(have_all(), kind, twin));
}

/* By a change. */
static void lose_one(struct plan *plan, const struct object_kind *kind, const char *key)
{
	struct object *wanted = state_wanted(kind, key), *have = have_get(have_all(), kind, key);

	if (have && wanted)
		add_again(plan, wanted, have);
	else if (have)
		plan_mark_going(plan, have);
}

void lost_plan(struct plan *plan, size_t at)
{
	const struct step *step = &plan->taking[at]->step;
	const struct object_kind *kind = step->have->kind;
	const struct object *have = have_get(have_all(), kind, step->have->key);

	for (size_t i = 0; at == 0 && i < plan->count; i++) {
		if (plan->steps[i]->wanted)
			know(plan, plan->steps[i]);
	}
	if (have && step->want)
		lose_one(plan, kind->takes_along(step->want, step->was, have), have->key);
	else if (have && (!kind->vanishes || kind->vanishes(have)))
		lose(plan, have);
}
