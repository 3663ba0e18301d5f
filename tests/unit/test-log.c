/* The log: one line whatever the text holds, levels, and errno left alone. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ashlar/log.h"

/* What one call writes to stderr, behind the time stamp. */
static const char *logged(enum log_level level, const char *text)
{
	static char line[16384];
	int ends[2], saved = dup(STDERR_FILENO), whole = 0, part = 0, digits = 0;
	ssize_t got;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	log_write(level, "area", "%s", text);
	dup2(saved, STDERR_FILENO);
	got = read(ends[0], line, sizeof(line) - 1);
	close(ends[0]);
	close(ends[1]);
	close(saved);
	if (got < 0)
		return NULL;
	line[got] = '\0';
	assert_int_equal(sscanf(line, "%d.%3d%n", &whole, &part, &digits), 2);
	assert_int_equal(line[digits], ' ');
	return line + digits + 1;
}

/* Takes the time stamps out of lines. */
static const char *skip_stamps(const char *lines)
{
	static char out[16384];
	char *to = out;

	while (lines && *lines) {
		const char *end = strchr(lines, '\n') + 1;

		if (strchr("0123456789", *lines))
			lines = strchr(lines, ' ') + 1;
		to = mempcpy(to, lines, (size_t)(end - lines));
		lines = end;
	}
	*to = '\0';
	return out;
}

/* What comes when holding ends; NULL: nothing. */
static const char *on_release(void)
{
	static char text[16384];
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t got;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	log_hold(false);
	dup2(saved, STDERR_FILENO);
	got = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	close(ends[1]);
	close(saved);
	if (got < 0)
		return NULL;
	text[got] = '\0';
	return skip_stamps(text);
}

static void test_escape(void **state)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "plain", "plain" },
		{ "a\nb", "a\\x0ab" },
		{ "\x1b[31m", "\\x1b[31m" },
		{ "\x7f\r\t", "\\x7f\\x0d\\x09" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
			"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xc2\x9b"
		  "1m",
			"\\xc2\\x9b1m" },
		{ "\x9b\xff", "\\x9b\\xff" },
		{ "\xe2\x82", "\\xe2\\x82" },
	};
	char wanted[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(wanted, sizeof(wanted), "warning area: %s\n", cases[i].line);
		assert_string_equal(logged(LOG_LEVEL_WARNING, cases[i].text), wanted);
	}
}

/* What waits comes in order, before what is worse, when there is much of it, and never twice. */
static void test_hold(void **state)
{
	int i;

	log_hold(true);
	assert_null(logged(LOG_LEVEL_NOTICE, "one"));
	assert_null(logged(LOG_LEVEL_NOTICE, "two"));
	assert_string_equal(skip_stamps(logged(LOG_LEVEL_WARNING, "three")),
		"notice area: one\nnotice area: two\nwarning area: three\n");
	assert_null(logged(LOG_LEVEL_NOTICE, "four"));
	assert_string_equal(on_release(), "notice area: four\n");
	assert_null(on_release());
	log_hold(true);
	for (i = 0; i < 1000 && !logged(LOG_LEVEL_NOTICE, "many"); i++)
		;
	assert_in_range(i, 10, 999);
	on_release();
}

static void test_hold_and_fork(void **state)
{
	int ends[2], saved = dup(STDERR_FILENO), status;
	char text[256] = "";
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	log_hold(true);
	log_write(LOG_LEVEL_NOTICE, "area", "before");
	pid = fork();
	if (pid == 0) {
		log_write(LOG_LEVEL_NOTICE, "area", "child");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	log_hold(false);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	assert_string_equal(skip_stamps(text), "notice area: before\nnotice area: child\n");
}

static void test_long_text_is_cut(void **state)
{
	static char text[10001];
	const char *line;

	memset(text, '\n', sizeof(text) - 1);
	line = logged(LOG_LEVEL_ERROR, text);
	assert_non_null(line);
	assert_true(strlen(line) < sizeof(text));
	assert_string_equal(line + strlen(line) - 8, "\\x0a...\n");
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_levels(void **state)
{
	enum log_level level;

	assert_null(logged(LOG_LEVEL_DEBUG, "hidden"));
	assert_false(log_enabled(LOG_LEVEL_DEBUG));
	log_open(false, LOG_LEVEL_DEBUG);
	assert_string_equal(logged(LOG_LEVEL_DEBUG, "shown"), "debug area: shown\n");
	log_open(false, LOG_LEVEL_ERROR);
	assert_null(logged(LOG_LEVEL_WARNING, "hidden"));
	assert_int_equal(log_level_parse("warning", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARNING);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_WARNING);
	log_open(false, LOG_LEVEL_NOTICE);
}

static void test_errno_is_kept(void **state)
{
	errno = EXDEV;
	assert_non_null(logged(LOG_LEVEL_NOTICE, "x"));
	errno = EXDEV;
	log_write(LOG_LEVEL_DEBUG, "area", "x");
	assert_int_equal(errno, EXDEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_hold_and_fork),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_errno_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
