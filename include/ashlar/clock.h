/* Time: monotonic for measuring and waiting, wall clock for people. */
#ifndef ASHLAR_CLOCK_H
#define ASHLAR_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_TEXT_MAX 40

uint64_t clock_us(void); /* monotonic */
uint64_t clock_ms(void); /* monotonic */
/* RFC 3339, UTC ("2026-01-02T03:04:05Z"); @text holds CLOCK_TEXT_MAX. */
void clock_text(char *text, time_t when);
/* Wall-clock text of a moment given in monotonic milliseconds. */
void clock_text_of_ms(char *text, uint64_t monotonic_ms);
/*
 * Takes the time zone from /etc/localtime as it is now, for libc (and libyang, which writes times of the zone),
 * unless $TZ says another. Without this each conversion would look at the file by itself.
 */
void clock_zone_look(void);

#endif
