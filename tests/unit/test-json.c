/* Where things end in JSON text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/json.h"
#include "ashlar/mem.h"

static void test_values(void **state)
{
	static const struct {
		const char *text;
		int size; /* -1: no value */
	} cases[] = {
		{ "1,2", 1 },
		{ "-1.5e3}", 6 },
		{ "true]", 4 },
		{ "null", 4 },
		{ "\"a\",", 3 },
		{ "\"\"", 2 },
		{ "\"\\\"\\\\\"x", 6 },
		{ "\"]}\" ", 4 },
		{ "{}", 2 },
		{ "[]x", 2 },
		{ "{\"a\":[1,{\"}\":\"]\\\"\"}]} ", 21 },
		{ "", -1 },
		{ ",", -1 },
		{ "]", -1 },
		{ "}", -1 },
		{ " 1", -1 },
		{ "\"", -1 },
		{ "\"a", -1 },
		{ "\"\\", -1 },
		{ "\"\\\"", -1 },
		{ "{", -1 },
		{ "[[]", -1 },
		{ "{\"a", -1 },
		{ "{\"a\\", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *end = json_value(cases[i].text);

		if ((end ? (int)(end - cases[i].text) : -1) != cases[i].size)
			fail_msg("%s", cases[i].text);
	}
}

static void test_depth(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 3];

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	text[2 * JSON_DEPTH_MAX] = '\0';
	assert_ptr_equal(json_value(text), text + 2 * JSON_DEPTH_MAX);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	text[2 * JSON_DEPTH_MAX + 2] = '\0';
	assert_null(json_value(text));
}

static void test_blanks(void **state)
{
	static const char text[] = " \t\r\n x";

	assert_ptr_equal(json_blanks(text), text + 5);
	assert_ptr_equal(json_blanks(text + 5), text + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_blanks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
