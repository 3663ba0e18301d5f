/*
 * USB buses: whether what is plugged in is used ("authorized" of Linux). A bus is locked when it takes nothing new
 * and uses nothing that is plugged into its ports; what is behind a hub goes with it.
 *
 * Devices made for this name their ports in the device tree (chosen/infix: usb-ports are phandles of
 * controllers, usb-port-names their names); other buses are called as the kernel calls them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/state.h"
#include "ashlar/str.h"

#include "hardware-private.h"

#define DEVICES_DIR "/sys/bus/usb/devices"
#define TREE_DIR    "/sys/firmware/devicetree/base/chosen/infix"
#define NAMES_MAX   64
#define TREE_BYTES  4096

/* --- names of the device tree ------------------------------------------------------------------ */

struct port_names {
	uint8_t handles[NAMES_MAX][4];
	char text[TREE_BYTES]; /* names, each with its NUL */
	size_t count;
};

static ssize_t read_bytes(const char *dir, const char *name, void *to, size_t size)
{
	_cleanup_free_ char *path = file_join(dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : read(fd, to, size);
}

static void read_names(struct port_names *names)
{
	ssize_t handles = read_bytes(TREE_DIR, "usb-ports", names->handles, sizeof(names->handles));
	ssize_t text = read_bytes(TREE_DIR, "usb-port-names", names->text, sizeof(names->text) - 1);

	names->count = handles > 0 && text > 0 ? (size_t)handles / 4 : 0;
}

/* The name of the port whose controller has the handle; NULL: it has none. */
static const char *name_of(const struct port_names *names, const uint8_t handle[4])
{
	const char *name = names->text;

	for (size_t i = 0; i < names->count && *name; i++, name += strlen(name) + 1) {
		if (!memcmp(names->handles[i], handle, 4))
			return name;
	}
	return NULL;
}

/* A root hub has its controller's node, or the controller above it has. */
static const char *name_by_tree(const struct port_names *names, const char *dir)
{
	static const char *const places[] = { "of_node/phandle", "../of_node/phandle" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint8_t handle[4];
		const char *name = read_bytes(dir, places[i], handle, sizeof(handle)) == 4
			? name_of(names, handle)
			: NULL;

		if (name)
			return name;
	}
	return NULL;
}

/* --- looking ----------------------------------------------------------------------------------- */

/* "usb1" */
static bool is_bus(const char *directory)
{
	return str_starts(directory, "usb") && directory[3] &&
		directory[3 + strspn(directory + 3, "0123456789")] == '\0';
}

/* "1-2", a device at a port of bus 1 itself: "1-2.3" is behind a hub, "1-2:1.0" a part of one. */
static bool is_plugged_into(const char *directory, const char *bus)
{
	size_t digits = strlen(bus + 3);

	return !strncmp(directory, bus + 3, digits) && directory[digits] == '-' &&
		directory[digits + 1] &&
		directory[digits + 1 + strspn(directory + digits + 1, "0123456789")] == '\0';
}

static void find_bus(const struct port_names *names, const char *directory,
	struct dirent *const *entries, size_t count, struct hardware_found *found)
{
	_cleanup_free_ char *dir = file_join(DEVICES_DIR, directory);
	const char *given = name_by_tree(names, dir);
	char name[HARDWARE_NAME_MAX];
	struct usb_bus *bus;
	int64_t value;
	bool any_used = false;

	if (hardware_read_number(dir, "authorized_default", &value) < 0)
		return;
	if (snprintf(name, sizeof(name), "%s", given ? given : directory) < 0)
		return; /* and cut where there is no room */
	hardware_make_unique(found, name);
	bus = object_new(&object_kind_usb_bus, name);
	if (str_copy(bus->directory, sizeof(bus->directory), directory) < 0) {
		object_free(&bus->object);
		return;
	}
	(void)hardware_read(dir, "product", bus->product, sizeof(bus->product));
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *device = file_join(DEVICES_DIR, entries[i]->d_name);
		int64_t used;

		if (!is_plugged_into(entries[i]->d_name, directory))
			continue;
		bus->devices++;
		any_used |= hardware_read_number(device, "authorized", &used) == 0 && used;
	}
	bus->is_locked = value == 0 && !any_used;
	hardware_add(found, &bus->object);
}

