#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/crc32.h"

#include "gpt-file.h"

#define BLOCK	512
#define ENTRIES 128
#define LAST	(GPT_FILE_BLOCKS - 1)

static uint8_t entries[ENTRIES * 128];

static void put(uint8_t *at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static void set_partition(unsigned number, uint64_t first, uint64_t last, const char *name)
{
	uint8_t *entry = entries + (size_t)(number - 1) * 128;

	memset(entry, 0xdd, 16);
	memset(entry + 16, (int)number, 16);
	put(entry + 32, first, 8);
	put(entry + 40, last, 8);
	for (size_t i = 0; name[i]; i++)
		entry[56 + 2 * i] = (uint8_t)name[i];
}

static void write_at(int fd, const void *data, size_t size, uint64_t block)
{
	ssize_t done = pwrite(fd, data, size, (off_t)(block * BLOCK));

	assert(done == (ssize_t)size);
}

static void write_copy(int fd, uint64_t self, uint64_t other, uint64_t at)
{
	uint8_t header[BLOCK] = "EFI PART";

	put(header + 8, 0x10000, 4);
	put(header + 12, 92, 4);
	put(header + 24, self, 8);
	put(header + 32, other, 8);
	put(header + 40, 34, 8);
	put(header + 48, LAST - 33, 8);
	put(header + 72, at, 8);
	put(header + 80, ENTRIES, 4);
	put(header + 84, 128, 4);
	put(header + 88, crc32_of(entries, sizeof(entries)), 4);
	put(header + 16, crc32_of(header, 92), 4);
	write_at(fd, entries, sizeof(entries), at);
	write_at(fd, header, sizeof(header), self);
}

void gpt_file_make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int r = ftruncate(fd, (off_t)GPT_FILE_BLOCKS * BLOCK);

	assert(fd >= 0 && r == 0);
	memset(entries, 0, sizeof(entries));
	set_partition(1, 2048, 4095, "first");
	set_partition(2, 4096, 8191, "ashlar-boot");
	set_partition(3, 8192, 63487, "last");
	write_copy(fd, 1, LAST, 2);
	write_copy(fd, LAST, 1, LAST - 32);
	close(fd);
}
