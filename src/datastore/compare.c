/*
 * Comparing takes as long as the datastores are large, so a forked child does it: both are read as the client
 * may read them, through the filter, and what makes of the one the other is printed as a YANG patch.
 *
 * Operational holds what is in use, defaults included: what it is compared with is read with them, too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#include "../yang/compat.h"
#include "access.h"
#include "compare.h"
#include "difference.h"
#include "oper.h"
#include "patch.h"
#include "queue.h"
#include "save.h"
#include "show.h"
#include "store.h"

#define OUTPUT_MAX   (64 * 1024 * 1024)
#define TIMEOUT_MS   120000
#define CHILDREN_MAX 2 /* comparisons at a time */

struct compare_job {
	struct job job;
	struct action_call *call;
	enum format format;
	struct access *access; /* referenced */
	enum ds from, to;
	struct child *child;
};

static size_t children;

/* --- in the child ------------------------------------------------------------------------------- */

static bool has_operational(const struct compare_job *job)
{
	return job->from == DS_OPERATIONAL || job->to == DS_OPERATIONAL;
}

/* What stands in the input, as it would in a <get>. */
static int take_filter(const struct compare_job *job, struct ds_read *read, struct err *err)
{
	const struct lyd_node *input = job->call->input;
	const struct lyd_node *subtree = node_child(input, "subtree-filter");
	const char *xpath = node_text(input, "xpath-filter", NULL);
	_cleanup_(buf_done) struct buf text = { 0 };
	const struct lyd_node *node;
	int r = 0;

	if (xpath)
		read->xpath = xstrdup(xpath);
	if (!subtree)
		return 0;
	LY_LIST_FOR (compat_any_tree(subtree), node) {
		if (r == 0)
			r = format_print(
				&text, node, FORMAT_XML, false, WITH_DEFAULTS_EXPLICIT, false, err);
	}
	return r < 0 ? r
		     : ds_parse_filter(text.length ? buf_bytes(&text) : "", text.length,
			       &read->subtree, err);
}

/* Everything below an annotated node has its origin unless it says another. */
static int spread_origins(struct lyd_node *first, const char *above, struct err *err)
{
	const struct lys_module *module = ly_ctx_get_module_implemented(yang_ctx(), "ietf-origin");
	struct lyd_node *node;
	int r = 0;

	LY_LIST_FOR (first, node) {
		struct lyd_meta *meta = lyd_find_meta(node->meta, module, "origin");
		const char *origin = meta ? lyd_get_meta_value(meta) : above;

		if (node->schema->flags & LYS_CONFIG_R)
			continue;
		if (!meta && origin &&
			lyd_new_meta(NULL, node, module, "origin", origin, 0, NULL) != LY_SUCCESS)
			return yang_err(err, -EIO);
		r = spread_origins((struct lyd_node *)lyd_child(node), origin, err);
		if (r < 0)
			break;
	}
	return r;
}

