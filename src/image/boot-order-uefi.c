/*
 * UEFI firmware chooses by its variables (UEFI specification, chapter 3): BootOrder lists the numbers of
 * entries Boot####, BootNext names the one that is started once before those. Each slot has an entry, written
 * when it is missing or leads elsewhere: another disk, for instance, that this one is a copy of. Entries that
 * are not ours stay, behind ours.
 *
 * Variables are files: four bytes of attributes, then the value, replaced as a whole by one write.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/boot-order.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#include "gpt.h"

#define GLOBAL	     "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define VARIABLE_MAX 4096
#define ENTRIES_MAX  256 /* that are looked at, of firmware that may have filled its store */
#define NUMBERS_MAX  0x10000
#define LABEL	     "Ashlar " /* and the slot */

/* non-volatile, for boot services and for us */
static const uint8_t attributes[4] = { 7 };

/* "EFI/ashlar/a.efi": what a slot's entry starts. Recovery is where firmware looks that knows nothing. */
static const struct {
	const char *slot, *file;
} files[] = {
	{ "a", "\\EFI\\ashlar\\a.efi" },
	{ "b", "\\EFI\\ashlar\\b.efi" },
	{ "recovery", "\\EFI\\BOOT\\BOOTX64.EFI" },
};

/* --- variables ------------------------------------------------------------------------------------ */

static char *variable_path(const struct boot_places *places, const char *name)
{
	return xasprintf("%s/%s-" GLOBAL, places->efivars, name);
}

