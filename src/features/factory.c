/*
 * Back to the factory configuration (RFC 8808; infix-factory-default for a device that goes on running).
 *
 * An appliance is marked and restarts: its next start wipes it before anything else runs. From that mark on, and not
 * before, it is a device from the factory, wherever it is cut off. On any other machine the datastores do it.
 */
#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/software.h"
#include "ashlar/system.h"

static void done(const struct err *err, void *arg)
{
	struct action_call *call = arg;

	call->done(call, err);
}

static void marked(const struct err *err, void *arg)
{
	struct action_call *call = arg;
	_cleanup_err_ struct err failure = { 0 };

	if (err)
		ds_reset_failed();
	/* Whatever becomes of that: it is settled, and told. */
	else if (power_end(POWER_RESTART, "back to the factory", &failure) < 0)
		console_say("%s: the reset comes with the next start", err_text(&failure));
	call->done(call, err);
}

static void run_reset(struct action_call *call)
{
	_cleanup_err_ struct err err = { 0 };

	if (!software_now()->slot) {
		ds_factory(true, done, call);
		return;
	}
	if (ds_reset_begin(&err) < 0) {
		call->done(call, &err);
		return;
	}
	if (software_reset(call->user, marked, call, &err) < 0) {
		ds_reset_failed();
		call->done(call, &err);
	}
}

static void run_default(struct action_call *call)
{
	ds_factory(false, done, call);
}

const struct feature feature_factory = {
	.name = "factory",
	.modules =
		(const struct feature_module[]){
			{ "ietf-factory-default",
				(const char *const[]){ "factory-default-datastore", NULL } },
			{ "infix-factory-default", NULL },
			{ NULL, NULL },
		},
	.actions =
		(const struct feature_action[]){
			{ "/ietf-factory-default:factory-reset", run_reset },
			{ "/infix-factory-default:factory-default", run_default },
			{ NULL, NULL },
		},
};
