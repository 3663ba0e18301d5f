/*
 * Logging: to stderr as "seconds.millis level area: text" (monotonic), or to syslog(3). A line is
 * made on the stack and leaves in one write, so that lines of several processes do not mix. What is
 * not printable UTF-8 comes out as \xNN.
 *
 * Within a turn of the loop, lines that are no warnings wait for its end in a small buffer: a commit's
 * line must not stand between the client and its reply.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"

#define TEXT_MAX      ((size_t)2048)
#define LINE_MAX_SIZE (4 * TEXT_MAX + 128)
#define HELD_MAX      ((size_t)4096) /* PIPE_BUF: what leaves in one write is not mixed with others' */

static const struct {
	const char *name;
	int priority; /* of syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_NOTICE] = { "notice", LOG_NOTICE },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

static struct {
	bool to_syslog;
	enum log_level level;
} sink = { .level = LOG_LEVEL_NOTICE };

/* Whole lines; for syslog each is preceded by its level and ends with NUL. */
static struct {
	bool is_on;
	size_t size;
	char lines[HELD_MAX];
} held;

int log_level_parse(const char *text, enum log_level *ret_level)
{
	enum log_level level;

	for (level = LOG_LEVEL_ERROR; level < ARRAY_SIZE(levels); level++) {
		if (strcmp(levels[level].name, text) == 0) {
			*ret_level = level;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return level <= sink.level;
}

/* Bytes of the printable character at @text; 0: a control character or not UTF-8. */
static size_t printable_size(const unsigned char *text)
{
	size_t size, i;

	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	/* U+0080 to U+009F are controls, too (CSI among them). */
	if (text[0] == 0xc2 && text[1] < 0xa0)
		return 0;
	size = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	for (i = 1; i < size; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

/* @out has four bytes for each of @text, and one. */
static size_t escape(char *out, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = (const unsigned char *)text;
	char *at = out;

	while (*in) {
		size_t size = printable_size(in);

		if (size) {
			memcpy(at, in, size);
			at += size;
			in += size;
			continue;
		}
		*at++ = '\\';
		*at++ = 'x';
		*at++ = digits[*in >> 4];
		*at++ = digits[*in & 15];
		in++;
	}
	*at = '\0';
	return (size_t)(at - out);
}

static void write_stderr(const char *lines, size_t size)
{
	/* Nobody is left to tell when stderr is gone. */
	if (size && write(STDERR_FILENO, lines, size) < 0)
		return;
}

static void flush(void)
{
	size_t at = 0, size = held.size;

	held.size = 0;
	if (!sink.to_syslog)
		write_stderr(held.lines, size);
	else
		for (; at < size; at += strlen(held.lines + at) + 1) {
			int priority = levels[(unsigned char)held.lines[at++]].priority;

			syslog(priority, "%s", held.lines + at);
		}
}

void log_open(bool to_syslog, enum log_level level)
{
	if (held.size)
		flush();
	sink.to_syslog = to_syslog;
	sink.level = level;
	if (to_syslog)
		openlog("ashlard", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/* A child would write the lines, too, and has no turn whose end it could wait for. */
static void before_fork(void)
{
	log_hold(false);
}

void log_hold(bool hold)
{
	static bool knows_forks;

	if (!knows_forks)
		knows_forks = pthread_atfork(before_fork, NULL, NULL) == 0;
	held.is_on = hold && knows_forks;
	if (!hold && held.size)
		flush();
}

static bool keep(enum log_level level, const char *line, size_t size)
{
	size_t needed = sink.to_syslog ? size + 2 : size;

	if (!held.is_on || level <= LOG_LEVEL_WARNING || needed > sizeof(held.lines))
		return false;
	if (needed > sizeof(held.lines) - held.size)
		flush();
	if (sink.to_syslog)
		held.lines[held.size++] = (char)level;
	memcpy(held.lines + held.size, line, size);
	held.size += size;
	if (sink.to_syslog)
		held.lines[held.size++] = '\0';
	return true;
}

static void write_line(enum log_level level, const char *area, const char *text)
{
	char line[LINE_MAX_SIZE];
	uint64_t now_ms = clock_ms();
	int length;

	if (sink.to_syslog)
		length = snprintf(line, sizeof(line), "%.64s: %s", area, text);
	else
		length = snprintf(line, sizeof(line), "%" PRIu64 ".%03u %s %.64s: %s\n",
			now_ms / 1000, (unsigned)(now_ms % 1000), levels[level].name, area, text);
	if (keep(level, line, (size_t)length))
		return;
	if (held.size)
		flush();
	if (sink.to_syslog)
		syslog(levels[level].priority, "%s", line);
	else
		write_stderr(line, (size_t)length);
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
	char text[TEXT_MAX], escaped[4 * TEXT_MAX + 1];
	int saved_errno = errno, length;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, format);
	length = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (length >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	if (length >= 0)
		escape(escaped, text);
	else
		escape(escaped, format);
	write_line(level, area, escaped);
	errno = saved_errno;
}
