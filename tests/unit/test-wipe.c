/* What a reset wipes: nothing of it is left, whatever its size, and the watchdog is fed meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "wipe.h"

#define MIB ((size_t)1024 * 1024)

static unsigned feeds;

static void feed(void)
{
	feeds++;
}

static void make_full(char *path, size_t size)
{
	char *block = xcalloc(1, MIB);
	int fd = mkstemp(path);

	memset(block, 'x', MIB);
	for (size_t at = 0; at < size; at += MIB)
		assert_true(pwrite(fd, block, size - at < MIB ? size - at : MIB, (off_t)at) > 0);
	close(fd);
	free(block);
}

static bool is_zero(const char *path, size_t size)
{
	char *data = malloc(size);
	int fd = open(path, O_RDONLY);
	bool is_good = read(fd, data, size) == (ssize_t)size && data[0] == 0 &&
		memcmp(data, data + 1, size - 1) == 0;

	close(fd);
	free(data);
	return is_good;
}

static void test_all_of_it(void **state)
{
	static const size_t sizes[] = { 512, MIB, 64 * MIB, 65 * MIB + 4096 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char path[] = "/tmp/test-wipe.XXXXXX";
		struct stat st;

		make_full(path, sizes[i]);
		assert_false(is_zero(path, sizes[i]));
		feeds = 0;
		assert_int_equal(wipe(path, feed), 0);
		assert_true(is_zero(path, sizes[i]));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, sizes[i]);
		assert_true(feeds > sizes[i] / (64 * MIB));
		unlink(path);
	}
}

static void test_failures(void **state)
{
	assert_int_equal(wipe("/tmp/test-wipe.absent", feed), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
