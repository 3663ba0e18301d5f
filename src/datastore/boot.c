/*
 * Where running comes from, best first: this boot's record, startup, those before it, the factory. A source
 * that does not load is told of, in the log and in operational state, and the next is taken.
 *
 * With a startup that did not load, the factory's defaults may leave an operator outside. What lets him in
 * is his to say beforehand: failure-config.cfg, beside the startup file, is then added to them.
 */
#include <errno.h>
#include <string.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/state.h"

#include "boot.h"
#include "confirm.h"
#include "factory.h"
#include "history.h"
#include "journal.h"
#include "kept.h"
#include "persist.h"
#include "queue.h"
#include "store.h"
#include "txn.h"

enum source {
	SOURCE_JOURNAL,
	SOURCE_STARTUP,
	SOURCE_PREVIOUS, /* PERSIST_PREVIOUS of them, the youngest first */
	SOURCE_FAILURE = SOURCE_PREVIOUS + PERSIST_PREVIOUS,
	SOURCE_FACTORY,
	SOURCES,
};

struct boot {
	struct job job;
	enum source source;
	struct lyd_node *request;
	void (*is_up)(bool is_same_boot);
	ds_done_fn done;
};

static struct {
	enum source source;
	bool is_up;
	struct ds_boot_refusal refusals[SOURCES];
	size_t refusal_count;
} booted;

static const char *source_name(enum source source)
{
	if (source >= SOURCE_PREVIOUS && source < SOURCE_FAILURE)
		return "previous-startup";
	return source == SOURCE_JOURNAL	   ? "journal"
		: source == SOURCE_STARTUP ? "startup"
		: source == SOURCE_FAILURE ? "failure"
					   : "factory";
}

/* --- what became of it ------------------------------------------------------------------------ */

const char *ds_boot_source(void)
{
	return booted.is_up ? source_name(booted.source) : NULL;
}

const struct ds_boot_refusal *ds_boot_refusal(size_t index)
{
	return index < booted.refusal_count ? &booted.refusals[index] : NULL;
}

static void note_refusal(enum source source, const struct err *err)
{
	struct ds_boot_refusal *refusal = &booted.refusals[booted.refusal_count++];

	log_error("datastore", "event=config-refused source=%s path=\"%s\" reason=\"%s\"",
		source_name(source), err->path ? err->path : "", err_text(err));
	*refusal = (struct ds_boot_refusal){
		.source = source_name(source),
		.path = xstrdup(err->path),
		.reason = xstrdup(err_text(err)),
	};
}

void boot_done(void)
{
	for (size_t i = 0; i < booted.refusal_count; i++) {
		free(booted.refusals[i].path);
		free(booted.refusals[i].reason);
	}
	memset(&booted, 0, sizeof(booted));
}

/* --- loading ---------------------------------------------------------------------------------- */

static int build_from_journal(struct edit *edit, struct err *err)
{
	int r = journal_restore(edit, err);

	if (r == 0)
		return err_set(err, -ENOENT, NULL, "no checkpoint of this boot");
	return r < 0 ? r : 0;
}

/* What startup holds beyond running is wanted when it is saved. */
static void keep_unapplied(void)
{
	_cleanup_free_ char *path = persist_path(0);
	struct lyd_node *ignored = NULL;

	if (persist_load(path, true, &ignored, NULL) == 0)
		lyd_free_all(ignored);
}

static int load_failure(struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *path = file_join(store_config.config_dir, "failure-config.cfg");
	struct lyd_node *tree = NULL, *factory = NULL;
	int r = booted.refusal_count ? persist_load(path, true, &tree, err) : -ENOENT;

	if (r < 0)
		return booted.refusal_count ? r : err_set(err, r, NULL, "nothing has failed");
	r = factory_tree(&factory, err);
	if (r == 0 && lyd_merge_siblings(&factory, tree, LYD_MERGE_DEFAULTS) != LY_SUCCESS)
		r = yang_err(err, -EIO);
	lyd_free_all(tree);
	if (r < 0)
		lyd_free_all(factory);
	else
		*ret_tree = factory;
	return r;
}

