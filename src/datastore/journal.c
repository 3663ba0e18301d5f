/*
 * Files: running.N.json is running at some moment, journal.N what has changed since. A checkpoint opens
 * journal.N+1 first and then writes running.N+1.json from a forked child (a snapshot for nothing), so at
 * any moment the newest complete checkpoint and all journals from its number on give running.
 *
 * A journal is a row of records (record.h), each behind its size and a checksum. A torn one at the end
 * belongs to a change that no client was told of.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ashlar/child.h"
#include "ashlar/clock.h"
#include "ashlar/file.h"
#include "ashlar/str.h"

#include "journal.h"
#include "record.h"
#include "store.h"

#define JOURNAL_BYTES_MAX (2 * 1024 * 1024)   /* longer: checkpoint */
#define FILE_BYTES_MAX	  (256 * 1024 * 1024) /* accepted when reading back */

static struct {
	int fd;
	unsigned number;
	size_t bytes;
	struct child *child;
	void (*done)(const struct err *err, void *arg);
	void *arg;
} journal = { .fd = -1 };

static char *file_name(const char *kind, unsigned number)
{
	if (str_equal(kind, "running"))
		return xasprintf("%s/running.%u.json", store_config.run_dir, number);
	return xasprintf("%s/journal.%u", store_config.run_dir, number);
}

/* --- writing ---------------------------------------------------------------------------------- */

int journal_append(const struct buf *record, size_t events, struct err *err)
{
	_cleanup_(buf_done) struct buf sealed = { 0 };
	int r;

	if (journal.fd < 0 || events > JOURNAL_EVENTS_MAX || journal.bytes > JOURNAL_BYTES_MAX)
		return 1;
	if (!record->length)
		return 0;
	r = record_seal(&sealed, buf_bytes(record), record->length);
	if (r == 0)
		r = file_write_all(journal.fd, buf_bytes(&sealed), sealed.length);
	if (r < 0) {
		/* Half a record would hide the ones after it. */
		if (ftruncate(journal.fd, (off_t)journal.bytes) < 0)
			journal.bytes = JOURNAL_BYTES_MAX + 1;
		return err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL,
			"cannot record the change in %s: %s", store_config.run_dir, strerror(-r));
	}
	journal.bytes += sealed.length;
	return 0;
}

/* --- checkpoints ------------------------------------------------------------------------------ */

static char *boot_id(void)
{
	char *id = NULL;

	if (file_read_virtual("/proc/sys/kernel/random/boot_id", 64, &id, NULL) < 0)
		return xstrdup("unknown");
	return id;
}

static int write_checkpoint(void *arg)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	_cleanup_free_ char *path = file_name("running", journal.number), *id = boot_id(),
			    *id_path = NULL;
	_cleanup_err_ struct err err = { 0 };
	int r = 0;

	if (*store_running())
		r = format_print(&text, *store_running(), FORMAT_JSON, true, WITH_DEFAULTS_EXPLICIT,
			false, &err);
	if (r == 0 && !text.length)
		r = buf_append_str(&text, "{}");
	id_path = file_join(store_config.run_dir, "boot-id");
	if (r == 0)
		r = file_write_atomic(id_path, id, strlen(id), 0600, &err);
	if (r == 0)
		r = file_write_atomic(path, buf_bytes(&text), text.length, 0600, &err);
	if (r < 0)
		dprintf(STDOUT_FILENO, "%s", err_text(&err));
	return r < 0;
}

/* Removes the checkpoints and journals before number. */
static void remove_older(unsigned number)
{
	while (number-- > 0) {
		_cleanup_free_ char *running = file_name("running", number);
		_cleanup_free_ char *changes = file_name("journal", number);

		if (unlink(running) < 0 && unlink(changes) < 0)
			break;
		(void)unlink(changes); /* may be gone already */
	}
}

static void checkpoint_written(const struct child_result *result, void *arg)
{
	_cleanup_err_ struct err err = { 0 };

	journal.child = NULL;
	if (result->status == 0)
		remove_older(journal.number);
	else
		err_tagged(&err, ERR_TAG_OPERATION_FAILED, NULL, "cannot write the checkpoint: %s",
			result->output);
	journal.done(result->status == 0 ? NULL : &err, journal.arg);
}

