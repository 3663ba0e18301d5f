/*
 * One transaction. It is a row of phases; each works for a few milliseconds and is called again until it
 * has nothing more to do. From want on, what each touched unit wanted before is kept beside what it wants
 * now, so that a failure puts back first the device (apply does that), then the wants, then the tree.
 *
 *	edit      the request becomes changes of the tree, in place, recorded
 *	fill      features add what the client left to the server
 *	validate  incremental; adds defaults, removes what a when turned off
 *	want      check() and want() of the units touched
 *	exchange  the state learns what they want now
 *	apply     plan, apply; yields to the loop by itself
 *	note      who follows running learns what changed
 *	commit    journal or checkpoint
 *	keep      the change stays: history learns of it, what was removed is freed
 *	retract   after a failure or a test, instead of keep: the former wants come back
 *	undo      … and the former tree
 *	release   what the transaction itself holds
 */
#include <errno.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "ask.h"
#include "candidate.h"
#include "confirm.h"
#include "constraints.h"
#include "history.h"
#include "journal.h"
#include "notify-base.h"
#include "partial.h"
#include "push-watch.h"
#include "record.h"
#include "store.h"
#include "txn.h"
#include "units.h"

enum phase {
	PHASE_EDIT,
	PHASE_FILL,
	PHASE_VALIDATE,
	PHASE_LOCKS,
	PHASE_WANT,
	PHASE_EXCHANGE,
	PHASE_APPLY,
	PHASE_NOTE,
	PHASE_COMMIT,
	PHASE_KEEP,
	PHASE_RETRACT,
	PHASE_UNDO,
	PHASE_RELEASE,
	PHASES,
};

struct touched {
	const char *path; /* the unit set's */
	struct want *old; /* before; owned until commit */
	struct want *new; /* borrowed from the state, or NULL */
	bool is_exchanged;
	struct refusals refusals; /* what it goes on without */
};

struct txn {
	struct txn_opts opts;
	enum phase phase;
	struct edit edit;
	struct unit_set units;
	struct validation *validation;
	struct touched *touched;
	size_t touched_count; /* units that were asked what they want */
	size_t lock_checked;  /* events */
	size_t exchanged;     /* acts of exchange done: first all give up, then all claim */
	struct plan *plan;
	struct loop_task *task;
	uint64_t started_us;
	size_t filled; /* units that were asked to fill in */
	size_t fill_event;
	struct err err;
	size_t steps;
	size_t noted;  /* events that the candidate was told of */
	size_t pushed; /* and those who follow changes */
	bool is_noted;
	struct buf forward, reverse;  /* records of the edit */
	size_t reversed;	      /* events that reverse has */
	bool is_recorded;	      /* forward is complete, or too large to be made */
	bool is_whole;		      /* began with an empty tree */
	bool is_applying, is_applied; /* apply_run() is on the stack; it has finished */
	bool is_checkpointing, is_checkpointed;
	bool is_failed;
	bool is_changed;  /* keep: the tree is another */
	bool is_kept;	  /* keep: all but the tree knows */
	size_t retracted; /* acts of retraction done: first all give up, then all claim */
	size_t released;  /* wants freed */
};

static struct txn *current;

/* --- the end ---------------------------------------------------------------------------------- */

static void txn_free(struct txn *txn)
{
	while (txn->released < txn->touched_count)
		want_free(txn->touched[txn->released++].old);
	for (size_t i = 0; i < txn->touched_count; i++)
		refusals_done(&txn->touched[i].refusals);
	free(txn->touched);
	plan_free(txn->plan);
	validation_free(txn->validation);
	unit_set_done(&txn->units);
	loop_task_free(txn->task);
	access_unref((struct access *)txn->opts.access);
	err_done(&txn->err);
	buf_done(&txn->forward);
	buf_done(&txn->reverse);
	free(txn);
}

static void finish(struct txn *txn)
{
	void (*done)(const struct err *err, void *arg) = txn->opts.done;
	void *arg = txn->opts.arg;
	_cleanup_err_ struct err err = { 0 };
	bool is_failed = txn->is_failed;

	err_copy(&err, &txn->err);
	if (txn->opts.steps && !is_failed)
		steps_settle(txn->opts.steps);
	push_note_end();
	current = NULL;
	txn_free(txn);
	done(is_failed ? &err : NULL, arg);
}

