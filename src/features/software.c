/*
 * The software of the device (infix-system, ashlar-software): its slots, the generations that it can go back to,
 * the end of a trial, and the boot order, which is a generation's: whoever puts a slot first asks for the newest
 * generation of the image there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/containers.h"
#include "ashlar/feature.h"
#include "ashlar/software.h"
#include "ashlar/str.h"

#define SOFTWARE_PATH "/ietf-system:system-state/infix-system:software"

/* What Infix calls the slots. */
static const struct {
	const char *slot, *target;
} targets[] = { { "a", "primary" }, { "b", "secondary" } };

static const char *target_of(const char *slot)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (str_equal(targets[i].slot, slot))
			return targets[i].target;
	return slot;
}

static const char *slot_of(const char *target)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (str_equal(targets[i].target, target))
			return targets[i].slot;
	return NULL;
}

/* --- what is seen ------------------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (software_now()->slot)
		add(arg, NULL);
}

/* Seconds since 1970 and how often; never: nothing. */
static int show_stage(
	struct lyd_node *slot, const char *name, int64_t when, uint32_t count, struct err *err)
{
	struct lyd_node *stage = NULL;
	char text[CLOCK_TEXT_MAX];
	int r = 0;

	if (!when && !count)
		return 0;
	r = build_container(slot, name, &stage, err);
	clock_text(text, (time_t)when);
	if (r == 0 && when)
		r = build_leaf(stage, "datetime", text, err);
	return r == 0 ? build_u64(stage, "count", count, err) : r;
}

static int show_contents(const struct slot_header *header, struct lyd_node *slot, struct err *err)
{
	struct lyd_node *bundle = NULL;
	char hex[2 * SLOT_SHA256_BYTES + 1];
	int r;

	if (header->state == SLOT_STATE_EMPTY)
		return 0;
	str_hex(hex, header->sha256, SLOT_SHA256_BYTES);
	r = build_container(slot, "bundle", &bundle, err);
	if (r == 0)
		r = build_leaf(bundle, "compatible", header->compatible, err);
	if (r == 0)
		r = build_leaf(bundle, "version", header->version, err);
	if (r == 0)
		r = build_u64(slot, "size", header->size, err);
	if (r == 0)
		r = build_leaf(slot, "sha256", hex, err);
	return r == 0 ? build_u64(slot, "ashlar-software:security-counter", header->security, err)
		      : r;
}

static int show_slot(
	const char *name, const struct slot_header *header, struct lyd_node *node, struct err *err)
{
	bool is_running = str_equal(software_now()->slot, name);
	struct lyd_node *slot = NULL;
	int r = build_entry(node, "slot", name, &slot, err);

	if (r == 0)
		r = build_leaf(slot, "bootname", target_of(name), err);
	if (r == 0)
		r = build_leaf(
			slot, "class", str_equal(name, "recovery") ? "recovery" : "rootfs", err);
	if (r == 0)
		r = build_leaf(slot, "state", is_running ? "booted" : "inactive", err);
	if (r == 0)
		r = show_contents(header, slot, err);
	if (r == 0)
		r = show_stage(slot, "installed", header->installed, header->installed_count, err);
	if (r == 0)
		r = show_stage(slot, "activated", header->activated, header->activated_count, err);
	if (r == 0)
		r = build_leaf(
			slot, "ashlar-software:condition", slot_state_name(header->state), err);
	if (r == 0 && *header->reason)
		r = build_leaf(slot, "ashlar-software:reason", header->reason, err);
	return r == 0 ? build_u64(slot, "ashlar-software:attempts", header->attempts, err) : r;
}

/* The current generation's slot, then the other one, if it is good. */
static int show_boot_order(const struct software *now, struct lyd_node *node, struct err *err)
{
	const char *first = NULL;
	int r = 0;

	for (size_t i = 0; i < now->generation_count; i++)
		if (now->generations[i].number == now->current)
			first = software_slot_of(&now->generations[i]);
	if (first)
		r = build_item(node, "boot-order", target_of(first), err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(targets); i++)
		if (now->slots[i].state == SLOT_STATE_GOOD && !str_equal(slot_names[i], first))
			r = build_item(node, "boot-order", targets[i].target, err);
	return r;
}

