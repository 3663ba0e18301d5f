/* What a plan cannot do yet, because what it needs is not there: it waits, and what stands in its place goes. */
#include "plan.h"

/* Is it there to stay, or made by a step before? */
static bool is_met(const struct object_ref *need)
{
	const struct object *have = have_get(have_all(), need->kind, need->key);
	const struct object *needed = state_wanted(need->kind, need->key);

	return (have && !have->is_going) || (needed && needed->is_coming);
}

/* The first need that keeps it from being made. */
static const struct object_ref *unmet_need(const struct object *want)
{
	const struct object_ref *unmet = NULL;

	for (size_t i = 0; i < want->needs_count; i++) {
		if (!is_met(&want->needs[i]))
			unmet = unmet ? unmet : &want->needs[i];
		else if (want->needs_any)
			return NULL;
	}
	return unmet;
}

/* What is there instead of what waits. */
static bool must_not_stay(const struct object *have)
{
	const struct object_kind *kind = have->kind;

	return kind->stands_alone && (!kind->owner || kind->owner(have) == OBJECT_OURS);
}

bool unmet_keeps(struct plan_step *step)
{
	const struct object_ref *need =
		step->step.op != STEP_REMOVE ? unmet_need(step->wanted) : NULL;
	char reason[128];

	if (!need)
		return true;
	want_set_state(step->wanted, WANT_WAITING, want_missing_text(reason, sizeof(reason), need));
	step->wanted->is_coming = false;
	if (step->step.op != STEP_CHANGE || !must_not_stay(step->step.have))
		return false;
	step->origin = TAKE(step->wanted);
	step->step.op = STEP_REMOVE;
	step->step.want = step->step.was = NULL;
	return true;
}
