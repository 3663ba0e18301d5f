/* Memory: aborting allocation, cleanup, arenas. */
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "ashlar/mem.h"

static void test_strings(void **state)
{
	_cleanup_free_ char *copy = xstrdup("abc");
	_cleanup_free_ char *part = xstrndup("abcdef", 3);
	_cleanup_free_ char *whole = xstrndup("ab", 3);
	_cleanup_free_ char *printed = xasprintf("%s-%d", "abc", 7);
	_cleanup_free_ char *bytes = xmemdup("a\0b", 3);

	assert_string_equal(copy, "abc");
	assert_string_equal(part, "abc");
	assert_string_equal(whole, "ab");
	assert_string_equal(printed, "abc-7");
	assert_memory_equal(bytes, "a\0b", 3);
	assert_null(xstrdup(NULL));
}

static void test_nothing_is_something(void **state)
{
	_cleanup_free_ void *a = xmalloc(0);
	_cleanup_free_ void *b = xcalloc(0, 8);
	_cleanup_free_ void *c = xmemdup(NULL, 0);
	_cleanup_free_ void *d = xrealloc(NULL, 0);

	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_non_null(d);
}

/* Runs @allocate in a child, stderr closed; the signal that ended it. */
static int signal_of(void (*allocate)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		allocate();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void overflow(void)
{
	volatile size_t count = SIZE_MAX / 2;

	free(xreallocarray(NULL, count, 4));
}

static void no_overflow(void)
{
	free(xreallocarray(NULL, 16, 4));
}

static void test_overflow_aborts(void **state)
{
	assert_int_equal(signal_of(overflow), SIGABRT);
	assert_int_equal(signal_of(no_overflow), 0);
}

static void test_take(void **state)
{
	char *owned = xstrdup("x");
	char *taken = TAKE(owned);
	int fd = 5;

	assert_null(owned);
	assert_string_equal(taken, "x");
	assert_int_equal(TAKE_FD(fd), 5);
	assert_int_equal(fd, -1);
	free(taken);
}

static void test_array_grow(void **state)
{
	_cleanup_free_ int *numbers = NULL;
	size_t count = 0, room = 0, i;

	for (i = 0; i < 1000; i++) {
		ARRAY_GROW(numbers, count, room);
		numbers[count++] = (int)i;
	}
	assert_true(room >= 1000 && room <= 2048);
	for (i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
}

/* Sizes around the chunk's: all zeroed, aligned and apart from each other. */
static void test_arena(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 511, 513, 2047, 2048, 2049, 5000,
		70000 };
	uint8_t *blocks[8 * ARRAY_SIZE(sizes)];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(blocks); i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];

		blocks[i] = arena_alloc(arena, size);
		assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
		for (j = 0; j < size; j++)
			assert_int_equal(blocks[i][j], 0);
		memset(blocks[i], (int)i + 1, size);
	}
	for (i = 0; i < ARRAY_SIZE(blocks); i++)
		for (j = 0; j < sizes[i % ARRAY_SIZE(sizes)]; j++)
			assert_int_equal(blocks[i][j], (uint8_t)(i + 1));
}

static void test_arena_text(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const char *a = arena_strdup(arena, "one");
	const char *b = arena_printf(arena, "%s/%05d", a, 42);

	assert_string_equal(a, "one");
	assert_string_equal(b, "one/00042");
	assert_null(arena_strdup(arena, NULL));
	arena_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_nothing_is_something),
		cmocka_unit_test(test_overflow_aborts),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_array_grow),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_text),
	};

	mem_tune();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
