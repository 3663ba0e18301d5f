/*
 * The machine as its firmware describes it: DMI on PCs, else the device tree, with the base MAC address of the
 * EEPROM; and the EEPROMs with data about the product themselves.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/chassis.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#include "hardware-private.h"

#define DMI_DIR	     "/sys/class/dmi/id"
#define TREE_DIR     "/sys/firmware/devicetree/base"
#define MEMORIES_DIR "/sys/bus/nvmem/devices"
#define TEXT_MAX     255 /* bytes of a field */

/* --- mainboard --------------------------------------------------------------------------------- */

/* What vendors leave in a field that nobody filled in. */
static bool is_empty_talk(const char *text)
{
	static const char *const talk[] = { "To be filled by O.E.M.", "To Be Filled By O.E.M.",
		"Default string", "Not Specified", "None", "System Product Name",
		"System manufacturer", "System Serial Number", "0123456789" };

	for (size_t i = 0; i < ARRAY_SIZE(talk); i++) {
		if (str_equal(text, talk[i]))
			return true;
	}
	return false;
}

/* Texts of the device tree end with a NUL; firmware may hold any bytes. */
static void read_text(const char *dir, const char *name, char to[BOARD_TEXT_MAX])
{
	if (*to || !hardware_read(dir, name, to, BOARD_TEXT_MAX))
		return;
	for (char *at = to; *at; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
	if (is_empty_talk(to))
		*to = '\0';
}

/* Of the memories, which were looked at before. */
static void take_mac_of_memory(const struct hardware_found *found, struct board *board)
{
	for (size_t i = 0; i < found->count && !board->has_mac; i++) {
		const struct vpd *vpd = (const struct vpd *)found->objects[i];

		if (found->objects[i]->kind != &object_kind_vpd || !vpd->has_mac)
			continue;
		memcpy(board->mac, vpd->mac, sizeof(board->mac));
		board->has_mac = true;
	}
}

void board_find(struct hardware_found *found)
{
	struct board *board = object_new(&object_kind_board, BOARD_KEY);

	read_text(DMI_DIR, "sys_vendor", board->manufacturer);
	read_text(DMI_DIR, "product_name", board->model);
	read_text(DMI_DIR, "product_serial", board->serial);
	read_text(DMI_DIR, "product_version", board->revision);
	read_text(DMI_DIR, "bios_version", board->firmware);
	read_text(DMI_DIR, "product_uuid", board->uuid);
	read_text(DMI_DIR, "board_vendor", board->manufacturer);
	read_text(DMI_DIR, "board_name", board->model);
	read_text(DMI_DIR, "board_serial", board->serial);
	read_text(TREE_DIR, "model", board->model);
	read_text(TREE_DIR, "serial-number", board->serial);
	take_mac_of_memory(found, board);
	if (*board->manufacturer || *board->model || *board->serial || *board->revision ||
		*board->firmware || *board->uuid || board->has_mac)
		hardware_add(found, &board->object);
	else
		object_free(&board->object);
}

bool board_take(struct object *known, struct object *now)
{
	return !memcmp((const char *)known + sizeof(*known), (const char *)now + sizeof(*now),
		sizeof(struct board) - sizeof(*now));
}

static enum object_diff never_differs(
	const struct object *want, const struct object *was, const struct object *have)
{
	return OBJECT_SAME;
}

static void board_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "the mainboard");
}

const struct object_kind object_kind_board = {
	.name = "board",
	.size = sizeof(struct board),
	.compare = never_differs,
	.describe = board_describe,
	.refresh = hardware_refresh,
};

/* --- data about the product -------------------------------------------------------------------- */

