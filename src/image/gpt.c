/*
 * The partition table (UEFI specification, chapter 5): a header in the second block, entries behind it, and a
 * copy of both at the end of the disk, each with its CRC.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "ashlar/crc32.h"
#include "ashlar/file.h"

#include "gpt.h"

#define SIGNATURE    "EFI PART"
#define ENTRIES_MAX  128
#define ENTRY_BYTES  128 /* what everybody makes them */
#define NAME_MAX_GPT 36
#define ALIGN_BYTES  (1024 * 1024)
#define GAIN_MIN     (16 * (uint64_t)ALIGN_BYTES) /* less is not worth a change */

struct header {
	char signature[8];
	uint32_t revision, size, crc, reserved;
	uint64_t self, other, first_usable, last_usable;
	uint8_t guid[GPT_GUID_BYTES];
	uint64_t entries;
	uint32_t count, entry_size, entries_crc;
} __attribute__((packed));

struct entry {
	uint8_t type[GPT_GUID_BYTES], guid[GPT_GUID_BYTES];
	uint64_t first, last, attributes;
	uint16_t name[NAME_MAX_GPT];
} __attribute__((packed));

_Static_assert(sizeof(struct entry) == ENTRY_BYTES, "an entry as it stands on disk");

/* A disk and one copy of its table. */
struct table {
	int fd;
	unsigned block;
	uint64_t last; /* block of the disk */
	struct header header;
	struct entry entries[ENTRIES_MAX];
};

static void table_done(struct table *table)
{
	mem_closep(&table->fd);
}

static int fail(struct err *err, int code, const char *disk)
{
	return err_set(err, code, NULL, "the partition table of %s: %s", disk,
		code == -EBADMSG ? "it is damaged" : strerror(-code));
}

/* --- reading -------------------------------------------------------------------------------------- */

static int read_all(int fd, void *data, size_t size, off_t at)
{
	ssize_t got = pread(fd, data, size, at);

	return got < 0 ? -errno : (size_t)got < size ? -EBADMSG : 0;
}

static bool is_header(struct header header, uint64_t block)
{
	uint32_t crc = le32toh(header.crc);

	header.crc = 0;
	return !memcmp(header.signature, SIGNATURE, sizeof(header.signature)) &&
		le32toh(header.size) == sizeof(header) &&
		crc == crc32_of(&header, sizeof(header)) && le64toh(header.self) == block &&
		le32toh(header.count) <= ENTRIES_MAX && le32toh(header.entry_size) == ENTRY_BYTES;
}

static int read_copy(struct table *table, uint64_t block)
{
	size_t size;
	int r = read_all(
		table->fd, &table->header, sizeof(table->header), (off_t)(block * table->block));

	if (r < 0 || !is_header(table->header, block))
		return r < 0 ? r : -EBADMSG;
	size = le32toh(table->header.count) * ENTRY_BYTES;
	r = read_all(table->fd, table->entries, size,
		(off_t)(le64toh(table->header.entries) * table->block));
	if (r == 0 && crc32_of(table->entries, size) != le32toh(table->header.entries_crc))
		r = -EBADMSG;
	return r;
}

static int open_table(const char *disk, int flags, struct table *ret_table)
{
	struct stat st;
	off_t end;
	int block = 512, r;

	ret_table->fd = open(disk, flags | O_CLOEXEC);
	if (ret_table->fd < 0 || fstat(ret_table->fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode) && ioctl(ret_table->fd, BLKSSZGET, &block) < 0)
		return -errno;
	end = lseek(ret_table->fd, 0, SEEK_END);
	if (end < 0)
		return -errno;
	if (end < (off_t)block * 64)
		return -EBADMSG;
	ret_table->block = (unsigned)block;
	ret_table->last = (uint64_t)end / (unsigned)block - 1;
	r = read_copy(ret_table, 1);
	return r == -EBADMSG ? read_copy(ret_table, ret_table->last) : r;
}