static int show_trial(const struct software *now, struct lyd_node *node, struct err *err)
{
	struct lyd_node *trial = NULL;
	int r;

	if (!now->is_trial)
		return 0;
	r = build_container(node, "ashlar-software:trial", &trial, err);
	if (r == 0)
		r = build_u64(trial, "generation", now->generation, err);
	if (r == 0)
		r = build_u64(trial, "confirm-timeout", now->terms.confirm_s, err);
	return r == 0 && now->terms.who ? build_leaf(trial, "installed-by", now->terms.who, err)
					: r;
}

static int show_container(struct lyd_node *node, const char *name, const char *image,
	const char *digest, struct err *err)
{
	struct lyd_node *entry = NULL;
	int r = build_entry(node, "container", name, &entry, err);

	if (r == 0)
		r = build_leaf(entry, "image", image, err);
	return r == 0 && *digest ? build_leaf(entry, "digest", digest, err) : r;
}

/* Those of the generation that runs are what is observed, of the others what was kept. */
static int show_containers(const struct generation *generation, const struct have *have,
	struct lyd_node *node, struct err *err)
{
	const struct object *object;
	size_t at = 0;
	int r = 0;

	if (generation->number == software_now()->generation) {
		while (r == 0 && (object = have_next(have, &object_kind_image, &at))) {
			const struct image *image = (const struct image *)object;

			r = show_container(node, object->key, image->reference, image->digest, err);
		}
		return r;
	}
	for (size_t i = 0; r == 0 && i < generation->container_count; i++) {
		const struct generation_container *container = &generation->containers[i];

		r = show_container(node, container->name, container->image, container->digest, err);
	}
	return r;
}

static int show_generation(const struct generation *generation, const struct have *have,
	struct lyd_node *node, struct err *err)
{
	const char *slot = software_slot_of(generation);
	const char *const texts[][2] = { { "slot", slot }, { "version", generation->version },
		{ "sha256", generation->image }, { "datetime", generation->time },
		{ "reason", generation->reason } };
	struct lyd_node *entry = NULL;
	char number[12];
	int r;

	(void)snprintf(number, sizeof(number), "%" PRIu32, generation->number);
	r = build_entry(node, "generation", number, &entry, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		if (texts[i][1] && *texts[i][1])
			r = build_leaf(entry, texts[i][0], texts[i][1], err);
	if (r == 0 && generation->is_trial && generation->number != software_now()->current)
		r = build_leaf(entry, "trial", "", err);
	return r == 0 ? show_containers(generation, have, entry, err) : r;
}

static int show_generations(
	const struct software *now, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct lyd_node *generations = NULL;
	int r = build_container(node, "ashlar-software:generations", &generations, err);

	if (r == 0 && now->current)
		r = build_u64(generations, "current", now->current, err);
	if (r == 0 && now->generation)
		r = build_u64(generations, "running", now->generation, err);
	for (size_t i = 0; r == 0 && i < now->generation_count; i++)
		r = show_generation(&now->generations[i], have, generations, err);
	return r;
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const struct software *now = software_now();
	int r = 0;

	if (!now->slot)
		return 0;
	for (size_t i = 0; r == 0 && i < SOFTWARE_SLOTS; i++)
		if (str_equal(slot_names[i], now->slot) && *now->slots[i].compatible)
			r = build_leaf(node, "compatible", now->slots[i].compatible, err);
	if (r == 0)
		r = build_leaf(node, "booted", target_of(now->slot), err);
	if (r == 0)
		r = show_boot_order(now, node, err);
	for (size_t i = 0; r == 0 && i < SOFTWARE_SLOTS; i++)
		r = show_slot(slot_names[i], &now->slots[i], node, err);
	if (r == 0)
		r = show_trial(now, node, err);
	return r == 0 ? show_generations(now, have, node, err) : r;
}

/* --- RPCs --------------------------------------------------------------------------------------- */

static void done(const struct err *err, void *arg)
{
	struct action_call *call = arg;

	call->done(call, err);
}

static void end(struct action_call *call, struct err *err, const char *rpc)
{
	if (err->path)
		err_prefix(err, rpc);
	call->done(call, err);
}

static int need_slots(struct err *err)
{
	return software_now()->slot ? 0
				    : err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, NULL,
					      "this system was not started from a slot");
}

