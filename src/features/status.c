/*
 * What of the configuration is not in effect: wanted objects that the device refused or that wait for
 * others, addresses that another device on the network has, and what a startup file held beyond what this version knows; and where the running configuration
 * has come from, when the daemon started.
 */
#include <linux/if_addr.h>

#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/kernel.h"

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

/* Of a unit what all else in it waits for is told alone: the interface, not its addresses and settings too. */
static bool waits_within_unit(const struct object *object)
{
	for (size_t i = 0; i < object->needs_count; i++) {
		const struct object_ref *need = &object->needs[i];
		const struct object *needed = state_wanted(need->kind, need->key);

		if (needed && needed->is_pending && needed->want == object->want)
			return true;
	}
	return false;
}

static void add_object(struct listing *listing, const struct object *object, const char *reason)
{
	_cleanup_free_ char *path = NULL;
	char text[OBJECT_TEXT_MAX];
	const char *unit = object->want ? want_unit_path(object->want) : "";

	path = object->path && *object->path ? xasprintf("%s/%s", unit, object->path)
					     : xstrdup(unit);
	object_describe(object, text, sizeof(text));
	add_entry(listing, path, text, reason);
}

static void add_pending(const struct object *object, void *arg)
{
	if (!waits_within_unit(object))
		add_object(arg, object, object_reason(object) ? object_reason(object) : "waits");
}

/* The kernel has them and does not use them: duplicate address detection has failed (RFC 4862). */
static void add_duplicates(struct listing *listing, const struct have *have)
{
	const struct address *address;
	size_t at = 0;

	while ((address = have_next(have, &object_kind_address, &at))) {
		const struct object *wanted =
			address->family == AF_INET6 && address->flags & IFA_F_DADFAILED
			? state_wanted(&object_kind_address, address->object.key)
			: NULL;

		if (wanted)
			add_object(
				listing, wanted, "another device on the network has this address");
	}
}

static int show_refusal(struct lyd_node *node, const char *source, const char *path,
	const char *reason, struct err *err)
{
	struct lyd_node *entry = NULL;
	int r = build_entry(node, "refused", NULL, &entry, err);

	if (r == 0)
		r = build_leaf(entry, "source", source, err);
	if (r == 0 && path)
		r = build_leaf(entry, "path", path, err);
	return r < 0 ? r : build_leaf(entry, "reason", reason, err);
}

/* Where running came from, and what was better and did not load. */
static int show_boot(struct lyd_node *node, struct err *err)
{
	const struct ds_boot_refusal *refusal;
	const char *source = ds_boot_source();
	struct lyd_node *boot = NULL;
	int r = build_container(node, "boot", &boot, err);

	if (r == 0 && source)
		r = build_leaf(boot, "source", source, err);
	for (size_t i = 0; r == 0 && (refusal = ds_boot_refusal(i)); i++)
		r = show_refusal(boot, refusal->source, refusal->path, refusal->reason, err);
	return r;
}

/* Whether a first configuration is waited for, and what was brought and is not good. */
static int show_provisioning(struct lyd_node *node, struct err *err)
{
	const struct ds_provision_refusal *refusal = ds_provision_refusal(0);
	struct lyd_node *provisioning = NULL;
	int r;

	if (!ds_provision_waits() && !refusal)
		return 0;
	r = build_container(node, "provisioning", &provisioning, err);
	if (r == 0)
		r = build_bool(provisioning, "waits", ds_provision_waits(), err);
	for (size_t i = 0; r == 0 && (refusal = ds_provision_refusal(i)); i++)
		r = show_refusal(
			provisioning, refusal->source, refusal->path, refusal->reason, err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct listing listing = { .status = node, .err = err };
	const char *path, *reason;

	state_each_pending(add_pending, &listing);
	add_duplicates(&listing, have);
	for (size_t i = 0; ds_not_applied(i, &path, &reason); i++)
		add_entry(&listing, path, NULL, reason);
	if (listing.r == 0)
		listing.r = show_boot(node, err);
	return listing.r < 0 ? listing.r : show_provisioning(node, err);
}

const struct feature feature_status = {
	.name = "status",
	.modules = (const struct feature_module[]){ { "ashlar-status", NULL }, { NULL, NULL } },
	.state_roots = (const char *const[]){ "/ashlar-status:status", NULL },
	.silent = (const char *const[]){ "/ashlar-status:status", NULL },
	.units = units,
	.show = show,
};
