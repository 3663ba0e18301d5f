/*
 * The datastores' operations as jobs of the queue. Each has its struct, its start function, and a report
 * that hands the result to who asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/feature.h"
#include "ashlar/file.h"
#include "ashlar/list.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "access.h"
#include "boot.h"
#include "candidate.h"
#include "commit.h"
#include "compare.h"
#include "confirm.h"
#include "data-index.h"
#include "edit-access.h"
#include "factory.h"
#include "history-call.h"
#include "history.h"
#include "journal.h"
#include "kept.h"
#include "library.h"
#include "lock.h"
#include "modules.h"
#include "notify-base.h"
#include "oper.h"
#include "partial.h"
#include "persist.h"
#include "provision.h"
#include "push-units.h"
#include "queue.h"
#include "reset.h"
#include "save.h"
#include "schema.h"
#include "store.h"
#include "txn.h"

static const struct ds_client self = { .user = "", .protocol = "internal", .is_recovery = true };

static struct {
	bool is_started;
	bool converge_queued;
} ds;

struct simple_job { /* whose result is only an error */
	struct job job;
	ds_done_fn done;
};

static void report_done(struct job *job, const struct err *err)
{
	((struct simple_job *)job)->done(err, job->arg);
}

/* --- converge --------------------------------------------------------------------------------- */

static void convergence_done(const struct err *err, void *arg)
{
	job_end(arg, err);
}

static void converge_start(struct job *job)
{
	ds.converge_queued = false;
	txn_converge_dirty(convergence_done, job);
}

static const struct job_kind converge_kind = { .name = "converge", .start = converge_start };

static void on_dirty(void *arg)
{
	if (!ds.is_started || ds.converge_queued)
		return;
	ds.converge_queued = true;
	job_submit(job_new(&converge_kind, sizeof(struct job), &self, NULL));
}

static void job_done(const struct err *err, void *arg)
{
	job_end(arg, err);
}

/* --- edit ------------------------------------------------------------------------------------- */

struct edit_job {
	struct simple_job simple;
	struct ds_edit edit;
	struct lyd_node *startup; /* tree of an edit of startup */
	struct commit_edit candidate;
	struct steps steps; /* of one that is only planned */
	bool is_ours;	    /* the request is a datastore's content */
};

static enum edit_operation operation_of(enum ds_default_operation operation)
{
	switch (operation) {
	case DS_DEFAULT_MERGE:
		return EDIT_MERGE;
	case DS_DEFAULT_REPLACE:
		return EDIT_REPLACE;
	case DS_DEFAULT_NONE:
		return EDIT_NONE;
	}
	return EDIT_NONE;
}

/* What somebody wants startup to be is on disk. */
static void startup_done(const struct err *err, void *arg)
{
	const struct job *job = arg;

	if (!err) {
		save_superseded();
		notify_startup_changed(&job->client);
	}
	job_end(arg, err);
}

static void edit_done(const struct err *err, void *arg)
{
	struct edit_job *job = arg;

	if (!err && job->edit.save && !job->edit.planned && job->edit.test_option != DS_TEST_ONLY)
		save_soon();
	job_end(&job->simple.job, err);
}

static void edit_running(struct edit_job *job)
{
	struct txn_opts opts = {
		.source = job->edit.test_option == DS_TEST_ONLY ? TXN_TEST
			: job->edit.planned			? TXN_PLAN
								: TXN_REQUEST,
		.access = access_of(&job->simple.job.client),
		.steps = job->edit.planned ? &job->steps : NULL,
		.is_ours = job->is_ours,
		.operation = operation_of(job->edit.default_operation),
		.request = &job->edit.tree,
		.portions = job->edit.portions,
		.done = edit_done,
		.arg = job,
		.client = &job->simple.job.client,
	};

	txn_run(&opts);
}

