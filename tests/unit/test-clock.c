/* Time as text, and that the monotonic clock runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/clock.h"

static void test_text(void **state)
{
	char text[CLOCK_TEXT_MAX];

	clock_text(text, 0);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clock_text(text, 1709210096); /* a leap day */
	assert_string_equal(text, "2024-02-29T12:34:56Z");
	clock_text(text, 253402300799);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
}

/* Now in monotonic time is now on the wall clock, an hour ago is an hour ago. */
static void test_text_of_ms(void **state)
{
	char text[CLOCK_TEXT_MAX], first[CLOCK_TEXT_MAX], last[CLOCK_TEXT_MAX];

	clock_text(first, time(NULL) - 1);
	clock_text_of_ms(text, clock_ms());
	clock_text(last, time(NULL) + 1);
	assert_true(strcmp(first, text) <= 0 && strcmp(text, last) <= 0);
	clock_text(first, time(NULL) + 3599);
	clock_text_of_ms(text, clock_ms() + 3600000);
	clock_text(last, time(NULL) + 3601);
	assert_true(strcmp(first, text) <= 0 && strcmp(text, last) <= 0);
}

/* A zone that was given stays; else libc has the system's, and a name of it that is not asked for again. */
static void test_zone(void **state)
{
	assert_int_equal(setenv("TZ", "UTC-3", 1), 0);
	clock_zone_look();
	assert_string_equal(getenv("TZ"), "UTC-3");
	tzset();
	assert_int_equal(timezone, -3 * 3600);
	assert_int_equal(unsetenv("TZ"), 0);
	for (int i = 0; i < 3; i++) {
		clock_zone_look();
		assert_int_equal(strncmp(getenv("TZ"), ":/etc/", 6), 0);
	}
}

static void test_monotonic(void **state)
{
	uint64_t first_us = clock_us(), then_us = first_us;

	while (then_us == first_us)
		then_us = clock_us();
	assert_true(then_us > first_us);
	assert_in_range(clock_ms() - then_us / 1000, 0, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_of_ms),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_monotonic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
