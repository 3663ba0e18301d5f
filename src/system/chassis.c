/*
 * The base MAC address as an EEPROM has it, or one made from what identifies the installation. A block is
 * looked for by its signature: which of the memories holds one differs from board to board, and some are slow,
 * so that no more of them is read than the block takes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/chassis.h"
#include "ashlar/crc32.h"
#include "ashlar/crypto-compat.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/str.h"

#define MEMORIES_DIR   "/sys/bus/nvmem/devices"
#define MEMORIES_MAX   64
#define SIGNATURE      "TlvInfo" /* with its NUL */
#define HEADER_BYTES   11	 /* signature, version, length of what follows */
#define TLV_CRC	       0xfe
#define CRC_BYTES      4
#define MACHINE_ID_MAX 64

static struct {
	uint8_t mac[6];
	bool is_known, has_mac;
} stored;

/* --- the block --------------------------------------------------------------------------------- */

/* Bytes of the whole block by its header; 0: it is none. */
static size_t block_size(const uint8_t *data, size_t size)
{
	size_t total;

	if (size < HEADER_BYTES || memcmp(data, SIGNATURE, sizeof(SIGNATURE)))
		return 0;
	total = HEADER_BYTES + ((size_t)data[9] << 8 | data[10]);
	return total > CHASSIS_BLOCK_MAX ? 0 : total;
}

static bool is_intact(const uint8_t *data, size_t at, size_t size)
{
	const uint8_t *crc = data + at + 2;

	return data[at + 1] == CRC_BYTES && at + 2 + CRC_BYTES == size &&
		crc32_of(data, at + 2) ==
		((uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3]);
}

static bool is_usable(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, sizeof(none));
}

/* Where its CRC stands; 0: it is damaged, or none. */
static size_t crc_at(const uint8_t *data, size_t total)
{
	for (size_t at = HEADER_BYTES; at + 2 <= total; at += 2 + data[at + 1]) {
		if (at + 2 + data[at + 1] > total)
			return 0;
		if (data[at] == TLV_CRC)
			return is_intact(data, at, total) ? at : 0;
	}
	return 0;
}

bool chassis_block_fields(const uint8_t *data, size_t size,
	void (*field)(uint8_t type, const uint8_t *value, size_t size, void *arg), void *arg)
{
	size_t total = block_size(data, size),
	       end = total && total <= size ? crc_at(data, total) : 0;

	for (size_t at = HEADER_BYTES; at < end; at += 2 + data[at + 1])
		field(data[at], data + at + 2, data[at + 1], arg);
	return end != 0;
}

struct found_mac {
	const uint8_t *mac; /* NULL: none */
};

static void take_mac(uint8_t type, const uint8_t *value, size_t size, void *arg)
{
	if (type == CHASSIS_FIELD_MAC && size == 6)
		((struct found_mac *)arg)->mac = value;
}

bool chassis_read_block(const uint8_t *data, size_t size, uint8_t ret_mac[6])
{
	struct found_mac found = { 0 };

	if (!chassis_block_fields(data, size, take_mac, &found) || !found.mac ||
		!is_usable(found.mac))
		return false;
	memcpy(ret_mac, found.mac, 6);
	return true;
}

/* --- where it is ------------------------------------------------------------------------------- */

size_t chassis_read_memory(const char *path, uint8_t ret_data[CHASSIS_BLOCK_MAX])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t total;

	if (fd < 0 || pread(fd, ret_data, HEADER_BYTES, 0) != HEADER_BYTES)
		return 0;
	total = block_size(ret_data, HEADER_BYTES);
	return total && pread(fd, ret_data, total, 0) == (ssize_t)total ? total : 0;
}

static bool read_memory(const char *path, uint8_t ret_mac[6])
{
	uint8_t data[CHASSIS_BLOCK_MAX];
	size_t size = chassis_read_memory(path, data);

	if (size && chassis_read_block(data, size, ret_mac))
		return true;
	if (size)
		log_debug("chassis", "%s holds no base MAC address, or is damaged", path);
	return false;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

bool chassis_stored_mac(const char *dir, uint8_t ret_mac[6])
{
	struct dirent **entries = NULL;
	int count;

	if (!stored.is_known || dir) {
		stored.is_known = true;
		stored.has_mac = false;
		count = scandir(dir ? dir : MEMORIES_DIR, &entries, is_visible, alphasort);
		for (int i = 0; i < count; i++) {
			_cleanup_free_ char *memory = xasprintf(
				"%s/%s/nvmem", dir ? dir : MEMORIES_DIR, entries[i]->d_name);

			if (!stored.has_mac && i < MEMORIES_MAX)
				stored.has_mac = read_memory(memory, stored.mac);
			free(entries[i]);
		}
		free(entries);
	}
	memcpy(ret_mac, stored.mac, sizeof(stored.mac));
	return stored.has_mac;
}

/* --- without one ------------------------------------------------------------------------------- */

void chassis_derived_mac(uint8_t ret_mac[6])
{
	static const char *const sources[] = { "/etc/machine-id",
		"/proc/sys/kernel/random/boot_id" };
	_cleanup_free_ char *id = NULL, *text = NULL;
	uint8_t hash[32];

	for (size_t i = 0; i < ARRAY_SIZE(sources) && !(id && *id); i++) {
		free(TAKE(id));
		if (file_read_virtual(sources[i], MACHINE_ID_MAX, &id, NULL) < 0)
			id = NULL;
	}
	/* The machine's number is for itself: nothing that others see may lead back to it. */
	text = xasprintf("ashlar base MAC address %s", id ? id : "");
	(void)crypto_compat_sha256(text, strlen(text), hash);
	memcpy(ret_mac, hash, 6);
	ret_mac[0] = (uint8_t)((ret_mac[0] & 0xfc) | 0x02);
}
