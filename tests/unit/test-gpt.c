/* The partition table: found by name, grown with the disk, whole at any instant. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/file.h"

#include "gpt-file.h"
#include "gpt.h"

#define MIB ((off_t)1024 * 1024)

static char path[64];

static int setup(void **state)
{
	strcpy(path, "/tmp/test-gpt.XXXXXX");
	close(mkstemp(path));
	gpt_file_make(path);
	return 0;
}

static int teardown(void **state)
{
	return unlink(path);
}

/* Makes block @number something else. */
static void spoil(uint64_t number)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, "spoilt", 6, (off_t)number * 512), 6);
	close(fd);
}

static void test_find(void **state)
{
	struct gpt_partition found;
	uint8_t guid[GPT_GUID_BYTES];

	assert_int_equal(gpt_find(path, "ashlar-boot", &found, NULL), 0);
	assert_int_equal(found.number, 2);
	assert_int_equal(found.start, 4096);
	assert_int_equal(found.size, 4096);
	memset(guid, 2, sizeof(guid));
	assert_memory_equal(found.guid, guid, sizeof(guid));
	assert_int_equal(gpt_find(path, "ashlar-boo", &found, NULL), -ENOENT);
	assert_int_equal(gpt_find(path, "ashlar-boots", &found, NULL), -ENOENT);
	assert_int_equal(gpt_find("/nowhere", "last", &found, NULL), -ENOENT);
}

static void test_damaged(void **state)
{
	struct gpt_partition found;

	spoil(1);
	assert_int_equal(gpt_find(path, "last", &found, NULL), 0);
	spoil(GPT_FILE_BLOCKS - 1);
	assert_int_equal(gpt_find(path, "last", &found, NULL), -EBADMSG);
	gpt_file_make(path);
	spoil(2); /* the entries, and not the header */
	assert_int_equal(gpt_find(path, "last", &found, NULL), 0);
	assert_int_equal(truncate(path, 1000), 0);
	assert_int_equal(gpt_find(path, "last", &found, NULL), -EBADMSG);
}

static void test_grow(void **state)
{
	struct gpt_partition grown, found;

	assert_int_equal(gpt_grow(path, &grown, NULL), 0);
	assert_int_equal(truncate(path, 32 * MIB + 512 * 1000 + 64 * MIB), 0);
	assert_int_equal(gpt_grow(path, &grown, NULL), 1);
	assert_int_equal(grown.number, 3);
	assert_int_equal(grown.start, 8192);
	assert_int_equal((grown.start + grown.size) * 512, 96 * MIB);
	assert_int_equal(gpt_grow(path, &found, NULL), 0);
	for (int copy = 0; copy < 2; copy++) { /* both say so */
		assert_int_equal(gpt_find(path, "last", &found, NULL), 0);
		assert_memory_equal(&found, &grown, sizeof(found));
		assert_int_equal(gpt_find(path, "first", &found, NULL), 0);
		assert_int_equal(found.size, 2048);
		spoil(1);
	}
}

/* Two states of the file, block by block: what was not written yet is as it was. */
static void test_grow_cut(void **state)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	struct gpt_partition found;
	size_t size = 64 * MIB, none;
	/* in the order of writing: entries and header at the end, then those at the start */
	size_t last = size / 512 - 1;
	const size_t writes[][2] = { { last - 32, 32 }, { last, 1 }, { 2, 32 }, { 1, 1 } };
	int fd;

	assert_int_equal(truncate(path, (off_t)size), 0);
	assert_int_equal(file_read(path, size, &before, &none, NULL), 0);
	assert_int_equal(gpt_grow(path, &found, NULL), 1);
	assert_int_equal(file_read(path, size, &after, &none, NULL), 0);
	assert_int_equal(file_write_atomic(path, before, size, 0600, NULL), 0);
	fd = open(path, O_WRONLY);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		for (size_t block = writes[i][0]; block < writes[i][0] + writes[i][1]; block++) {
			size_t at = block * 512;

			assert_int_equal(pwrite(fd, after + at, 512, (off_t)at), 512);
			memcpy(before + at, after + at, 512);
			assert_int_equal(gpt_find(path, "last", &found, NULL), 0);
			assert_int_equal(found.start, 8192);
		}
	close(fd);
	assert_memory_equal(before, after, size); /* nothing else was written */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grow_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