static void edit_candidate(struct edit_job *job)
{
	job->candidate = (struct commit_edit){
		.job = &job->simple.job,
		.tree = &job->edit.tree,
		.portions = job->edit.portions,
		.operation = operation_of(job->edit.default_operation),
		.is_ours = job->is_ours,
		.is_test = job->edit.test_option == DS_TEST_ONLY || job->edit.planned,
		.is_tested = job->edit.test_option != DS_SET || job->edit.planned,
		.steps = job->edit.planned ? &job->steps : NULL,
	};
	commit_edit_start(&job->candidate);
}

/* Startup is validated whole: its tree stands beside the data index, and such edits are rare. */
static int validate_tree(struct lyd_node **tree, struct err *err)
{
	if (*tree && lyd_validate_all(tree, yang_ctx(), LYD_VALIDATE_NO_STATE, NULL) != LY_SUCCESS)
		return yang_err(err, -EINVAL);
	return 0;
}

static int apply_request(struct edit_job *job, struct edit *edit, struct err *err)
{
	enum edit_operation operation = operation_of(job->edit.default_operation);
	int r;

	if (!job->edit.portions)
		return edit_apply(edit, &job->edit.tree, operation, err);
	do
		r = edit_apply_portion(edit, job->edit.portions, operation, err);
	while (r == 1);
	return r;
}

static int edit_startup(struct edit_job *job, struct err *err)
{
	struct edit edit;
	int r = persist_startup_tree(&job->startup, err);

	if (r < 0)
		return r;
	edit_begin(&edit, &job->startup, access_of(&job->simple.job.client));
	edit.is_ours = job->is_ours;
	r = apply_request(job, &edit, err);
	if (r < 0)
		edit_undo(&edit);
	else
		edit_keep(&edit);
	return r < 0 ? r : validate_tree(&job->startup, err);
}

static void edit_start(struct job *base)
{
	struct edit_job *job = (struct edit_job *)base;
	_cleanup_err_ struct err err = { 0 };
	int r = lock_check(&base->client, job->edit.target, &err);

	if (r == 0 && job->edit.save) /* RFC 8040 section 1.4: it would modify that, too */
		r = lock_check(&base->client, DS_STARTUP, &err);
	if (job->edit.planned)
		steps_init(&job->steps, access_of(&base->client));
	if (r == 0 && job->edit.if_match && job->edit.if_match != ds_generation(job->edit.target))
		r = err_set(&err, -ESTALE, NULL, "the datastore has changed meanwhile");
	if (r == 0 && job->edit.target == DS_RUNNING) {
		edit_running(job);
		return;
	}
	if (r == 0 && job->edit.target == DS_CANDIDATE) {
		edit_candidate(job);
		return;
	}
	if (r == 0 && job->edit.target != DS_STARTUP)
		r = err_tagged(&err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL,
			"this datastore cannot be edited");
	if (r == 0)
		r = save_check(&err);
	if (r == 0)
		r = edit_startup(job, &err);
	if (r < 0 || job->edit.test_option == DS_TEST_ONLY || job->edit.planned)
		job_end(base, r < 0 ? &err : NULL);
	else
		persist_save(job->startup, startup_done, base);
}

static void edit_free(struct job *base)
{
	struct edit_job *job = (struct edit_job *)base;

	lyd_free_all(job->edit.tree);
	portions_free(job->edit.portions);
	steps_done(&job->steps);
	lyd_free_all(job->startup);
	commit_edit_done(&job->candidate);
}

static void edit_report(struct job *base, const struct err *err)
{
	struct edit_job *job = (struct edit_job *)base;

	if (!err && job->edit.planned)
		job->edit.planned(job->steps.items, job->steps.count, base->arg);
	else
		job->simple.done(err, base->arg);
}

static const struct job_kind edit_kind = { .name = "edit", .start = edit_start, .free = edit_free };

static struct edit_job *new_edit(const struct ds_client *client, ds_done_fn done, void *arg)
{
	struct edit_job *job = job_new(&edit_kind, sizeof(*job), client, arg);