static void reload_access(struct txn *txn)
{
	for (size_t i = 0; i < txn->edit.count; i++) {
		const struct lyd_node *node = txn->edit.events[i].node;

		if (!access_concerns(node->schema))
			continue;
		access_load(*store_running());
		push_note_access();
		return;
	}
}

/* Who did it is told by the client, unless it is a way back that the daemon goes. */
static void add_to_history(struct txn *txn)
{
	const struct ds_client *client = txn->opts.client;
	const char *comment = client ? client->comment : NULL;

	if (txn->opts.source == TXN_BOOT || txn->edit.count == 0)
		return;
	if (!comment && txn->opts.source == TXN_RESTORE)
		comment = "a confirmed commit is taken back";
	if (txn->forward.length || txn->reverse.length || txn->edit.count > JOURNAL_EVENTS_MAX)
		history_add(client, comment, &txn->forward, &txn->reverse);
}

/* --- phases: 1 more to do, 0 done, < 0 failed, PHASE_WAITING: somebody will call on ------------- */

#define PHASE_WAITING 2

static int phase_edit(struct txn *txn)
{
	if (txn->opts.portions)
		return edit_apply_portion(
			&txn->edit, txn->opts.portions, txn->opts.operation, &txn->err);
	if (txn->opts.build)
		return txn->opts.build(&txn->edit, &txn->err);
	return edit_apply(&txn->edit, txn->opts.request, txn->opts.operation, &txn->err);
}

static const struct lyd_node *find_running(const char *path)
{
	struct lyd_node *node = NULL;

	if (*store_running() && lyd_find_path(*store_running(), path, 0, &node) == LY_SUCCESS)
		return node;
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	return NULL;
}

/* What was taken out and made anew has been collected again, where it stands now. */
static struct unit unit_of(const struct txn *txn, struct unit_entry *entry)
{
	struct unit unit = { .path = entry->path, .schema = entry->schema };

	if (!entry->node && entry->node_events != txn->edit.count) {
		entry->node = find_running(entry->path);
		entry->node_events = txn->edit.count;
	}
	if (entry->node && !edit_is_dead(&txn->edit, entry->node))
		unit.node = entry->node;
	return unit;
}

static int fill_unit(struct txn *txn, struct unit_entry *entry)
{
	const struct snode *snode = schema_of(entry->schema);
	struct unit unit = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < snode->feature_count; i++) {
		if (!snode->features[i]->fill)
			continue;
		if (!unit.path)
			unit = unit_of(txn, entry);
		if (!unit.node)
			return 0;
		r = snode->features[i]->fill(&txn->edit, &unit, &txn->err);
		if (r < 0)
			err_prefix(&txn->err, entry->path);
	}
	return r;
}

/* What a fill makes may touch further units: they get their turn too. */
static int phase_fill(struct txn *txn)
{
	if (units_collect(&txn->units, &txn->edit, &txn->fill_event))
		return 1;
	while (txn->filled < txn->units.count) {
		int r = fill_unit(txn, txn->units.entries[txn->filled++]);

		if (r < 0)
			return r;
		if (loop_should_yield())
			return 1;
	}
	return txn->fill_event < txn->edit.count;
}

static int phase_validate(struct txn *txn)
{
	int r;

	if (!txn->validation)
		txn->validation = validation_new(&txn->edit, txn->is_whole);
	r = validation_step(txn->validation, &txn->err);
	if (r != 0)
		return r;
	/* Defaults made, cases cleared. */
	if (units_collect(&txn->units, &txn->edit, &txn->fill_event))
		return 1;
	txn->touched = xcalloc(txn->units.count, sizeof(*txn->touched));
	return 0;
}

static bool is_test(const struct txn *txn);

/* What validation has done of its own accord counts as well. */
static int phase_locks(struct txn *txn)
{
	if (!txn->opts.client || is_test(txn) || !partial_holder())
		return 0;
	return partial_check(txn->opts.client, &txn->edit, &txn->lock_checked, &txn->err);
}

static bool is_lenient(const struct txn *txn)
{
	return txn->opts.source == TXN_BOOT || txn->opts.source == TXN_RESTORE ||
		txn->opts.source == TXN_CHECK;
}

static bool is_test(const struct txn *txn)
{
	return txn->opts.source == TXN_TEST || txn->opts.source == TXN_CHECK;
}

