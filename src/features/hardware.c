/*
 * What the device is made of (RFC 8348): the mainboard, switches and their ports, USB ports, sensors, memories
 * with data about the product. All of it is found; what can be configured is whether a USB port is used. Of one
 * that configuration does not mention the kernel decides, which uses it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/clock.h"
#include "ashlar/datastore.h"
#include "ashlar/feature.h"
#include "ashlar/hardware.h"
#include "ashlar/kernel.h"
#include "ashlar/str.h"
#include "ashlar/system.h"

#define HARDWARE_PATH  "/ietf-hardware:hardware"
#define COMPONENT_PATH HARDWARE_PATH "/component"
#define ADMIN_STATE    "state/admin-state"
#define USB_CLASS      "infix-hardware:usb"

static const struct object_kind *const kinds[] = { &object_kind_board, &object_kind_vpd,
	&object_kind_switch_part, &object_kind_usb_bus, &object_kind_sensor };

static bool is_component(const struct lysc_node *schema)
{
	return str_equal(schema->name, "component");
}

/* A port is called like its interface. */
static const char *name_of(const struct object *object)
{
	const struct switch_part *part = (const struct switch_part *)object;

	return object->kind == &object_kind_switch_part && *part->link ? part->link : object->key;
}

/* --- configuration ----------------------------------------------------------------------------- */

static int fill(struct edit *edit, const struct unit *unit, struct err *err)
{
	const char *name = node_text(unit->node, "name", "");

	if (!is_component(unit->schema) || node_exists(unit->node, "class") ||
		!usb_bus_is_name(name))
		return 0;
	return edit_fill(edit, unit->node, "class", USB_CLASS, err);
}

static int check(const struct unit *unit, struct err *err)
{
	const char *class = node_identity(unit->node, "class");

	if (!is_component(unit->schema) || str_equal(class, "usb"))
		return 0;
	return err_tagged(err, ERR_TAG_OPERATION_NOT_SUPPORTED, "class",
		"components of class %s cannot be configured on this device",
		class ? class : "none");
}

static int want(const struct unit *unit, struct want *want, struct err *err)
{
	const char *name = node_text(unit->node, "name", ""),
		   *state = node_text(unit->node, ADMIN_STATE, NULL);
	struct usb_bus *bus;

	if (!is_component(unit->schema) || !state)
		return 0;
	if (strlen(name) >= HARDWARE_NAME_MAX)
		return err_set(err, -EINVAL, "name", "longer than %d bytes", HARDWARE_NAME_MAX - 1);
	bus = want_object(want, &object_kind_usb_bus, name, ADMIN_STATE);
	bus->is_locked = str_equal(state, "locked");
	want_needs(bus, &object_kind_machine, MACHINE_KEY);
	return 0;
}

/* --- what components share ---------------------------------------------------------------------- */

static void units(const struct have *have, const struct lysc_node *unit_schema,
	void (*add)(void *arg, const char *key), void *arg)
{
	if (!is_component(unit_schema)) {
		add(arg, NULL);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct object *object;
		size_t at = 0;

		while ((object = have_next(have, kinds[i], &at)))
			add(arg, name_of(object));
	}
}

static const struct object *find_part(const struct have *have, const char *name)
{
	void *const *parts;
	size_t count = have_group(have, &object_kind_switch_part, name, &parts);

	for (size_t i = 0; i < count; i++) {
		if (str_equal(name_of(parts[i]), name))
			return parts[i];
	}
	return have_get(have, &object_kind_switch_part, name);
}

static int show_texts(
	struct lyd_node *node, const char *const texts[][2], size_t count, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (texts[i][1] && *texts[i][1])
			r = build_leaf(node, texts[i][0], texts[i][1], err);
	}
	return r;
}

static int show_class(struct lyd_node *node, const char *class, struct err *err)
{
	return node_exists(node, "class") ? 0 : build_leaf(node, "class", class, err);
}

/* Part of the mainboard, if there is one. */
static int show_on_board(const struct have *have, struct lyd_node *node, struct err *err)
{
	return have_get(have, &object_kind_board, BOARD_KEY)
		? build_leaf(node, "parent", BOARD_KEY, err)
		: 0;
}

