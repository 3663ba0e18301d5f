/* Slots: what is known of them, whatever a power cut or a disk has done to it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/crc32.h"
#include "ashlar/file.h"
#include "ashlar/slot.h"

#define BLOCK	  4096
#define PARTITION (64 * 1024)

static char path[64];

static int setup(void **state)
{
	int fd;

	strcpy(path, "/tmp/test-slot.XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, PARTITION) < 0)
		return -1;
	return close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

static struct slot_header full(void)
{
	struct slot_header header = {
		.state = SLOT_STATE_TRIAL,
		.attempts = 2,
		.generation = 0x01020304,
		.security = 7,
		.reset = 1,
		.size = 0x123456789a,
		.installed = 1700000000,
		.activated = 1800000000,
		.installed_count = 3,
		.activated_count = 4,
		.version = "1.2.3",
		.compatible = "ashlar-x86_64",
		.reason = "installed by admin",
	};

	memset(header.sha256, 0xa1, sizeof(header.sha256));
	memset(header.root_hash, 0xb2, sizeof(header.root_hash));
	return header;
}

static struct slot_header read_slot(void)
{
	struct slot_header header;

	assert_int_equal(slot_read(path, &header, NULL), 0);
	return header;
}

static void write_attempts(uint32_t attempts)
{
	struct slot_header header = full();

	header.attempts = attempts;
	assert_int_equal(slot_write(path, &header, NULL), 0);
}

/* Overwrites @size bytes of copy @index from @at on. */
static void spoil(int index, size_t at, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY);
	off_t offset = PARTITION - SLOT_HEADER_ROOM + index * BLOCK + (off_t)at;

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, size, offset), size);
	close(fd);
}

static void read_copy(int index, uint8_t *copy)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(
		pread(fd, copy, SLOT_COPY_BYTES, PARTITION - SLOT_HEADER_ROOM + index * BLOCK),
		SLOT_COPY_BYTES);
	close(fd);
}

/* --- -------------------------------------------------------------------------------------------- */