	job->simple.done = done;
	job->simple.job.report = edit_report;
	return job;
}

void ds_edit(const struct ds_client *client, struct ds_edit *edit, ds_done_fn done, void *arg)
{
	struct edit_job *job;

	if (edit->target == DS_STARTUP)
		save_first(client);
	job = new_edit(client, done, arg);
	job->edit = *edit;
	edit->tree = NULL;
	edit->portions = NULL;
	job_submit(&job->simple.job);
}

int ds_may_edit(const struct ds_client *client, const struct lyd_node *request, struct err *err)
{
	const struct edit edit = { .access = access_of(client) };

	return edit_access_may_want(&edit, request, EDIT_NONE, err);
}

/* --- copy, delete, validate ------------------------------------------------------------------- */

struct copy_job {
	struct edit_job edit;
	enum ds target;
	struct ds_source source;
	bool is_test;
};

/* The source as a tree of its own. */
static int load_source(struct copy_job *job, struct err *err)
{
	if (job->source.is_tree) {
		job->edit.edit.tree = TAKE(job->source.tree);
		return 0;
	}
	if (job->source.ds == DS_STARTUP)
		return persist_startup_tree(&job->edit.edit.tree, err);
	if (job->source.ds == DS_FACTORY)
		return factory_tree(&job->edit.edit.tree, err);
	return 0;
}

static void copy_to_startup(struct copy_job *job, struct err *err)
{
	int r = edit_startup(&job->edit, err);

	if (r < 0)
		job_end(&job->edit.simple.job, err);
	else
		persist_save(job->edit.startup, startup_done, job);
}

/* The candidate as it stands becomes running, or is only judged. */
static void copy_candidate(struct copy_job *job, void (*done)(const struct err *err, void *arg))
{
	struct txn_opts opts = {
		.source = job->is_test || job->target != DS_RUNNING ? TXN_TEST : TXN_REQUEST,
		.access = job->is_test ? NULL : access_of(&job->edit.simple.job.client),
		.build = candidate_build,
		.done = done,
		.arg = job,
		.client = &job->edit.simple.job.client,
	};

	candidate_build_start();
	txn_run(&opts);
}

static void save_candidate(const struct err *err, void *arg)
{
	struct copy_job *job = arg;

	if (err)
		job_end(&job->edit.simple.job, err);
	else
		persist_save(candidate_tree(), startup_done, job);
}

static int check_copy(struct copy_job *job, struct err *err)
{
	int r = job->is_test ? 0 : lock_check(&job->edit.simple.job.client, job->target, err);

	if (r == 0 && !job->is_test && !job->source.is_tree && job->source.ds == DS_RUNNING &&
		job->target == DS_STARTUP && confirm_is_pending())
		r = err_tagged(err, ERR_TAG_IN_USE, NULL,
			"running holds a confirmed commit that is not confirmed yet");
	return r < 0 ? r : load_source(job, err);
}

static void copy_start(struct job *base)
{
	struct copy_job *job = (struct copy_job *)base;
	_cleanup_err_ struct err err = { 0 };
	enum ds from = job->source.is_tree ? DS_STARTUP : job->source.ds;

	if (check_copy(job, &err) < 0) {
		job_end(base, &err);
	} else if (from == DS_RUNNING && (job->is_test || job->target == DS_RUNNING)) {
		job_end(base, NULL); /* running is valid as it stands */
	} else if (from == DS_RUNNING && job->target == DS_CANDIDATE) {
		job->edit.candidate = (struct commit_edit){ .job = base, .is_running = true };
		commit_edit_start(&job->edit.candidate);
	} else if (from == DS_RUNNING) {
		persist_save(*store_running(), startup_done, base);
	} else if (from == DS_CANDIDATE) {
		copy_candidate(job,
			!job->is_test && job->target == DS_STARTUP ? save_candidate : job_done);
	} else {
		job->edit.edit.default_operation = DS_DEFAULT_REPLACE;
		job->edit.edit.test_option = job->is_test ? DS_TEST_ONLY : DS_SET;
		if (job->is_test || job->target == DS_RUNNING)
			edit_running(&job->edit);
		else if (job->target == DS_CANDIDATE)
			edit_candidate(&job->edit);
		else
			copy_to_startup(job, &err);
	}
}

