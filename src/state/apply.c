/*
 * Runs a plan: consecutive steps of one target are handed to it together. When all is done, the objects
 * that differ from want now (because a re-created link took its addresses along, say) are planned again,
 * until nothing differs or nothing moves any more.
 *
 * In strict mode a failed step ends it: what was done is inverted, last first, and the step's error is
 * reported with the path of the configuration that asked for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "plan.h"

#define ROUNDS_MAX 8

struct run {
	struct plan *plan; /* the caller's, then those of further rounds */
	struct plan *first;
	struct plan *rounds[ROUNDS_MAX]; /* own plans, kept for undo */
	size_t round;
	size_t at; /* next step of the plan at hand */
	enum plan_mode mode;
	void (*done)(const struct err *err, void *arg);
	void *arg;
	struct loop_task *task;
	bool moved; /* this round did something */
};

static void describe_step(const struct step *step, char *text, size_t size)
{
	object_describe(step->want ? step->want : step->have, text, size);
}

static void run_free(struct run *run)
{
	for (size_t i = 0; i < run->round; i++)
		plan_free(run->rounds[i]);
	loop_task_free(run->task);
	free(run);
}

static void finish(struct run *run, const struct err *err)
{
	void (*done)(const struct err *err, void *arg) = run->done;
	void *arg = run->arg;

	run_free(run);
	done(err, arg);
}

/* --- undoing ---------------------------------------------------------------------------------- */

static void undo_steps(struct plan *plan)
{
	for (size_t i = plan->count; i-- > 0;) {
		struct plan_step *done = plan->steps[i], *inverse;
		struct step *step;
		char text[160];

		if (!done->step.is_done)
			continue;
		inverse = plan_inverse(done);
		if (!inverse)
			continue;
		step = &inverse->step;
		if (step->op != STEP_CHANGE ||
			step->want->kind->compare(step->want, step->was, step->have) != OBJECT_SAME)
			(void)(step->want ? step->want : step->have)
				->kind->target->apply(&step, 1, false);
		if (step->error) {
			describe_step(step, text, sizeof(text));
			log_error("apply", "undoing %s: %s", text, err_text(&step->err));
		}
		plan_step_free(inverse);
	}
}

static void fail(struct run *run, const struct plan_step *failed)
{
	const struct object *object = failed->step.want ? failed->step.want : failed->step.have;
	_cleanup_err_ struct err err = { 0 };
	char text[160];

	err_copy(&err, &failed->step.err);
	if (!err.code)
		err_set(&err, failed->step.error, NULL, "%s", strerror(-failed->step.error));
	describe_step(&failed->step, text, sizeof(text));
	err_wrap(&err, "%s", text);
	if (!err.path && object->path && *object->path) {
		err.path = xstrdup(object->path);
	}
	if (failed->wanted)
		err_prefix(&err, want_unit_path(failed->wanted->want));
	for (size_t i = run->round; i-- > 0;)
		undo_steps(run->rounds[i]);
	undo_steps(run->first);
	finish(run, &err);
}

/* --- doing ------------------------------------------------------------------------------------ */

/* Steps from the one at hand that go to the same target. */
static size_t gather(const struct run *run, struct step **steps, size_t max)
{
	const struct target *target = NULL;
	size_t count = 0;

	for (size_t i = run->at; i < run->plan->count && count < max; i++) {
		struct step *step = &run->plan->steps[i]->step;
		const struct object_kind *kind = (step->want ? step->want : step->have)->kind;

		if (target && kind->target != target)
			break;
		target = kind->target;
		steps[count++] = step;
	}
	return count;
}

/* What became of one step; false: the run has failed. */
static bool settle_step(struct run *run, struct plan_step *step)
{
	char text[160];

	run->moved |= step->step.is_done;
	if (!step->step.error) {
		if (step->wanted)
			want_set_pending(step->wanted, NULL);
		return true;
	}
	if (run->mode == PLAN_STRICT)
		return false;
	describe_step(&step->step, text, sizeof(text));
	if (step->wanted) {
		if (!str_equal(step->wanted->reason, err_text(&step->step.err)))
			log_warning("apply", "%s: %s; it stays wanted", text,
				err_text(&step->step.err));
		want_set_pending(step->wanted, err_text(&step->step.err));
	} else {
		log_warning("apply", "removing %s: %s", text, err_text(&step->step.err));
	}
	return true;
}

#define GATHER_MAX 512

/* One call of a target; false: the run is over. */
static bool advance(struct run *run)
{
	struct step *steps[GATHER_MAX];
	size_t count = gather(run, steps, GATHER_MAX), dealt;
	const struct object *first = steps[0]->want ? steps[0]->want : steps[0]->have;

	dealt = first->kind->target->apply(steps, count, run->mode == PLAN_STRICT);
	for (size_t i = 0; i < dealt; i++) {
		struct plan_step *step = run->plan->steps[run->at + i];

		if (!settle_step(run, step)) {
			fail(run, step);
			return false;
		}
	}
	run->at += dealt;
	return true;
}

/* Whatever differs from want now, as far as this run moved anything. */
static bool next_round(struct run *run)
{
	const char **paths = NULL;
	struct plan_unit *units;
	struct plan *plan;
	size_t count;

	if (!run->moved || run->round == ROUNDS_MAX)
		return false;
	count = state_take_dirty(&paths);
	units = xcalloc(count + 1, sizeof(*units));
	for (size_t i = 0; i < count; i++)
		units[i].old = units[i].new = state_unit(paths[i]);
	plan = count ? plan_make(units, count, run->mode) : NULL;
	free(units);
	free(paths);
	if (!plan || !plan->count) {
		plan_free(plan);
		return false;
	}
	run->rounds[run->round++] = plan;
	run->plan = plan;
	run->at = 0;
	run->moved = false;
	return true;
}

static void go_on(void *arg)
{
	struct run *run = arg;

	for (;;) {
		while (run->at < run->plan->count) {
			if (!advance(run))
				return;
			if (loop_should_yield() && run->at < run->plan->count) {
				loop_task_schedule(run->task);
				return;
			}
		}
		if (!next_round(run)) {
			finish(run, NULL);
			return;
		}
	}
}

void apply_run(struct plan *plan, void (*done)(const struct err *err, void *arg), void *arg)
{
	struct run *run = XNEW(struct run);

	run->plan = run->first = plan;
	run->mode = plan->mode;
	run->done = done;
	run->arg = arg;
	run->task = loop_task_new("apply", go_on, run);
	go_on(run);
}
