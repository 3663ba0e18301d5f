/*
 * What of the configuration is not in effect: wanted objects that the device refused or that wait for
 * others, and what a startup file held beyond what this version knows.
 */
#include "ashlar/datastore.h"
#include "ashlar/feature.h"

#define OBJECT_TEXT_MAX 256

struct listing {
	struct lyd_node *status;
	struct err *err;
	int r;
};

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	add(arg, NULL);
}

static void add_entry(
	struct listing *listing, const char *path, const char *object, const char *reason)
{
	struct lyd_node *entry = NULL;

	if (listing->r < 0)
		return;
	listing->r = build_entry(listing->status, "not-applied", NULL, &entry, listing->err);
	if (listing->r == 0)
		listing->r = build_leaf(entry, "path", path, listing->err);
	if (listing->r == 0 && object)
		listing->r = build_leaf(entry, "object", object, listing->err);
	if (listing->r == 0)
		listing->r = build_leaf(entry, "reason", reason, listing->err);
}

static void add_pending(const struct object *object, void *arg)
{
	_cleanup_free_ char *path = NULL;
	char text[OBJECT_TEXT_MAX];
	const char *unit = object->want ? want_unit_path(object->want) : "";

	path = object->path && *object->path ? xasprintf("%s/%s", unit, object->path)
					     : xstrdup(unit);
	object_describe(object, text, sizeof(text));
	add_entry(arg, path, text, object->reason ? object->reason : "waits");
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct listing listing = { .status = node, .err = err };
	const char *path, *reason;

	state_each_pending(add_pending, &listing);
	for (size_t i = 0; ds_not_applied(i, &path, &reason); i++)
		add_entry(&listing, path, NULL, reason);
	return listing.r;
}

const struct feature feature_status = {
	.name = "status",
	.modules = (const struct feature_module[]){ { "ashlar-status", NULL }, { NULL, NULL } },
	.state_roots = (const char *const[]){ "/ashlar-status:status", NULL },
	.units = units,
	.show = show,
};
