/*
 * The starts of the device, the last few, each with what came of it: kept in /cfg, begun by ashlar-early and
 * completed by the daemon. What a start does not tell (nobody had the time) is told by the next one. Plain C on core
 * and jansson, as ashlar-early uses it.
 *
 * A start is a JSON object; its members are named as in the module ashlar-starts: number, datetime, slot, version,
 * generation, kind, detail, cause, cause-detail, failure, panic, early, init, ready. Beside those it has "end", how
 * it ended, once it has: {act, why}.
 */
#ifndef ASHLAR_STARTS_H
#define ASHLAR_STARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ashlar/err.h"

#define STARTS_FILE "starts.json"
#define STARTS_MAX  8

struct json_t;

/* What is told of the end before by others than the system that ended. */
struct starts_found {
	bool by_watchdog;  /* the watchdog has restarted the device */
	const char *panic; /* the last words of the kernel; NULL: none */
	const char *
		failed; /* why the other slot is not started any more; NULL: it may be, or is empty */
	bool has_just_failed; /* that was found out at this start */
};

/*
 * Adds @start (taken), which gets its number and cause, and its kind if it has none; and the panic's text to the one
 * before. *ret_number. As a whole or not at all; what cannot be read is forgotten.
 */
int starts_begin(const char *path, struct json_t *start, const struct starts_found *found,
	uint32_t *ret_number, struct err *err) WARN_UNUSED;
/* The starts, the oldest first, an array; the caller's. Empty if there are none. */
struct json_t *starts_read(const char *path);
/* The text of the file, malloc'd. */
char *starts_print(const struct json_t *starts);

/* --- start-log.c: the daemon, of the start that it belongs to ------------------------------------------- */

/* @run_dir has what ashlar-early says; without a start there all this does nothing. */
void start_log_init(const char *run_dir, const char *config_dir);
/* The daemon serves; it was started at @init_ms (monotonic). Once a start. */
void start_log_ready(uint64_t init_ms);
/* Why the system is given up. */
void start_log_failed(const char *why);
/* An orderly end: "restart", "shutdown", or "" when nobody has told us; waits for the disk. */
void start_log_end(const char *act, const char *why);
void start_log_done(void);
/* NULL: none is known; borrowed. */
const struct json_t *start_log(void);

#endif
