/* Generations: made, switched and dropped as a whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ashlar/file.h"
#include "ashlar/generation.h"
#include "ashlar/str.h"

static char dir[64];

static int setup(void **state)
{
	strcpy(dir, "/tmp/test-generation.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return file_remove_tree(dir, NULL);
}

static void put_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = file_join(dir, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0640, NULL), 0);
}

static void make_dir(const char *name)
{
	_cleanup_free_ char *path = file_join(dir, name);

	assert_int_equal(mkdir(path, 0700), 0);
}

static bool has_file(const char *name)
{
	_cleanup_free_ char *path = file_join(dir, name);

	return file_exists(path);
}

static void assert_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = file_join(dir, name), *data = NULL;
	size_t size;

	assert_int_equal(file_read(path, 1000, &data, &size, NULL), 0);
	assert_string_equal(data, text);
}

static uint32_t make(uint32_t from, const char *image, bool is_trial)
{
	_cleanup_generation_ struct generation generation = {
		.is_trial = is_trial,
		.image = xstrdup(image),
		.version = xstrdup("1.0"),
		.reason = xstrdup("because of \"it\""),
		.who = xstrdup("admin"),
	};

	assert_int_equal(generation_make(dir, from, &generation, NULL), 0);
	return generation.number;
}

static size_t count(void)
{
	struct generation *list;
	size_t found;

	assert_int_equal(generation_list(dir, &list, &found, NULL), 0);
	generation_list_free(list, found);
	return found;
}

static void test_first(void **state)
{
	_cleanup_generation_ struct generation generation = { 0 };
	uint32_t number;

	assert_int_equal(generation_current(dir, &number, NULL), -ENOENT);
	assert_int_equal(count(), 0);
	assert_int_equal(make(0, "aa", false), 1);
	assert_int_equal(generation_current(dir, &number, NULL), -ENOENT);
	assert_int_equal(generation_switch(dir, 1, NULL), 0);
	assert_int_equal(generation_current(dir, &number, NULL), 0);
	assert_int_equal(number, 1);
	assert_int_equal(generation_read(dir, 1, &generation, NULL), 0);
	assert_string_equal(generation.image, "aa");
	assert_string_equal(generation.version, "1.0");
	assert_string_equal(generation.reason, "because of \"it\"");
	assert_string_equal(generation.who, "admin");
	assert_int_equal(strlen(generation.time), strlen("2026-01-02T03:04:05Z"));
	assert_false(generation.is_trial);
}

/* What containers ran is part of it, and of what is made of it. */
static void test_containers(void **state)
{
	_cleanup_generation_ struct generation first = { 0 }, second = { 0 };

	make(0, "aa", false);
	put_file("1/containers/web.json", "{\"source\": \"oci:/x:y - -\", \"digest\": \"0011\"}");
	put_file("1/containers/.half", "{");
	put_file("1/containers/no-json.json", "[");
	assert_int_equal(generation_read(dir, 1, &first, NULL), 0);
	assert_int_equal(first.container_count, 1);
	assert_string_equal(first.containers[0].name, "web");
	assert_string_equal(first.containers[0].image, "oci:/x:y");
	assert_string_equal(first.containers[0].digest, "0011");
	make(1, "bb", true);
	put_file("1/containers/web.json", "{\"source\": \"oci:/x:y - -\", \"digest\": \"2233\"}");
	assert_int_equal(generation_read(dir, 2, &second, NULL), 0);
	assert_int_equal(second.container_count, 1);
	assert_string_equal(second.containers[0].digest, "0011");
}