/* What a boot goes on without is told; of others it was known. */
static void tell_refusals(const struct txn *txn, struct touched *touched)
{
	for (size_t i = 0; is_lenient(txn) && !is_test(txn) && i < touched->refusals.count; i++) {
		const struct refusal *refusal = &touched->refusals.items[i];

		log_warning("txn", "%s: %s; going on without it", refusal->path, refusal->reason);
	}
	if (txn->opts.source == TXN_CHECK)
		refused_replace(touched->path, &touched->refusals);
}

static int want_unit(struct txn *txn, struct unit_entry *entry)
{
	struct touched *touched = &txn->touched[txn->touched_count++];
	_cleanup_(want_freep) struct want *want = NULL;
	struct unit unit = unit_of(txn, entry);
	int r;

	touched->path = entry->path;
	if (unit.node) {
		r = ask_unit(
			&unit, &txn->edit, is_lenient(txn), &touched->refusals, &want, &txn->err);
		if (r < 0)
			return r;
		tell_refusals(txn, touched);
	}
	if (is_test(txn) || (!want && !state_unit(entry->path)))
		return 0;
	touched->new = TAKE(want);
	return 0;
}

static void drop_new_wants(struct txn *txn, size_t from)
{
	for (size_t i = from; i < txn->touched_count; i++)
		want_free(TAKE(txn->touched[i].new));
}

static int phase_want(struct txn *txn)
{
	int r;

	while (txn->touched_count < txn->units.count) {
		r = want_unit(txn, txn->units.entries[txn->touched_count]);
		if (r < 0) {
			drop_new_wants(txn, 0);
			return r;
		}
		if (loop_should_yield())
			return 1;
	}
	return 0;
}

static int give_up(struct txn *txn, struct touched *touched)
{
	int r;

	if (!touched->new && !state_unit(touched->path))
		return 0;
	r = state_exchange(touched->path, NULL, &touched->old, &txn->err);
	touched->is_exchanged = r == 0;
	return r;
}

static int claim(struct txn *txn, struct touched *touched)
{
	struct want *none = NULL;

	return touched->new ? state_exchange(touched->path, touched->new, &none, &txn->err) : 0;
}

/* All units are asked before any want is exchanged, and all give up what they wanted before any claims
 * something new: two units may hand an object over. */
static int phase_exchange(struct txn *txn)
{
	if (is_test(txn))
		return 0;
	while (txn->exchanged < 2 * txn->touched_count) {
		size_t at = txn->exchanged++;
		bool claims = at >= txn->touched_count;
		struct touched *touched = &txn->touched[claims ? at - txn->touched_count : at];
		int r = claims ? claim(txn, touched) : give_up(txn, touched);

		if (r < 0) { /* what was not claimed is nobody's */
			drop_new_wants(txn, claims ? at - txn->touched_count : 0);
			return r;
		}
		if (loop_should_yield())
			return 1;
	}
	return 0;
}

static void run(void *arg);

static void applied(const struct err *err, void *arg)
{
	struct txn *txn = arg;

	if (err)
		err_copy(&txn->err, err);
	txn->is_applied = true;
	txn->steps = plan_count(txn->plan);
	if (txn->is_applying)
		return;
	txn->phase++;
	loop_task_schedule(txn->task);
}

/* Goes on with another phase than the next. */
static int go_to(struct txn *txn, enum phase phase)
{
	txn->phase = phase;
	return 1;
}

static void begin_plan(struct txn *txn)
{
	static const enum plan_mode modes[] = {
		[TXN_REQUEST] = PLAN_STRICT,
		[TXN_BOOT] = PLAN_WHOLE,
		[TXN_RESTORE] = PLAN_BEST_EFFORT,
		[TXN_PLAN] = PLAN_STRICT,
	};
	_cleanup_free_ struct plan_unit *units = xcalloc(txn->touched_count, sizeof(*units));
	size_t count = 0;

	for (size_t i = 0; i < txn->touched_count; i++) {
		if (txn->touched[i].is_exchanged)
			units[count++] =
				(struct plan_unit){ txn->touched[i].old, txn->touched[i].new };
	}
	txn->plan = plan_begin(units, count, modes[txn->opts.source]);
}

static int phase_apply(struct txn *txn)
{
	if (is_test(txn))
		return 0;
	if (!txn->plan)
		begin_plan(txn);
	if (txn->opts.source == TXN_PLAN) {
		if (!plan_work(txn->plan))
			return 1;
		steps_take(txn->opts.steps, txn->plan);
		plan_free(TAKE(txn->plan));
		return go_to(txn, PHASE_RETRACT);
	}
	txn->is_applying = true;
	apply_run(txn->plan, applied, txn);
	txn->is_applying = false;
	return txn->is_applied ? txn->err.code : PHASE_WAITING;
}