/* The value's size; 0: there is no such variable. */
static ssize_t read_variable(const struct boot_places *places, const char *name, uint8_t *value,
	size_t room, struct err *err)
{
	_cleanup_free_ char *path = variable_path(places, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t data[VARIABLE_MAX + 4];
	ssize_t size;

	if (fd < 0 && errno == ENOENT)
		return 0;
	size = fd < 0 ? -1 : read(fd, data, sizeof(data));
	if (size < 0)
		return err_set(err, -errno, NULL, "%s: %s", name, strerror(errno));
	size -= 4;
	if (size < 0 || (size_t)size > room)
		return 0;
	memcpy(value, data + 4, (size_t)size);
	return size;
}

static int write_variable(const struct boot_places *places, const char *name, const void *value,
	size_t size, struct err *err)
{
	_cleanup_free_ char *path = variable_path(places, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint8_t data[VARIABLE_MAX + 4];

	memcpy(data, attributes, sizeof(attributes));
	memcpy(data + 4, value, size);
	if (fd < 0 || write(fd, data, size + 4) != (ssize_t)size + 4)
		return err_set(err, errno ? -errno : -EIO, NULL, "%s: %s", name, strerror(errno));
	return 0;
}

static int remove_variable(const struct boot_places *places, const char *name, struct err *err)
{
	_cleanup_free_ char *path = variable_path(places, name);

	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, -errno, NULL, "%s: %s", name, strerror(errno));
	return 0;
}

/* --- entries -------------------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		*at++ = (uint8_t)(value >> (8 * i));
	return at;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
	do
		at = put(at, (uint8_t)*text, 2);
	while (*text++);
	return at;
}

/* The entry of a slot: active, "Ashlar a", the boot partition and the file there. */
static size_t make_entry(
	const char *slot, const char *file, const struct gpt_partition *boot, uint8_t *data)
{
	uint16_t file_size = (uint16_t)(4 + 2 * (strlen(file) + 1));
	char label[32];
	uint8_t *at = data;

	snprintf(label, sizeof(label), LABEL "%s", slot);
	at = put(at, 1, 4);
	at = put(at, 42U + file_size + 4U, 2);
	at = put_text(at, label);
	at = put(at, 4 | 1 << 8, 2); /* media: a partition */
	at = put(at, 42, 2);
	at = put(at, boot->number, 4);
	at = put(at, boot->start, 8);
	at = put(at, boot->size, 8);
	memcpy(at, boot->guid, GPT_GUID_BYTES);
	at += GPT_GUID_BYTES;
	at = put(at, 2 | 2 << 8, 2); /* of a GPT, named by its GUID */
	at = put(at, 4 | 4 << 8, 2); /* media: a file */
	at = put(at, file_size, 2);
	at = put_text(at, file);
	at = put(at, 0x7f | 0xff << 8, 2); /* the end */
	return (size_t)(put(at, 4, 2) - data);
}

/* The slot that an entry's label names; NULL: it is none of ours. */
static const char *entry_slot(const uint8_t *data, size_t size)
{
	char label[32] = "";

	for (size_t i = 0; i + 1 < sizeof(label) && 6 + 2 * i + 1 < size; i++) {
		label[i] = data[7 + 2 * i] ? '?' : (char)data[6 + 2 * i];
		if (!label[i])
			break;
	}
	for (size_t i = 0; str_starts(label, LABEL) && i < ARRAY_SIZE(files); i++)
		if (str_equal(label + strlen(LABEL), files[i].slot))
			return files[i].slot;
	return NULL;
}

static void entry_name(uint16_t number, char name[16])
{
	snprintf(name, 16, "Boot%04X", number);
}

/* Calls back for each Boot#### there is. */
static int each_number(const struct boot_places *places,
	void (*callback)(uint16_t number, void *arg), void *arg, struct err *err)
{
	DIR *dir = opendir(places->efivars);
	struct dirent *file;
	unsigned count = 0;

	if (!dir)
		return err_set(err, -errno, NULL, "%s: %s", places->efivars, strerror(errno));
	while (count < ENTRIES_MAX && (file = readdir(dir))) {
		unsigned number;
		int end = 0;

		if (sscanf(file->d_name, "Boot%4X-" GLOBAL "%n", &number, &end) == 1 &&
			end == (int)(sizeof("Boot0000-" GLOBAL) - 1)) {
			callback((uint16_t)number, arg);
			count++;
		}
	}
	closedir(dir);
	return 0;
}

struct numbers {
	uint16_t list[ENTRIES_MAX];
	size_t count;
};

static void collect(uint16_t number, void *arg)
{
	struct numbers *numbers = arg;

	numbers->list[numbers->count++] = number;
}

static bool has_number(const struct numbers *numbers, uint16_t number)
{
	for (size_t i = 0; i < numbers->count; i++)
		if (numbers->list[i] == number)
			return true;
	return false;
}

/* The lowest number whose entry has the slot's label; *ret_data is its value. 0: there is none. */
static ssize_t find_entry(const struct boot_places *places, const struct numbers *numbers,
	const char *slot, uint16_t *ret_number, uint8_t *ret_data, struct err *err)
{
	for (unsigned number = 0; number < NUMBERS_MAX; number++) {
		char name[16];
		ssize_t size;

		if (!has_number(numbers, (uint16_t)number))
			continue;
		entry_name((uint16_t)number, name);
		size = read_variable(places, name, ret_data, VARIABLE_MAX, err);
		if (size < 0)
			return size;
		if (str_equal(entry_slot(ret_data, (size_t)size), slot)) {
			*ret_number = (uint16_t)number;
			return size;
		}
	}
	return 0;
}

/* Makes sure of the entry of @slot, *ret_number. */
static int settle_entry(const struct boot_places *places, const struct gpt_partition *boot,
	const char *slot, uint16_t *ret_number, struct err *err)
{
	struct numbers numbers = { 0 };
	uint8_t wanted[VARIABLE_MAX], there[VARIABLE_MAX];
	size_t size = 0;
	ssize_t old;
	char name[16];
	int r = each_number(places, collect, &numbers, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (str_equal(files[i].slot, slot))
			size = make_entry(slot, files[i].file, boot, wanted);
	old = find_entry(places, &numbers, slot, ret_number, there, err);
	if (old < 0)
		return (int)old;
	if (!old)
		for (*ret_number = 0; has_number(&numbers, *ret_number);)
			++*ret_number;
	if ((size_t)old == size && !memcmp(there, wanted, size))
		return 0;
	entry_name(*ret_number, name);
	return write_variable(places, name, wanted, size, err);
}

/* --- the order ------------------------------------------------------------------------------------ */

/* The numbers in the variable @name. */
static int read_numbers(const struct boot_places *places, const char *name,
	struct numbers *ret_numbers, struct err *err)
{
	uint8_t data[2 * ENTRIES_MAX];
	ssize_t size = read_variable(places, name, data, sizeof(data), err);

	if (size < 0)
		return (int)size;
	ret_numbers->count = (size_t)size / 2;
	for (size_t i = 0; i < ret_numbers->count; i++)
		ret_numbers->list[i] = (uint16_t)(data[2 * i] | data[2 * i + 1] << 8);
	return 0;
}

static const char *slot_of(const struct boot_places *places, uint16_t number)
{
	uint8_t data[VARIABLE_MAX];
	char name[16];
	ssize_t size;

	entry_name(number, name);
	size = read_variable(places, name, data, sizeof(data), NULL);
	return size > 0 ? entry_slot(data, (size_t)size) : NULL;
}

static int read_order(
	const struct boot_places *places, struct boot_order *ret_order, struct err *err)
{
	struct boot_order order = { 0 };
	struct numbers numbers = { 0 }, next = { 0 };
	int r = read_numbers(places, "BootOrder", &numbers, err);

	if (r == 0)
		r = read_numbers(places, "BootNext", &next, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < numbers.count; i++) {
		const char *slot = slot_of(places, numbers.list[i]);

		if (slot && !str_equal(slot, "recovery"))
			boot_order_add(&order, slot);
	}
	if (next.count == 1)
		order.next = slot_of(places, next.list[0]);
	*ret_order = order;
	return 0;
}

static int write_numbers(const struct boot_places *places, const char *name,
	const struct numbers *numbers, struct err *err)
{
	uint8_t data[2 * ENTRIES_MAX];
	struct numbers old = { 0 };
	int r = read_numbers(places, name, &old, err);

	if (r < 0 ||
		(old.count == numbers->count &&
			!memcmp(old.list, numbers->list, old.count * sizeof(old.list[0]))))
		return r;
	for (size_t i = 0; i < numbers->count; i++)
		put(data + 2 * i, numbers->list[i], 2);
	return write_variable(places, name, data, 2 * numbers->count, err);
}

/* Ours, in that order, recovery, then what others have there. */
static int write_boot_order(const struct boot_places *places, const struct gpt_partition *boot,
	const struct boot_order *order, struct err *err)
{
	struct numbers numbers = { 0 }, old = { 0 };
	struct boot_order all = *order;
	int r = read_numbers(places, "BootOrder", &old, err);

	boot_order_add(&all, "recovery");
	for (size_t i = 0; r == 0 && all.slots[i]; i++) {
		uint16_t number;

		r = settle_entry(places, boot, all.slots[i], &number, err);
		if (r == 0)
			numbers.list[numbers.count++] = number;
	}
	for (size_t i = 0; i < old.count && numbers.count < ENTRIES_MAX; i++)
		if (!slot_of(places, old.list[i]) && !has_number(&numbers, old.list[i]))
			numbers.list[numbers.count++] = old.list[i];
	return r == 0 ? write_numbers(places, "BootOrder", &numbers, err) : r;
}

static int write_order(
	const struct boot_places *places, const struct boot_order *order, struct err *err)
{
	struct gpt_partition boot;
	struct numbers next = { .count = 1 };
	int r = gpt_find(places->disk, "ashlar-boot", &boot, err);

	/* a try that is not wanted any more goes first, one that is wanted comes last */
	if (r == 0 && !order->next)
		r = remove_variable(places, "BootNext", err);
	if (r == 0)
		r = write_boot_order(places, &boot, order, err);
	if (r < 0 || !order->next)
		return r;
	r = settle_entry(places, &boot, order->next, &next.list[0], err);
	return r == 0 ? write_numbers(places, "BootNext", &next, err) : r;
}

const struct boot_loader boot_order_uefi = {
	.name = "uefi",
	.read = read_order,
	.write = write_order,
};