static int load_request(struct boot *boot, struct err *err)
{
	_cleanup_free_ char *path = NULL;

	switch (boot->source) {
	case SOURCE_JOURNAL:
		keep_unapplied();
		return 0;
	case SOURCE_FAILURE:
		return load_failure(&boot->request, err);
	case SOURCE_FACTORY:
		kept_forget(); /* it belongs to a file that was refused */
		return factory_tree(&boot->request, err);
	default:
		path = persist_path((unsigned)(boot->source - SOURCE_STARTUP));
		return persist_load(path, true, &boot->request, err);
	}
}

/* --- one source after the other --------------------------------------------------------------- */

static void try_source(struct boot *boot);

static void history_started(const struct err *err, void *arg)
{
	struct boot *boot = arg;

	confirm_restore(boot->source == SOURCE_JOURNAL);
	job_end(&boot->job, err);
}

static void tried(const struct err *err, void *arg)
{
	struct boot *boot = arg;
	_cleanup_free_ char *comment = NULL;

	lyd_free_all(TAKE(boot->request));
	if (err && boot->source + 1 < SOURCES) {
		if (err->code != -ENOENT || err->tag) /* with a tag it is data that is missing */
			note_refusal(boot->source, err);
		boot->source++;
		try_source(boot);
		return;
	}
	booted.source = boot->source;
	booted.is_up = !err;
	if (!err)
		log_notice("datastore", "event=config-loaded source=%s pending=%zu",
			source_name(boot->source), state_pending_count());
	boot->is_up(!err && boot->source == SOURCE_JOURNAL);
	if (err) {
		job_end(&boot->job, err);
		return;
	}
	comment = xasprintf("started from %s", source_name(boot->source));
	history_start(comment, history_started, boot);
}

static void try_source(struct boot *boot)
{
	_cleanup_err_ struct err err = { 0 };
	struct txn_opts opts = {
		.source = TXN_BOOT,
		.operation = EDIT_MERGE,
		.request = &boot->request,
		.build = boot->source == SOURCE_JOURNAL ? build_from_journal : NULL,
		.done = tried,
		.arg = boot,
	};

	if (load_request(boot, &err) < 0)
		tried(&err, boot);
	else
		txn_run(&opts);
}

static void start(struct job *job)
{
	try_source((struct boot *)job);
}

static void report(struct job *job, const struct err *err)
{
	((struct boot *)job)->done(err, job->arg);
}

static void free_boot(struct job *job)
{
	lyd_free_all(((struct boot *)job)->request);
}

static const struct job_kind boot_kind = {
	.name = "boot",
	.start = start,
	.free = free_boot,
};

void boot_submit(const struct ds_client *client, void (*is_up)(bool is_same_boot), ds_done_fn done,
	void *arg)
{
	struct boot *boot = job_new(&boot_kind, sizeof(*boot), client, arg);

	boot->is_up = is_up;
	boot->done = done;
	boot->job.report = report;
	job_submit(&boot->job);
}

/* --- judging ---------------------------------------------------------------------------------- */

static void checked(const struct err *err, void *arg)
{
	struct err *ret = arg;

	if (err)
		err_copy(ret, err);
	else
		ret->code = 1; /* finished, and well */
}

int ds_check_file(const char *path, struct err *err)
{
	struct lyd_node *request = NULL;
	_cleanup_err_ struct err result = { 0 };
	struct txn_opts opts = {
		.source = TXN_CHECK,
		.operation = EDIT_MERGE,
		.request = &request,
		.done = checked,
		.arg = &result,
	};
	int r = persist_load(path, true, &request, err);

	if (r < 0)
		return r;
	txn_run(&opts);
	while (!result.code)
		loop_turn(-1);
	lyd_free_all(request);
	return result.code < 0 ? err_move(err, &result) : 0;
}
