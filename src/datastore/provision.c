/*
 * The first configuration of a device that has none. A volume that is meant for it (image.h) holds one: that
 * becomes running, as a whole or not at all, and then startup; from then on nobody is waited for. What was
 * refused, and why, is told.
 */
#include <errno.h>
#include <stdio.h>

#include "ashlar/image.h"
#include "ashlar/log.h"
#include "ashlar/mem.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#include "kept.h"
#include "persist.h"
#include "provision.h"
#include "store.h"

#define REFUSALS_MAX 8 /* the last ones are kept */

static const struct ds_client self = {
	.user = "", .protocol = "internal", .comment = "provisioned", .is_recovery = true
};

static struct {
	bool is_waiting;
	char *device; /* whose configuration is being tried */
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

static void refuse(const struct err *err)
{
	const char *path = err->path ? err->path : "";

	if (provision.refusal_count == REFUSALS_MAX) {
		free_refusal(&provision.refusals[0]);
		memmove(provision.refusals, provision.refusals + 1,
			--provision.refusal_count * sizeof(*provision.refusals));
	}
	provision.refusals[provision.refusal_count++] = (struct ds_provision_refusal){
		.source = xstrdup(provision.device),
		.path = xstrdup(err->path),
		.reason = xstrdup(err_text(err)),
	};
	log_error("datastore", "event=provision-refused source=%s path=\"%s\" reason=\"%s\"",
		provision.device, path, err_text(err));
	console_say("the configuration on %s is refused: %s%s%s", provision.device, path,
		*path ? ": " : "", err_text(err));
	free(TAKE(provision.device));
	volume_next();
}

static void saved(const struct err *err, void *arg)
{
	if (err) {
		refuse(err);
		return;
	}
	log_notice("datastore", "event=provisioned source=%s", provision.device);
	console_say("configured from %s", provision.device);
	free(TAKE(provision.device));
	provision.is_waiting = false;
	volume_unwatch();
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

static void found(const char *device, const char *path, const struct err *err, void *arg)
{
	struct ds_source source = { .is_tree = true };
	_cleanup_err_ struct err failure = { 0 };

	provision.device = xstrdup(device);
	if (err)
		refuse(err);
	else if (persist_load(path, true, &source.tree, &failure) < 0)
		refuse(&failure);
	else
		ds_copy(&self, DS_RUNNING, &source, applied, NULL);
}

void ds_provision_start(void)
{
	_cleanup_free_ char *startup = persist_path(0);
	_cleanup_err_ struct err err = { 0 };

	if (!str_equal(ds_boot_source(), "factory") || access(startup, F_OK) == 0)
		return;
	provision.is_waiting = true;
	console_say("no configuration yet: one is taken from a volume labelled ASHLAR");
	if (volume_watch(store_config.run_dir, found, NULL, &err) < 0)
		log_error("datastore", "%s", err_text(&err));
}

void provision_done(void)
{
	volume_unwatch();
	free(TAKE(provision.device));
	while (provision.refusal_count)
		free_refusal(&provision.refusals[--provision.refusal_count]);
	provision.is_waiting = false;
}
