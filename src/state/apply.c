/*
 * Runs a plan: consecutive steps of one target are handed to it together. When all is done, the objects
 * that differ from want now (because a re-created link took its addresses along, say) are planned again,
 * until nothing differs or nothing moves any more.
 *
 * In strict mode what changes in have is kept as it was. A failed step ends the run: a plan back to what was
 * kept is run, and the step's error is reported with the path of the configuration that asked for it. Steps
 * that try again what was refused before anyway (is_optional) do not fail the run.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "plan.h"

#define ROUNDS_MAX 8
#define UNDO_MAX   4
#define TRIES_MAX  2	 /* times the device may take a step that has no effect */
#define GATHER_MAX 65536 /* steps handed to a target at once: it may have to know all that come */

struct run {
	struct plan *first;		 /* the caller's */
	struct plan *plan;		 /* at hand */
	struct plan *rounds[ROUNDS_MAX]; /* own plans */
	struct plan *undo;		 /* the way back; NULL until it is needed */
	size_t round, undone;
	size_t at; /* next step of the plan at hand */
	enum plan_mode mode;
	void (*done)(const struct err *err, void *arg);
	void *arg;
	struct err err; /* of the failed step */
	struct loop_task *task;
	bool moved;		/* this round did something */
	bool is_ending;		/* what was kept for undoing is being freed */
	bool is_waiting;	/* for apply_resume() */
	struct step **gathered; /* for a target; those before gathered_at have been dealt with */
	size_t gathered_at, gathered_count, gathered_room;
	struct list node;
};

static struct list runs = LIST_INIT(runs);

static const struct object *object_of(const struct step *step)
{
	return step->want ? step->want : step->have;
}

static void describe_step(const struct step *step, char *text, size_t size)
{
	object_describe(object_of(step), text, size);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void run_free(struct run *run)
{
	list_remove(&run->node);
	run->first->run = NULL;
	for (size_t i = 0; i < run->round; i++)
		plan_free(run->rounds[i]);
	plan_free(run->undo);
	if (run->mode == PLAN_STRICT)
		have_drop_former();
	err_done(&run->err);
	loop_task_free(run->task);
	free(run->gathered);
	free(run);
}

void apply_cancel(struct run *run)
{
	if (run->is_waiting) {
		const struct target *target =
			object_of(run->gathered[run->gathered_at])->kind->target;

		if (target->cancel)
			target->cancel();
	}
	run_free(run);
}

static void finish(struct run *run)
{
	void (*done)(const struct err *err, void *arg) = run->done;
	_cleanup_err_ struct err err = { 0 };
	void *arg = run->arg;

	if (run->err.code)
		err_move(&err, &run->err);
	run_free(run);
	done(err.code ? &err : NULL, arg);
}

/* --- failing ---------------------------------------------------------------------------------- */

/* What steps of the run have added is to go; what others have made meanwhile stays. */
static void note_added(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i]->step;
		struct former *former = step->op == STEP_ADD && step->error != -EEXIST
			? have_former(step->want->kind, step->want->key)
			: NULL;

		if (former)
			former->is_added = true;
	}
}

static void fail(struct run *run, struct plan_step *failed)
{
	const struct object *object = failed->wanted ? failed->wanted : failed->origin;
	char text[160];

	err_copy(&run->err, &failed->step.err);
	if (!run->err.code)
		err_set(&run->err, failed->step.error, NULL, "%s", strerror(-failed->step.error));
	describe_step(&failed->step, text, sizeof(text));
	err_wrap(&run->err, "%s", text);
	if (!run->err.path && object && object->path && *object->path)
		run->err.path = xstrdup(object->path);
	if (object)
		err_prefix(&run->err, want_unit_path(object->want));
	log_debug("apply", "%s; undoing", err_text(&run->err));
	have_stop_former();
	note_added(run->first);
	for (size_t i = 0; i < run->round; i++)
		note_added(run->rounds[i]);
	run->plan = run->undo = plan_undo();
	run->at = run->gathered_at = run->gathered_count = 0;
	run->moved = false;
}

/* --- doing ------------------------------------------------------------------------------------ */