/* @changed_ms: 0: not since it is known. */
static int show_state(struct lyd_node *node, const char *oper, const char *alarms,
	uint64_t changed_ms, struct lyd_node **ret_state, struct err *err)
{
	char text[CLOCK_TEXT_MAX];
	int r = build_container(node, "state", ret_state, err);

	if (r == 0 && changed_ms) {
		clock_text_of_ms(text, changed_ms);
		r = build_leaf(*ret_state, "state-last-changed", text, err);
	}
	if (r == 0)
		r = build_leaf(*ret_state, "oper-state", oper, err);
	return r < 0 || !alarms ? r : build_leaf(*ret_state, "alarm-state", alarms, err);
}

/* --- one of each -------------------------------------------------------------------------------- */

static int show_board(
	const struct board *board, const struct have *have, struct lyd_node *node, struct err *err)
{
	const char *const texts[][2] = { { "hardware-rev", board->revision },
		{ "firmware-rev", board->firmware }, { "serial-num", board->serial },
		{ "mfg-name", board->manufacturer }, { "model-name", board->model } };
	const struct object *object;
	char mac[18];
	size_t at;
	int r = show_class(node, "iana-hardware:chassis", err);

	for (size_t i = 1; r == 0 && i < ARRAY_SIZE(kinds); i++) {
		for (at = 0; r == 0 && (object = have_next(have, kinds[i], &at));) {
			if (kinds[i] != &object_kind_switch_part ||
				!((const struct switch_part *)object)->is_port)
				r = build_item(node, "contains-child", name_of(object), err);
		}
	}
	if (r == 0)
		r = show_texts(node, texts, ARRAY_SIZE(texts), err);
	if (r == 0 && strlen(board->uuid) == 36)
		r = build_leaf(node, "uuid", board->uuid, err);
	if (r == 0 && board->has_mac) {
		str_mac(mac, board->mac);
		r = build_leaf(node, "infix-hardware:phys-address", mac, err);
	}
	return r;
}

static int show_vpd(
	const struct vpd *vpd, const struct have *have, struct lyd_node *node, struct err *err)
{
	static const char *const names[VPD_TEXTS] = {
		[VPD_PRODUCT_NAME] = "product-name",
		[VPD_PART_NUMBER] = "part-number",
		[VPD_SERIAL_NUMBER] = "serial-number",
		[VPD_MANUFACTURE_DATE] = "manufacture-date",
		[VPD_LABEL_REVISION] = "label-revision",
		[VPD_PLATFORM_NAME] = "platform-name",
		[VPD_ONIE_VERSION] = "onie-version",
		[VPD_MANUFACTURER] = "manufacturer",
		[VPD_COUNTRY_CODE] = "country-code",
		[VPD_VENDOR] = "vendor",
		[VPD_DIAG_VERSION] = "diag-version",
		[VPD_SERVICE_TAG] = "service-tag",
	};
	struct lyd_node *data = NULL;
	char mac[18];
	int r = show_class(node, "infix-hardware:vpd", err);

	if (r == 0)
		r = show_on_board(have, node, err);
	if (r == 0)
		r = build_container(node, "infix-hardware:vpd-data", &data, err);
	for (size_t i = 0; r == 0 && i < VPD_TEXTS; i++) {
		/* what a board's maker wrote need not be what the model allows */
		if (vpd->texts[i] && build_leaf(data, names[i], vpd->texts[i], NULL) < 0)
			ly_err_clean((struct ly_ctx *)yang_ctx(), NULL);
	}
	if (r == 0 && vpd->has_mac) {
		str_mac(mac, vpd->mac);
		r = build_leaf(data, "mac-address", mac, err);
	}
	if (r == 0 && vpd->has_version)
		r = build_u64(data, "device-version", vpd->version, err);
	return r < 0 || !vpd->has_macs ? r : build_u64(data, "num-macs", vpd->macs, err);
}

