/*
 * What was is made again by going back entry by entry. That and comparing take as long as configurations are
 * large, so a forked child does it, on what it sees of running; a rollback's child hands back what is left to
 * do, and that is a transaction like any other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#include "access.h"
#include "difference.h"
#include "history-call.h"
#include "history.h"
#include "lock.h"
#include "patch.h"
#include "queue.h"
#include "record.h"
#include "store.h"
#include "txn.h"

#define OUTPUT_MAX   (64 * 1024 * 1024)
#define TIMEOUT_MS   120000
#define CHILDREN_MAX 4 /* comparisons at a time */

struct history_job {
	struct job job;
	struct action_call *call;
	struct access *access; /* referenced */
	enum format format;
	uint32_t from, to;
	struct child *child;
	struct buf output;  /* of the child */
	struct steps steps; /* of a rollback that is only planned */
	size_t at;	    /* how far it is replayed */
};

static size_t children;
static struct history_job *rolling_back; /* one at a time, as transactions are */

/* --- in the child ------------------------------------------------------------------------------- */

/* Running as it was after the entry, in a tree of its own. */
static int make_tree(uint32_t id, struct lyd_node **ret_tree, struct err *err)
{
	struct lyd_node *tree = NULL;
	struct edit edit;
	int r = 0;

	if (*store_running() &&
		lyd_dup_siblings(*store_running(), NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS,
			&tree) != LY_SUCCESS)
		return yang_err(err, -EIO);
	edit_begin(&edit, &tree, NULL);
	for (size_t i = history_count(); r == 0 && history_at(--i)->shown.id > id;) {
		const struct history_entry *entry = history_at(i);
		size_t at = 0;

		do
			r = record_replay(&edit, entry->reverse, entry->reverse_size, &at, err);
		while (r == 1);
	}
	edit_keep(&edit);
	*ret_tree = tree;
	return r;
}

/* What the client may not read is as if it were not there. */
static void prune(struct lyd_node **first, const struct access *access)
{
	struct lyd_node *node, *next, *child;

	for (node = *first; node; node = next) {
		bool may_read = access_node(access, node, ACCESS_READ);

		next = node->next;
		child = (struct lyd_node *)lyd_child_no_keys(node);
		if (may_read && child) {
			prune(&child, access);
			may_read = lyd_child(node) || !lysc_is_np_cont(node->schema);
		}
		if (may_read)
			continue;
		if (*first == node)
			*first = next;
		lyd_free_tree(node);
	}
}

static int show_differences(struct lyd_node *operation, const struct history_job *job,
	const struct edit *edit, struct err *err)
{
	struct lyd_node *differences = NULL, *patch = NULL;
	char id[32];
	int r;

	if (!edit->count)
		return lyd_new_term(operation, NULL, "no-matches", NULL, true, NULL) == LY_SUCCESS
			? 0
			: yang_err(err, -EIO);
	if (lyd_new_inner(operation, NULL, "differences", true, &differences) != LY_SUCCESS)
		return yang_err(err, -EIO);
	snprintf(id, sizeof(id), "%u-%u", job->from, job->to);
	r = build_container(differences, "yang-patch", &patch, err);
	return r < 0 ? r : patch_build(patch, id, edit, err);
}

static int compare(const struct history_job *job, struct buf *text, struct err *err)
{
	struct lyd_node *from = NULL, *to = NULL, *operation = NULL;
	struct edit edit;
	int r = make_tree(job->from, &from, err);

	if (r == 0)
		r = make_tree(job->to, &to, err);
	if (r == 0 && !access_all(job->access, ACCESS_READ)) {
		prune(&from, job->access);
		prune(&to, job->access);
	}
	if (r == 0)
		r = difference_apply(&edit, &from, to, err);
	if (r == 0 && lyd_dup_single(job->call->input, NULL, 0, &operation) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	if (r == 0)
		r = show_differences(operation, job, &edit, err);
	return r < 0 ? r : format_print_output(text, operation, job->format, err);
}

/* What makes of running what it was. */
static int find_way_back(const struct history_job *job, struct buf *text, struct err *err)
{
	struct lyd_node *to = NULL;
	struct edit edit;
	int r = make_tree(job->to, &to, err);

	if (r == 0)
		r = difference_apply(&edit, store_running(), to, err);
	return r < 0 ? r : record_changes(text, &edit, err);
}

static int work(struct history_job *job,
	int (*what)(const struct history_job *job, struct buf *text, struct err *err))
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_err_ struct err err = { 0 };
	int r = what(job, &text, &err);

	if (r < 0)
		(void)!write(STDOUT_FILENO, err_text(&err), strlen(err_text(&err)));
	else
		r = file_write_all(STDOUT_FILENO, buf_bytes(&text), text.length);
	return r < 0;
}

static int compare_in_child(void *arg)
{
	return work(arg, compare);
}

static int find_way_back_in_child(void *arg)
{
	return work(arg, find_way_back);
}

/* --- both --------------------------------------------------------------------------------------- */

static int not_kept(uint32_t id, struct err *err)
{
	return err_tagged(err, ERR_TAG_INVALID_VALUE, NULL, "history has no entry %u", id);
}

