/* Slots: what stands in the last blocks of their partitions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/crc32.h"
#include "ashlar/file.h"
#include "ashlar/slot.h"
#include "ashlar/str.h"

#define MAGIC	    "ashlar-1"
#define MAGIC_BYTES 8
#define BLOCK	    4096 /* of the page cache and of most disks: what one write may take with it */
#define COPIES	    2

/* Where things are in a copy; numbers are little-endian. The CRC is over all before it. */
enum {
	AT_SEQUENCE = 8,
	AT_STATE = 12,
	AT_ATTEMPTS = 16,
	AT_GENERATION = 20,
	AT_SIZE = 24,
	AT_SHA256 = 32,
	AT_ROOT_HASH = 64,
	AT_INSTALLED = 96,
	AT_ACTIVATED = 104,
	AT_INSTALLED_COUNT = 112,
	AT_ACTIVATED_COUNT = 116,
	AT_SECURITY = 120,
	AT_RESET = 124,
	AT_VERSION = 128,
	AT_COMPATIBLE = AT_VERSION + SLOT_VERSION_MAX,
	AT_REASON = AT_COMPATIBLE + SLOT_COMPATIBLE_MAX,
	AT_CRC = AT_REASON + SLOT_REASON_MAX,
};

_Static_assert(AT_CRC + 4 == SLOT_COPY_BYTES, "a copy is one sector");
_Static_assert(COPIES *BLOCK == SLOT_HEADER_ROOM, "each copy has a block");

const char *const slot_names[] = { "a", "b", "recovery", NULL };

static const char *const state_names[] = {
	[SLOT_STATE_EMPTY] = "empty",
	[SLOT_STATE_TRIAL] = "trial",
	[SLOT_STATE_FAILED] = "failed",
	[SLOT_STATE_GOOD] = "good",
};

const char *slot_state_name(enum slot_state state)
{
	return state_names[state];
}

int slot_state_by_name(const char *name, enum slot_state *ret_state)
{
	for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
		if (str_equal(name, state_names[i])) {
			*ret_state = (enum slot_state)i;
			return 0;
		}
	return -EINVAL;
}

char *slot_path(const char *dir, const char *name)
{
	return file_join(dir, name);
}

/* --- one copy ------------------------------------------------------------------------------------- */

static void put(uint8_t *at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get(at, 4);
}

void slot_encode(const struct slot_header *header, uint8_t *copy)
{
	memset(copy, 0, SLOT_COPY_BYTES);
	memcpy(copy, MAGIC, MAGIC_BYTES);
	put(copy + AT_SEQUENCE, header->sequence, 4);
	put(copy + AT_STATE, header->state, 4);
	put(copy + AT_ATTEMPTS, header->attempts, 4);
	put(copy + AT_GENERATION, header->generation, 4);
	put(copy + AT_SIZE, header->size, 8);
	memcpy(copy + AT_SHA256, header->sha256, SLOT_SHA256_BYTES);
	memcpy(copy + AT_ROOT_HASH, header->root_hash, SLOT_SHA256_BYTES);
	put(copy + AT_INSTALLED, (uint64_t)header->installed, 8);
	put(copy + AT_ACTIVATED, (uint64_t)header->activated, 8);
	put(copy + AT_INSTALLED_COUNT, header->installed_count, 4);
	put(copy + AT_ACTIVATED_COUNT, header->activated_count, 4);
	put(copy + AT_SECURITY, header->security, 4);
	put(copy + AT_RESET, header->reset, 4);
	memcpy(copy + AT_VERSION, header->version, strnlen(header->version, SLOT_VERSION_MAX - 1));
	memcpy(copy + AT_COMPATIBLE, header->compatible,
		strnlen(header->compatible, SLOT_COMPATIBLE_MAX - 1));
	memcpy(copy + AT_REASON, header->reason, strnlen(header->reason, SLOT_REASON_MAX - 1));
	put(copy + AT_CRC, crc32_of(copy, AT_CRC), 4);
}

static void get_text(char *text, const uint8_t *at, size_t room)
{
	memcpy(text, at, room);
	text[room - 1] = '\0';
}

