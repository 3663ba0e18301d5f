/*
 * Logging: to stderr as "seconds.millis level area: text" (monotonic), or to syslog(3). A line is
 * made on the stack and leaves in one write, so that lines of several processes do not mix. What is
 * not printable UTF-8 comes out as \xNN.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "ashlar/clock.h"
#include "ashlar/log.h"

#define TEXT_MAX ((size_t)2048)

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

void log_open(bool to_syslog, enum log_level level)
{
	sink.to_syslog = to_syslog;
	sink.level = level;
	if (to_syslog)
		openlog("ashlard", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

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

static void write_stderr(enum log_level level, const char *area, const char *text)
{
	char line[4 * TEXT_MAX + 128];
	uint64_t now_ms = clock_ms();
	int length = snprintf(line, sizeof(line), "%" PRIu64 ".%03u %s %.64s: %s\n", now_ms / 1000,
		(unsigned)(now_ms % 1000), levels[level].name, area, text);

	/* Nobody is left to tell when stderr is gone. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
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
	if (sink.to_syslog)
		syslog(levels[level].priority, "%s: %s", area, escaped);
	else
		write_stderr(level, area, escaped);
	errno = saved_errno;
}