/* A trial has what its origin has, and its mark; what it saves is its own. */
static void test_trial(void **state)
{
	_cleanup_generation_ struct generation generation = { 0 };
	_cleanup_free_ char *path = file_join(dir, "2/startup-config.cfg");
	struct stat st;

	make(0, "aa", false);
	put_file("1/startup-config.cfg", "{ }");
	put_file("1/.half-written", "{");
	put_file(GENERATION_TRIAL, "{\"confirm-timeout\": 60}");
	assert_int_equal(generation_switch(dir, 1, NULL), 0);
	assert_int_equal(make(1, "bb", true), 2);
	assert_file("2/startup-config.cfg", "{ }");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_file("2/trial", "{\"confirm-timeout\": 60}");
	assert_false(has_file("2/.half-written"));
	put_file("2/startup-config.cfg", "{2}");
	assert_file("1/startup-config.cfg", "{ }");
	assert_int_equal(generation_read(dir, 2, &generation, NULL), 0);
	assert_true(generation.is_trial);
	assert_string_equal(generation.image, "bb");
	/* what follows it is not one */
	assert_int_equal(make(2, "cc", false), 3);
	assert_false(has_file("3/trial"));
}

static void test_confirm(void **state)
{
	make(0, "aa", false);
	make(1, "bb", true);
	assert_true(has_file("2/trial"));
	assert_int_equal(generation_switch(dir, 2, NULL), 0);
	assert_int_equal(generation_tidy(dir, 2, NULL), 0);
	assert_int_equal(count(), 2);
	assert_int_equal(generation_confirm(dir, 2, NULL), 0);
	assert_false(has_file("2/trial"));
	assert_int_equal(generation_confirm(dir, 2, NULL), 0);
}

/* What was not confirmed goes when something else runs; what a cut has left goes, too. */
static void test_tidy(void **state)
{
	make(0, "aa", false);
	assert_int_equal(generation_switch(dir, 1, NULL), 0);
	make(1, "bb", true);
	assert_int_equal(generation_tidy(dir, 2, NULL), 0);
	assert_int_equal(count(), 2);
	put_file("2/startup-config.cfg", "{ }");
	make_dir(".new");
	make_dir(".old");
	put_file(".new/record.json", "{");
	assert_int_equal(generation_tidy(dir, 1, NULL), 0);
	assert_int_equal(count(), 1);
	assert_false(has_file("2"));
	assert_false(has_file(".new"));
	assert_false(has_file(".old"));
	/* its number is free again: nothing refers to it */
	assert_int_equal(make(1, "bb", true), 2);
}

static void test_oldest_go(void **state)
{
	uint32_t number;

	for (uint32_t i = 0; i < GENERATION_MAX + 3; i++)
		make(i, "aa", false);
	assert_int_equal(generation_switch(dir, 1, NULL), 0);
	assert_int_equal(generation_tidy(dir, 3, NULL), 0);
	assert_int_equal(count(), GENERATION_MAX);
	assert_true(has_file("1/record.json"));
	assert_false(has_file("2"));
	assert_true(has_file("3/record.json"));
	assert_false(has_file("5"));
	assert_true(has_file("6/record.json"));
	assert_int_equal(generation_current(dir, &number, NULL), 0);
	assert_int_equal(number, 1);
}

static void test_broken(void **state)
{
	_cleanup_free_ char *current = file_join(dir, "current");
	struct generation generation;
	uint32_t number;

	make(0, "aa", false);
	assert_int_equal(generation_switch(dir, 2, NULL), -ENOENT);
	put_file("1/record.json", "[");
	assert_int_equal(generation_read(dir, 1, &generation, NULL), -EBADMSG);
	assert_int_equal(count(), 0);
	assert_int_equal(symlink("../..", current), 0);
	assert_int_equal(generation_current(dir, &number, NULL), -EBADMSG);
	assert_int_equal(make(0, "aa", false), 2);
	assert_int_equal(generation_switch(dir, 2, NULL), 0);
	assert_int_equal(generation_current(dir, &number, NULL), 0);
	assert_int_equal(generation_tidy(dir, 2, NULL), 0);
	assert_false(has_file("1"));
	put_file("2/record.json", "{\"image\": 7}");
	assert_int_equal(generation_read(dir, 2, &generation, NULL), 0);
	assert_string_equal(generation.image, "");
	generation_done(&generation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_containers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trial, setup, teardown),
		cmocka_unit_test_setup_teardown(test_confirm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tidy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_oldest_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
