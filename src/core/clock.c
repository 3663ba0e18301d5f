/* Time: monotonic for measuring and waiting, wall clock for people. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ashlar/clock.h"

static uint64_t now_us(clockid_t id)
{
	struct timespec ts;
	int ret = clock_gettime(id, &ts);

	assert(ret == 0);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

void clock_text(char *text, time_t when)
{
	struct tm tm;

	/* Not strftime(): it looks at the zone's file first. */
	if (!gmtime_r(&when, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		(void)snprintf(text, CLOCK_TEXT_MAX, "1970-01-01T00:00:00Z");
	else
		(void)snprintf(text, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			tm.tm_sec);
}

void clock_text_of_ms(char *text, uint64_t monotonic_ms)
{
	int64_t wall_ms = (int64_t)(now_us(CLOCK_REALTIME) / 1000);
	int64_t moment_ms = wall_ms - (int64_t)(clock_ms() - monotonic_ms);

	clock_text(text, (time_t)(moment_ms >= 0 ? moment_ms / 1000 : 0));
}

/* libc opens the file when the variable is not what it was, and only then: two ways to write the same. */
void clock_zone_look(void)
{
	static char zones[][sizeof("TZ=:/etc//localtime")] = {
		"TZ=:/etc/localtime",
		"TZ=:/etc//localtime",
	};
	static const size_t value = sizeof("TZ=") - 1;
	const char *now = getenv("TZ");
	size_t next = now && !strcmp(now, zones[0] + value);

	if (now && !next && strcmp(now, zones[1] + value) != 0)
		return;
	if (putenv(zones[next]) == 0)
		tzset();
}