static int put_generation(struct action_call *call, uint32_t number, struct err *err)
{
	char text[12];

	(void)snprintf(text, sizeof(text), "%" PRIu32, number);
	return build_output(call->output, "generation", text, err);
}

static void run_confirm(struct action_call *call)
{
	const struct software *now = software_now();
	const char *id = node_text(call->input, "persist-id", NULL);
	_cleanup_err_ struct err err = { 0 };
	int r = need_slots(&err);

	if (r == 0 && now->is_trial && now->terms.persist_id &&
		!str_equal(id, now->terms.persist_id))
		r = err_set(
			&err, -EINVAL, "persist-id", "the upgrade was installed with another one");
	if (r == 0)
		r = put_generation(call, now->generation, &err);
	if (r == 0)
		r = software_confirm(call->user, done, call, &err);
	if (r < 0)
		end(call, &err, "/ashlar-software:confirm");
}

/* The newest of the image in the slot that does not run. */
static uint32_t usual_generation(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (!str_equal(targets[i].slot, software_now()->slot))
			return software_newest(targets[i].slot);
	return 0;
}

static void run_rollback(struct action_call *call)
{
	const struct software *now = software_now();
	uint32_t number = (uint32_t)node_u64(call->input, "generation", 0);
	_cleanup_err_ struct err err = { 0 };
	_cleanup_free_ char *reason = xasprintf("given up by %s", call->user);
	bool is_end = now->is_trial && (!number || number == now->current);
	int r = need_slots(&err);

	if (r == 0 && !number)
		number = is_end ? now->current : usual_generation();
	if (r == 0 && !number)
		r = err_tagged(&err, ERR_TAG_DATA_MISSING, NULL,
			"there is no generation with another image");
	if (r == 0)
		r = put_generation(call, number, &err);
	if (r == 0)
		r = is_end ? software_abandon(reason, done, call, &err)
			   : software_roll_back(number, call->user, done, call, &err);
	if (r < 0)
		end(call, &err, "/ashlar-software:rollback");
}

static void run_set_boot_order(struct action_call *call)
{
	const struct lyd_node *first = node_child(call->input, "boot-order");
	const char *slot = first ? slot_of(node_value(first)) : NULL;
	_cleanup_err_ struct err err = { 0 };
	uint32_t number = 0;
	int r = need_slots(&err);

	if (r == 0 && !slot)
		r = err_set(&err, -EINVAL, "boot-order", "this device is not started from the net");
	if (r == 0)
		number = software_newest(slot);
	if (r == 0 && !number)
		r = err_tagged(&err, ERR_TAG_DATA_MISSING, "boot-order",
			"the system there was never confirmed");
	if (r == 0)
		r = software_roll_back(number, call->user, done, call, &err);
	if (r < 0)
		end(call, &err, "/infix-system:set-boot-order");
}

const struct feature feature_software = {
	.name = "software",
	.modules = (const struct feature_module[]){ { "infix-system", NULL },
		{ "ashlar-software", NULL }, { NULL, NULL } },
	.units = units,
	.show = show,
	.state_roots = (const char *const[]){ SOFTWARE_PATH, NULL },
	.silent = (const char *const[]){ SOFTWARE_PATH, NULL },
	.actions =
		(const struct feature_action[]){
			{ "/ashlar-software:confirm", run_confirm },
			{ "/ashlar-software:rollback", run_rollback },
			{ "/infix-system:set-boot-order", run_set_boot_order },
			{ NULL, NULL },
		},
};
