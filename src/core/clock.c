/* Time: monotonic for measuring and waiting, wall clock for people. */
#include <assert.h>
#include <stdio.h>

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

	if (!gmtime_r(&when, &tm) || !strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		(void)snprintf(text, CLOCK_TEXT_MAX, "1970-01-01T00:00:00Z");
}

void clock_text_of_ms(char *text, uint64_t monotonic_ms)
{
	int64_t wall_ms = (int64_t)(now_us(CLOCK_REALTIME) / 1000);
	int64_t moment_ms = wall_ms - (int64_t)(clock_ms() - monotonic_ms);

	clock_text(text, (time_t)(moment_ms >= 0 ? moment_ms / 1000 : 0));
}
