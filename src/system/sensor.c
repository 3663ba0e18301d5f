/*
 * Sensors of hwmon: files "temp1_input" with what belongs to them ("temp1_label", "temp1_fault",
 * "temp1_crit_alarm" …) in a directory a chip, in units that are the same for all chips
 * (Documentation/hwmon/sysfs-interface of Linux).
 *
 * Numbers of hwmon chips change from boot to boot. A sensor is named after its chip and its input; where two
 * chips have the same name, after the devices that they are.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#include "hardware-private.h"

#define CHIPS_DIR "/sys/class/hwmon"
#define CHIPS_MAX 64
#define INPUT	  "_input"
#define VALUE_MAX 1000000000 /* of sensor-value */
#define SCALE_MAX 9

static const struct {
	const char *prefix;
	enum sensor_quantity quantity;
	int8_t scale;
} inputs[] = {
	{ "temp", SENSOR_CELSIUS, -3 },
	{ "in", SENSOR_VOLTS, -3 },
	{ "curr", SENSOR_AMPERES, -3 },
	{ "power", SENSOR_WATTS, -6 },
	{ "fan", SENSOR_RPM, 0 },
	{ "humidity", SENSOR_HUMIDITY, -3 },
	{ "freq", SENSOR_HERTZ, 0 },
};

struct chip {
	char *dir;
	char name[HARDWARE_NAME_MAX / 2];
	uint32_t update_ms;
};

/* --- one sensor -------------------------------------------------------------------------------- */

/* Index of "temp1_input", -1: it is none. *ret_stem is "temp1". */
static int parse_input(const char *file, char *ret_stem, size_t size)
{
	size_t length = strlen(file);

	if (!str_ends(file, INPUT) || length - strlen(INPUT) >= size)
		return -1;
	memcpy(ret_stem, file, length - strlen(INPUT));
	ret_stem[length - strlen(INPUT)] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		size_t prefix = strlen(inputs[i].prefix);
		const char *digits = ret_stem + prefix;

		if (str_starts(ret_stem, inputs[i].prefix) && *digits &&
			digits[strspn(digits, "0123456789")] == '\0')
			return (int)i;
	}
	return -1;
}

/* Larger ones in a coarser unit. */
static void set_value(struct sensor *sensor, int64_t value)
{
	while ((value > VALUE_MAX || value < -VALUE_MAX) && sensor->scale <= SCALE_MAX - 3) {
		value /= 1000;
		sensor->scale = (int8_t)(sensor->scale + 3);
	}
	if (value > VALUE_MAX || value < -VALUE_MAX)
		sensor->status = SENSOR_BROKEN;
	else
		sensor->value = (int32_t)value;
}

static bool is_set(const char *dir, const char *stem, const char *what)
{
	char file[64];
	int64_t value;

	snprintf(file, sizeof(file), "%s_%s", stem, what);
	return hardware_read_number(dir, file, &value) == 0 && value != 0;
}

static void measure(struct sensor *sensor, const char *dir, const char *stem)
{
	char file[64];
	int64_t value;

	snprintf(file, sizeof(file), "%s" INPUT, stem);
	if (is_set(dir, stem, "fault"))
		sensor->status = SENSOR_BROKEN;
	else if (hardware_read_number(dir, file, &value) < 0)
		sensor->status = SENSOR_UNAVAILABLE;
	else
		set_value(sensor, value);
	sensor->measured = time(NULL);
	sensor->is_critical = is_set(dir, stem, "crit_alarm");
	sensor->is_alarming = is_set(dir, stem, "alarm") || is_set(dir, stem, "max_alarm") ||
		is_set(dir, stem, "min_alarm");
}