static int read_tree(
	const struct compare_job *job, enum ds ds, struct lyd_node **ret_tree, struct err *err)
{
	const struct lyd_node *input = job->call->input;
	_cleanup_(buf_done) struct buf data = { 0 }, text = { 0 };
	struct ds_read read = {
		.ds = ds,
		.content = node_child(input, "all") ? DS_CONTENT_ALL : DS_CONTENT_CONFIG,
		.is_in_use = ds == DS_OPERATIONAL,
		.with_origin = ds == DS_OPERATIONAL && node_child(input, "report-origin"),
		.defaults = has_operational(job) ? WITH_DEFAULTS_ALL : WITH_DEFAULTS_EXPLICIT,
		.format = FORMAT_JSON,
	};
	int r = take_filter(job, &read, err);

	if (r == 0)
		r = oper_read_now(job->access, &read, &data, err);
	if (r == 0)
		r = buf_printf(
			&text, "{%.*s}", (int)data.length, data.length ? buf_bytes(&data) : "");
	if (r == 0 &&
		lyd_parse_data_mem(yang_ctx(), buf_bytes(&text), LYD_JSON, LYD_PARSE_ONLY, 0,
			ret_tree) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	return r == 0 && read.with_origin ? spread_origins(*ret_tree, NULL, err) : r;
}

/* What was parsed counts as old: what the difference makes is new. */
static void make_old(struct lyd_node *first)
{
	struct lyd_node *node;

	LY_LIST_FOR (first, node) {
		node->flags &= ~(uint32_t)LYD_NEW;
		make_old((struct lyd_node *)lyd_child(node));
	}
}

static void drop_origins(struct lyd_node *tree)
{
	struct lyd_node *node;

	LYD_TREE_DFS_BEGIN (tree, node) {
		struct lyd_meta *meta = lyd_find_meta(node->meta, NULL, "ietf-origin:origin");

		if (meta)
			lyd_free_meta_single(meta);
		LYD_TREE_DFS_END(tree, node);
	}
}

/* A leaf that changes stands in both datastores: its origin is that of the one that is operational. */
static int note_changes(const struct edit *edit, const struct lyd_node *annotated, struct err *err)
{
	const struct lys_module *module = ly_ctx_get_module_implemented(yang_ctx(), "ietf-origin");

	for (size_t i = 0; i < edit->count; i++) {
		const struct edit_event *event = &edit->events[i];
		_cleanup_free_ char *path = NULL;
		struct lyd_node *node = NULL;
		struct lyd_meta *meta;

		if (event->kind != EDIT_CHANGED)
			continue;
		path = edit_path(edit, event->node);
		if (lyd_find_path(annotated, path, 0, &node) != LY_SUCCESS)
			continue;
		meta = lyd_find_meta(node->meta, module, "origin");
		drop_origins(event->node);
		if (meta &&
			lyd_new_meta(NULL, event->node, module, "origin", lyd_get_meta_value(meta),
				0, NULL) != LY_SUCCESS)
			return yang_err(err, -EIO);
	}
	return 0;
}

/* Of a leaf that changes both values were printed with it. */
static void sort_origins(const struct compare_job *job, struct lyd_node *patch)
{
	const char *other = job->to == DS_OPERATIONAL ? "source-value" : "value";
	const struct lyd_node *entry;

	NODE_FOREACH (entry, patch, "edit") {
		const struct lyd_node *any = node_child(entry, other);
		struct lyd_node *tree = any ? (struct lyd_node *)compat_any_tree(any) : NULL;

		if (tree)
			drop_origins(tree);
	}
}

static int add_differences(const struct compare_job *job, struct lyd_node *operation,
	const struct edit *edit, struct err *err)
{
	struct lyd_node *differences = NULL, *patch = NULL;
	int r;

	if (lyd_new_inner(operation, NULL, "differences", true, &differences) != LY_SUCCESS)
		return yang_err(err, -EIO);
	r = build_container(differences, "yang-patch", &patch, err);
	if (r == 0)
		r = patch_build(patch, "compare", edit, err);
	if (r == 0)
		sort_origins(job, patch);
	return r;
}

static int compare(const struct compare_job *job, struct buf *text, struct err *err)
{
	bool has_origins = has_operational(job) && node_child(job->call->input, "report-origin");
	struct lyd_node *from = NULL, *to = NULL, *annotated = NULL, *operation = NULL;
	bool is_nothing;
	struct edit edit;
	int r = read_tree(job, job->from, &from, err);

	if (r == 0)
		r = read_tree(job, job->to, &to, err);
	if (r < 0)
		return r;
	is_nothing = !from && !to;
	make_old(from);
	make_old(to);
	if (has_origins &&
		lyd_dup_siblings(job->to == DS_OPERATIONAL ? to : from, NULL, LYD_DUP_RECURSIVE,
			&annotated) != LY_SUCCESS)
		return yang_err(err, -EIO);
	r = difference_apply(&edit, &from, to, err);
	if (r == 0 && annotated)
		r = note_changes(&edit, annotated, err);
	if (r == 0 && lyd_dup_single(job->call->input, NULL, 0, &operation) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	if (r == 0 && is_nothing)
		r = lyd_new_term(operation, NULL, "no-matches", NULL, true, NULL) == LY_SUCCESS
			? 0
			: yang_err(err, -EIO);
	else if (r == 0)
		r = add_differences(job, operation, &edit, err);
	return r < 0 ? r : format_print_output(text, operation, job->format, err);
}

static int child_main(void *arg)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_err_ struct err err = { 0 };
	int r = compare(arg, &text, &err);

	if (r < 0)
		(void)!write(STDOUT_FILENO, err_text(&err), strlen(err_text(&err)));
	else
		r = file_write_all(STDOUT_FILENO, buf_bytes(&text), text.length);
	return r < 0;
}

/* --- the job ------------------------------------------------------------------------------------ */

static void compared(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct compare_job *job = arg;
	int r;

	job->child = NULL;
	children--;
	if (result->truncated || result->timed_out)
		r = err_tagged(&err, ERR_TAG_TOO_BIG, NULL, "the datastores differ too much");
	else if (result->status)
		r = err_tagged(&err, ERR_TAG_OPERATION_FAILED, NULL, "%s", result->output);
	else
		r = buf_append(&job->call->text, result->output, result->output_size);
	job_end(&job->job, r < 0 ? &err : NULL);
}

static int start_child(struct compare_job *job, struct err *err)
{
	struct child_opts opts = {
		.run = child_main,
		.run_arg = job,
		.output_max = OUTPUT_MAX,
		.deadline_ms = TIMEOUT_MS,
		.done = compared,
		.arg = job,
	};
	int r;

	if (children == CHILDREN_MAX)
		return err_tagged(err, ERR_TAG_RESOURCE_DENIED, NULL,
			"%u datastores are being compared already", CHILDREN_MAX);
	if (has_operational(job)) {
		struct show show;

		show_start(&show, NULL, NULL, true);
		show_refresh_all(&show);
		show_end(&show);
	}
	r = child_start(&opts, &job->child, err);
	children += r == 0;
	return r;
}

static void start(struct job *base)
{
	struct compare_job *job = (struct compare_job *)base;
	_cleanup_err_ struct err err = { 0 };

	job->access = access_ref(access_of(&base->client));
	if (start_child(job, &err) < 0)
		job_end(base, &err);
	else
		job_detach(base); /* the child has everything as it is */
}

static void cancel(struct job *base)
{
	job_end(base, NULL);
}

static void report(struct job *base, const struct err *err)
{
	struct compare_job *job = (struct compare_job *)base;

	job->call->done(job->call, err);
}

static void job_done(struct job *base)
{
	struct compare_job *job = (struct compare_job *)base;

	if (job->child) {
		child_cancel(job->child);
		children--;
	}
	access_unref(job->access);
}

static const struct job_kind compare_kind = {
	.name = "compare",
	.start = start,
	.cancel = cancel,
	.free = job_done,
};

/* Intended is running. */
static int take_datastore(
	const struct lyd_node *input, const char *name, enum ds *ret_ds, struct err *err)
{
	static const struct {
		const char *name;
		enum ds ds;
	} stores[] = {
		{ "running", DS_RUNNING },
		{ "intended", DS_RUNNING },
		{ "candidate", DS_CANDIDATE },
		{ "startup", DS_STARTUP },
		{ "operational", DS_OPERATIONAL },
		{ "factory-default", DS_FACTORY },
	};
	const char *identity = node_identity(input, name);

	for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
		if (!str_equal(identity, stores[i].name))
			continue;
		*ret_ds = stores[i].ds;
		return 0;
	}
	err_tagged(err, ERR_TAG_INVALID_VALUE, NULL, "<%s> names no datastore of ours", name);
	return err_add_info(err, "bad-element", name);
}

static void run(struct action_call *call)
{
	_cleanup_err_ struct err err = { 0 };
	enum ds from = DS_RUNNING, to = DS_RUNNING;
	struct compare_job *job;
	int r = take_datastore(call->input, "source", &from, &err);

	if (r == 0)
		r = take_datastore(call->input, "target", &to, &err);
	if (r < 0) {
		call->done(call, &err);
		return;
	}
	if (from == DS_STARTUP || to == DS_STARTUP)
		save_first(call->client);
	job = job_new(&compare_kind, sizeof(*job), call->client, NULL);
	job->call = call;
	job->format = call->format;
	job->from = from;
	job->to = to;
	job->job.report = report;
	job_submit(&job->job);
}

const struct feature_action compare_actions[] = {
	{ "/ietf-nmda-compare:compare", run },
	{ NULL, NULL },
};
