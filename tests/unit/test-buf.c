/* The byte queue: against a plain array, at its ceiling, and its memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ashlar/buf.h"

static void assert_holds(const struct buf *buf, const char *text)
{
	assert_int_equal(buf->length, strlen(text));
	assert_string_equal(buf_bytes(buf), text);
}

static void test_queue(void **state)
{
	_cleanup_(buf_done) struct buf buf = { 0 };

	assert_holds(&buf, "");
	assert_int_equal(buf_append_str(&buf, "hello "), 0);
	assert_int_equal(buf_printf(&buf, "%s %d", "world", 7), 0);
	assert_holds(&buf, "hello world 7");
	buf_consume(&buf, 6);
	assert_holds(&buf, "world 7");
	buf_truncate(&buf, 5);
	assert_holds(&buf, "world");
	assert_int_equal(buf_append(&buf, NULL, 0), 0);
	buf_clear(&buf);
	assert_holds(&buf, "");
	assert_int_equal(buf_append(&buf, "a\0b", 3), 0);
	assert_int_equal(buf.length, 3);
	assert_memory_equal(buf_bytes(&buf), "a\0b", 4);
}

static void test_ceiling(void **state)
{
	_cleanup_(buf_done) struct buf buf;

	buf_init(&buf, 8);
	assert_int_equal(buf_append(&buf, "12345678", 8), 0);
	assert_int_equal(buf_append(&buf, "9", 1), -ENOBUFS);
	assert_int_equal(buf_printf(&buf, "%d", 9), -ENOBUFS);
	assert_int_equal(buf_append(&buf, "x", SIZE_MAX), -ENOBUFS);
	assert_holds(&buf, "12345678");
	buf_consume(&buf, 3);
	assert_int_equal(buf_printf(&buf, "%s", "abcd"), -ENOBUFS);
	assert_holds(&buf, "45678");
	assert_int_equal(buf_printf(&buf, "%s", "abc"), 0);
	assert_holds(&buf, "45678abc");
	/* Reserved room may pass the ceiling; appending then is refused, not wrapped around. */
	memcpy(buf_reserve(&buf, 4), "more", 4);
	buf_extend(&buf, 4);
	assert_holds(&buf, "45678abcmore");
	assert_int_equal(buf_append(&buf, "x", 1), -ENOBUFS);
}

static void test_printf_grows(void **state)
{
	_cleanup_(buf_done) struct buf buf = { 0 };
	size_t size;

	/* Around every size at which the room is just enough or just not. */
	for (size = 250; size < 262; size++) {
		buf_done(&buf);
		assert_int_equal(buf_append_str(&buf, "x"), 0);
		assert_int_equal(buf_printf(&buf, "%0*d", (int)size, 0), 0);
		assert_int_equal(buf.length, size + 1);
		assert_int_equal(strlen(buf_bytes(&buf)), size + 1);
	}
}

static void test_take(void **state)
{
	struct buf buf;
	_cleanup_free_ char *first = NULL, *second = NULL;

	buf_init(&buf, 100);
	first = buf_take(&buf);
	assert_string_equal(first, "");
	assert_int_equal(buf_append_str(&buf, "abcdef"), 0);
	buf_consume(&buf, 2);
	second = buf_take(&buf);
	assert_string_equal(second, "cdef");
	assert_int_equal(buf.length, 0);
	assert_null(buf.data);
	assert_int_equal(buf.max, 100);
}

static void test_memory_is_given_back(void **state)
{
	_cleanup_(buf_done) struct buf buf = { 0 };

	memset(buf_reserve(&buf, 1000000), 'x', 1000000);
	buf_extend(&buf, 1000000);
	buf_consume(&buf, 999999);
	assert_string_equal(buf_bytes(&buf), "x");
	buf_consume(&buf, 1);
	assert_int_equal(buf.room, 0);
	assert_string_equal(buf_bytes(&buf), "");
}

/* A queue that never runs empty does not grow with what went through it. */
static void test_steady_queue_stays_small(void **state)
{
	_cleanup_(buf_done) struct buf buf = { 0 };
	size_t i;

	assert_int_equal(buf_append_str(&buf, "0123456789"), 0);
	for (i = 0; i < 100000; i++) {
		assert_int_equal(buf_append(&buf, "abcdefg", 7), 0);
		buf_consume(&buf, 7);
	}
	assert_int_equal(buf.length, 10);
	assert_true(buf.room <= 1024);
}

/* Random appending and consuming against a model that is never moved. */
static void test_model(void **state)
{
	static char model[1 << 20];
	_cleanup_(buf_done) struct buf buf = { 0 };
	size_t written = 0, read = 0;
	uint32_t random = 12345;

	while (written < sizeof(model) - 1024) {
		size_t size, i;

		random = random * 1664525 + 1013904223;
		size = (random >> 8) % 1000;
		if (random >> 31) {
			for (i = 0; i < size; i++)
				model[written + i] = (char)(random >> (i % 24));
			assert_int_equal(buf_append(&buf, model + written, size), 0);
			written += size;
		} else {
			size = size < buf.length ? size : buf.length;
			buf_consume(&buf, size);
			read += size;
		}
		assert_int_equal(buf.length, written - read);
		assert_memory_equal(buf_bytes(&buf), model + read, buf.length);
		assert_int_equal(buf_bytes(&buf)[buf.length], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_printf_grows),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_memory_is_given_back),
		cmocka_unit_test(test_steady_queue_stays_small),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
