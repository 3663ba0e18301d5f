/* When a certificate is told of before, and after, its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ashlar/mem.h"

#include "cert-expiry.h"

#define DAY ((time_t)86400)
#define END ((time_t)2000000000)

/* Days to the end at which it is told of, from @before days before it on. */
static void check_days(time_t before, const int *days, size_t count)
{
	time_t now = END - before * DAY;

	for (size_t i = 0; i < count; i++) {
		now = cert_expiry_next(END, now);
		assert_int_equal((END - now) / DAY, days[i]);
		assert_int_equal((END - now) % DAY, 0);
	}
}

static void test_recommended(void **state)
{
	/* once a month for three months, once a week for four weeks, then once a day */
	static const int days[] = { 90, 60, 30, 28, 21, 14, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2 };

	check_days(1000, days, ARRAY_SIZE(days));
}

static void test_between(void **state)
{
	assert_int_equal(cert_expiry_next(END, END - 29 * DAY), END - 28 * DAY);
	assert_int_equal(cert_expiry_next(END, END - 28 * DAY - 1), END - 28 * DAY);
	assert_int_equal(cert_expiry_next(END, END - 28 * DAY), END - 21 * DAY);
	assert_int_equal(cert_expiry_next(END, END - 7 * DAY), END - 6 * DAY);
	assert_int_equal(cert_expiry_next(END, END - 1), END);
	assert_int_equal(cert_expiry_next(END, END + 100 * DAY), END + 101 * DAY);
}

static void test_configured(void **state)
{
	static const struct server_interval intervals[] = {
		{ 10 * 86400, 4 * 86400 },
		{ 10 * 86400, 3 * 86400 },
		{ 2 * 86400, 86400 },
	};
	/* of two that begin together the shorter period holds */
	static const int days[] = { 10, 7, 4, 2, 1, 0, -1 };

	cert_expiry_set(intervals, ARRAY_SIZE(intervals));
	check_days(1000, days, ARRAY_SIZE(days));
	cert_expiry_set(NULL, 0);
	test_recommended(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recommended),
		cmocka_unit_test(test_between),
		cmocka_unit_test(test_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