static void checkpointed(const struct err *err, void *arg)
{
	struct txn *txn = arg;

	if (err) /* the change is in force; a restart would not know of it */
		log_error(
			"txn", "%s: a restart of the daemon would lose this change", err_text(err));
	txn->is_checkpointed = true;
	if (txn->is_checkpointing)
		return;
	txn->phase++;
	loop_task_schedule(txn->task);
}

/* How to do it again, and how to go back: of what is too large, history keeps neither. */
static int make_records(struct txn *txn)
{
	int r = 0;

	if (!txn->is_recorded && txn->edit.count <= JOURNAL_EVENTS_MAX)
		r = record_changes(&txn->forward, &txn->edit, &txn->err);
	txn->is_recorded = true;
	if (r == 0)
		r = record_reverse_some(&txn->reverse, &txn->edit, &txn->reversed, &txn->err);
	if (r == 1 && txn->reverse.length > HISTORY_BYTES_MAX && !confirm_is_pending()) {
		buf_done(&txn->reverse);
		memset(&txn->reverse, 0, sizeof(txn->reverse));
		return 0;
	}
	return r;
}

static int note_once(struct txn *txn)
{
	int r = candidate_note(&txn->edit, &txn->noted);

	if (r == 0 && txn->opts.source != TXN_BOOT)
		r = make_records(txn);
	if (r == 0)
		r = confirm_note(&txn->reverse, &txn->err);
	if (r == 0 && txn->opts.source != TXN_BOOT) /* nobody can have subscribed yet */
		notify_note_edit(&txn->edit);
	txn->is_noted = r == 0;
	return r;
}

static int phase_note(struct txn *txn)
{
	int r = 0;

	if (is_test(txn) || !txn->edit.count)
		return 0;
	if (!txn->is_noted)
		r = note_once(txn);
	return r != 0 ? r : push_note_edit(&txn->edit, &txn->pushed);
}

static int phase_commit(struct txn *txn)
{
	int r;

	if (is_test(txn))
		return go_to(txn, PHASE_RETRACT);
	r = txn->opts.source == TXN_BOOT
		? 1
		: (txn->edit.count ? journal_append(&txn->forward, txn->edit.count, &txn->err) : 0);
	if (r != 1)
		return r;
	txn->is_checkpointing = true;
	journal_checkpoint(checkpointed, txn);
	txn->is_checkpointing = false;
	return txn->is_checkpointed ? 0 : PHASE_WAITING;
}

static void tell_kept(struct txn *txn)
{
	for (size_t i = 0; i < txn->touched_count; i++)
		refused_replace(txn->touched[i].path, &txn->touched[i].refusals);
	txn->is_changed = txn->edit.count > 0;
	if (txn->is_changed) {
		add_to_history(txn);
		reload_access(txn);
		if (txn->opts.client && partial_holder())
			partial_committed(txn->opts.client, &txn->edit);
	}
	txn->is_kept = true;
}

static int phase_keep(struct txn *txn)
{
	if (!txn->is_kept)
		tell_kept(txn);
	if (edit_keep_some(&txn->edit))
		return 1;
	if (txn->is_changed) {
		store_touch(DS_RUNNING);
		notify_running_changed(txn->opts.client);
	}
	if (txn->opts.client && txn->is_changed)
		log_notice("txn",
			"event=commit user=\"%s\" session=%u protocol=%s generation=%llu units=%zu "
			"steps=%zu us=%llu",
			txn->opts.client->user, txn->opts.client->session,
			txn->opts.client->protocol, (unsigned long long)ds_generation(DS_RUNNING),
			txn->units.count, txn->steps,
			(unsigned long long)(clock_us() - txn->started_us));
	return go_to(txn, PHASE_RELEASE);
}

static void give_back(struct touched *touched)
{
	struct want *new = NULL;

	if (touched->is_exchanged && state_exchange(touched->path, NULL, &new, NULL) == 0)
		want_free(new);
}

static void claim_back(struct touched *touched)
{
	struct want *none = NULL;

	if (touched->old && state_exchange(touched->path, TAKE(touched->old), &none, NULL) < 0)
		log_error("txn", "the wanted objects of %s could not be put back", touched->path);
}

