/*
 * Running is saved as startup by a job of the queue: some time after the first edit that asks for it, or as soon
 * as an operation on startup is submitted, in front of that. It is put off while a confirmed commit is
 * pending, as startup must not have what may yet be taken back, and while another session holds startup's
 * lock. A file in the run directory tells a daemon that comes after us that a save is due.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/loop.h"

#include "confirm.h"
#include "notify-base.h"
#include "persist.h"
#include "queue.h"
#include "save.h"
#include "store.h"

#define DELAY_MS 500
#define RETRY_MS 60000

static const struct ds_client self = { .user = "", .protocol = "internal", .is_recovery = true };

static struct {
	struct loop_timer *timer;
	bool is_due;
	bool is_started;
} save;

static char *mark_path(void)
{
	return file_join(store_config.run_dir, "unsaved");
}

static bool is_marked(void)
{
	_cleanup_free_ char *path = mark_path();

	return access(path, F_OK) == 0;
}

static void set_due(bool is_due)
{
	_cleanup_free_ char *path = mark_path();
	_cleanup_close_ int fd = -1;

	save.is_due = is_due;
	if (!is_due) {
		loop_timer_stop(save.timer);
		(void)unlink(path); /* it may not be there */
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		log_warning("datastore",
			"cannot write %s: %s; killed within a second, startup would "
			"miss this change",
			path, strerror(errno));
}

/* --- the job ---------------------------------------------------------------------------------- */

/* The asker's own lock is no obstacle. */
static bool must_wait(const struct ds_client *client)
{
	uint32_t holder = ds_lock_holder(DS_STARTUP, NULL);

	return confirm_is_pending() || (holder && holder != client->session);
}

static void written(const struct err *err, void *arg)
{
	struct job *job = arg;

	if (!err) {
		set_due(false);
		notify_startup_changed(&self);
	} else {
		log_error("datastore",
			"the startup configuration could not be saved, trying again in a minute: %s",
			err_text(err));
		loop_timer_start(save.timer, RETRY_MS);
	}
	job_end(job, NULL);
}

static void start(struct job *job)
{
	if (save.is_due && !must_wait(&job->client)) {
		persist_save(*store_running(), written, job);
		return;
	}
	if (save.is_due && !loop_timer_active(save.timer))
		loop_timer_start(save.timer, DELAY_MS);
	job_end(job, NULL);
}

/* The queue is full. */
static void report(struct job *job, const struct err *err)
{
	if (err && save.is_due && !loop_timer_active(save.timer))
		loop_timer_start(save.timer, DELAY_MS);
}

static const struct job_kind kind = { .name = "save", .start = start };

void save_first(const struct ds_client *client)
{
	struct job *job = job_new(&kind, sizeof(*job), client, NULL);

	job->report = report;
	job_submit(job);
}

static void on_time(void *arg)
{
	save_first(&self);
}

/* --- what is due ------------------------------------------------------------------------------ */

void save_soon(void)
{
	if (!save.is_due)
		set_due(true);
	if (!loop_timer_active(save.timer))
		loop_timer_start(save.timer, DELAY_MS);
}

int save_check(struct err *err)
{
	if (!save.is_due)
		return 0;
	if (confirm_is_pending())
		return err_tagged(err, ERR_TAG_IN_USE, NULL,
			"running holds a confirmed commit that is not confirmed yet, and is to be "
			"saved as startup then");
	return err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL,
		"running is to be saved as startup before, and that could not be done");
}

void save_superseded(void)
{
	if (save.is_due)
		set_due(false);
}

/* --- start and end ---------------------------------------------------------------------------- */

void save_init(void)
{
	save.timer = loop_timer_new("save-startup", on_time, NULL);
}

void save_start(bool is_same_boot)
{
	save.is_started = true;
	if (is_same_boot && is_marked())
		save_soon();
	else
		set_due(false);
}

void save_done(void)
{
	if (save.is_started && save.is_due && !confirm_is_pending() &&
		persist_save_now(*store_running()))
		set_due(false);
	loop_timer_free(TAKE(save.timer));
	memset(&save, 0, sizeof(save));
}