static int open_journal(unsigned number, struct err *err)
{
	_cleanup_free_ char *path = file_name("journal", number);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(err, -errno, NULL, "cannot create %s: %s", path, strerror(errno));
	if (journal.fd >= 0)
		close(journal.fd);
	journal.fd = fd;
	journal.number = number;
	journal.bytes = 0;
	return 0;
}

void journal_checkpoint(void (*done)(const struct err *err, void *arg), void *arg)
{
	_cleanup_err_ struct err err = { 0 };
	struct child_opts opts = {
		.run = write_checkpoint,
		.output_max = 1024,
		.done = checkpoint_written,
	};

	if (open_journal(journal.number + 1, &err) < 0) {
		done(&err, arg);
		return;
	}
	journal.done = done;
	journal.arg = arg;
	if (child_start(&opts, &journal.child, &err) < 0)
		done(&err, arg);
}

void journal_done(void)
{
	child_cancel(TAKE(journal.child));
	if (journal.fd >= 0)
		close(TAKE_FD(journal.fd));
}

/* --- reading back ----------------------------------------------------------------------------- */

/* -ENOENT when there is no such journal. */
static int replay_journal(struct edit *edit, unsigned number, struct err *err)
{
	_cleanup_free_ char *path = file_name("journal", number), *data = NULL;
	const char *record;
	size_t size, record_size, at = 0;
	int r = file_read(path, FILE_BYTES_MAX, &data, &size, err);

	if (r < 0)
		return r;
	while (record_unseal(data, size, &at, &record, &record_size) > 0) {
		size_t entry = 0;

		do {
			r = record_replay(edit, record, record_size, &entry, err);
		} while (r == 1); /* nothing is served yet */
		if (r < 0)
			return err_wrap(err, "%s", path);
	}
	return 0;
}

static int restore_checkpoint(struct edit *edit, unsigned number, struct err *err)
{
	_cleanup_free_ char *path = file_name("running", number), *data = NULL;
	struct lyd_node *request = NULL;
	size_t size;
	int r = file_read(path, FILE_BYTES_MAX, &data, &size, err);

	if (r == 0)
		r = format_parse_config(data, size, FORMAT_JSON, &request, err);
	if (r == 0)
		r = edit_apply(edit, &request, EDIT_MERGE, err);
	lyd_free_all(request);
	edit_next_request(edit);
	return r;
}

/* The highest numbers in the run directory; -1: none. */
static void find_numbers(long *ret_running, long *ret_journal)
{
	DIR *dir = opendir(store_config.run_dir);
	struct dirent *entry;

	*ret_running = *ret_journal = -1;
	while (dir && (entry = readdir(dir))) {
		unsigned number;
		int end = 0;

		if (sscanf(entry->d_name, "running.%u.json%n", &number, &end) == 1 && end &&
			!entry->d_name[end] && (long)number > *ret_running)
			*ret_running = number;
		else if (sscanf(entry->d_name, "journal.%u%n", &number, &end) == 1 && end &&
			!entry->d_name[end] && (long)number > *ret_journal)
			*ret_journal = number;
	}
	if (dir)
		closedir(dir);
}

static bool is_this_boot(void)
{
	_cleanup_free_ char *path = file_join(store_config.run_dir, "boot-id"), *then = NULL;
	_cleanup_free_ char *now = boot_id();
	size_t size;

	return file_read(path, 64, &then, &size, NULL) == 0 && str_equal(then, now);
}

int journal_restore(struct edit *edit, struct err *err)
{
	long running, changes;
	int r;

	find_numbers(&running, &changes);
	journal.number = (unsigned)(running > changes ? running : changes > 0 ? changes : 0);
	if (running < 0 || !is_this_boot())
		return 0;
	r = restore_checkpoint(edit, (unsigned)running, err);
	for (long number = running; r == 0 && number <= changes; number++) {
		r = replay_journal(edit, (unsigned)number, err);
		if (r == -ENOENT)
			r = 0;
	}
	return r < 0 ? r : 1;
}
