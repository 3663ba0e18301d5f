/*
 * Back to the factory configuration (RFC 8808; infix-factory-default for a device that goes on running).
 * The datastores do it.
 */
#include "ashlar/datastore.h"
#include "ashlar/feature.h"

static void done(const struct err *err, void *arg)
{
	struct action_call *call = arg;

	call->done(call, err);
}

static void run_reset(struct action_call *call)
{
	ds_factory(true, done, call);
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
