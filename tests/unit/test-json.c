/* Where things end in JSON text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static void test_twice(void **state)
{
	static const struct {
		const char *text, *twice; /* NULL: none */
	} cases[] = {
		{ "1", NULL },
		{ "[\"a\",\"a\"]", NULL },
		{ "{\"a\":\"a\",\"b\":\"a\"}", NULL },
		{ "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}", NULL },
		{ "{\"a\":1,\"a\":1}", "\"a\"" },
		{ " {}", NULL },
		{ "{ \"a\" : [ ] ,\t\"b\":{}, \"a\":0}", "\"a\"" },
		{ "[{\"x\":[{\"y\":1,\"z\":{},\"y\":1}]}]", "\"y\"" },
		{ "{\"b\":{\"c\":1},\"c\":2,\"d\":[1,\"c\"]}", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = 0;
		const char *twice = json_twice(json_blanks(cases[i].text), &size);

		if (!twice != !cases[i].twice ||
			(twice &&
				(size != strlen(cases[i].twice) ||
					memcmp(twice, cases[i].twice, size) != 0)))
			fail_msg("%s", cases[i].text);
	}
}

static void test_twice_among_many(void **state)
{
	_cleanup_free_ char *text = xmalloc(20 * 1000 + 32);
	size_t length = 1, size;

	text[0] = '{';
	for (unsigned i = 0; i < 1000; i++)
		length += (size_t)sprintf(text + length, "\"name%u\":%u,", (i * 7) % 1000, i);
	strcpy(text + length, "\"x\":0}");
	assert_null(json_twice(text, &size));
	strcpy(text + length, "\"name500\":0}");
	assert_non_null(json_twice(text, &size));
	assert_int_equal(size, strlen("\"name500\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_blanks),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_twice_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