static int show_switch(const struct switch_part *device, const struct have *have,
	struct lyd_node *node, struct err *err)
{
	const char *const texts[][2] = { { "description", device->driver },
		{ "serial-num", device->serial }, { "firmware-rev", device->firmware } };
	void *const *ports;
	size_t count = have_group(have, &object_kind_switch_part, device->object.key, &ports);
	int r = show_class(node, "iana-hardware:module", err);

	if (r == 0)
		r = show_on_board(have, node, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = build_item(node, "contains-child", name_of(ports[i]), err);
	return r < 0 ? r : show_texts(node, texts, ARRAY_SIZE(texts), err);
}

static int show_port(const struct switch_part *port, struct lyd_node *node, struct err *err)
{
	int r = show_class(node, "iana-hardware:port", err);

	if (r == 0)
		r = build_leaf(node, "parent", port->device, err);
	if (r == 0 && port->number <= INT32_MAX)
		r = build_u64(node, "parent-rel-pos", port->number, err);
	return r;
}

static int show_usb(
	const struct usb_bus *bus, const struct have *have, struct lyd_node *node, struct err *err)
{
	struct lyd_node *state = NULL;
	int r = show_class(node, USB_CLASS, err);

	if (r == 0)
		r = show_on_board(have, node, err);
	if (r == 0 && *bus->product)
		r = build_leaf(node, "description", bus->product, err);
	if (r == 0)
		r = show_state(node, bus->is_locked ? "disabled" : "enabled", NULL, bus->changed_ms,
			&state, err);
	if (r == 0)
		r = build_leaf(state, "admin-state", bus->is_locked ? "locked" : "unlocked", err);
	return r < 0 ? r
		     : build_leaf(state, "usage-state",
			       bus->devices && !bus->is_locked ? "active" : "idle", err);
}

static const char *scale_name(int8_t scale)
{
	switch (scale) {
	case -6:
		return "micro";
	case -3:
		return "milli";
	case 3:
		return "kilo";
	case 6:
		return "mega";
	case 9:
		return "giga";
	default:
		return "units";
	}
}

static int show_value(const struct sensor *sensor, struct lyd_node *data, struct err *err)
{
	static const struct {
		const char *type, *unit;
	} quantities[SENSOR_QUANTITIES] = {
		[SENSOR_CELSIUS] = { "celsius", "degrees Celsius" },
		[SENSOR_VOLTS] = { "volts-DC", "volts" },
		[SENSOR_AMPERES] = { "amperes", "amperes" },
		[SENSOR_WATTS] = { "watts", "watts" },
		[SENSOR_RPM] = { "rpm", "revolutions per minute" },
		[SENSOR_HUMIDITY] = { "percent-RH", "percent relative humidity" },
		[SENSOR_HERTZ] = { "hertz", "hertz" },
	};
	static const char *const statuses[] = { [SENSOR_OK] = "ok",
		[SENSOR_UNAVAILABLE] = "unavailable",
		[SENSOR_BROKEN] = "nonoperational" };
	char text[CLOCK_TEXT_MAX];
	int r = 0;

	if (sensor->status == SENSOR_OK)
		r = build_leaff(data, err, "value", "%d", sensor->value);
	if (r == 0)
		r = build_leaf(data, "value-type", quantities[sensor->quantity].type, err);
	if (r == 0)
		r = build_leaf(data, "value-scale", scale_name(sensor->scale), err);
	if (r == 0)
		r = build_leaf(data, "value-precision", "0", err);
	if (r == 0)
		r = build_leaf(data, "oper-status", statuses[sensor->status], err);
	if (r == 0)
		r = build_leaf(data, "units-display", quantities[sensor->quantity].unit, err);
	clock_text(text, sensor->measured);
	if (r == 0)
		r = build_leaf(data, "value-timestamp", text, err);
	return r < 0 ? r : build_u64(data, "value-update-rate", sensor->update_ms, err);
}

static int show_sensor(const struct sensor *sensor, const struct have *have, struct lyd_node *node,
	struct err *err)
{
	const char *alarms = sensor->is_critical ? "critical"
		: sensor->is_alarming		 ? "warning"
						 : "";
	struct lyd_node *state = NULL, *data = NULL;
	int r = show_class(node, "iana-hardware:sensor", err);