static const struct {
	uint8_t type;
	enum vpd_text text;
} texts[] = {
	{ 0x21, VPD_PRODUCT_NAME },
	{ 0x22, VPD_PART_NUMBER },
	{ 0x23, VPD_SERIAL_NUMBER },
	{ 0x25, VPD_MANUFACTURE_DATE },
	{ 0x27, VPD_LABEL_REVISION },
	{ 0x28, VPD_PLATFORM_NAME },
	{ 0x29, VPD_ONIE_VERSION },
	{ 0x2b, VPD_MANUFACTURER },
	{ 0x2c, VPD_COUNTRY_CODE },
	{ 0x2d, VPD_VENDOR },
	{ 0x2e, VPD_DIAG_VERSION },
	{ 0x2f, VPD_SERVICE_TAG },
};

/* Printable ASCII, as the format has it; anything else was not meant. */
static void take_text(struct vpd *vpd, enum vpd_text text, const uint8_t *value, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (value[i] < ' ' || value[i] > '~')
			return;
	}
	free(vpd->texts[text]);
	vpd->texts[text] = xmalloc(size + 1);
	memcpy(vpd->texts[text], value, size);
	vpd->texts[text][size] = '\0';
}

static void take_field(uint8_t type, const uint8_t *value, size_t size, void *arg)
{
	struct vpd *vpd = arg;

	if (type == CHASSIS_FIELD_MAC && size == sizeof(vpd->mac)) {
		memcpy(vpd->mac, value, size);
		vpd->has_mac = true;
	} else if (type == CHASSIS_FIELD_VERSION && size == 1) {
		vpd->version = value[0];
		vpd->has_version = true;
	} else if (type == CHASSIS_FIELD_MACS && size == 2) {
		vpd->macs = (uint16_t)(value[0] << 8 | value[1]);
		vpd->has_macs = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].type == type)
			take_text(vpd, texts[i].text, value, size);
	}
}

void vpd_find(struct hardware_found *found)
{
	struct dirent **entries;
	size_t count = hardware_list(MEMORIES_DIR, &entries);

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *dir = file_join(MEMORIES_DIR, entries[i]->d_name);
		_cleanup_free_ char *path = file_join(dir, "nvmem");
		char name[HARDWARE_NAME_MAX];
		uint8_t block[CHASSIS_BLOCK_MAX];
		size_t size = chassis_read_memory(path, block);
		struct vpd *vpd;

		snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1, entries[i]->d_name);
		free(entries[i]);
		if (!size)
			continue;
		hardware_make_unique(found, name);
		vpd = object_new(&object_kind_vpd, name);
		if (chassis_block_fields(block, size, take_field, vpd))
			hardware_add(found, &vpd->object);
		else
			object_free(&vpd->object);
	}
	free(entries);
}

bool vpd_take(struct object *known_object, struct object *now_object)
{
	const struct vpd *known = (struct vpd *)known_object, *now = (struct vpd *)now_object;

	for (size_t i = 0; i < VPD_TEXTS; i++) {
		if (!str_equal(known->texts[i], now->texts[i]))
			return false;
	}
	return known->has_mac == now->has_mac && known->has_version == now->has_version &&
		known->has_macs == now->has_macs && known->version == now->version &&
		known->macs == now->macs && !memcmp(known->mac, now->mac, sizeof(now->mac));
}

static void vpd_copy(struct object *to, const struct object *from)
{
	for (size_t i = 0; i < VPD_TEXTS; i++) {
		const char *text = ((const struct vpd *)from)->texts[i];

		((struct vpd *)to)->texts[i] = text ? xstrdup(text) : NULL;
	}
}

static void vpd_done(struct object *object)
{
	for (size_t i = 0; i < VPD_TEXTS; i++)
		free(((struct vpd *)object)->texts[i]);
}

static void vpd_describe(const struct object *object, char *text, size_t size)
{
	snprintf(text, size, "product data in %s", object->key);
}

const struct object_kind object_kind_vpd = {
	.name = "vpd",
	.size = sizeof(struct vpd),
	.compare = never_differs,
	.copy = vpd_copy,
	.done = vpd_done,
	.describe = vpd_describe,
	.refresh = hardware_refresh,
};
