/*
 * hardware-state-change, once a turn in which parts have come or gone; and of a USB port or a sensor that works,
 * or does not work, other than before: hardware-state-oper-enabled and -disabled (RFC 8348 section 7.1).
 */
#include "ashlar/hardware.h"
#include "ashlar/kernel.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/notify.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "hardware-events.h"

#define MODULE "/ietf-hardware:"

static struct loop_task *task;

static void post(struct lyd_node *tree, bool is_built)
{
	if (is_built) {
		notify_post(tree);
		return;
	}
	lyd_free_all(tree);
	ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
}

static void tell_change(void *arg)
{
	struct lyd_node *tree = NULL;
	bool is_built = lyd_new_path(NULL, yang_ctx(), MODULE "hardware-state-change", NULL, 0,
				&tree) == LY_SUCCESS;

	post(tree, is_built);
}

/* @admin may be NULL. */
static void tell_state(const char *name, bool is_enabled, const char *admin)
{
	struct lyd_node *tree = NULL;
	bool is_built = lyd_new_path(NULL, yang_ctx(),
				is_enabled ? MODULE "hardware-state-oper-enabled"
					   : MODULE "hardware-state-oper-disabled",
				NULL, 0, &tree) == LY_SUCCESS;

	is_built = is_built && build_leaf(tree, "name", name, NULL) == 0 &&
		(!admin || build_leaf(tree, "admin-state", admin, NULL) == 0);
	log_notice(
		"hardware", "event=%s component=\"%s\"", is_enabled ? "enabled" : "disabled", name);
	post(tree, is_built);
}

static void on_part(const struct object *was, const struct object *now)
{
	if (!was || !now)
		loop_task_schedule(task);
}

static void on_usb(const struct object *was, const struct object *now)
{
	bool was_locked = was && ((const struct usb_bus *)was)->is_locked;
	bool is_locked = now && ((const struct usb_bus *)now)->is_locked;

	on_part(was, now);
	if (was && now && was_locked != is_locked)
		tell_state(now->key, !is_locked, is_locked ? "locked" : "unlocked");
}

static void on_sensor(const struct object *was, const struct object *now)
{
	bool was_broken = was && ((const struct sensor *)was)->status == SENSOR_BROKEN;
	bool is_broken = now && ((const struct sensor *)now)->status == SENSOR_BROKEN;

	on_part(was, now);
	if (was && now && was_broken != is_broken)
		tell_state(now->key, !is_broken, NULL);
}

static const struct {
	const struct object_kind *kind;
	void (*listener)(const struct object *was, const struct object *now);
} listeners[] = {
	{ &object_kind_board, on_part },
	{ &object_kind_vpd, on_part },
	{ &object_kind_switch_part, on_part },
	{ &object_kind_usb_bus, on_usb },
	{ &object_kind_sensor, on_sensor },
};

void hardware_events_start(void)
{
	task = loop_task_new("hardware-events", tell_change, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++)
		have_listen(listeners[i].kind, listeners[i].listener);
}

void hardware_events_stop(void)
{
	for (size_t i = 0; task && i < ARRAY_SIZE(listeners); i++)
		have_listen(listeners[i].kind, NULL);
	loop_task_free(TAKE(task));
}
