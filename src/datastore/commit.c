/*
 * The candidate is edited in slices like running, but as its constraints hold only from commit on (RFC 7950
 * section 8.3.3), an edit of it is not validated unless its test-option says so. What an edit makes stand by
 * default, or lets go with its when, comes and goes at once, as it would in running: several edits and a commit
 * are the same as those edits there.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "candidate.h"
#include "commit.h"
#include "confirm.h"
#include "constraints.h"
#include "lock.h"
#include "notify-base.h"
#include "save.h"
#include "store.h"

#define TIMEOUT_DEFAULT_S 600 /* RFC 6241 section 8.4.1 */

static const struct ds_client self = { .user = "", .protocol = "internal", .is_recovery = true };

/* --- edits of the candidate ----------------------------------------------------------------------- */

static void end(struct commit_edit *commit, const struct err *err)
{
	if (commit->is_begun && (err || commit->is_test)) {
		edit_undo(&commit->edit);
		candidate_set_edited(commit->was_edited);
	}
	commit->is_begun = false;
	job_end(commit->job, err);
}

static void tested(const struct err *err, void *arg)
{
	struct commit_edit *commit = arg;

	if (err || commit->is_test) {
		end(commit, err);
		return;
	}
	commit->is_tested = false;
	loop_task_schedule(commit->task);
}

/* What the candidate would make of running. */
static void test(struct commit_edit *commit)
{
	struct txn_opts opts = {
		.source = commit->steps ? TXN_PLAN : TXN_TEST,
		.build = candidate_build,
		.steps = commit->steps,
		.done = tested,
		.arg = commit,
	};

	candidate_set_edited(true);
	candidate_build_start();
	txn_run(&opts);
}

/* 1: more to do. */
static int apply_some(struct commit_edit *commit, struct err *err)
{
	int r;

	if (!commit->portions) {
		commit->is_applied = true;
		return edit_apply(&commit->edit, commit->tree, commit->operation, err);
	}
	r = edit_apply_portion(&commit->edit, commit->portions, commit->operation, err);
	commit->is_applied = r == 0;
	return r;
}

static int settle_some(struct commit_edit *commit, struct err *err)
{
	int r;

	if (!commit->settling)
		commit->settling = validation_new_settling(&commit->edit);
	r = validation_step(commit->settling, err);
	if (r != 1)
		validation_free(TAKE(commit->settling));
	commit->is_settled = r == 0;
	return r;
}

static int step(struct commit_edit *commit, struct err *err)
{
	int r;

	if (commit->is_running)
		return candidate_discard(err);
	if (!commit->is_begun) {
		r = candidate_prepare(err);
		if (r != 0)
			return r;
		edit_begin(&commit->edit, candidate_own_tree(), access_of(&commit->job->client));
		commit->edit.is_ours = commit->is_ours;
		commit->was_edited = candidate_is_edited();
		commit->is_begun = true;
	}
	if (!commit->is_applied) {
		r = apply_some(commit, err);
		if (r != 0)
			return r;
	}
	if (!commit->is_settled) {
		r = settle_some(commit, err);
		if (r != 0)
			return r;
	}
	return candidate_note(&commit->edit, &commit->noted);
}

static void go_on(void *arg)
{
	struct commit_edit *commit = arg;
	_cleanup_err_ struct err err = { 0 };
	int r;

	do {
		r = step(commit, &err);
	} while (r == 1 && !loop_should_yield());
	if (r == 1) {
		loop_task_schedule(commit->task);
		return;
	}
	if (r < 0) {
		end(commit, &err);
		return;
	}
	if (commit->is_tested) {
		test(commit);
		return;
	}
	if (commit->is_begun && !commit->is_test) {
		if (commit->edit.count) {
			candidate_set_edited(true);
			store_touch(DS_CANDIDATE);
		} else {
			candidate_set_edited(commit->was_edited);
		}
		edit_keep(&commit->edit);
		commit->is_begun = false;
	}
	end(commit, NULL);
}

void commit_edit_start(struct commit_edit *commit)
{
	commit->task = loop_task_new("candidate", go_on, commit);
	go_on(commit);
}

void commit_edit_done(struct commit_edit *commit)
{
	validation_free(TAKE(commit->settling));
	if (commit->is_begun)
		edit_undo(&commit->edit);
	loop_task_free(commit->task);
}

/* --- discard-changes ------------------------------------------------------------------------------ */

struct discard_job {
	struct job job;
	struct commit_edit commit;
	ds_done_fn done;
};

static void discard_start(struct job *base)
{
	struct discard_job *job = (struct discard_job *)base;
	_cleanup_err_ struct err err = { 0 };

	if (lock_check(&base->client, DS_CANDIDATE, &err) < 0) {
		job_end(base, &err);
		return;
	}
	job->commit.job = base;
	job->commit.is_running = true;
	commit_edit_start(&job->commit);
}

static void discard_report(struct job *base, const struct err *err)
{
	((struct discard_job *)base)->done(err, base->arg);
}

static void discard_free(struct job *base)
{
	commit_edit_done(&((struct discard_job *)base)->commit);
}

static const struct job_kind discard_kind = {
	.name = "discard",
	.start = discard_start,
	.free = discard_free,
};

void ds_discard(const struct ds_client *client, ds_done_fn done, void *arg)
{
	struct discard_job *job = job_new(&discard_kind, sizeof(*job), client, arg);

	job->done = done;
	job->job.report = discard_report;
	job_submit(&job->job);
}