static void copy_free(struct job *base)
{
	lyd_free_all(((struct copy_job *)base)->source.tree);
	edit_free(base);
}

static const struct job_kind copy_kind = { .name = "copy", .start = copy_start, .free = copy_free };

static void submit_copy(const struct ds_client *client, enum ds target, struct ds_source *source,
	bool is_test, ds_done_fn done, void *arg)
{
	struct copy_job *job;

	if (!source->is_tree && source->ds == DS_STARTUP)
		save_first(client);
	job = job_new(&copy_kind, sizeof(*job), client, arg);
	job->edit.simple.done = done;
	job->edit.simple.job.report = report_done;
	job->target = target;
	job->source = *source;
	job->is_test = is_test;
	job->edit.is_ours = !source->is_tree;
	source->tree = NULL;
	job_submit(&job->edit.simple.job);
}

void ds_copy(const struct ds_client *client, enum ds target, struct ds_source *source,
	ds_done_fn done, void *arg)
{
	submit_copy(client, target, source, false, done, arg);
}

void ds_validate(
	const struct ds_client *client, struct ds_source *source, ds_done_fn done, void *arg)
{
	submit_copy(client, DS_RUNNING, source, true, done, arg);
}

static void delete_start(struct job *base)
{
	_cleanup_err_ struct err err = { 0 };

	if (lock_check(&base->client, DS_STARTUP, &err) < 0)
		job_end(base, &err);
	else
		persist_delete(startup_done, base);
}

static const struct job_kind delete_kind = { .name = "delete", .start = delete_start };

void ds_delete(const struct ds_client *client, enum ds target, ds_done_fn done, void *arg)
{
	struct simple_job *job;

	if (target != DS_STARTUP) {
		_cleanup_err_ struct err err = { 0 };

		err_tagged(&err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL,
			"only the startup datastore can be deleted");
		done(&err, arg);
		return;
	}
	job = job_new(&delete_kind, sizeof(*job), client, arg);
	job->done = done;
	job->job.report = report_done;
	job_submit(&job->job);
}

/* --- lock ------------------------------------------------------------------------------------- */

struct lock_job {
	struct simple_job simple;
	enum ds ds;
};

static void lock_start(struct job *base)
{
	struct lock_job *job = (struct lock_job *)base;
	_cleanup_err_ struct err err = { 0 };

	job_end(base, lock_take(&base->client, job->ds, &err) < 0 ? &err : NULL);
}

static const struct job_kind lock_kind = { .name = "lock", .start = lock_start };

/* What was asked before is done before, whoever asked. */
void ds_lock(const struct ds_client *client, enum ds which, ds_done_fn done, void *arg)
{
	struct lock_job *job;

	if (which == DS_STARTUP)
		save_first(client);
	job = job_new(&lock_kind, sizeof(*job), client, arg);
	job->simple.done = done;
	job->simple.job.report = report_done;
	job->ds = which;
	job_submit(&job->simple.job);
}

/* --- read ------------------------------------------------------------------------------------- */

struct read_job {
	struct job job;
	struct ds_read read; /* its part() is ours */
	void (*part)(struct buf *part, void *arg);
	ds_read_fn done;
	struct buf out;
};

static void read_report(struct job *base, const struct err *err)
{
	struct read_job *job = (struct read_job *)base;

	job->done(err ? NULL : &job->out, err, base->arg);
}

static void read_finished(struct buf *out, const struct err *err, void *arg)
{
	struct read_job *job = arg;

	if (out) {
		job->out = *out;
		memset(out, 0, sizeof(*out));
	}
	job_end(&job->job, err);
}