void usb_find(struct hardware_found *found)
{
	struct port_names names = { 0 };
	struct dirent **entries;
	size_t count = hardware_list(DEVICES_DIR, &entries);

	read_names(&names);
	for (size_t i = 0; i < count; i++) {
		if (is_bus(entries[i]->d_name))
			find_bus(&names, entries[i]->d_name, entries, count, found);
	}
	for (size_t i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

/* --- the object -------------------------------------------------------------------------------- */

bool usb_bus_is_name(const char *name)
{
	return have_get(have_all(), &object_kind_usb_bus, name) || is_bus(name);
}

bool usb_take(struct object *known_object, struct object *now_object)
{
	struct usb_bus *known = (struct usb_bus *)known_object;
	struct usb_bus *now = (struct usb_bus *)now_object;

	now->changed_ms = known->is_locked == now->is_locked ? known->changed_ms : clock_ms();
	return known->is_locked == now->is_locked && known->devices == now->devices &&
		str_equal(known->directory, now->directory) &&
		str_equal(known->product, now->product);
}

static enum object_diff usb_compare(
	const struct object *want, const struct object *was, const struct object *have)
{
	return ((const struct usb_bus *)want)->is_locked ==
			((const struct usb_bus *)have)->is_locked
		? OBJECT_SAME
		: OBJECT_CHANGE;
}

static bool usb_never(const struct object *object)
{
	return false;
}

static void usb_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "USB port %s", object->key);
}

/* --- locking ----------------------------------------------------------------------------------- */

/* The act at hand. Between begin and end it is the thread's. */
static struct act {
	const struct step *step; /* NULL: none; never looked into beside the loop */
	bool is_done, is_cancelled;

	char directory[HARDWARE_NAME_MAX];
	bool lock;
	int error;
} act;

static int authorize(const char *directory, const char *file, bool on)
{
	_cleanup_free_ char *dir = file_join(DEVICES_DIR, directory);
	_cleanup_free_ char *path = file_join(dir, file);

	return file_write_virtual(path, on ? "1" : "0");
}

/* New ones first when it is locked, last when it is unlocked: nothing slips through. A device that goes
 * meanwhile needs nothing. */
static void work(void *arg)
{
	struct dirent **entries;
	size_t count;

	act.error = authorize(act.directory, "authorized_default", !act.lock);
	if (act.error < 0)
		return;
	count = hardware_list(DEVICES_DIR, &entries);
	for (size_t i = 0; i < count; i++) {
		int r = is_plugged_into(entries[i]->d_name, act.directory)
			? authorize(entries[i]->d_name, "authorized", !act.lock)
			: 0;

		if (r < 0 && r != -ENOENT && r != -ENODEV)
			act.error = r;
		free(entries[i]);
	}
	free(entries);
}

static void worked(void *arg)
{
	act.is_done = true;
	if (act.is_cancelled)
		act = (struct act){ 0 };
	apply_resume();
}

static void cancel(void)
{
	act.is_cancelled = act.step != NULL;
	if (act.is_done)
		act = (struct act){ 0 };
}

/* What was done is believed until the look that follows. */
static void finish(struct step *step)
{
	const struct object *object = step->want ? step->want : step->have;
	struct usb_bus *now = have_get(have_all(), object->kind, object->key);

	if (act.error < 0) {
		step->error = err_tagged(
			&step->err, ERR_TAG_OPERATION_FAILED, NULL, "%s", strerror(-act.error));
	} else if (now) {
		now = (struct usb_bus *)object_copy(&now->object);
		now->is_locked = act.lock;
		now->changed_ms = clock_ms();
		have_put(&now->object);
	}
	step->is_done = true;
	act = (struct act){ 0 };
}

static size_t usb_apply(struct step *const *steps, size_t count, bool stop_on_error)
{
	const struct object *object = steps[0]->want ? steps[0]->want : steps[0]->have;
	const struct usb_bus *now = have_get(have_all(), object->kind, object->key);

	if (act.step) {
		if (!act.is_done || act.step != steps[0])
			return 0;
		finish(steps[0]);
		return 1;
	}
	if (!now) {
		steps[0]->error = err_set(
			&steps[0]->err, -ENODEV, NULL, "%s is not there any more", object->key);
		return 1;
	}
	act.step = steps[0];
	act.lock = steps[0]->want && ((const struct usb_bus *)steps[0]->want)->is_locked;
	memcpy(act.directory, now->directory, sizeof(act.directory));
	hardware_act(work, worked, NULL);
	return 0;
}

static const struct target target_usb = {
	.name = "usb", .is_immediate = true, .apply = usb_apply, .cancel = cancel
};

/* Removing a wanted one unlocks it, which is how the kernel begins. */
const struct object_kind object_kind_usb_bus = {
	.name = "usb",
	.rank = 6,
	.size = sizeof(struct usb_bus),
	.target = &target_usb,
	.compare = usb_compare,
	.vanishes = usb_never,
	.can_be_added = usb_never,
	.describe = usb_describe,
	.refresh = hardware_refresh,
};