	if (r == 0)
		r = show_on_board(have, node, err);
	if (r == 0 && *sensor->label)
		r = build_leaf(node, "description", sensor->label, err);
	if (r == 0)
		r = show_state(node, sensor->status == SENSOR_BROKEN ? "disabled" : "enabled",
			alarms, sensor->changed_ms, &state, err);
	if (r == 0)
		r = build_container(node, "sensor-data", &data, err);
	return r < 0 ? r : show_value(sensor, data, err);
}

/* --- all ---------------------------------------------------------------------------------------- */

static int show_last_change(struct lyd_node *node, struct err *err)
{
	char text[CLOCK_TEXT_MAX];
	uint64_t last_ms = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint64_t changed_ms = have_changed_ms(kinds[i]);

		if (changed_ms > last_ms)
			last_ms = changed_ms;
	}
	if (!last_ms)
		return 0;
	clock_text_of_ms(text, last_ms);
	return build_leaf(node, "last-change", text, err);
}

static int show(
	const struct unit *unit, const struct have *have, struct lyd_node *node, struct err *err)
{
	const char *name = node_text(node, "name", "");
	const struct object *part;
	const void *object;

	if (!is_component(unit->schema))
		return show_last_change(node, err);
	if ((object = have_get(have, &object_kind_board, name)))
		return show_board(object, have, node, err);
	if ((object = have_get(have, &object_kind_vpd, name)))
		return show_vpd(object, have, node, err);
	if ((object = have_get(have, &object_kind_usb_bus, name)))
		return show_usb(object, have, node, err);
	if ((object = have_get(have, &object_kind_sensor, name)))
		return show_sensor(object, have, node, err);
	part = find_part(have, name);
	if (!part)
		return 0;
	return ((const struct switch_part *)part)->is_port
		? show_port((const struct switch_part *)part, node, err)
		: show_switch((const struct switch_part *)part, have, node, err);
}

/* Of a part that comes or goes what it is part of changes too. */
static void units_of(
	const struct object *object, void (*add)(void *arg, const char *key), void *arg)
{
	const struct switch_part *part = (const struct switch_part *)object;

	add(arg, name_of(object));
	add(arg,
		object->kind == &object_kind_switch_part && part->is_port ? part->device
									  : BOARD_KEY);
}

static const char *const hardware_features[] = { "hardware-state", "hardware-sensor", NULL };

const struct feature feature_hardware = {
	.name = "hardware",
	.modules =
		(const struct feature_module[]){
			{ "iana-hardware", NULL },
			{ "ietf-hardware", hardware_features },
			{ "infix-hardware", NULL },
			{ NULL, NULL },
		},
	.roots = (const char *const[]){ COMPONENT_PATH, NULL },
	.except =
		(const char *const[]){
			COMPONENT_PATH "/parent",
			COMPONENT_PATH "/parent-rel-pos",
			NULL,
		},
	.state_roots = (const char *const[]){ HARDWARE_PATH "/last-change", NULL },
	.fill = fill,
	.check = check,
	.want = want,
	.units = units,
	.show = show,
	/* The units' names are not the keys of switch parts; of the others one is refreshed with all. */
	.refreshes =
		(const struct object_kind *const[]){
			&object_kind_sensor,
			&object_kind_switch_part,
			NULL,
		},
	.shows =
		(const struct feature_shows[]){
			{ &object_kind_board, COMPONENT_PATH, units_of },
			{ &object_kind_vpd, COMPONENT_PATH, units_of },
			{ &object_kind_switch_part, COMPONENT_PATH, units_of },
			{ &object_kind_usb_bus, COMPONENT_PATH, units_of },
			{ &object_kind_sensor, COMPONENT_PATH, units_of },
			{ NULL, NULL, NULL },
		},
	.silent =
		(const char *const[]){
			COMPONENT_PATH "/sensor-data",
			HARDWARE_PATH "/last-change",
			NULL,
		},
};
