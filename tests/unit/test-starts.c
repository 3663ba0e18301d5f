/* The starts of a device: what each tells of the one before. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ashlar/file.h"
#include "ashlar/starts.h"

static char dir[] = "/tmp/test-starts.XXXXXX";
static char *path;

static int setup(void **state)
{
	strcpy(dir, "/tmp/test-starts.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	path = file_join(dir, STARTS_FILE);
	return 0;
}

static int teardown(void **state)
{
	free(path);
	return file_remove_tree(dir, NULL);
}

static uint32_t begin(const char *slot, const char *kind, const struct starts_found *found)
{
	uint32_t number = 0;

	assert_int_equal(starts_begin(path, json_pack("{s:s, s:s*}", "slot", slot, "kind", kind),
				 found, &number, NULL),
		0);
	return number;
}

/* Writes a member of the last one. */
static void note(const char *name, json_t *value)
{
	json_t *starts = starts_read(path);
	char *text;

	json_object_set_new(json_array_get(starts, json_array_size(starts) - 1), name, value);
	text = starts_print(starts);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
	free(text);
	json_decref(starts);
}

static void assert_text(size_t index, const char *name, const char *expected)
{
	json_t *starts = starts_read(path);
	const char *found = json_string_value(json_object_get(json_array_get(starts, index), name));

	if (expected)
		assert_string_equal(found, expected);
	else
		assert_null(found);
	json_decref(starts);
}

static void end(const char *act, const char *why)
{
	note("end", json_pack("{s:s, s:s}", "act", act, "why", why));
}

static void test_causes(void **state)
{
	const struct starts_found nothing = { 0 }, dog = { .by_watchdog = true },
				  panic = { .by_watchdog = true, .panic = "BUG" };

	assert_int_equal(begin("a", NULL, &nothing), 1);
	assert_text(0, "cause", "power-on");
	assert_int_equal(begin("a", NULL, &nothing), 2);
	assert_text(1, "cause", "power-cut");
	begin("a", NULL, &dog);
	assert_text(2, "cause", "watchdog");
	begin("a", NULL, &panic);
	assert_text(3, "cause", "panic");
	assert_text(2, "panic", "BUG");
	assert_text(3, "panic", NULL);
	end("restart", "asked for by admin");
	begin("a", NULL, &dog); /* of long ago */
	assert_text(4, "cause", "restart");
	assert_text(4, "cause-detail", "asked for by admin");
	end("shutdown", "");
	begin("a", NULL, &nothing);
	assert_text(5, "cause", "power-on");
	assert_text(5, "cause-detail", NULL);
	assert_text(5, "kind", "normal");
}

static void test_kinds(void **state)
{
	const struct starts_found nothing = { 0 }, failed = { .failed = "it did not start" },
				  now = { .failed = "no", .has_just_failed = true };

	begin("a", NULL, &nothing);
	begin("b", "trial", &nothing);
	begin("a", NULL, &failed);
	assert_text(0, "kind", "normal");
	assert_text(1, "kind", "trial");
	assert_text(2, "kind", "fallback");
	assert_text(2, "detail", "it did not start");
	begin("a", NULL, &failed); /* as before */
	assert_text(3, "kind", "normal");
	assert_text(3, "detail", NULL);
	begin("a", NULL, &now); /* what was to be tried did not come so far */
	assert_text(4, "kind", "fallback");
	begin("b", NULL, &nothing);
	assert_text(5, "kind", "change");
}

/* The last ones are kept, and whatever is in the file, there is a record of this start. */
static void test_limits(void **state)
{
	const struct starts_found nothing = { 0 };
	static const char *const bad[] = { "", "{}", "[1]", "[{}]", "[{\"number\": \"1\"}]",
		"nonsense" };
	json_t *starts;

	for (unsigned i = 1; i <= STARTS_MAX + 3; i++)
		assert_int_equal(begin("a", NULL, &nothing), i);
	starts = starts_read(path);
	assert_int_equal(json_array_size(starts), STARTS_MAX);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(starts, 0), "number")), 4);
	json_decref(starts);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(file_write_atomic(path, bad[i], strlen(bad[i]), 0600, NULL), 0);
		assert_int_equal(begin("a", NULL, &nothing), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_causes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
