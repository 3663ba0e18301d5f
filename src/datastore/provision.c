/*
 * The first configuration of a device that has none. A volume that is meant for it (image.h) holds one, or the URL that
 * the kernel's command line names, which is asked when the volumes that were there at the start have been looked at:
 * that becomes running, as a whole or not at all, and then startup; from then on nobody is waited for, and neither
 * when somebody else has saved one. What was refused, and why, is told.
 */
#include <errno.h>
#include <stdio.h>

#include "ashlar/image.h"
#include "ashlar/log.h"
#include "ashlar/mem.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "factory.h"
#include "kept.h"
#include "persist.h"
#include "provision.h"
#include "store.h"

#define REFUSALS_MAX 8 /* the last ones are kept */

static const struct ds_client self = {
	.user = "", .protocol = "internal", .comment = "provisioned", .is_recovery = true
};

/* What has come, until it is taken or refused. */
struct brought {
	char *source; /* NULL: nothing */
	char *path;   /* NULL: @err says why */
	struct err err;
	bool is_volume, is_merge;
};

static struct {
	bool is_waiting;
	char *url, *share_dir;	/* url NULL: none */
	struct brought now;	/* is being tried */
	struct brought waiting; /* a volume's, meanwhile */
	struct ds_provision_refusal refusals[REFUSALS_MAX];
	size_t refusal_count;
} provision;

bool ds_provision_waits(void)
{
	return provision.is_waiting;
}

const struct ds_provision_refusal *ds_provision_refusal(size_t index)
{
	return index < provision.refusal_count ? &provision.refusals[index] : NULL;
}

static void free_refusal(struct ds_provision_refusal *refusal)
{
	free(refusal->source);
	free(refusal->path);
	free(refusal->reason);
}

static void brought_done(struct brought *brought)
{
	free(brought->source);
	free(brought->path);
	err_done(&brought->err);
	memset(brought, 0, sizeof(*brought));
}

static void stop_waiting(void)
{
	provision.is_waiting = false;
	volume_unwatch();
	config_url_stop();
	brought_done(&provision.now);
	brought_done(&provision.waiting);
}

/* --- refusing ---------------------------------------------------------------------------------- */

static bool is_told(const char *path, const char *reason)
{
	for (size_t i = provision.refusal_count; i-- > 0;) {
		const struct ds_provision_refusal *refusal = &provision.refusals[i];

		if (str_equal(refusal->source, provision.now.source))
			return str_equal(refusal->path, path) && str_equal(refusal->reason, reason);
	}
	return false;
}

static void keep_refusal(const char *path, const char *reason)
{
	if (provision.refusal_count == REFUSALS_MAX) {
		free_refusal(&provision.refusals[0]);
		memmove(provision.refusals, provision.refusals + 1,
			--provision.refusal_count * sizeof(*provision.refusals));
	}
	provision.refusals[provision.refusal_count++] = (struct ds_provision_refusal){
		.source = xstrdup(provision.now.source),
		.path = xstrdup(path),
		.reason = xstrdup(reason),
	};
}

static void take_waiting(void);

static void refuse(const struct err *err)
{
	const char *path = err->path ? err->path : "";
	bool is_volume = provision.now.is_volume;

	/* A server that is asked again and again says the same again and again; a volume is brought by somebody. */
	if (is_volume || !is_told(err->path, err_text(err))) {
		keep_refusal(err->path, err_text(err));
		log_error("datastore",
			"event=provision-refused source=%s path=\"%s\" reason=\"%s\"",
			provision.now.source, path, err_text(err));
		console_say("the configuration %s %s is refused: %s%s%s", is_volume ? "on" : "of",
			provision.now.source, path, *path ? ": " : "", err_text(err));
	}
	brought_done(&provision.now);
	if (is_volume)
		volume_next();
	else
		config_url_again();
	take_waiting();
}

/* --- taking ------------------------------------------------------------------------------------ */

static void saved(const struct err *err, void *arg)
{
	if (err) {
		refuse(err);
		return;
	}
	log_notice("datastore", "event=provisioned source=%s", provision.now.source);
	console_say("configured from %s", provision.now.source);
	stop_waiting();
}

static void applied(const struct err *err, void *arg)
{
	struct ds_source running = { .ds = DS_RUNNING };

	if (err) {
		kept_forget();
		refuse(err);
		return;
	}
	ds_copy(&self, DS_STARTUP, &running, saved, NULL);
}

/* What it brings, on top of the factory's defaults if it is to be merged. */
static int load(const struct brought *brought, struct lyd_node **ret_tree, struct err *err)
{
	struct lyd_node *tree = NULL, *factory = NULL;
	int r = persist_load(brought->path, true, &tree, err);

	if (r < 0 || !brought->is_merge) {
		*ret_tree = tree;
		return r;
	}
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

static bool has_startup(void)
{
	_cleanup_free_ char *startup = persist_path(0);

	return access(startup, F_OK) == 0;
}

/* What is in provision.now. */
static void try_it(void)
{
	struct ds_source source = { .is_tree = true };
	_cleanup_err_ struct err failure = { 0 };

	if (has_startup())
		stop_waiting();
	else if (!provision.now.path && err_move(&failure, &provision.now.err) < 0)
		refuse(&failure);
	else if (load(&provision.now, &source.tree, &failure) < 0)
		refuse(&failure);
	else
		ds_copy(&self, DS_RUNNING, &source, applied, NULL);
}

static void take_waiting(void)
{
	if (provision.now.source || !provision.waiting.source)
		return;
	provision.now = provision.waiting;
	memset(&provision.waiting, 0, sizeof(provision.waiting));
	try_it();
}

static void found_at_url(
	const char *url, const char *path, bool is_merge, const struct err *err, void *arg)
{
	if (provision.now.source) { /* a volume's goes first */
		config_url_again();
		return;
	}
	provision.now = (struct brought){
		.source = xstrdup(url), .path = xstrdup(path), .is_merge = is_merge
	};
	if (err)
		err_copy(&provision.now.err, err);
	try_it();
}

static void ask_url(void)
{
	if (provision.url)
		config_url_ask(provision.url, store_config.run_dir, provision.share_dir,
			found_at_url, NULL);
	free(TAKE(provision.url));
}

static void found_on_volume(const char *device, const char *path, const struct err *err, void *arg)
{
	if (!device) {
		ask_url();
		return;
	}
	provision.waiting = (struct brought){
		.source = xstrdup(device), .path = xstrdup(path), .is_volume = true
	};
	if (err)
		err_copy(&provision.waiting.err, err);
	take_waiting();
}

void ds_provision_start(const struct ds_provision_config *config)
{
	_cleanup_err_ struct err err = { 0 };

	if (!str_equal(ds_boot_source(), "factory") || has_startup())
		return;
	provision.url = config_url_of(config->cmdline);
	provision.share_dir = xstrdup(config->share_dir);
	provision.is_waiting = config->has_volumes || provision.url;
	if (!config->has_volumes) {
		ask_url();
		return;
	}
	console_say("no configuration yet: one is taken from a volume labelled ASHLAR%s",
		provision.url ? ", or from where the kernel's command line says" : "");
	if (volume_watch(store_config.run_dir, found_on_volume, NULL, &err) < 0) {
		log_error("datastore", "%s", err_text(&err));
		ask_url();
	}
}

void provision_done(void)
{
	stop_waiting();
	free(TAKE(provision.url));
	free(TAKE(provision.share_dir));
	while (provision.refusal_count)
		free_refusal(&provision.refusals[--provision.refusal_count]);
}