static void discarded(const struct err *err, void *arg)
{
	if (err)
		log_error("candidate", "what an ended session left could not be discarded: %s",
			err_text(err));
}

void commit_discard_soon(void)
{
	if (candidate_is_edited())
		ds_discard(&self, discarded, NULL);
}

/* --- commit --------------------------------------------------------------------------------------- */

struct commit_job {
	struct job job;
	struct ds_commit commit;
	struct steps steps; /* of one that is only planned */
	ds_done_fn done;
};

static void committed(const struct err *err, void *arg)
{
	struct commit_job *job = arg;

	if (err) {
		confirm_withdraw();
		job_end(&job->job, err);
		return;
	}
	candidate_committed();
	store_touch(DS_CANDIDATE);
	if (job->commit.is_confirmed) {
		confirm_start();
	} else if (confirm_is_pending()) {
		notify_confirm(&job->job.client, NOTIFY_CONFIRM_COMPLETE, 0);
		confirm_end();
	}
	job_end(&job->job, NULL);
}

static int check_commit(struct commit_job *job, struct err *err)
{
	int r = lock_check(&job->job.client, DS_RUNNING, err);

	if (r == 0)
		r = lock_check(&job->job.client, DS_CANDIDATE, err);
	if (r == 0)
		r = confirm_check(&job->job.client, job->commit.persist_id, err);
	if (r == 0 && job->commit.is_confirmed && !job->commit.planned)
		r = confirm_begin(&job->job.client,
			job->commit.timeout_s ? job->commit.timeout_s : TIMEOUT_DEFAULT_S,
			job->commit.persist, err);
	return r;
}

static void planned(const struct err *err, void *arg)
{
	job_end(arg, err);
}

static void commit_start(struct job *base)
{
	struct commit_job *job = (struct commit_job *)base;
	_cleanup_err_ struct err err = { 0 };
	struct txn_opts opts = {
		.source = TXN_REQUEST,
		.access = access_of(&base->client),
		.build = candidate_build,
		.done = committed,
		.arg = job,
		.client = &base->client,
	};

	if (check_commit(job, &err) < 0) {
		job_end(base, &err);
		return;
	}
	if (job->commit.planned) {
		steps_init(&job->steps, access_of(&base->client));
		opts.source = TXN_PLAN;
		opts.steps = &job->steps;
		opts.done = planned;
	}
	candidate_build_start();
	txn_run(&opts);
}

static void commit_report(struct job *base, const struct err *err)
{
	struct commit_job *job = (struct commit_job *)base;

	if (!err && job->commit.planned)
		job->commit.planned(job->steps.items, job->steps.count, base->arg);
	else
		job->done(err, base->arg);
}

static void commit_free(struct job *base)
{
	struct commit_job *job = (struct commit_job *)base;

	free(job->commit.persist);
	free(job->commit.persist_id);
	steps_done(&job->steps);
}

static const struct job_kind commit_kind = {
	.name = "commit",
	.start = commit_start,
	.free = commit_free,
};

void ds_commit(const struct ds_client *client, struct ds_commit *commit, ds_done_fn done, void *arg)
{
	struct commit_job *job;

	/* What is not confirmed is not saved: startup is to have all that was before. */
	if (commit->is_confirmed)
		save_first(client);
	job = job_new(&commit_kind, sizeof(*job), client, arg);
	job->commit = *commit;
	commit->persist = commit->persist_id = NULL;
	job->done = done;
	job->job.report = commit_report;
	job_submit(&job->job);
}

/* --- going back ----------------------------------------------------------------------------------- */

static void went_back(const struct err *err, void *arg)
{
	struct commit_job *job = arg;

	if (err) {
		log_error("confirm", "event=rollback-failed reason=\"%s\"", err_text(err));
	} else {
		if (job->job.client.session)
			notify_confirm(&job->job.client, NOTIFY_CONFIRM_CANCEL, 0);
		confirm_end();
	}
	job_end(&job->job, err);
}

static void go_back_start(struct job *base)
{
	struct commit_job *job = (struct commit_job *)base;
	_cleanup_err_ struct err err = { 0 };
	struct txn_opts opts = {
		.source = TXN_RESTORE,
		.build = confirm_build,
		.done = went_back,
		.arg = job,
		.client = &base->client,
	};
	int r = 0;

	if (!confirm_is_pending())
		r = err_tagged(
			&err, ERR_TAG_OPERATION_FAILED, NULL, "no confirmed commit is pending");
	else if (base->client.session)
		r = confirm_check(&base->client, job->commit.persist_id, &err);
	if (r < 0) {
		job_end(base, base->client.session ? &err : NULL);
		return;
	}
	log_notice("confirm", "event=rollback");
	confirm_build_start();
	txn_run(&opts);
}

static const struct job_kind go_back_kind = {
	.name = "go-back",
	.start = go_back_start,
	.free = commit_free,
};

static void submit_go_back(
	const struct ds_client *client, char *persist_id, ds_done_fn done, void *arg)
{
	struct commit_job *job = job_new(&go_back_kind, sizeof(*job), client, arg);

	job->commit.persist_id = persist_id;
	job->done = done;
	job->job.report = commit_report;
	job_submit(&job->job);
}

void ds_cancel_commit(const struct ds_client *client, char *persist_id, ds_done_fn done, void *arg)
{
	submit_go_back(client, persist_id, done, arg);
}

static void ignore(const struct err *err, void *arg)
{
	/* The log has it. */
}

static void on_expiry(void)
{
	submit_go_back(&self, NULL, ignore, NULL);
}

void commit_init(void)
{
	confirm_on_expiry(on_expiry);
}
