/*
 * For each datastore what is told of its changes. Of what operational holds, some changes are noticed by
 * nobody (counters): those nodes are named, before the entry that holds for the rest.
 */
#include <errno.h>

#include "ashlar/push.h"

#include "capabilities.h"
#include "schema.h"

#define MODULE	"ietf-notification-capabilities:subscription-capabilities"
#define BOTH	"config-changes state-changes"
#define CONFIG	"config-changes"
#define NOTHING ""

static int add_support(
	struct lyd_node *parent, const char *periodic, const char *on_change, struct err *err)
{
	struct lyd_node *node;
	int r = build_container(parent, MODULE, &node, err);

	if (r == 0 && periodic)
		r = build_leaf(node, "periodic-notifications-supported", periodic, err);
	return r < 0 ? r : build_leaf(node, "on-change-supported", on_change, err);
}

static int add_general(struct lyd_node *container, struct err *err)
{
	struct lyd_node *node;
	int r = add_support(container, BOTH, CONFIG, err);

	if (r == 0)
		r = build_container(container, MODULE, &node, err);
	if (r == 0)
		r = build_u64(node, "minimum-update-period", PUSH_PERIOD_MIN_CS, err);
	if (r == 0)
		r = build_u64(node, "minimum-dampening-period", 0, err);
	return r < 0 ? r : build_item(node, "supported-excluded-change-type", "all", err);
}

/* The uppermost nodes whose changes nobody notices. */
struct silent {
	struct lyd_node *datastore;
	struct err *err;
	int r;
};

static LY_ERR add_silent(struct lysc_node *schema, void *arg, ly_bool *skip)
{
	const struct snode *snode = schema->priv;
	struct silent *silent = arg;
	struct lyd_node *entry;
	_cleanup_free_ char *path = NULL;

	if (schema->nodetype & (LYS_RPC | LYS_ACTION | LYS_NOTIF)) {
		*skip = 1;
		return LY_SUCCESS;
	}
	if (silent->r < 0 || schema->nodetype & (LYS_CHOICE | LYS_CASE) || !snode ||
		!snode->is_silent)
		return LY_SUCCESS;
	*skip = 1;
	path = lysc_path(schema, LYSC_PATH_DATA, NULL, 0);
	silent->r =
		build_entry(silent->datastore, "per-node-capabilities", NULL, &entry, silent->err);
	if (silent->r == 0)
		silent->r = build_leaf(entry, "node-selector", path, silent->err);
	if (silent->r == 0)
		silent->r = add_support(entry, NULL, NOTHING, silent->err);
	return LY_SUCCESS;
}

static int add_silents(struct lyd_node *datastore, struct err *err)
{
	struct silent silent = { .datastore = datastore, .err = err };
	const struct lys_module *module;
	uint32_t at = 0;

	while ((module = ly_ctx_get_module_iter(yang_ctx(), &at))) {
		if (module->implemented)
			(void)lysc_module_dfs_full(module, add_silent, &silent);
	}
	return silent.r;
}

int capabilities_show(struct lyd_node *container, struct err *err)
{
	static const struct {
		const char *name;
		enum ds ds;
	} stores[] = {
		{ "ietf-datastores:running", DS_RUNNING },
		{ "ietf-datastores:candidate", DS_CANDIDATE },
		{ "ietf-datastores:startup", DS_STARTUP },
		{ "ietf-datastores:intended", DS_RUNNING },
		{ "ietf-factory-default:factory-default", DS_FACTORY },
		{ "ietf-datastores:operational", DS_OPERATIONAL },
	};
	struct lyd_node *datastore, *entry;
	int r = add_general(container, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stores); i++) {
		bool is_operational = stores[i].ds == DS_OPERATIONAL;

		r = build_entry(
			container, "datastore-capabilities", stores[i].name, &datastore, err);
		if (r == 0 && is_operational)
			r = add_silents(datastore, err);
		if (r == 0)
			r = build_entry(datastore, "per-node-capabilities", NULL, &entry, err);
		if (r == 0)
			r = add_support(entry, is_operational ? BOTH : CONFIG,
				!push_has_changes(stores[i].ds) ? NOTHING
					: is_operational	? BOTH
								: CONFIG,
				err);
	}
	return r;
}
