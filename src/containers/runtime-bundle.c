/*
 * What a container's program has in its bundle, besides what crun and the monitor need:
 *
 *	container.json  the intent: the marker that it exists
 *	goal            what an operator asked for: "up", "down"; absent: nothing
 *	run.json        what the last run was made from
 *	files/          what is mounted into the container (spec.c)
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/str.h"
#include "private.h"
#include "record.h"
#include "runtime-private.h"
#include "runtime.h"

int runtime_save(const struct runtime *runtime, const char *file, const char *text, struct err *err)
{
	_cleanup_free_ char *path = containers_bundle(runtime->name, file);

	return containers_save(path, text, err);
}

static void discard(const struct runtime *runtime, const char *file)
{
	_cleanup_free_ char *path = containers_bundle(runtime->name, file);

	(void)unlink(path); /* it may be absent */
}

void runtime_save_goal(const struct runtime *runtime)
{
	static const char *const names[] = {
		[GOAL_AUTO] = NULL,
		[GOAL_UP] = "up",
		[GOAL_DOWN] = "down",
	};
	_cleanup_err_ struct err err = { 0 };

	if (!names[runtime->goal])
		discard(runtime, "goal");
	else if (runtime_save(runtime, "goal", names[runtime->goal], &err) < 0)
		log_debug("runtime", "%s", err_text(&err));
}

void runtime_load_goal(struct runtime *runtime)
{
	_cleanup_free_ char *path = containers_bundle(runtime->name, "goal");
	_cleanup_free_ char *text = NULL;

	if (file_read(path, 16, &text, NULL, NULL) < 0)
		return;
	runtime->goal = strcmp(text, "up") == 0 ? GOAL_UP : GOAL_DOWN;
}

int runtime_save_run(const struct runtime *runtime, struct err *err)
{
	const struct run *run = &runtime->run;
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", run->id, "cmdline",
		run->cmdline, "digest", run->digest, "image_id", run->image_id, "stop_signal",
		run->stop_signal);
	_cleanup_free_ char *text = json_dumps(json, JSON_INDENT(1));

	json_decref(json);
	if (!text)
		return err_set(err, -EINVAL, NULL, "its command is not UTF-8");
	return runtime_save(runtime, "run.json", text, err);
}

void runtime_load_run(struct runtime *runtime)
{
	_cleanup_free_ char *path = containers_bundle(runtime->name, "run.json");
	json_t *json = containers_load(path);
	const char *digest = json_string_value(json_object_get(json, "digest"));
	const char *image_id = json_string_value(json_object_get(json, "image_id"));
	json_int_t stop_signal = json_integer_value(json_object_get(json, "stop_signal"));
	struct run *run = &runtime->run;

	run->id = xstrdup(json_string_value(json_object_get(json, "id")));
	run->cmdline = xstrdup(json_string_value(json_object_get(json, "cmdline")));
	if (!digest || str_copy(run->digest, sizeof(run->digest), digest) < 0)
		run->digest[0] = '\0';
	if (!image_id || str_copy(run->image_id, sizeof(run->image_id), image_id) < 0)
		run->image_id[0] = '\0';
	run->stop_signal = stop_signal > 0 && stop_signal <= 64 ? (int)stop_signal : SIGTERM;
	json_decref(json);
}

void runtime_remove_files(const struct runtime *runtime)
{
	static const char *const files[] = { "config.json", "run.json", "goal", "exit.json",
		"instance.json", "pid", "crun.log", "lock" };
	static const char *const logs[] = { "", ".1", ".2" };
	_cleanup_free_ char *made = containers_bundle(runtime->name, "files");
	_cleanup_err_ struct err err = { 0 };
	size_t i;

	if (file_remove_tree(made, &err) < 0)
		log_debug("runtime", "%s", err_text(&err));
	for (i = 0; i < ARRAY_SIZE(files); i++)
		discard(runtime, files[i]);
	for (i = 0; i < ARRAY_SIZE(logs); i++) {
		_cleanup_free_ char *log =
			xasprintf("%s/%s.log%s", containers_paths.logs, runtime->name, logs[i]);

		(void)unlink(log); /* it may be absent */
	}
	discard(runtime, RUNTIME_MARKER);
}

struct container *runtime_load_intent(const char *name)
{
	_cleanup_free_ char *marker = containers_bundle(name, RUNTIME_MARKER);
	_cleanup_free_ char *text = NULL;
	struct container *intent = object_new(&object_kind_container, name);
	size_t size;

	if (file_read(marker, CONTAINERS_FILE_MAX, &text, &size, NULL) == 0 &&
		record_parse(text, size, intent) == 0)
		return intent;
	/* Damaged: it exists as something that configuration will find different. */
	object_free(&intent->object);
	return object_new(&object_kind_container, name);
}