/* Steps from the one at hand that go to the same target. */
static void gather(struct run *run)
{
	const struct target *target = NULL;
	size_t count = 0;

	for (size_t i = run->at; i < run->plan->count && count < GATHER_MAX; i++) {
		struct step *step = &run->plan->steps[i]->step;
		const struct object_kind *kind = object_of(step)->kind;

		if (target && kind->target != target)
			break;
		if (run->plan->steps[i]->wanted && run->plan->steps[i]->wanted->tries >= TRIES_MAX)
			break;
		target = kind->target;
		ARRAY_GROW(run->gathered, count, run->gathered_room);
		run->gathered[count++] = step;
	}
	run->gathered_at = 0;
	run->gathered_count = count;
}

static bool is_as_wanted(const struct object *wanted)
{
	const struct object *have = have_get(have_all(), wanted->kind, wanted->key);

	return have && wanted->kind->compare(wanted, NULL, have) == OBJECT_SAME;
}

/* The device took it. Whether it did it shows in have. */
static void settle_done(const struct plan_step *step)
{
	struct object *wanted = step->wanted;
	uint8_t tries;

	if (!wanted)
		return;
	tries = wanted->tries;
	want_set_state(wanted, WANT_SETTLED, NULL);
	if (!wanted->kind->target->is_immediate || is_as_wanted(wanted))
		return;
	wanted->tries = (uint8_t)(tries + 1);
	want_mark_dirty(wanted);
}

static void settle_refused(const struct plan_step *step, bool is_undo)
{
	struct object *wanted = step->wanted;
	const char *reason = err_text(&step->step.err);
	char text[160];

	describe_step(&step->step, text, sizeof(text));
	if (wanted) {
		if (!str_equal(object_reason(wanted), reason))
			log_warning("apply", "%s: %s; it stays wanted", text, reason);
		want_set_state(wanted, WANT_REFUSED, reason);
	} else if (is_undo) {
		log_error("apply", "undoing %s: %s", text, reason);
	} else {
		log_warning("apply", "removing %s: %s", text, reason);
	}
}

/*
 * The step has failed because what it is about was taken away by others meanwhile: a port was unplugged. Who
 * wants it waits for it, who removes it has got what he wants.
 */
static bool is_gone(const struct plan_step *step)
{
	const struct object *object = object_of(&step->step);
	bool is_there = have_get(have_all(), object->kind, object->key);

	if (step->step.op == STEP_REMOVE)
		return !is_there;
	return step->wanted &&
		(want_missing_need(step->wanted) ||
			(!is_there && object->kind->can_be_added &&
				!object->kind->can_be_added(object)));
}

static void settle_gone(const struct plan_step *step)
{
	const struct object_ref *need = step->wanted ? want_missing_need(step->wanted) : NULL;
	char missing[128] = "does not exist";

	if (need)
		want_missing_text(missing, sizeof(missing), need);
	if (step->wanted)
		want_set_state(step->wanted, WANT_WAITING, missing);
}

/* What nobody but others can make has come and gone since the run began. */
static bool is_another(const struct object_kind *kind, const char *key)
{
	const struct former *former = have_former(kind, key);
	const struct object *now = have_get(have_all(), kind, key), *wanted;

	if (!kind->is_same || !now || !former || !former->object ||
		kind->is_same(former->object, now))
		return false;
	wanted = state_wanted(kind, key);
	return wanted && kind->can_be_added && !kind->can_be_added(wanted);
}

/* The step, or the plan, was for one that another has taken the place of: both are to be made again. */
static bool is_outdated(const struct plan_step *step)
{
	const struct object *wanted = step->wanted;

	if (!wanted)
		return false;
	for (size_t i = 0; i < wanted->needs_count; i++) {
		if (is_another(wanted->needs[i].kind, wanted->needs[i].key))
			return true;
	}
	return is_another(wanted->kind, wanted->key);
}

static void settle_outdated(const struct plan_step *step)
{
	want_set_state(step->wanted, WANT_WAITING, "was replaced meanwhile");
	want_mark_dirty(step->wanted);
}

/* What became of one step; false: the run has failed. */
static bool settle(struct run *run, struct plan_step *step)
{
	run->moved |= step->step.is_done;
	if (!step->step.error) {
		settle_done(step);
		return true;
	}
	if (is_gone(step)) {
		settle_gone(step);
		return true;
	}
	if (!run->undo && is_outdated(step)) {
		settle_outdated(step);
		run->moved = true;
		return true;
	}
	if (run->mode == PLAN_STRICT && !run->undo && !step->is_optional) {
		fail(run, step);
		return false;
	}
	settle_refused(step, run->undo != NULL);
	return true;
}