int slot_decode(const uint8_t *copy, struct slot_header *ret_header)
{
	struct slot_header header = { 0 };
	uint32_t state = get32(copy + AT_STATE);

	if (memcmp(copy, MAGIC, MAGIC_BYTES) || get32(copy + AT_CRC) != crc32_of(copy, AT_CRC) ||
		state >= ARRAY_SIZE(state_names) || get32(copy + AT_SEQUENCE) == 0)
		return -EBADMSG;
	header.state = (enum slot_state)state;
	header.sequence = get32(copy + AT_SEQUENCE);
	header.attempts = get32(copy + AT_ATTEMPTS);
	header.generation = get32(copy + AT_GENERATION);
	header.security = get32(copy + AT_SECURITY);
	header.reset = get32(copy + AT_RESET);
	header.size = get(copy + AT_SIZE, 8);
	memcpy(header.sha256, copy + AT_SHA256, SLOT_SHA256_BYTES);
	memcpy(header.root_hash, copy + AT_ROOT_HASH, SLOT_SHA256_BYTES);
	header.installed = (int64_t)get(copy + AT_INSTALLED, 8);
	header.activated = (int64_t)get(copy + AT_ACTIVATED, 8);
	header.installed_count = get32(copy + AT_INSTALLED_COUNT);
	header.activated_count = get32(copy + AT_ACTIVATED_COUNT);
	get_text(header.version, copy + AT_VERSION, SLOT_VERSION_MAX);
	get_text(header.compatible, copy + AT_COMPATIBLE, SLOT_COMPATIBLE_MAX);
	get_text(header.reason, copy + AT_REASON, SLOT_REASON_MAX);
	*ret_header = header;
	return 0;
}

void slot_set(struct slot_header *header, enum slot_state state, const char *format, ...)
{
	va_list arguments;

	header->state = state;
	va_start(arguments, format);
	vsnprintf(header->reason, sizeof(header->reason), format, arguments);
	va_end(arguments);
}

/* --- both ----------------------------------------------------------------------------------------- */

static int fail(struct err *err, int code, const char *what, const char *path)
{
	return err_set(err, code, NULL, "cannot %s the state of the slot %s: %s", what, path,
		strerror(-code));
}

/* The offset of the first copy: both lie behind what the slot holds. */
static int find_copies(int fd, off_t *ret_at)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0)
		return -errno;
	size -= size % BLOCK;
	if (size < SLOT_HEADER_ROOM)
		return -ENOSPC;
	*ret_at = size - SLOT_HEADER_ROOM;
	return 0;
}

static int read_copy(int fd, off_t at, uint8_t *copy)
{
	ssize_t got = pread(fd, copy, SLOT_COPY_BYTES, at);

	return got < 0 ? -errno : got < SLOT_COPY_BYTES ? -EIO : 0;
}

/*
 * The copy that counts, *ret_index; that is left as it is when none does (the header is that of an empty
 * slot then). A copy that the disk cannot read is one that is not valid: writing it again may mend it.
 */
static int choose(int fd, off_t at, struct slot_header *ret_header, int *ret_index)
{
	struct slot_header header;
	uint8_t copy[SLOT_COPY_BYTES];
	int unread = 0, code = 0;

	*ret_header = (struct slot_header){ .state = SLOT_STATE_EMPTY };
	for (int i = 0; i < COPIES; i++) {
		int r = read_copy(fd, at + (off_t)i * BLOCK, copy);

		if (r < 0) {
			unread++;
			code = r;
		} else if (slot_decode(copy, &header) == 0 &&
			(!ret_header->sequence ||
				(int32_t)(header.sequence - ret_header->sequence) > 0)) {
			*ret_header = header;
			*ret_index = i;
		}
	}
	return unread == COPIES ? code : 0;
}

int slot_read(const char *path, struct slot_header *ret_header, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = 0;
	int index, r = fd < 0 ? -errno : find_copies(fd, &at);

	if (r == 0)
		r = choose(fd, at, ret_header, &index);
	return r < 0 ? fail(err, r, "read", path) : 0;
}

int slot_write(const char *path, struct slot_header *header, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t block[BLOCK] = { 0 };
	struct slot_header old;
	off_t at = 0;
	int index = COPIES - 1, r = fd < 0 ? -errno : find_copies(fd, &at);

	if (r == 0)
		r = choose(fd, at, &old, &index);
	if (r < 0)
		return fail(err, r, "write", path);
	header->sequence = old.sequence + 1 ? old.sequence + 1 : 1;
	slot_encode(header, block);
	if (pwrite(fd, block, BLOCK, at + (off_t)(COPIES - 1 - index) * BLOCK) != BLOCK ||
		fsync(fd) < 0)
		return fail(err, errno ? -errno : -EIO, "write", path);
	return 0;
}

uint64_t slot_room(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = 0;

	return fd < 0 || find_copies(fd, &at) < 0 ? 0 : (uint64_t)at;
}