static void test_crc(void **state)
{
	assert_int_equal(crc32_of("123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_of("", 0), 0);
}

static void test_round_trip(void **state)
{
	struct slot_header header = full(), again;
	uint8_t copy[SLOT_COPY_BYTES];

	header.sequence = 77;
	slot_encode(&header, copy);
	assert_int_equal(slot_decode(copy, &again), 0);
	assert_memory_equal(&again, &header, sizeof(header));
}

/* One bit of it another: it is not taken for what it was. */
static void test_every_bit(void **state)
{
	struct slot_header header = full(), again;
	uint8_t copy[SLOT_COPY_BYTES];

	header.sequence = 1;
	slot_encode(&header, copy);
	for (unsigned bit = 0; bit < 8 * SLOT_COPY_BYTES; bit++) {
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(slot_decode(copy, &again), -EBADMSG);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(slot_decode(copy, &again), 0);
}

static void test_states(void **state)
{
	static const enum slot_state all[] = { SLOT_STATE_EMPTY, SLOT_STATE_TRIAL,
		SLOT_STATE_FAILED, SLOT_STATE_GOOD };
	enum slot_state found;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_int_equal(slot_state_by_name(slot_state_name(all[i]), &found), 0);
		assert_int_equal(found, all[i]);
	}
	assert_int_equal(slot_state_by_name("bad", &found), -EINVAL);
	assert_int_equal(slot_state_by_name(NULL, &found), -EINVAL);
}

static void test_never_written(void **state)
{
	struct slot_header header = read_slot();

	assert_int_equal(header.state, SLOT_STATE_EMPTY);
	assert_int_equal(header.sequence, 0);
	assert_int_equal(slot_room(path), PARTITION - SLOT_HEADER_ROOM);
}

/* Nothing but the older copy is touched. */
static void test_alternates(void **state)
{
	uint8_t before[2][SLOT_COPY_BYTES], after[2][SLOT_COPY_BYTES];

	write_attempts(0);
	for (uint32_t i = 1; i < 6; i++) {
		unsigned changed = 0;

		for (int copy = 0; copy < 2; copy++)
			read_copy(copy, before[copy]);
		write_attempts(i);
		assert_int_equal(read_slot().attempts, i);
		assert_int_equal(read_slot().sequence, i + 1);
		for (int copy = 0; copy < 2; copy++) {
			read_copy(copy, after[copy]);
			changed += memcmp(before[copy], after[copy], SLOT_COPY_BYTES) != 0;
		}
		assert_int_equal(changed, 1);
	}
}

/* A write that was cut at any byte leaves what was there before, and the next one goes through. */
static void test_torn(void **state)
{
	uint8_t old[SLOT_COPY_BYTES], new[SLOT_COPY_BYTES];

	write_attempts(1);
	write_attempts(2);
	read_copy(0, old);
	write_attempts(3); /* over the first */
	read_copy(0, new);
	assert_memory_not_equal(old, new, SLOT_COPY_BYTES);
	for (size_t cut = 0; cut < SLOT_COPY_BYTES; cut++) {
		spoil(0, 0, new, cut);
		spoil(0, cut, old, SLOT_COPY_BYTES - cut);
		assert_int_equal(read_slot().attempts, 2);
	}
	write_attempts(4);
	assert_int_equal(read_slot().attempts, 4);
	spoil(1, 0, old, SLOT_COPY_BYTES); /* what was written last, of which only this was left */
	assert_int_equal(read_slot().attempts, 4);
}

static void test_both_bad(void **state)
{
	static const uint8_t noise[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	write_attempts(1);
	write_attempts(2);
	spoil(0, 100, noise, sizeof(noise));
	assert_int_not_equal(read_slot().sequence, 0);
	spoil(1, 0, noise, sizeof(noise));
	assert_int_equal(read_slot().state, SLOT_STATE_EMPTY);
	assert_int_equal(read_slot().sequence, 0);
	write_attempts(3);
	assert_int_equal(read_slot().attempts, 3);
	write_attempts(4);
	assert_int_equal(read_slot().attempts, 4);
}

/* The numbers of the sequence go round. */
static void test_wraps(void **state)
{
	struct slot_header header = full();
	uint8_t copy[SLOT_COPY_BYTES];

	header.sequence = UINT32_MAX;
	slot_encode(&header, copy);
	spoil(0, 0, copy, sizeof(copy));
	write_attempts(9);
	assert_int_equal(read_slot().attempts, 9);
	assert_int_equal(read_slot().sequence, 1);
	write_attempts(10);
	assert_int_equal(read_slot().attempts, 10);
}

static void test_texts(void **state)
{
	struct slot_header header = full();
	char longer[1000];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	slot_set(&header, SLOT_STATE_FAILED, "%s", longer);
	memset(header.version, 'v', sizeof(header.version)); /* without its end */
	assert_int_equal(slot_write(path, &header, NULL), 0);
	header = read_slot();
	assert_int_equal(header.state, SLOT_STATE_FAILED);
	assert_int_equal(strlen(header.reason), SLOT_REASON_MAX - 1);
	assert_int_equal(strlen(header.version), SLOT_VERSION_MAX - 1);
}

/* What the slot holds ends before: it is not touched. */
static void test_contents_stay(void **state)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	int fd = open(path, O_WRONLY);
	size_t size;

	for (off_t at = 0; at < PARTITION; at += 16)
		assert_int_equal(pwrite(fd, "0123456789abcdef", 16, at), 16);
	close(fd);
	assert_int_equal(file_read(path, PARTITION, &before, &size, NULL), 0);
	write_attempts(1);
	write_attempts(2);
	assert_int_equal(file_read(path, PARTITION, &after, &size, NULL), 0);
	assert_memory_equal(before, after, slot_room(path));
}

static void test_no_room(void **state)
{
	struct slot_header header = full();

	assert_int_equal(truncate(path, SLOT_HEADER_ROOM - 1), 0);
	assert_int_equal(slot_write(path, &header, NULL), -ENOSPC);
	assert_int_equal(slot_read(path, &header, NULL), -ENOSPC);
	assert_int_equal(slot_room(path), 0);
	assert_int_equal(slot_read("/nowhere", &header, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_states),
		cmocka_unit_test_setup_teardown(test_never_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alternates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wraps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contents_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