static void read_part(struct buf *part, void *arg)
{
	struct read_job *job = arg;

	job->part(part, job->job.arg);
}

void ds_read_more(void *arg)
{
	struct job *job = job_detached(arg);

	if (job)
		oper_more(job);
}

static void read_detached(void *arg)
{
	job_detach(arg);
}

static void read_start(struct job *base)
{
	struct read_job *job = (struct read_job *)base;

	oper_read(&base->client, &job->read, read_finished, read_detached, job);
}

static void read_cancel(struct job *base)
{
	oper_cancel(base);
	job_end(base, NULL);
}

static void read_free(struct job *base)
{
	struct read_job *job = (struct read_job *)base;

	ds_filter_free(job->read.subtree);
	free(job->read.xpath);
	free(job->read.path);
	free(job->read.fields);
	buf_done(&job->out);
}

static const struct job_kind read_kind = {
	.name = "read",
	.is_read = true,
	.start = read_start,
	.cancel = read_cancel,
	.free = read_free,
};

static void use_room_start(struct job *base)
{
	oper_use_room();
	job_end(base, NULL);
}

static const struct job_kind use_room_kind = {
	.name = "use-room",
	.is_read = true,
	.start = use_room_start,
};

/* In its turn, so that no transaction runs. */
static void use_room(void *arg)
{
	static const struct ds_client nobody = { .user = "", .host = "" };

	job_submit(job_new(&use_room_kind, sizeof(struct job), &nobody, NULL));
}

void ds_read(const struct ds_client *client, struct ds_read *read, ds_read_fn done, void *arg)
{
	struct read_job *job;

	if (read->ds == DS_STARTUP)
		save_first(client);
	job = job_new(&read_kind, sizeof(*job), client, arg);
	job->read = *read;
	job->part = read->part;
	job->read.part = read->part ? read_part : NULL;
	job->done = done;
	job->job.report = read_report;
	read->subtree = NULL;
	read->xpath = read->path = read->fields = NULL;
	job_submit(&job->job);
}

/* --- RPCs and actions ------------------------------------------------------------------------- */

int ds_may_execute(
	const struct ds_client *client, const char *module, const char *rpc, struct err *err)
{
	if (access_rpc(access_of(client), module, rpc))
		return 0;
	return err_tagged(
		err, ERR_TAG_ACCESS_DENIED, NULL, "the operation %s is not permitted", rpc);
}

struct call {
	struct action_call action; /* first: done() gets it */
	struct list link;
	struct lyd_node *op;
	ds_call_fn done; /* NULL: forgotten */
	void *arg;
	char *user;
};

static struct list calls = LIST_INIT(calls);

/* What is left below it is the answer. */
static void drop_input(struct lyd_node *op)
{
	struct lyd_node *child, *next;

	for (child = (struct lyd_node *)lyd_child(op); child; child = next) {
		next = child->next;
		if (!(child->schema->flags & LYS_IS_OUTPUT))
			lyd_free_tree(child);
	}
}

static void call_done(struct action_call *action, const struct err *err)
{
	struct call *call = (struct call *)action;

	list_remove(&call->link);
	drop_input(action->output);
	if (call->done)
		call->done(err ? NULL : action->output, &action->text, err, call->arg);
	buf_done(&action->text);
	lyd_free_all(call->op);
	free(call->user);
	free(call);
}

static struct lyd_node *top_of(struct lyd_node *node)
{
	while (lyd_parent(node))
		node = lyd_parent(node);
	return node;
}

