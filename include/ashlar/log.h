/* The only way to log. */
#ifndef ASHLAR_LOG_H
#define ASHLAR_LOG_H

#include <stdbool.h>

#include "ashlar/mem.h"

enum log_level {
	LOG_LEVEL_ERROR,   /* an operation failed */
	LOG_LEVEL_WARNING, /* degraded; the text says what was done instead */
	LOG_LEVEL_NOTICE,  /* a state an operator wants in a report: "event=commit user=…" */
	LOG_LEVEL_INFO,	   /* rare */
	LOG_LEVEL_DEBUG,
};

/*
 * Opens the sink: stderr ("12.345 warning area: text", monotonic seconds), or syslog. Until then,
 * notices and worse go to stderr.
 */
void log_open(bool to_syslog, enum log_level level);
/* "error" … "debug"; -EINVAL for another word. */
int log_level_parse(const char *text, enum log_level *ret_level) WARN_UNUSED;
bool log_enabled(enum log_level level);
/*
 * One line. Control characters in the formatted text come out escaped, so user-supplied text cannot
 * forge a line. @area is the file's stem ("txn", "ssh").
 */
void log_write(enum log_level level, const char *area, const char *format, ...) PRINTF(3, 4);
/*
 * From now on, until it is called with false, lines that are no warnings are kept back for the moment
 * when nobody waits for us: writing one wakes its reader, who may then take our processor. What is worse
 * goes out at once, after what was kept.
 */
void log_hold(bool hold);

#define log_error(area, ...)   log_write(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(LOG_LEVEL_WARNING, area, __VA_ARGS__)
#define log_notice(area, ...)  log_write(LOG_LEVEL_NOTICE, area, __VA_ARGS__)
#define log_info(area, ...)    log_write(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)                                                                       \
	do {                                                                                       \
		if (log_enabled(LOG_LEVEL_DEBUG))                                                  \
			log_write(LOG_LEVEL_DEBUG, area, __VA_ARGS__);                             \
	} while (0)

#endif
