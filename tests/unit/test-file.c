/* Files: whole reads and writes, what a failure leaves behind, and removing trees. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ashlar/file.h"

static char dir[64];

static int setup(void **state)
{
	strcpy(dir, "/tmp/test-file.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return file_remove_tree(dir, NULL);
}

static unsigned count_entries(const char *path)
{
	DIR *stream = opendir(path);
	unsigned count = 0;

	assert_non_null(stream);
	while (readdir(stream))
		count++;
	closedir(stream);
	return count - 2; /* "." and ".." */
}

static void assert_file(const char *path, const char *text)
{
	_cleanup_free_ char *data = NULL;
	size_t size;

	assert_int_equal(file_read(path, 1000, &data, &size, NULL), 0);
	assert_string_equal(data, text);
	assert_int_equal(size, strlen(text));
}

static void test_write_atomic(void **state)
{
	_cleanup_free_ char *path = file_join(dir, "file");
	struct stat st;

	assert_int_equal(file_write_atomic(path, "old", 3, 0640, NULL), 0);
	assert_file(path, "old");
	assert_int_equal(file_write_atomic(path, "", 0, 0600, NULL), 0);
	assert_file(path, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_write_atomic(path, "a\0b", 3, 0600, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(count_entries(dir), 1);
}

static void test_write_atomic_relative(void **state)
{
	_cleanup_free_ char *path = file_join(dir, "file");
	char before[256];

	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(file_write_atomic("file", "x", 1, 0600, NULL), 0);
	assert_int_equal(chdir(before), 0);
	assert_file(path, "x");
}

static void test_write_atomic_failure(void **state)
{
	_cleanup_free_ char *path = file_join(dir, "taken");
	_cleanup_free_ char *inside = file_join(path, "inside");
	_cleanup_free_ char *nowhere = file_join(dir, "no/file");
	_cleanup_err_ struct err err = { 0 };

	/* A directory that is not empty cannot be replaced by a file. */
	assert_int_equal(file_make_dirs(inside, 0700, NULL), 0);
	assert_int_equal(file_write_atomic(path, "x", 1, 0600, &err), -EISDIR);
	assert_non_null(strstr(err_text(&err), path));
	assert_int_equal(count_entries(dir), 1);
	assert_int_equal(file_write_atomic(nowhere, "x", 1, 0600, &err), -ENOENT);
	assert_non_null(strstr(err_text(&err), nowhere));
}

static void test_read(void **state)
{
	_cleanup_free_ char *path = file_join(dir, "file"), *fifo = file_join(dir, "fifo");
	_cleanup_free_ char *data = NULL;
	_cleanup_err_ struct err err = { 0 };
	size_t size = 77;

	assert_int_equal(file_read(path, 10, &data, &size, &err), -ENOENT);
	assert_non_null(strstr(err_text(&err), path));
	assert_int_equal(file_write_atomic(path, "0123456789", 10, 0600, NULL), 0);
	assert_int_equal(file_read(path, 9, &data, &size, NULL), -EFBIG);
	assert_null(data);
	assert_int_equal(size, 77);
	assert_int_equal(file_read(path, 10, &data, NULL, NULL), 0);
	assert_string_equal(data, "0123456789");
	assert_int_equal(file_read(dir, 10, &data, &size, NULL), -EISDIR);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(file_read(fifo, 10, &data, &size, NULL), -EINVAL);
}

static void test_virtual(void **state)
{
	_cleanup_free_ char *path = file_join(dir, "file"), *data = NULL, *none = NULL;

	assert_int_equal(file_read_virtual("/proc/self/status", 65536, &data, NULL), 0);
	assert_int_equal(strncmp(data, "Name:", 5), 0);
	assert_int_equal(file_read_virtual("/proc/self/status", 10, &none, NULL), -EFBIG);
	assert_null(none);
	assert_int_equal(file_write_virtual(path, "x"), -ENOENT);
	assert_false(file_exists(path));
	assert_int_equal(file_write_virtual("/proc/self/comm", "renamed"), 0);
	assert_int_equal(file_write_virtual("/dev/full", "x"), -ENOSPC);
}

static void test_make_dirs(void **state)
{
	_cleanup_free_ char *deep = file_join(dir, "a//b/c/"), *c = file_join(dir, "a/b/c");
	_cleanup_free_ char *file = file_join(dir, "file"), *below = file_join(file, "x");
	_cleanup_err_ struct err err = { 0 };
	mode_t before = umask(077);
	struct stat st;

	assert_int_equal(file_make_dirs(deep, 0755, NULL), 0);
	umask(before);
	assert_int_equal(stat(c, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(file_make_dirs(c, 0700, NULL), 0);
	assert_int_equal(file_make_dirs("/", 0700, NULL), 0);
	assert_int_equal(file_write_atomic(file, "", 0, 0600, NULL), 0);
	assert_int_equal(file_make_dirs(file, 0700, NULL), -ENOTDIR);
	assert_int_equal(file_make_dirs(below, 0700, &err), -ENOTDIR);
	assert_non_null(strstr(err_text(&err), below));
}

static void test_join_and_exists(void **state)
{
	_cleanup_free_ char *plain = file_join("/a", "b"), *slash = file_join("/a/", "b");

	assert_string_equal(plain, "/a/b");
	assert_string_equal(slash, "/a/b");
	assert_true(file_exists(dir));
	assert_false(file_exists("/nowhere/at/all"));
	assert_int_equal(file_fsync_dir(dir), 0);
	assert_int_equal(file_fsync_dir("/nowhere"), -ENOENT);
}

static void test_remove_keeps_what_links_point_to(void **state)
{
	_cleanup_free_ char *tree = file_join(dir, "tree"), *kept = file_join(dir, "kept");
	_cleanup_free_ char *inside = file_join(kept, "file"), *link = file_join(tree, "link");
	_cleanup_free_ char *top = file_join(dir, "top");

	assert_int_equal(file_make_dirs(tree, 0700, NULL), 0);
	assert_int_equal(file_make_dirs(kept, 0700, NULL), 0);
	assert_int_equal(file_write_atomic(inside, "x", 1, 0600, NULL), 0);
	assert_int_equal(symlink(kept, link), 0);
	assert_int_equal(symlink(kept, top), 0);
	assert_int_equal(file_remove_tree(tree, NULL), 0);
	assert_int_equal(file_remove_tree(top, NULL), 0);
	assert_file(inside, "x");
	assert_int_equal(count_entries(dir), 1);
	assert_int_equal(file_remove_tree(tree, NULL), 0); /* absent is fine */
	assert_int_equal(file_remove_tree(inside, NULL), 0);
	assert_int_equal(count_entries(kept), 0);
}

/* Deeper than the descriptors that are held at once, and than a path can be long. */
static void test_remove_deep(void **state)
{
	_cleanup_free_ char *tree = file_join(dir, "tree");
	int fd, below, level;

	assert_int_equal(mkdir(tree, 0700), 0);
	fd = open(tree, O_RDONLY | O_DIRECTORY);
	for (level = 0; level < 500; level++) {
		assert_int_equal(mkdirat(fd, "deeper", 0700), 0);
		assert_int_equal(mkdirat(fd, ".removed.3", 0700), 0);
		below = openat(fd, "deeper", O_RDONLY | O_DIRECTORY);
		assert_true(below >= 0);
		close(fd);
		fd = below;
	}
	close(fd);
	assert_int_equal(file_remove_tree(tree, NULL), 0);
	assert_false(file_exists(tree));
}

static void test_remove_many(void **state)
{
	_cleanup_free_ char *tree = file_join(dir, "tree");
	char path[128];
	int i;

	for (i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "%s/%d/%d", tree, i % 7, i);
		assert_int_equal(file_make_dirs(path, 0700, NULL), 0);
	}
	assert_int_equal(file_remove_tree(tree, NULL), 0);
	assert_false(file_exists(tree));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_write_atomic),
		TEST(test_write_atomic_relative),
		TEST(test_write_atomic_failure),
		TEST(test_read),
		TEST(test_virtual),
		TEST(test_make_dirs),
		TEST(test_join_and_exists),
		TEST(test_remove_keeps_what_links_point_to),
		TEST(test_remove_deep),
		TEST(test_remove_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
