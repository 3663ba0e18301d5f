/* Startup: read and written; what of it cannot be applied is kept beside it (kept.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/child.h"
#include "ashlar/file.h"
#include "ashlar/log.h"
#include "ashlar/str.h"

#include "kept.h"
#include "persist.h"
#include "store.h"

#define FILE_BYTES_MAX (256 * 1024 * 1024)

static struct {
	const struct lyd_node *saving; /* valid while the child is forked */
	struct child *child;
	ds_done_fn done;
	void *arg;
} persist;

char *persist_path(unsigned age)
{
	return age ? xasprintf("%s/startup-config.cfg.%u", store_config.startup_dir, age)
		   : xasprintf("%s/startup-config.cfg", store_config.startup_dir);
}

/* --- loading ---------------------------------------------------------------------------------- */

int persist_load(const char *path, bool keep, struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct lyd_node *tree = NULL;
	size_t size;
	int r = file_read(path, FILE_BYTES_MAX, &text, &size, err);

	if (r < 0)
		return r;
	if (!text[strspn(text, " \t\r\n")]) /* what a power cut may leave of a file of others */
		return err_tagged(err, ERR_TAG_MALFORMED_MESSAGE, NULL, "%s is empty", path);
	r = format_parse_lenient(text, size, FORMAT_JSON, &tree, err);
	if (keep)
		kept_forget();
	if (r == 0)
		r = kept_split(&tree, keep, err);
	if (r < 0) {
		lyd_free_all(tree);
		return err_wrap(err, "%s", path);
	}
	*ret_tree = tree;
	return 0;
}

int persist_startup_tree(struct lyd_node **ret_tree, struct err *err)
{
	_cleanup_free_ char *path = persist_path(0);
	_cleanup_err_ struct err why = { 0 };
	int r = persist_load(path, false, ret_tree, &why);

	if (r == -ENOENT) {
		*ret_tree = NULL;
		return 0;
	}
	return r < 0 ? err_move(err, &why) : 0;
}

int ds_startup(struct lyd_node **ret_tree, struct err *err)
{
	return persist_startup_tree(ret_tree, err);
}

/* --- saving (in the child) -------------------------------------------------------------------- */

/* ".1" becomes ".2" and so on; the oldest goes. */
static int age_previous(struct err *err)
{
	for (unsigned age = PERSIST_PREVIOUS; age > 1; age--) {
		_cleanup_free_ char *from = persist_path(age - 1), *to = persist_path(age);

		if (rename(from, to) < 0 && errno != ENOENT)
			return err_set(
				err, -errno, NULL, "cannot write %s: %s", to, strerror(errno));
	}
	return 0;
}

/* The file as it was stays under another name, without a moment in which neither is there. */
static int keep_previous(const char *path, struct err *err)
{
	_cleanup_free_ char *previous = persist_path(1);
	_cleanup_free_ char *temporary = xasprintf("%s.tmp", previous);
	int r;

	(void)unlink(temporary); /* left by a power cut */
	if (link(path, temporary) < 0)
		return errno == ENOENT
			? 0
			: err_set(err, -errno, NULL, "cannot keep %s: %s", path, strerror(errno));
	r = age_previous(err);
	if (r < 0)
		return r;
	if (rename(temporary, previous) < 0)
		return err_set(err, -errno, NULL, "cannot write %s: %s", previous, strerror(errno));
	return 0;
}

/* The new file is whole on disk before the older ones move: where there is no room, nothing has changed. */
static int write_file(const struct buf *text, struct err *err)
{
	_cleanup_free_ char *path = persist_path(0), *fresh = xasprintf("%s.new", path);
	int r = file_write_atomic(fresh, buf_bytes(text), text->length, 0600, err);

	if (r < 0)
		return r;
	r = keep_previous(path, err);
	if (r == 0 && rename(fresh, path) < 0)
		r = err_set(err, -errno, NULL, "cannot write %s: %s", path, strerror(errno));
	if (r == 0)
		r = file_fsync_dir(store_config.startup_dir);
	if (r < 0)
		(void)unlink(fresh);
	return r;
}

static int write_startup(void *arg)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_err_ struct err err = { 0 };
	/* the child's copies are its own to change */
	struct lyd_node *tree = kept_merge((struct lyd_node *)persist.saving);
	int r = 0;

	if (tree)
		r = format_print(
			&text, tree, FORMAT_JSON, true, WITH_DEFAULTS_EXPLICIT, true, &err);
	if (r == 0 && !text.length)
		r = buf_append_str(&text, "{\n}\n");
	if (r == 0)
		r = write_file(&text, &err);
	if (r < 0)
		dprintf(STDOUT_FILENO, "%s", err_text(&err));
	return r < 0;
}

static int delete_startup(void *arg)
{
	_cleanup_free_ char *path = persist_path(0);
	int r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;

	if (r == 0)
		r = file_fsync_dir(store_config.startup_dir);
	if (r < 0)
		dprintf(STDOUT_FILENO, "cannot remove %s: %s", path, strerror(-r));
	return r < 0;
}

static void finished(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };

	persist.child = NULL;
	if (result->status == 0)
		store_touch(DS_STARTUP);
	else
		err_tagged(&err, ERR_TAG_OPERATION_FAILED, NULL, "%s",
			result->output_size ? result->output
					    : "the startup file could not be written");
	persist.done(result->status == 0 ? NULL : &err, persist.arg);
}

static void start(int (*run)(void *arg), ds_done_fn done, void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.run = run,
		.output_max = 1024,
		.deadline_ms = 60000,
		.done = finished,
	};

	persist.done = done;
	persist.arg = arg;
	if (child_start(&opts, &persist.child, &err) < 0)
		done(&err, arg);
}

void persist_save(const struct lyd_node *tree, ds_done_fn done, void *arg)
{
	persist.saving = tree;
	start(write_startup, done, arg);
	persist.saving = NULL;
}

bool persist_save_now(const struct lyd_node *tree)
{
	pid_t pid;
	int status;

	persist.saving = tree;
	pid = fork();
	if (pid == 0)
		_exit(write_startup(NULL));
	persist.saving = NULL;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		WEXITSTATUS(status) == 0)
		return true;
	log_error("datastore", "the startup configuration could not be saved");
	return false;
}

void persist_delete(ds_done_fn done, void *arg)
{
	kept_forget();
	start(delete_startup, done, arg);
}

void persist_done(void)
{
	child_cancel(TAKE(persist.child));
}