static struct gpt_partition describe(const struct table *table, size_t index)
{
	const struct entry *entry = &table->entries[index];
	struct gpt_partition partition = {
		.number = (unsigned)index + 1,
		.block = table->block,
		.start = le64toh(entry->first),
		.size = le64toh(entry->last) - le64toh(entry->first) + 1,
	};

	memcpy(partition.guid, entry->guid, sizeof(partition.guid));
	return partition;
}

static bool has_name(const struct entry *entry, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i <= length && i < NAME_MAX_GPT; i++)
		if (le16toh(entry->name[i]) != (uint8_t)name[i])
			return false;
	return length <= NAME_MAX_GPT;
}

int gpt_find(
	const char *disk, const char *name, struct gpt_partition *ret_partition, struct err *err)
{
	_cleanup_(table_done) struct table table = { .fd = -1 };
	int r = open_table(disk, O_RDONLY, &table);

	if (r < 0)
		return fail(err, r, disk);
	for (size_t i = 0; i < le32toh(table.header.count); i++)
		if (table.entries[i].first && has_name(&table.entries[i], name)) {
			*ret_partition = describe(&table, i);
			return 0;
		}
	return fail(err, -ENOENT, disk);
}

/* --- growing -------------------------------------------------------------------------------------- */

static size_t last_partition(const struct table *table)
{
	size_t found = 0;

	for (size_t i = 0; i < le32toh(table->header.count); i++)
		if (le64toh(table->entries[i].first) > le64toh(table->entries[found].first))
			found = i;
	return found;
}

static void seal(struct table *table, uint64_t self, uint64_t other, uint64_t entries)
{
	struct header *header = &table->header;

	header->self = htole64(self);
	header->other = htole64(other);
	header->entries = htole64(entries);
	header->entries_crc =
		htole32(crc32_of(table->entries, le32toh(header->count) * ENTRY_BYTES));
	header->crc = 0;
	header->crc = htole32(crc32_of(header, sizeof(*header)));
}

static int write_all(const struct table *table, const void *data, size_t size, uint64_t block)
{
	ssize_t done = pwrite(table->fd, data, size, (off_t)(block * table->block));

	if (done < 0 || fsync(table->fd) < 0)
		return -errno;
	return (size_t)done < size ? -EIO : 0;
}

/*
 * The copy at the end first: where its place is new, nothing that is in use is overwritten. Whoever finds the
 * first one torn looks there.
 */
static int write_table(struct table *table)
{
	size_t count = le32toh(table->header.count), size = count * ENTRY_BYTES;
	uint64_t blocks = (size + table->block - 1) / table->block;
	uint8_t header[4096] = { 0 };
	int r;

	seal(table, table->last, 1, table->last - blocks);
	r = write_all(table, table->entries, size, table->last - blocks);
	memcpy(header, &table->header, sizeof(table->header));
	if (r == 0)
		r = write_all(table, header, table->block, table->last);
	if (r < 0)
		return r;
	seal(table, 1, table->last, 2);
	memcpy(header, &table->header, sizeof(table->header));
	r = write_all(table, table->entries, size, 2);
	return r == 0 ? write_all(table, header, table->block, 1) : r;
}

int gpt_grow(const char *disk, struct gpt_partition *ret_partition, struct err *err)
{
	_cleanup_(table_done) struct table table = { .fd = -1 };
	uint64_t blocks, usable, align, end;
	size_t index;
	int r = open_table(disk, O_RDWR, &table);

	if (r < 0)
		return fail(err, r, disk);
	blocks = (le32toh(table.header.count) * ENTRY_BYTES + table.block - 1) / table.block;
	usable = table.last - blocks - 1;
	align = ALIGN_BYTES / table.block;
	end = (usable + 1) / align * align - 1;
	index = last_partition(&table);
	if (end < le64toh(table.entries[index].last) + GAIN_MIN / table.block)
		return 0;
	table.header.last_usable = htole64(usable);
	table.entries[index].last = htole64(end);
	r = write_table(&table);
	if (r < 0)
		return fail(err, r, disk);
	*ret_partition = describe(&table, index);
	return 1;
}
