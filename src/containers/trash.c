/*
 * Trees that go: renamed into STATE-DIR/containers/trash, which is atomic, and removed there by a child
 * process, which may take its time. What a daemon's death leaves is taken up by the next one.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"
#include "private.h"
#include "trash.h"

#define BATCH_MAX 64
#define RETRY_MS  60000

static struct child *job;
static struct loop_timer *timer;
static unsigned counter;

static void empty(void *arg);

static void on_done(const struct child_result *result, void *arg)
{
	job = NULL;
	if (result->status != 0)
		log_debug("trash", "cannot remove: %s", result->output);
	/* Again at once for what came meanwhile, later for what cannot be removed now. */
	loop_timer_start(timer, result->status == 0 ? 0 : RETRY_MS);
}

static size_t list_trash(const char **names, size_t room)
{
	DIR *dir = opendir(containers_paths.trash);
	struct dirent *entry;
	size_t count = 0;

	while (dir && count < room && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			names[count++] = file_join(containers_paths.trash, entry->d_name);
	if (dir)
		closedir(dir);
	return count;
}

static void empty(void *arg)
{
	const char *argv[BATCH_MAX + 3] = { containers_paths.unpack, "remove" };
	struct child_opts opts = { .argv = argv, .output_max = 1024, .done = on_done };
	_cleanup_err_ struct err err = { 0 };
	size_t count, i;

	if (job)
		return;
	count = list_trash(argv + 2, BATCH_MAX);
	if (count && child_start(&opts, &job, &err) < 0) {
		log_debug("trash", "%s", err_text(&err));
		loop_timer_start(timer, RETRY_MS);
	}
	for (i = 0; i < count; i++)
		free((char *)argv[i + 2]);
}

int trash_put(const char *path, struct err *err)
{
	_cleanup_free_ char *to = NULL;
	int ret;

	do {
		free(to);
		to = xasprintf("%s/%u", containers_paths.trash, counter++);
		ret = rename(path, to) < 0 ? -errno : 0;
	} while (ret == -EEXIST || ret == -ENOTEMPTY);
	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return err_set(err, ret, NULL, "cannot remove %s: %s", path, strerror(-ret));
	loop_timer_start(timer, 0);
	return 0;
}

void trash_unfinished(void)
{
	DIR *dir = opendir(containers_paths.images);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *path = file_join(containers_paths.images, entry->d_name);

		if (str_starts(entry->d_name, ".tmp-") && trash_put(path, NULL) < 0)
			log_debug("trash", "cannot move %s", path);
	}
	if (dir)
		closedir(dir);
}

void trash_init(void)
{
	timer = loop_timer_new("trash", empty, NULL);
	trash_unfinished();
	loop_timer_start(timer, 0);
}

void trash_done(void)
{
	child_cancel(TAKE(job));
	loop_timer_free(TAKE(timer));
}
