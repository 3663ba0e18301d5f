/*
 * Access control rules (RFC 8341): configuration that datastore/access.c enforces; what it has refused is
 * shown. User names alone make groups: no transport reports any of its own.
 */
#include "ashlar/datastore.h"
#include "ashlar/feature.h"

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	add(arg, NULL);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct ds_denied *denied = ds_denied();
	int r = build_u64(node, "denied-operations", denied->operations, err);

	if (r == 0)
		r = build_u64(node, "denied-data-writes", denied->data_writes, err);
	return r < 0 ? r : build_u64(node, "denied-notifications", denied->notifications, err);
}

const struct feature feature_nacm = {
	.name = "nacm",
	.modules = (const struct feature_module[]){ { "ietf-netconf-acm", NULL }, { NULL, NULL } },
	.roots = (const char *const[]){ "/ietf-netconf-acm:nacm", NULL },
	.units = units,
	.show = show,
	.silent =
		(const char *const[]){
			"/ietf-netconf-acm:nacm/denied-operations",
			"/ietf-netconf-acm:nacm/denied-data-writes",
			"/ietf-netconf-acm:nacm/denied-notifications",
			NULL,
		},
};