static int start_child(struct history_job *job, int (*run)(void *arg),
	void (*done)(const struct child_result *result, void *arg), struct err *err)
{
	struct child_opts opts = {
		.run = run,
		.run_arg = job,
		.output_max = OUTPUT_MAX,
		.deadline_ms = TIMEOUT_MS,
		.done = done,
		.arg = job,
	};
	int r;

	if (children >= CHILDREN_MAX)
		return err_tagged(err, ERR_TAG_RESOURCE_DENIED, NULL,
			"%u configurations are being compared already", CHILDREN_MAX);
	r = child_start(&opts, &job->child, err);
	children += r == 0;
	return r;
}

/* Its output is the job's from here on. */
static int end_child(struct history_job *job, const struct child_result *result, struct err *err)
{
	job->child = NULL;
	children--;
	if (result->truncated || result->timed_out)
		return err_tagged(err, ERR_TAG_TOO_BIG, NULL, "the configurations differ too much");
	if (result->status != 0)
		return err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL, "%s", result->output);
	return buf_append(&job->output, result->output, result->output_size);
}

static void report(struct job *base, const struct err *err)
{
	struct history_job *job = (struct history_job *)base;

	job->call->done(job->call, err);
}

static void job_done(struct job *base)
{
	struct history_job *job = (struct history_job *)base;

	if (job->child) {
		child_cancel(TAKE(job->child));
		children--;
	}
	access_unref(job->access);
	steps_done(&job->steps);
	buf_done(&job->output);
}

static uint32_t number(const struct lyd_node *input, const char *name, uint32_t fallback)
{
	return (uint32_t)node_u64(input, name, fallback);
}

static void submit(const struct job_kind *kind, struct action_call *call)
{
	struct history_job *job = job_new(kind, sizeof(*job), call->client, NULL);
	const char *comment = node_text(call->input, "comment", NULL);

	if (comment) {
		free((char *)job->job.client.comment);
		job->job.client.comment = xstrdup(comment);
	}
	job->call = call;
	job->format = call->format;
	job->job.report = report;
	job_submit(&job->job);
}

/* --- compare-history ----------------------------------------------------------------------------- */

static void compared(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct history_job *job = arg;
	int r = end_child(job, result, &err);

	if (r == 0) {
		job->call->text = job->output;
		memset(&job->output, 0, sizeof(job->output));
	}
	job_end(&job->job, r < 0 ? &err : NULL);
}

static void compare_start(struct job *base)
{
	struct history_job *job = (struct history_job *)base;
	const struct ds_history_entry *latest = &history_at(history_count() - 1)->shown;
	_cleanup_err_ struct err err = { 0 };
	int r = 0;

	job->to = number(job->call->input, "to", latest->id);
	job->from = number(job->call->input, "from", job->to - 1);
	job->access = access_ref(access_of(&base->client));
	if (history_find(job->from) < 0 || history_find(job->to) < 0)
		r = not_kept(history_find(job->from) < 0 ? job->from : job->to, &err);
	if (r == 0)
		r = start_child(job, compare_in_child, compared, &err);
	if (r < 0)
		job_end(base, &err);
	else
		job_detach(base); /* the child has running as it is */
}

static void compare_cancel(struct job *base)
{
	job_end(base, NULL);
}

static const struct job_kind compare_kind = {
	.name = "compare-history",
	.start = compare_start,
	.cancel = compare_cancel,
	.free = job_done,
};

static void run_compare(struct action_call *call)
{
	submit(&compare_kind, call);
}

/* --- rollback ------------------------------------------------------------------------------------ */

static int build(struct edit *edit, struct err *err)
{
	struct history_job *job = rolling_back;

	return record_replay(edit, buf_bytes(&job->output), job->output.length, &job->at, err);
}

static void rolled_back(const struct err *err, void *arg)
{
	_cleanup_err_ struct err failure = { 0 };
	struct history_job *job = arg;

	rolling_back = NULL;
	if (!err && job->steps.count &&
		ds_print_steps(&job->call->text, job->steps.items, job->steps.count, job->format,
			&failure) < 0)
		err = &failure;
	job_end(&job->job, err);
}

static void roll_back(struct history_job *job)
{
	struct txn_opts opts = {
		.source = TXN_REQUEST,
		.access = job->access,
		.build = build,
		.done = rolled_back,
		.arg = job,
		.client = &job->job.client,
	};

	if (node_exists(job->call->input, "plan")) {
		steps_init(&job->steps, job->access);
		opts.source = TXN_PLAN;
		opts.steps = &job->steps;
	}
	rolling_back = job;
	txn_run(&opts);
}

static void found_way_back(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct history_job *job = arg;

	if (end_child(job, result, &err) < 0)
		job_end(&job->job, &err);
	else
		roll_back(job);
}

static void rollback_start(struct job *base)
{
	struct history_job *job = (struct history_job *)base;
	_cleanup_err_ struct err err = { 0 };
	int r = lock_check(&base->client, DS_RUNNING, &err);

	job->to = number(job->call->input, "to", 0);
	job->access = access_ref(access_of(&base->client));
	if (r == 0 && history_find(job->to) < 0)
		r = not_kept(job->to, &err);
	if (r == 0)
		r = start_child(job, find_way_back_in_child, found_way_back, &err);
	if (r < 0)
		job_end(base, &err);
}

static const struct job_kind rollback_kind = {
	.name = "rollback",
	.start = rollback_start,
	.free = job_done,
};

static void run_rollback(struct action_call *call)
{
	submit(&rollback_kind, call);
}

const struct feature_action history_actions[] = {
	{ "/ashlar-history:compare-history", run_compare },
	{ "/ashlar-history:rollback", run_rollback },
	{ NULL, NULL },
};
