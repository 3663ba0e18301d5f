/*
 * Files: running.N.json is running at some moment, journal.N what has changed since. A checkpoint opens
 * journal.N+1 first and then writes running.N+1.json from a forked child (a snapshot for nothing), so at
 * any moment the newest complete checkpoint and all journals from its number on give running.
 *
 * A record is: size of what follows, a checksum of it, then entries {kind, size, text}. What was made or
 * changed is kept as a JSON document with its parents, to be merged; what was removed as its path. A torn
 * record at the end belongs to a change that no client was told of.
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
#include "schema.h"
#include "store.h"

#define RECORD_EVENTS_MAX 2048		      /* more: checkpoint */
#define JOURNAL_BYTES_MAX (2 * 1024 * 1024)   /* longer: checkpoint */
#define FILE_BYTES_MAX	  (256 * 1024 * 1024) /* accepted when reading back */

enum entry_kind {
	ENTRY_MERGE = 'M',
	ENTRY_REMOVE = 'R',
	ENTRY_MOVE = 'V', /* path, newline, path of the successor or nothing */
};

struct record_head {
	uint32_t size;
	uint32_t checksum;
};

struct entry_head {
	uint32_t kind;
	uint32_t size;
};

static struct {
	int fd;
	unsigned number;
	size_t bytes;
	struct child *child;
	void (*done)(const struct err *err, void *arg);
	void *arg;
} journal = { .fd = -1 };

static uint32_t checksum(const char *data, size_t size)
{
	uint32_t hash = 2166136261U; /* FNV-1a: finds torn writes, nobody forges in /run */

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)data[i]) * 16777619U;
	return hash;
}

