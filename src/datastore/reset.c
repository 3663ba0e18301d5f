/*
 * Back to the factory (RFC 8808). The datastores are reset while we run: that gives back to the device what
 * its configuration took. What else was kept (keys, the startup file before this one, volumes, images,
 * history) is in use by us until we end, so a mark is left for the next daemon, which removes it all before
 * it reads any of it; a power cut in between changes nothing of that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"
#include "ashlar/str.h"

#include "confirm.h"
#include "reset.h"
#include "store.h"

#define MARK		 "factory-reset"
#define RESTART_DELAY_MS 200 /* the reply, and what subscribers are told, are on their way out */
#define SECRETS_DEPTH	 1   /* below a directory of ours; deeper are images and volumes */
#define OVERWRITTEN_MAX	 (1024 * 1024) /* bytes of a file that may hold a secret */

static const struct ds_client self = { .user = "", .protocol = "internal", .is_recovery = true };

static void (*on_restart)(void);
static struct loop_timer *restart_timer;
static bool is_begun; /* and not failed: for good */

struct reset {
	bool is_whole;
	ds_done_fn done;
	void *arg;
};

void ds_on_restart(void (*callback)(void))
{
	on_restart = callback;
}

static void restart(void *arg)
{
	if (on_restart)
		on_restart();
}

int reset_check(struct err *err)
{
	if (!is_begun)
		return 0;
	return err_tagged(err, ERR_TAG_IN_USE, NULL, "the device is going back to the factory");
}

void reset_done(void)
{
	is_begun = false;
	loop_timer_free(TAKE(restart_timer));
}

static void finish(struct reset *reset, const struct err *err)
{
	if (err && reset->is_whole)
		is_begun = false;
	reset->done(err, reset->arg);
	free(reset);
}

static void startup_reset(const struct err *err, void *arg)
{
	struct reset *reset = arg;
	_cleanup_err_ struct err failure = { 0 };
	_cleanup_free_ char *path = file_join(store_config.config_dir, MARK);
	int r = 0;

	if (!err)
		r = file_write_atomic(path, "", 0, 0600, &failure);
	if (!err && r == 0) {
		log_notice("datastore", "event=factory-reset");
		if (!restart_timer)
			restart_timer = loop_timer_new("restart", restart, NULL);
		loop_timer_start(restart_timer, RESTART_DELAY_MS);
	}
	finish(reset, err ? err : r < 0 ? &failure : NULL);
}

static void candidate_reset(const struct err *err, void *arg)
{
	struct ds_source factory = { .ds = DS_FACTORY };

	if (err)
		finish(arg, err);
	else
		ds_copy(&self, DS_STARTUP, &factory, startup_reset, arg);
}

static void running_reset(const struct err *err, void *arg)
{
	struct reset *reset = arg;

	if (err || !reset->is_whole) {
		finish(reset, err);
		return;
	}
	/* There is nothing to go back to any more. */
	if (confirm_is_pending())
		confirm_end();
	ds_discard(&self, candidate_reset, reset);
}

int ds_reset_begin(struct err *err)
{
	int r = reset_check(err);

	is_begun = true;
	return r;
}

void ds_reset_failed(void)
{
	is_begun = false;
}

void ds_factory(bool is_reset, ds_done_fn done, void *arg)
{
	struct ds_source factory = { .ds = DS_FACTORY };
	_cleanup_err_ struct err err = { 0 };
	struct reset *reset;

	if (reset_check(&err) < 0) {
		done(&err, arg);
		return;
	}
	is_begun = is_reset;
	reset = XNEW(struct reset);
	reset->is_whole = is_reset;
	reset->done = done;
	reset->arg = arg;
	ds_copy(&self, DS_RUNNING, &factory, running_reset, reset);
}

/* --- the next daemon -------------------------------------------------------------------------- */

/* As thorough as a file system allows: a key's bytes are written over before its name goes. */
static void overwrite(int dir, const char *name)
{
	static const char zeros[4096];
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > OVERWRITTEN_MAX)
		return;
	for (off_t at = 0; at < st.st_size; at += (off_t)sizeof(zeros)) {
		if (file_write_all(fd, zeros, sizeof(zeros)) < 0)
			return;
	}
	(void)fsync(fd); /* what cannot be overwritten still goes */
}

static void overwrite_all(const char *path, unsigned depth)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *child = file_join(path, entry->d_name);

		if (entry->d_type != DT_DIR)
			overwrite(dirfd(dir), entry->d_name);
		else if (depth && entry->d_name[0] != '.')
			overwrite_all(child, depth - 1);
	}
	if (dir)
		closedir(dir);
}

/* Everything in the directory but what is called @kept (may be NULL). */
static int empty_dir(const char *path, const char *kept, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	while (r == 0 && dir && (entry = readdir(dir))) {
		_cleanup_free_ char *child = file_join(path, entry->d_name);

		if (str_equal(entry->d_name, ".") || str_equal(entry->d_name, "..") ||
			(kept && str_equal(entry->d_name, kept)))
			continue;
		if (entry->d_type == DT_DIR)
			overwrite_all(child, SECRETS_DEPTH);
		else
			overwrite(dirfd(dir), entry->d_name);
		r = file_remove_tree(child, err);
	}
	if (dir)
		closedir(dir);
	return r;
}

/* What is in the directory itself: running as it was and its changes. Below it is what others have mounted. */
static int remove_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	while (r == 0 && dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		overwrite(dirfd(dir), entry->d_name);
		r = unlinkat(dirfd(dir), entry->d_name, 0) < 0 ? -errno : 0;
	}
	if (dir)
		closedir(dir);
	return r;
}

int ds_finish_reset(const struct ds_config *config, struct err *err)
{
	_cleanup_free_ char *mark = file_join(config->config_dir, MARK);
	int r;

	if (!file_exists(mark))
		return 0;
	r = remove_files(config->run_dir);
	if (r == 0)
		r = empty_dir(config->config_dir, MARK, err);
	if (r == 0)
		r = empty_dir(config->state_dir, NULL, err);
	if (r == 0)
		r = file_fsync_dir(config->config_dir);
	if (r == 0 && unlink(mark) < 0)
		r = -errno;
	if (r < 0)
		return err && err->code
			? r
			: err_set(err, r, NULL, "cannot end the factory reset: %s", strerror(-r));
	log_notice("datastore", "event=factory-reset-done");
	return 0;
}
