/* Strings and numbers out of text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/str.h"

static void test_compare(void **state)
{
	assert_true(str_equal("a", "a"));
	assert_false(str_equal("a", "b"));
	assert_false(str_equal(NULL, ""));
	assert_false(str_equal("", NULL));
	assert_true(str_equal(NULL, NULL));
	assert_true(str_starts("abc", "ab") && str_starts("abc", ""));
	assert_false(str_starts("ab", "abc"));
	assert_true(str_ends("abc", "bc") && str_ends("abc", ""));
	assert_false(str_ends("bc", "abc"));
}

static void test_copy(void **state)
{
	char to[4] = "xyz";

	assert_int_equal(str_copy(to, sizeof(to), "abc"), 0);
	assert_string_equal(to, "abc");
	assert_int_equal(str_copy(to, sizeof(to), "abcd"), -ENAMETOOLONG);
	assert_string_equal(to, "");
	assert_int_equal(str_copy(to, 0, "a"), -ENAMETOOLONG);
}

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int ret;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 10, 0, 0 },
		{ "007", 0, 10, 0, 7 },
		{ "10", 0, 10, 0, 10 },
		{ "11", 0, 10, -ERANGE, 0 },
		{ "4", 5, 10, -ERANGE, 0 },
		{ "-1", 0, 10, -ERANGE, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
		{ "", 0, 10, -EINVAL, 0 },
		{ "-", 0, 10, -EINVAL, 0 },
		{ "--1", 0, 10, -EINVAL, 0 },
		{ "+1", 0, 10, -EINVAL, 0 },
		{ " 1", 0, 10, -EINVAL, 0 },
		{ "1 ", 0, 10, -EINVAL, 0 },
		{ "0x1", 0, 10, -EINVAL, 0 },
		{ "1.0", 0, 10, -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 777;

		assert_int_equal(
			str_u64(cases[i].text, cases[i].min, cases[i].max, &value), cases[i].ret);
		assert_int_equal(value, cases[i].ret == 0 ? cases[i].value : 777);
	}
}

static void test_s64(void **state)
{
	static const struct {
		const char *text;
		int64_t min, max;
		int ret;
		int64_t value;
	} cases[] = {
		{ "-5", -5, 5, 0, -5 },
		{ "-6", -5, 5, -ERANGE, 0 },
		{ "6", -5, 5, -ERANGE, 0 },
		{ "-0", -5, 5, 0, 0 },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
		{ "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
		{ "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "5-", -5, 5, -EINVAL, 0 },
		{ "", -5, 5, -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t value = 777;

		assert_int_equal(
			str_s64(cases[i].text, cases[i].min, cases[i].max, &value), cases[i].ret);
		assert_int_equal(value, cases[i].ret == 0 ? cases[i].value : 777);
	}
}

static void test_hex(void **state)
{
	uint8_t bytes[3] = { 0 };
	char text[7];

	str_hex(text, "\x00\x9f\xff", 3);
	assert_string_equal(text, "009fff");
	assert_int_equal(str_unhex(bytes, 3, "0a9Fff", 0), 0);
	assert_memory_equal(bytes, "\x0a\x9f\xff", 3);
	assert_int_equal(str_unhex(bytes, 3, "01:02:03", ':'), 0);
	assert_memory_equal(bytes, "\x01\x02\x03", 3);
	assert_int_equal(str_unhex(bytes, 3, "010203", ':'), -EINVAL);
	assert_int_equal(str_unhex(bytes, 3, "01:02:03", 0), -EINVAL);
	assert_int_equal(str_unhex(bytes, 3, "01020", 0), -EINVAL);
	assert_int_equal(str_unhex(bytes, 3, "01020304", 0), -EINVAL);
	assert_int_equal(str_unhex(bytes, 3, "01:02:", ':'), -EINVAL);
	assert_int_equal(str_unhex(bytes, 3, "0g0203", 0), -EINVAL);
	assert_int_equal(str_unhex(bytes, 0, "", 0), 0);
}

static void test_secret(void **state)
{
	assert_true(str_secret_equal("abc", "abc", 3));
	assert_false(str_secret_equal("abc", "abd", 3));
	assert_false(str_secret_equal("xbc", "abc", 3));
	assert_true(str_secret_equal("", "x", 0));
}

static void test_mac(void **state)
{
	uint8_t mac[6] = { 0 };
	char text[18];

	assert_int_equal(str_parse_mac("02:00:5E:10:00:ff", mac), 0);
	str_mac(text, mac);
	assert_string_equal(text, "02:00:5e:10:00:ff");
	assert_int_equal(str_parse_mac("02:00:5e:10:00", mac), -EINVAL);
	assert_int_equal(str_parse_mac("ff:00:5e:10:00:0", mac), -EINVAL);
	assert_int_equal(str_parse_mac("ff-00-5e-10-00-00", mac), -EINVAL);
	assert_int_equal(mac[0], 2); /* untouched on failure */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_s64),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