static int phase_retract(struct txn *txn)
{
	if (txn->is_failed && !txn->retracted)
		notify_forget_edit();
	while (txn->retracted < 2 * txn->touched_count) {
		size_t at = txn->retracted++;
		bool claims = at >= txn->touched_count;
		struct touched *touched = &txn->touched[claims ? at - txn->touched_count : at];

		if (claims)
			claim_back(touched);
		else
			give_back(touched);
		if (loop_should_yield())
			return 1;
	}
	return 0;
}

static int phase_undo(struct txn *txn)
{
	return edit_undo_some(&txn->edit);
}

static int phase_release(struct txn *txn)
{
	while (txn->released < txn->touched_count) {
		want_free(txn->touched[txn->released++].old);
		if (loop_should_yield())
			return 1;
	}
	if (txn->plan && !plan_release(txn->plan))
		return 1;
	if (txn->validation) {
		validation_free(TAKE(txn->validation));
		return 1;
	}
	return 0;
}

/* --- running it ------------------------------------------------------------------------------- */

static int (*const phases[PHASES])(struct txn *txn) = {
	[PHASE_EDIT] = phase_edit,
	[PHASE_FILL] = phase_fill,
	[PHASE_VALIDATE] = phase_validate,
	[PHASE_LOCKS] = phase_locks,
	[PHASE_WANT] = phase_want,
	[PHASE_EXCHANGE] = phase_exchange,
	[PHASE_APPLY] = phase_apply,
	[PHASE_NOTE] = phase_note,
	[PHASE_COMMIT] = phase_commit,
	[PHASE_KEEP] = phase_keep,
	[PHASE_RETRACT] = phase_retract,
	[PHASE_UNDO] = phase_undo,
	[PHASE_RELEASE] = phase_release,
};

static void run(void *arg)
{
	struct txn *txn = arg;

	for (;;) {
		int r = txn->err.code < 0 && !txn->is_failed ? txn->err.code
							     : phases[txn->phase](txn);

		if (r == PHASE_WAITING)
			return;
		if (r == 0)
			txn->phase++;
		if (r < 0) {
			txn->is_failed = true;
			txn->phase = PHASE_RETRACT;
		}
		if (txn->phase == PHASES) {
			finish(txn);
			return;
		}
		if (loop_should_yield()) {
			loop_task_schedule(txn->task);
			return;
		}
	}
}

void txn_run(const struct txn_opts *opts)
{
	struct txn *txn = XNEW(struct txn);

	current = txn;
	txn->opts = *opts;
	access_ref((struct access *)opts->access);
	txn->started_us = clock_us();
	txn->task = loop_task_new("transaction", run, txn);
	txn->is_whole = !*store_running();
	edit_begin(&txn->edit, store_running(), opts->access);
	txn->edit.is_ours = opts->is_ours || opts->build;
	txn->edit.units = &txn->units;
	run(txn);
}

/* --- converging what was touched from outside --------------------------------------------------- */

struct convergence {
	struct plan_unit *units;
	struct plan *plan;
	void (*done)(const struct err *err, void *arg);
	void *arg;
};

static void converged(const struct err *err, void *arg)
{
	struct convergence *convergence = arg;

	if (err)
		log_warning("txn", "%s", err_text(err));
	convergence->done(err, convergence->arg);
	plan_free(convergence->plan);
	free(convergence->units);
	free(convergence);
}

void txn_converge_dirty(void (*done)(const struct err *err, void *arg), void *arg)
{
	struct convergence *convergence;
	const char **paths = NULL;
	size_t count = state_take_dirty(&paths);

	if (!count) {
		free(paths);
		done(NULL, arg);
		return;
	}
	convergence = XNEW(struct convergence);
	convergence->done = done;
	convergence->arg = arg;
	convergence->units = xcalloc(count, sizeof(*convergence->units));
	for (size_t i = 0; i < count; i++) {
		convergence->units[i].old = state_unit(paths[i]);
		convergence->units[i].new = convergence->units[i].old;
	}
	free(paths);
	convergence->plan = plan_begin(convergence->units, count, PLAN_BEST_EFFORT);
	apply_run(convergence->plan, converged, convergence);
}

bool txn_is_running(void)
{
	return current != NULL;
}

void txn_done(void)
{
	refused_done();
	if (!current)
		return;
	edit_keep(&current->edit); /* the tree is freed next */
	txn_free(current);
	current = NULL;
}