static char *file_name(const char *kind, unsigned number)
{
	if (str_equal(kind, "running"))
		return xasprintf("%s/running.%u.json", store_config.run_dir, number);
	return xasprintf("%s/journal.%u", store_config.run_dir, number);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int add_entry(struct buf *record, enum entry_kind kind, const char *text, size_t size)
{
	struct entry_head head = { kind, (uint32_t)size };
	int r = buf_append(record, &head, sizeof(head));

	return r < 0 ? r : buf_append(record, text, size);
}

/* Part of something that this edit made: the record of that holds it. */
static bool is_within_made(const struct lyd_node *node)
{
	for (node = lyd_parent(node); node; node = lyd_parent(node)) {
		if (node->flags & LYD_NEW)
			return true;
	}
	return false;
}

static int add_merge(struct buf *record, const struct lyd_node *node, struct err *err)
{
	_cleanup_(buf_done) struct buf text = { 0 };
	struct lyd_node *copy = NULL, *top;
	int r;

	if (lyd_dup_single(node, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_PARENTS, &copy) !=
		LY_SUCCESS)
		return yang_err(err, -EIO);
	for (top = copy; lyd_parent(top); top = lyd_parent(top))
		;
	r = format_print(&text, top, FORMAT_JSON, false, WITH_DEFAULTS_EXPLICIT, false, err);
	lyd_free_all(top);
	return r < 0 ? r : add_entry(record, ENTRY_MERGE, buf_bytes(&text), text.length);
}

static int add_removed(struct buf *record, const struct edit *edit, const struct lyd_node *node)
{
	_cleanup_free_ char *path = edit_path(edit, node);

	return add_entry(record, ENTRY_REMOVE, path, strlen(path));
}

static int add_moved(struct buf *record, const struct lyd_node *node)
{
	_cleanup_free_ char *path = path_of(node), *next = NULL, *text = NULL;

	if (node->next && node->next->schema == node->schema)
		next = path_of(node->next);
	text = xasprintf("%s\n%s", path, next ? next : "");
	return add_entry(record, ENTRY_MOVE, text, strlen(text));
}

static int add_event(struct buf *record, const struct edit *edit, const struct edit_event *event,
	struct err *err)
{
	if (event->is_implicit || event->kind == EDIT_FLAGS)
		return 0;
	if (event->kind == EDIT_REMOVED)
		return add_removed(record, edit, event->node);
	if (edit_is_dead(edit, event->node) || is_within_made(event->node) ||
		(event->node->flags & LYD_DEFAULT))
		return 0;
	if (event->kind == EDIT_MOVED)
		return add_moved(record, event->node);
	return add_merge(record, event->node, err);
}

int journal_append(const struct edit *edit, struct err *err)
{
	_cleanup_(buf_done) struct buf record = { 0 };
	struct record_head head = { 0 };
	int r;

	if (journal.fd < 0 || edit->count > RECORD_EVENTS_MAX || journal.bytes > JOURNAL_BYTES_MAX)
		return 1;
	r = buf_append(&record, &head, sizeof(head));
	for (size_t i = 0; r == 0 && i < edit->count; i++)
		r = add_event(&record, edit, &edit->events[i], err);
	if (r < 0)
		return r;
	head.size = (uint32_t)(record.length - sizeof(head));
	if (!head.size)
		return 0;
	head.checksum = checksum(buf_bytes(&record) + sizeof(head), head.size);
	memcpy(buf_bytes(&record), &head, sizeof(head));
	r = file_write_all(journal.fd, buf_bytes(&record), record.length);
	if (r < 0) {
		/* Half a record would hide the ones after it. */
		if (ftruncate(journal.fd, (off_t)journal.bytes) < 0)
			journal.bytes = JOURNAL_BYTES_MAX + 1;
		return err_tagged(err, ERR_TAG_OPERATION_FAILED, NULL,
			"cannot record the change in %s: %s", store_config.run_dir, strerror(-r));
	}
	journal.bytes += record.length;
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

static int replay_remove(struct edit *edit, const char *path)
{
	struct lyd_node *node = NULL;

	if (*edit->tree && lyd_find_path(*edit->tree, path, 0, &node) == LY_SUCCESS && node)
		edit_take_out(edit, node, false);
	return 0;
}

static int replay_move(struct edit *edit, char *text)
{
	char *next = strchr(text, '\n');
	struct lyd_node *node = NULL, *before = NULL;

	if (!next)
		return -EBADMSG;
	*next++ = '\0';
	if (lyd_find_path(*edit->tree, text, 0, &node) != LY_SUCCESS || !node)
		return 0;
	if (*next)
		(void)lyd_find_path(*edit->tree, next, 0, &before);
	edit_move(edit, node, before);
	return 0;
}

static int replay_entry(
	struct edit *edit, enum entry_kind kind, char *text, size_t size, struct err *err)
{
	struct lyd_node *request = NULL;
	int r;

	switch (kind) {
	case ENTRY_REMOVE:
		return replay_remove(edit, text);
	case ENTRY_MOVE:
		return replay_move(edit, text);
	case ENTRY_MERGE:
		r = format_parse_config(text, size, FORMAT_JSON, &request, err);
		if (r == 0)
			r = edit_apply(edit, &request, EDIT_MERGE, err);
		lyd_free_all(request);
		edit_next_request(edit);
		return r;
	}
	return -EBADMSG;
}

static int replay_record(struct edit *edit, const char *data, size_t size, struct err *err)
{
	while (size >= sizeof(struct entry_head)) {
		_cleanup_free_ char *text = NULL;
		struct entry_head head;
		int r;

		memcpy(&head, data, sizeof(head));
		data += sizeof(head);
		size -= sizeof(head);
		if (head.size > size)
			return err_set(
				err, -EBADMSG, NULL, "a journal entry is longer than its record");
		text = xstrndup(data, head.size);
		r = replay_entry(edit, (enum entry_kind)head.kind, text, head.size, err);
		if (r < 0)
			return r;
		data += head.size;
		size -= head.size;
	}
	return 0;
}

/* -ENOENT when there is no such journal. */
static int replay_journal(struct edit *edit, unsigned number, struct err *err)
{
	_cleanup_free_ char *path = file_name("journal", number), *data = NULL;
	size_t size, at = 0;
	int r = file_read(path, FILE_BYTES_MAX, &data, &size, err);

	if (r < 0)
		return r;
	while (size - at >= sizeof(struct record_head)) {
		struct record_head head;

		memcpy(&head, data + at, sizeof(head));
		at += sizeof(head);
		if (head.size > size - at || checksum(data + at, head.size) != head.checksum)
			break;
		r = replay_record(edit, data + at, head.size, err);
		if (r < 0)
			return err_wrap(err, "%s", path);
		at += head.size;
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