/* The device has taken it often enough without doing it. */
static void refuse_vain(struct run *run, struct plan_step *step)
{
	step->step.error = err_tagged(&step->step.err, ERR_TAG_OPERATION_FAILED, NULL,
		"the device accepts this, but nothing happens");
	if (settle(run, step))
		run->at++;
}

static void log_steps(const struct run *run, size_t count)
{
	char text[192];

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	for (size_t i = 0; i < count; i++) {
		const struct step *step = plan_step(run->plan, run->at + i);

		plan_describe(run->plan, run->at + i, text, sizeof(text));
		log_debug("apply", "%s%s%s%s", run->undo ? "undo: " : "", text,
			step->error ? ": " : "", step->error ? err_text(&step->err) : "");
	}
}

/* One call of a target; false: it is at work. */
static bool advance(struct run *run)
{
	const struct target *target;
	struct step **steps;
	size_t dealt;
	bool stops = run->mode == PLAN_STRICT && !run->undo;

	if (run->gathered_at == run->gathered_count)
		gather(run);
	if (!run->gathered_count) {
		refuse_vain(run, run->plan->steps[run->at]);
		return true;
	}
	steps = run->gathered + run->gathered_at;
	target = object_of(steps[0])->kind->target;
	dealt = target->apply(steps, run->gathered_count - run->gathered_at, stops);
	run->is_waiting = dealt == 0;
	if (run->is_waiting)
		return false;
	run->gathered_at += dealt;
	log_steps(run, dealt);
	for (size_t i = 0; i < dealt; i++) {
		if (!settle(run, run->plan->steps[run->at + i]))
			return true; /* there is another plan at hand now */
	}
	run->at += dealt;
	return true;
}

/* What was put back may have taken along what was as before already. */
static bool undo_again(struct run *run)
{
	run->plan = plan_undo();
	plan_free(run->undo);
	run->undo = run->plan;
	run->at = 0;
	run->moved = false;
	return run->plan->count > 0;
}

/* Whatever differs from want now, as far as this run moved anything. */
static bool next_round(struct run *run)
{
	const char **paths = NULL;
	struct plan_unit *units;
	size_t count;

	if (run->undo)
		return run->moved && run->undone++ < UNDO_MAX && undo_again(run);
	if (!run->moved || run->round == ROUNDS_MAX)
		return false;
	count = state_take_dirty(&paths);
	units = xcalloc(count + 1, sizeof(*units));
	for (size_t i = 0; i < count; i++)
		units[i].old = units[i].new = state_unit(paths[i]);
	if (count) {
		run->plan = plan_begin(
			units, count, run->mode == PLAN_STRICT ? PLAN_STRICT : PLAN_BEST_EFFORT);
		run->rounds[run->round++] = run->plan;
		run->at = 0;
		run->moved = false;
	}
	free(units);
	free(paths);
	return count > 0;
}

/* true: nothing is left to be done, or somebody else will call. */
static bool work(struct run *run)
{
	if (!plan_work(run->plan))
		return false;
	if (run->is_ending) {
		if (run->mode == PLAN_STRICT && !have_release_former())
			return false;
		finish(run);
		return true;
	}
	if (run->at < run->plan->count)
		return !advance(run);
	run->is_ending = !next_round(run);
	return false;
}

static void go_on(void *arg)
{
	struct run *run = arg;

	while (!work(run)) {
		if (loop_should_yield()) {
			loop_task_schedule(run->task);
			return;
		}
	}
}

void apply_run(struct plan *plan, void (*done)(const struct err *err, void *arg), void *arg)
{
	struct run *run = XNEW(struct run);

	assert(!plan->run);
	run->plan = run->first = plan;
	plan->run = run;
	run->mode = plan->mode;
	run->done = done;
	run->arg = arg;
	run->task = loop_task_new("apply", go_on, run);
	list_append(&runs, &run->node);
	if (run->mode == PLAN_STRICT)
		have_keep_former();
	go_on(run);
}

void apply_resume(void)
{
	struct run *run;

	LIST_FOREACH (run, &runs, node) {
		if (run->is_waiting)
			loop_task_schedule(run->task);
	}
}

bool apply_is_running(void)
{
	return !list_empty(&runs);
}

size_t apply_each(
	struct step *const *steps, size_t count, bool stop_on_error, void (*run)(struct step *step))
{
	for (size_t i = 0; i < count; i++) {
		run(steps[i]);
		if (steps[i]->error < 0 && stop_on_error)
			return i + 1;
	}
	return count;
}
