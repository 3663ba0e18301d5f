/*
 * What the daemon adds to the record of its start. It is written by a child, one at a time; only the end is waited
 * for, when there is no loop any more.
 */
#include <jansson.h>
#include <string.h>

#include "ashlar/child.h"
#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/starts.h"
#include "ashlar/str.h"

#define FACTS_MAX 65536

static struct {
	char *path;
	json_t *starts; /* NULL: none of them is ours */
	json_t *start;	/* ours, borrowed from there */
	struct child *child;
	char *text; /* of the child */
	bool is_stale;
} start_log_now;

/* What ashlar-early has told: "start=7". */
static json_int_t find_number(const char *run_dir)
{
	_cleanup_free_ char *path = file_join(run_dir, "boot"), *text = NULL;
	char *rest, *line;
	uint64_t number;
	size_t size;

	if (file_read(path, FACTS_MAX, &text, &size, NULL) < 0)
		return -1;
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (str_starts(line, "start=") &&
			str_u64(line + strlen("start="), 1, UINT32_MAX, &number) == 0)
			return (json_int_t)number;
	return -1;
}

void start_log_init(const char *run_dir, const char *config_dir)
{
	json_int_t number = find_number(run_dir);
	json_t *starts, *last;

	if (number < 0)
		return;
	start_log_now.path = file_join(config_dir, STARTS_FILE);
	starts = starts_read(start_log_now.path);
	last = json_array_get(starts, json_array_size(starts) - 1);
	if (json_integer_value(json_object_get(last, "number")) != number) {
		json_decref(starts);
		return;
	}
	start_log_now.starts = starts;
	start_log_now.start = last;
}

const json_t *start_log(void)
{
	return start_log_now.starts;
}

static int write_now(void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	const char *text = start_log_now.text;

	return file_write_atomic(start_log_now.path, text, strlen(text), 0600, &err);
}

static void save(void);

static void saved(const struct child_result *result, void *arg)
{
	start_log_now.child = NULL;
	if (result->status)
		log_warning("starts", "%s cannot be written", start_log_now.path);
	if (start_log_now.is_stale)
		save();
}

static void save(void)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = { .run = write_now, .done = saved };

	start_log_now.is_stale = start_log_now.child != NULL;
	if (start_log_now.is_stale)
		return;
	free(start_log_now.text);
	start_log_now.text = starts_print(start_log_now.starts);
	if (start_log_now.text && child_start(&opts, &start_log_now.child, &err) < 0)
		log_warning("starts", "%s", err_text(&err));
}

void start_log_ready(uint64_t init_ms)
{
	json_t *start = start_log_now.start;

	if (!start)
		return;
	json_object_del(start, "end"); /* the daemon's end was not the system's */
	if (!json_object_get(start, "ready")) {
		json_object_set_new(start, "init", json_integer((json_int_t)init_ms));
		json_object_set_new(start, "ready", json_integer((json_int_t)clock_ms()));
	}
	save();
}

void start_log_failed(const char *why)
{
	if (!start_log_now.start)
		return;
	json_object_set_new(start_log_now.start, "failure", json_string(why));
	save();
}

void start_log_end(const char *act, const char *why)
{
	if (!start_log_now.start)
		return;
	child_cancel(TAKE(start_log_now.child));
	json_object_set_new(
		start_log_now.start, "end", json_pack("{s:s, s:s}", "act", act, "why", why));
	free(start_log_now.text);
	start_log_now.text = starts_print(start_log_now.starts);
	if (!start_log_now.text || write_now(NULL) < 0)
		log_warning("starts", "%s cannot be written", start_log_now.path);
}

void start_log_done(void)
{
	child_cancel(TAKE(start_log_now.child));
	json_decref(TAKE(start_log_now.starts));
	start_log_now.start = NULL;
	free(TAKE(start_log_now.text));
	free(TAKE(start_log_now.path));
}