/* Who may call it, and what it is called on. */
static int check_call(const struct ds_client *client, const struct lyd_node *op,
	const struct lyd_node **ret_target, struct err *err)
{
	struct access *access = access_of(client);
	_cleanup_free_ char *path = NULL;
	struct lyd_node *target = NULL;

	if (op->schema->nodetype == LYS_RPC)
		return ds_may_execute(client, op->schema->module->name, op->schema->name, err);
	path = path_of(lyd_parent(op));
	if (!access_action(access, op))
		return access_denied(access, op, err);
	if (!*store_running() || lyd_find_path(*store_running(), path, 0, &target) != LY_SUCCESS ||
		!target) {
		ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
		return err_tagged(err, ERR_TAG_DATA_MISSING, path, "%s does not exist", path);
	}
	*ret_target = target;
	return 0;
}

/* Those of the datastores themselves, from several files. */
static struct feature_action own_actions[8];

const struct feature_action *ds_actions(void)
{
	return own_actions;
}

static int add_own_actions(struct err *err)
{
	static const struct feature_action *const tables[] = { history_actions, compare_actions };
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct feature_action *action = tables[i];

		for (; action->path && count + 1 < ARRAY_SIZE(own_actions); action++)
			own_actions[count++] = *action;
	}
	return schema_add_actions(own_actions, err);
}

void ds_call(const struct ds_client *client, struct lyd_node *op, enum format format,
	ds_call_fn done, void *arg)
{
	const struct feature_action *action = schema_action(op->schema);
	const struct lyd_node *target = NULL;
	_cleanup_err_ struct err err = { 0 };
	struct call *call;
	int r = check_call(client, op, &target, &err);

	if (r == 0 && !action)
		r = err_tagged(&err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL,
			"%s is not supported by this device", op->schema->name);
	if (r < 0) {
		lyd_free_all(top_of(op));
		done(NULL, NULL, &err, arg);
		return;
	}
	call = XNEW(struct call);
	call->op = top_of(op);
	call->done = done;
	call->arg = arg;
	call->user = xstrdup(client->user);
	call->action = (struct action_call){
		.input = op,
		.target = target,
		.user = call->user,
		.client = client,
		.format = format,
		.done = call_done,
		.output = op,
	};
	list_append(&calls, &call->link);
	action->run(&call->action);
}

void ds_forget(void *arg)
{
	struct call *call;

	job_forget(arg);
	partial_forget(arg);
	LIST_FOREACH (call, &calls, link) {
		if (call->arg == arg)
			call->done = NULL;
	}
}

/* --- start and end ---------------------------------------------------------------------------- */

int ds_init(const struct ds_config *config, struct err *err)
{
	int r = modules_load(config->yang_dir, err);

	if (r < 0)
		return r;
	store_init(config);
	r = file_make_dirs(config->config_dir, 0755, err);
	if (r == 0)
		r = file_make_dirs(config->startup_dir, 0755, err);
	if (r == 0)
		r = file_make_dirs(config->run_dir, 0755, err);
	if (r == 0)
		r = file_make_dirs(config->state_dir, 0755, err);
	if (r == 0)
		r = schema_init(err);
	if (r < 0)
		return r;
	access_load(NULL);
	save_init();
	state_on_dirty(on_dirty, NULL);
	commit_init();
	history_init();
	oper_init(use_room);
	return add_own_actions(err);
}

void ds_done(void)
{
	partial_done();
	queue_done();
	oper_done();
	if (ds.is_started)
		history_save_now(!txn_is_running());
	txn_done();
	history_done();
	notify_forget_edit();
	notify_done();
	push_units_done();
	persist_done();
	save_done();
	confirm_done();
	candidate_done();
	journal_done();
	boot_done();
	provision_done();
	reset_done();
	kept_forget();
	data_index_forget(*store_running());
	access_done();
	schema_done();
	store_done();
	yang_done();
	memset(&ds, 0, sizeof(ds));
}

/* Running has come up, or nothing that it could have come from would load. */
static void running_is_up(bool is_same_boot)
{
	save_start(is_same_boot);
	ds.is_started = true;
	on_dirty(NULL); /* what has come or gone meanwhile was not for anybody */
	library_started();
}

void ds_start(ds_done_fn done, void *arg)
{
	boot_submit(&self, running_is_up, done, arg);
}