static void find_inputs(const struct chip *chip, struct hardware_found *found)
{
	struct dirent **files;
	size_t count = hardware_list(chip->dir, &files);

	for (size_t i = 0; i < count; i++) {
		char name[HARDWARE_NAME_MAX], stem[24], file[64];
		int input = parse_input(files[i]->d_name, stem, sizeof(stem));
		struct sensor *sensor;

		free(files[i]);
		if (input < 0)
			continue;
		snprintf(name, sizeof(name), "%s-%s", chip->name, stem);
		hardware_make_unique(found, name);
		sensor = object_new(&object_kind_sensor, name);
		sensor->quantity = inputs[input].quantity;
		sensor->scale = inputs[input].scale;
		sensor->update_ms = chip->update_ms;
		snprintf(file, sizeof(file), "%s_label", stem);
		(void)hardware_read(chip->dir, file, sensor->label, sizeof(sensor->label));
		measure(sensor, chip->dir, stem);
		hardware_add(found, &sensor->object);
	}
	free(files);
}

/* --- chips ------------------------------------------------------------------------------------- */

/* The device that the chip is: "1-0048"; "" if it is none. */
static void read_device(const struct chip *chip, char *to, size_t size)
{
	_cleanup_free_ char *link = xasprintf("%s/device", chip->dir);
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	const char *last;

	*to = '\0';
	if (length <= 0)
		return;
	target[length] = '\0';
	last = strrchr(target, '/');
	if (snprintf(to, size, "%s", last ? last + 1 : target) < 0) /* cut where there is no room */
		*to = '\0';
}

static void name_apart(struct chip *chips, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char device[HARDWARE_NAME_MAX / 2], first[sizeof(chips[i].name)];
		bool is_double = false;

		for (size_t k = i + 1; k < count; k++)
			is_double |= str_equal(chips[i].name, chips[k].name);
		if (!is_double)
			continue;
		memcpy(first, chips[i].name, sizeof(first));
		for (size_t k = i; k < count; k++) {
			if (!str_equal(chips[k].name, first))
				continue;
			read_device(&chips[k], device, sizeof(device));
			if (*device)
				memcpy(chips[k].name, device, sizeof(device));
		}
	}
}

static void read_chip(struct chip *chip, const char *directory)
{
	int64_t update_ms;

	chip->dir = file_join(CHIPS_DIR, directory);
	if (!hardware_read(chip->dir, "name", chip->name, sizeof(chip->name)))
		snprintf(chip->name, sizeof(chip->name), "%.*s", (int)sizeof(chip->name) - 1,
			directory);
	if (hardware_read_number(chip->dir, "update_interval", &update_ms) == 0 && update_ms > 0 &&
		update_ms <= UINT32_MAX)
		chip->update_ms = (uint32_t)update_ms;
}

void sensor_find(struct hardware_found *found)
{
	struct chip chips[CHIPS_MAX] = { 0 };
	struct dirent **entries;
	size_t count = hardware_list(CHIPS_DIR, &entries), known = 0;

	for (size_t i = 0; i < count; i++) {
		if (known < CHIPS_MAX)
			read_chip(&chips[known++], entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	name_apart(chips, known);
	for (size_t i = 0; i < known; i++) {
		find_inputs(&chips[i], found);
		free(chips[i].dir);
	}
}

/* --- the object -------------------------------------------------------------------------------- */

bool sensor_take(struct object *known_object, struct object *now_object)
{
	struct sensor *known = (struct sensor *)known_object, *now = (struct sensor *)now_object;

	if (known->status == now->status && known->is_alarming == now->is_alarming &&
		known->is_critical == now->is_critical && known->scale == now->scale &&
		known->quantity == now->quantity && str_equal(known->label, now->label)) {
		known->value = now->value;
		known->measured = now->measured;
		known->update_ms = now->update_ms;
		return true;
	}
	now->changed_ms = clock_ms();
	return false;
}

static enum object_diff sensor_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void sensor_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "sensor %s", object->key);
}

/* Nobody wants one. */
const struct object_kind object_kind_sensor = {
	.name = "sensor",
	.size = sizeof(struct sensor),
	.compare = sensor_compare,
	.describe = sensor_describe,
	.refresh = hardware_refresh,
};
